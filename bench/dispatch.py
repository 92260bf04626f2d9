"""How soon 1,000 rows over 50 offices are all triggered: the documents' example flow against the engine.

Both talk to the same stand-in, which waits 50 ms before every answer. The documents' flow makes one request at a
time: an upsert for every row, one schedule POST, a trigger for every row. Every row has an office line of its own,
because the engine never starts a second call to a phone while one is live.

    make bench                       # or: .venv/bin/python bench/dispatch.py --rows 200 --offices 10
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
KEY = "bench-key"
LONGEST_RUN = 60.0  # seconds


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--offices", type=int, default=50)
    parser.add_argument("--latency", type=float, default=0.05)
    parser.add_argument("--rounds", type=int, default=3, help="of the engine; the flow runs once")
    parser.add_argument("--port", type=int, default=8977)
    parser.add_argument(
        "--at-least", type=float, default=20.0, help="the ratio that must be reached"
    )
    return parser.parse_args()


@contextmanager
def stand_in(options):
    command = [sys.executable, "-m", "sandbox", "--port", str(options.port)]
    command += ["--latency", str(options.latency), "--threads", "128"]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "SANDBOX_API_KEY": KEY})
    try:
        wait_for(options.port)
        yield f"http://127.0.0.1:{options.port}"
    finally:
        process.terminate()
        process.wait(10)


def wait_for(port):
    for _ in range(100):
        try:
            return ask(f"http://127.0.0.1:{port}", "/_sandbox/ledger")
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the stand-in did not start")


def ask(url, path, body=None, method=None):
    """One request as the documents' flow makes it."""
    request = urllib.request.Request(  # noqa: S310 - loopback
        url + path,
        data=None if body is None else json.dumps(body).encode(),
        method=method,
        headers={
            "Authorization": f"Bearer {KEY}",
            "Accept": "application/json",
            "Content-Type": "application/json",
        },
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - loopback
        return json.load(answer)


def ledger_of(url):
    return ask(url, "/_sandbox/ledger")


def reset(url):
    ask(url, "/_sandbox/reset", {}, "POST")


# --- the documents' flow, one request at a time ---


def documents_flow(url, rows):
    from calls.models.entity import default_working_hours

    started = time.perf_counter()
    entity_ids = {}
    for row in rows:
        entity = ask(
            url,
            "/scheduler/entities",
            {
                "name": row["provider_office"],
                "location_name": row["provider_office"],
                "location_timezone": row["local_timezone"],
                "working_hours_policy": default_working_hours(),
            },
        )
        entity_ids[row["external_reference_id"]] = entity["id"]
    calls = [call_body(row, entity_ids[row["external_reference_id"]]) for row in rows]
    answer = ask(url, "/scheduler/requests", {"calls": calls})
    for request in answer["scheduled_requests"]:
        body = {"scheduled_request_ids": [request["id"]], "latency_mode": "low"}
        ask(url, "/scheduler/trigger/v2", body)
    return time.perf_counter() - started


def call_body(row, entity_id):
    details = {
        k: v for k, v in row.items() if k not in ("external_reference_id", "outbound_phone_number")
    }
    return {
        "entity_id": entity_id,
        "external_reference_id": row["external_reference_id"],
        "outbound_phone_number": row["outbound_phone_number"],
        "objective": "CONFIRM_IE_ATTENDANCE",
        "details": details,
    }


def made_rows(options, prefix):
    return [made_row(number, options.offices, prefix) for number in range(options.rows)]


def made_row(number, offices, prefix):
    area = ("212", "213", "312", "404", "415", "512", "602", "617", "702", "713")[
        number // 100 % 10
    ]
    return {
        "external_reference_id": f"{prefix}-{number:05}",
        "organization_name": "SPNet",
        "patient_name": "Jane Patient",
        "patient_dob": "1967-04-13",
        "date_of_injury": "2026-01-15",
        "expected_appointment_date_time": "2026-04-09T11:00:00",
        "local_timezone": "America/New_York",
        "service_modality": "physical therapy",
        "claim_number": f"CLAIM-{number}",
        "insurer_group_name": "Acme Insurer Group",
        "body_part": "left shoulder",
        "provider_office": f"Office {number % offices}",
        "provider_office_address": f"{number % offices} Provider Rd, New York, NY 10002",
        "provider_state": "NY",
        "outbound_phone_number": f"+1{area}{220 + number // 1000:03}{number % 10000:04}",
        "eoc_number": f"EOC-{number}",
    }


# --- the engine ---


def engine_run(url, rows):
    """Import first (the documents' flow assumes normalised rows too), then time the dispatch."""
    from calls.engine.pulse import dispatch_pulse
    from calls.engine.tools import tools_from_settings
    from calls.models import Batch, CallEvent, CallRow, Entity, Upstream
    from calls.vocabulary import BatchState, Phase

    Batch.objects.all().delete()  # the lines of an earlier round are still busy
    Entity.objects.all().delete()
    Upstream.objects.all().delete()
    batch = imported(rows)
    Batch.objects.filter(pk=batch.pk).update(state=BatchState.RUNNING)
    waiting = CallRow.objects.filter(
        batch=batch, phase__in=[Phase.READY, Phase.SCHEDULING, Phase.SCHEDULED, Phase.TRIGGERING]
    )
    started = time.perf_counter()
    cpu = time.process_time()
    with tools_from_settings() as tools:
        while waiting.exists():
            dispatch_pulse(tools)
            require(
                time.perf_counter() - started < LONGEST_RUN,
                f"the dispatch does not end: {stuck(waiting)}",
            )
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    intents = CallEvent.objects.filter(row__batch=batch, phase_to=Phase.TRIGGERING).count()
    require(intents == len(rows), f"{intents} intents were committed")
    return seconds, cpu


def stuck(waiting):
    """Where the rows stand that do not move on."""
    return list(waiting.values_list("phase", "hold_reason", "last_error").distinct()[:5])


def imported(rows):
    import csv
    import io

    from calls.intake.loading import load_file

    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    batch = load_file(out.getvalue().encode(), name="bench")
    require(batch.accepted == len(rows), f"{batch.rejected} rows were rejected")
    return batch


def check_ledger(url, rows):
    ledger = ledger_of(url)
    require(ledger["calls_started"] == len(rows), f"{ledger['calls_started']} calls were started")


def require(holds, what):
    if not holds:
        raise SystemExit(f"wrong: {what}")


def ceiling(url, options):
    """Requests per second that the stand-in answers at 64 connections: the limit both run against."""

    def one(number):
        with suppress(OSError):  # 404: there is no such request
            ask(url, "/scheduler/requests/00000000-0000-4000-8000-000000000000")

    started = time.perf_counter()
    with ThreadPoolExecutor(64) as executor:
        list(executor.map(one, range(1000)))
    return 1000 / (time.perf_counter() - started)


def setup(folder, url):
    os.environ.update(
        DJANGO_SETTINGS_MODULE="evergrove_dash.settings",
        DATABASE_URL=f"sqlite:///{folder}/bench.sqlite3",
        SECRET_KEY="bench",  # noqa: S106
        API_URL=url,
        API_KEY=KEY,
        RESPECT_CALLING_HOURS="0",
        LOG_LEVEL="ERROR",
    )
    os.environ.setdefault("API_CONCURRENCY", "64")
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def main():
    options = arguments()
    with tempfile.TemporaryDirectory() as folder, stand_in(options) as url:
        setup(folder, url)
        limit = ceiling(url, options)
        ours = []
        for number in range(options.rounds):
            rows = made_rows(options, f"ours-{number}")
            reset(url)
            ours.append(engine_run(url, rows))
            check_ledger(url, rows)
        reset(url)
        peer_rows = made_rows(options, "peer")
        peer = documents_flow(url, peer_rows)
        check_ledger(url, peer_rows)
    seconds = [wall for wall, _ in ours]
    median = statistics.median(seconds)
    print(
        f"{options.rows} rows, {options.offices} offices, {options.latency * 1000:.0f} ms latency"
    )
    print(f"  documents' flow   {peer:8.2f} s")
    print(f"  engine            {median:8.2f} s  (min {min(seconds):.2f}, max {max(seconds):.2f})")
    print(f"  engine CPU        {statistics.median(cpu for _, cpu in ours):8.2f} s")
    print(f"  stand-in ceiling  {limit:8.0f} requests/s at 64 connections")
    print(f"  ratio             {peer / median:8.1f} times sooner")
    if peer / median < options.at_least:
        raise SystemExit(f"the ratio is under {options.at_least}")


if __name__ == "__main__":
    main()
