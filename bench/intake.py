"""How soon a calls file of 100,000 rows is read, checked and stored: a django-import-export resource against ours.

Each run has a process and a database of its own. Both do the same job on files made alike: the same checks,
the same columns of a row, ciphertexts too, its first timeline entry, the rejected lines, and a look for the
same reference and the same case. The resource works in bulk without diffs, with one checker for the file and the
offices in memory. The tuned one besides fetches all known rows at once, where the plain one asks for each. The
limit is the bare cells in a table without an index. One more run takes the way of the page: the file is received,
kept encrypted, and read by the worker in slices. Beside our runs another process writes to the same database and
says how long it had to wait.

The ratios are those of CPU time: all of them compute on one core, and the clock of a shared machine tells as
much about its neighbours.

    .venv/bin/python bench/intake.py --rows 20000 --rounds 1
"""

import argparse
import csv
import io
import json
import os
import random
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
ROWS_OF_AN_OFFICE = 50
SPOILT_EVERY = 200
MOST_MEGABYTES = 400.0  # of 100,000 rows
FULL = 100_000


def arguments(given=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=FULL)
    parser.add_argument("--peer-rows", type=int, default=10_000, help="the peer's rate is constant")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--at-least", type=float, default=5.0, help="the ratio to be reached")
    parser.add_argument("--run", choices=RUNS, help=argparse.SUPPRESS)
    parser.add_argument("--file", help=argparse.SUPPRESS)
    parser.add_argument("--writer", help=argparse.SUPPRESS)
    return parser.parse_args(given)


# --- the file ---


def made_file(rows):
    """Synthetic people, 50 to an office; every 200th row has a fault, every third a phone to rewrite."""
    rng = random.Random(rows)
    offices = [made_office(number, rng) for number in range(max(rows // ROWS_OF_AN_OFFICE, 1))]
    out = io.StringIO()
    writer = csv.DictWriter(out, list(made_row(0, offices, rng)))
    writer.writeheader()
    writer.writerows(made_row(number, offices, rng) for number in range(rows))
    return out.getvalue().encode()


def made_office(number, rng):
    area = rng.choice(("212", "313", "415", "602", "404"))
    return {
        "local_timezone": "America/New_York",
        "provider_office": f"Physical Therapy and Rehabilitation {number}",
        "provider_office_address": f"{number} Provider Rd, Suite {number % 90}, New York, NY 10002",
        "provider_state": "NY",
        "outbound_phone_number": f"{area}555{rng.randrange(10_000):04}",
    }


def made_row(number, offices, rng):
    office = rng.choice(offices)
    digits = office["outbound_phone_number"]
    phone = f"+1{digits}" if number % 3 else f"({digits[:3]}) {digits[3:6]}-{digits[6:]}"
    return {
        "external_reference_id": f"row-{number:07}",
        "organization_name": "SPNet",
        "patient_name": f"First{rng.randrange(300)} Lastname{rng.randrange(3_000)}",
        "patient_ssn": f"987-65-{rng.randrange(10_000):04}",
        "patient_dob": str(date(1958, 1, 1) + timedelta(days=rng.randrange(16_000))),
        "patient_phone_number": f"+1212555{rng.randrange(10_000):04}",
        "date_of_injury": str(date(2025, 6, 1) + timedelta(days=rng.randrange(200))),
        "expected_appointment_date_time": f"2026-04-{rng.randrange(1, 28):02}T{rng.randrange(8, 17):02}:30:00",
        "service_modality": rng.choice(("Physical Therapy", "Occupational Therapy")),
        "claim_number": f"WC-{number + 4_000}",
        "insurer_group_name": rng.choice(("Acme Insurer Group", "Summit Casualty")),
        "body_part": rng.choice(("Left shoulder", "Right knee", "Lower back")),
        "eoc_number": f"EOC-{number}",
        "notes": rng.choice(("", "", "Ask for the front desk.")),
        **office,
        "outbound_phone_number": "555" if number % SPOILT_EVERY == 7 else phone,
    }


# --- the runs, each in a process of its own ---


def ours(data):
    from calls.intake.loading import load_file

    return load_file(data, name="bench").accepted


def upload(data):
    from calls.intake import receiving
    from calls.models import Batch
    from calls.tasks import SLICE_SECONDS

    found = receiving.receive(data, file_name="bench.csv", name="", by=None)
    while receiving.read_for(found.pk, seconds=SLICE_SECONDS):
        pass
    return Batch.objects.get(pk=found.batch_id).accepted


def peer(data):
    return imported(data, peer_resource())


def tuned(data):
    from import_export.instance_loaders import CachedInstanceLoader

    resource_class = peer_resource()
    resource_class._meta.instance_loader_class = CachedInstanceLoader
    return imported(data, resource_class)


def imported(data, resource_class):
    import tablib

    from calls.models import CallEvent, CallRow, RejectedLine

    dataset = tablib.Dataset().load(data.decode(), format="csv")
    result = resource_class().import_data(dataset, raise_errors=False, use_transactions=True)
    require(not result.base_errors and not result.row_errors(), "the peer broke off")
    stored = CallRow.objects.count()
    require(CallEvent.objects.count() == stored, "the peer has no timelines")
    require(RejectedLine.objects.count() == len(dataset) - stored, "the peer lost rejected lines")
    return stored


def peer_resource():
    from dataclasses import asdict

    from django.core.exceptions import ValidationError
    from django.utils import timezone
    from import_export import resources

    from calls.intake.comparing import case_of
    from calls.intake.storing import SOURCE_FIELDS, appointment_at, changes_of, warnings_of
    from calls.intake.validating import RowChecker
    from calls.models import Batch, CallEvent, CallRow, Entity, RejectedLine
    from calls.models.entity import office_identity
    from calls.vocabulary import EventKind, HoldReason

    now, batch, offices = timezone.now(), Batch.objects.create(name="peer"), {}
    checker = RowChecker(now=now, keep=False)

    def office_of(row):
        place = (row.provider_office, row.provider_office_address, row.local_timezone)
        if place not in offices:
            offices[place] = Entity.objects.create(
                identity=office_identity(*place), name=place[0], upstream_name=place[0],
                address=place[1], timezone=place[2],
            )  # fmt: skip
        return offices[place]

    class CallResource(resources.ModelResource):
        class Meta:
            model = CallRow
            fields = SOURCE_FIELDS
            import_id_fields = ("external_reference_id",)
            use_bulk = skip_diff = True
            batch_size = 1000

        def before_import(self, dataset, **kwargs):
            same = CallRow.objects.filter(eoc_number__in=dataset["eoc_number"])
            self.cases, self.rejected = {case_of(row) for row in same}, []

        def before_import_row(self, row, **kwargs):
            number = kwargs.get("row_number") or 0
            checked = checker.check(row, line=number)
            if checked.values is None:
                problems = [asdict(problem) for problem in checked.problems]
                cells = json.dumps(list(row.values()))
                self.rejected.append(
                    RejectedLine(batch=batch, line=number, cells=cells, problems=problems)
                )
                raise ValidationError([problem.message for problem in checked.problems])
            row.update(checked.values._asdict(), checked=checked)

        def before_save_instance(self, instance, row, **kwargs):
            checked, case = row["checked"], case_of(instance)
            instance.batch, instance.entity = batch, office_of(instance)
            instance.line = kwargs.get("row_number") or 0
            instance.next_at = instance.changed_at = now
            instance.warnings, instance.changes = warnings_of(checked), changes_of(checked)
            instance.appointment_at = appointment_at(checked.values)
            instance.hold_reason = HoldReason.POSSIBLE_DUPLICATE if case in self.cases else ""
            self.cases.add(case)

        def bulk_create(self, *args, **kwargs):
            rows = list(self.create_instances)
            super().bulk_create(*args, **kwargs)
            CallEvent.objects.bulk_create(
                CallEvent(row=row, at=now, kind=EventKind.UPLOADED, phase_to=row.phase, detail=row.hold_reason)
                for row in rows
            )  # fmt: skip

        def after_import(self, dataset, result, **kwargs):
            RejectedLine.objects.bulk_create(self.rejected)

    return CallResource


def limit(data):
    rows = list(csv.reader(io.StringIO(data.decode())))
    connection = sqlite3.connect(os.environ["BENCH_FILE"] + ".limit")
    connection.execute(f"CREATE TABLE cells ({', '.join(f'c{n}' for n in range(len(rows[0])))})")
    marks = ", ".join("?" * len(rows[0]))
    with connection:
        connection.executemany(f"INSERT INTO cells VALUES ({marks})", rows[1:])  # noqa: S608
    return connection.execute("SELECT count(*) FROM cells").fetchone()[0]


RUNS = {"ours": ours, "upload": upload, "peer": peer, "tuned": tuned, "limit": limit}


def child(options):
    """One run in this process; its figures as JSON."""
    data = Path(options.file).read_bytes()
    import django

    django.setup()
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started, cpu = time.perf_counter(), time.process_time()
    stored = RUNS[options.run](data)
    figures = {
        "seconds": time.perf_counter() - started,
        "cpu": time.process_time() - cpu,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "base": base / 1024,
        "stored": stored,
    }
    print(json.dumps(figures))


def write_on(path):
    """Another process's writes, until the file `path`.stop is there; prints how long they took in seconds."""
    connection = sqlite3.connect(path, timeout=20, isolation_level=None)
    waits = []
    while not Path(f"{path}.stop").exists():
        started = time.perf_counter()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE calls_lease SET beat_at = beat_at")
        connection.execute("COMMIT")
        waits.append(time.perf_counter() - started)
        time.sleep(0.01)
    waits.sort()
    print(json.dumps({"longest": waits[-1], "p99": waits[len(waits) * 99 // 100]}))


def run(name, rows, folder):
    path = Path(folder) / f"{name}-{time.monotonic_ns()}.sqlite3"
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "evergrove_dash.settings",
        "DATABASE_URL": f"sqlite:///{path}",
        "BENCH_FILE": str(path),
        "SECRET_KEY": "bench",
        "LOG_LEVEL": "ERROR",
        "UPLOAD_MAX_MB": "40",
    }
    common = {"cwd": ROOT, "env": environment}
    subprocess.run([sys.executable, "manage.py", "migrate", "-v", "0"], check=True, **common)
    command = [sys.executable, __file__]
    measured = [*command, "--run", name, "--file", file_of(rows, folder)]
    waited = None
    if name in ("ours", "upload"):
        with subprocess.Popen(
            [*command, "--writer", path], stdout=subprocess.PIPE, **common
        ) as writer:
            done = subprocess.run(measured, stdout=subprocess.PIPE, check=False, **common)
            Path(f"{path}.stop").touch()
            waited = json.loads(writer.communicate()[0])
    else:
        done = subprocess.run(measured, stdout=subprocess.PIPE, check=False, **common)
    require(done.returncode == 0, f"the run of {name} ended with {done.returncode}")
    figures = json.loads(done.stdout)
    good = rows if name == "limit" else rows - len(range(7, rows, SPOILT_EVERY))
    require(figures["stored"] == good, f"{name} stored {figures['stored']} rows, not {good}")
    return figures | {
        "rate": rows / figures["seconds"],
        "cpu_rate": rows / figures["cpu"],
        "waited": waited,
    }


def file_of(rows, folder):
    """The file of that many rows, made once."""
    path = Path(folder) / f"{rows}.csv"
    if not path.exists():
        path.write_bytes(made_file(rows))
    return str(path)


def require(holds, what):
    if not holds:
        raise SystemExit(f"wrong: {what}")


def main(given=None):
    options = arguments(given)
    if options.writer:
        return write_on(options.writer)
    if options.run:
        return child(options)
    rows = dict.fromkeys(RUNS, options.rows)
    rows["peer"] = rows["tuned"] = min(options.rows, options.peer_rows)
    with tempfile.TemporaryDirectory() as folder:
        rounds = [
            {name: run(name, rows[name], folder) for name in ("peer", "tuned", "ours", "limit")}
            for _ in range(options.rounds)
        ]
        page = run("upload", options.rows, folder)
    report(options, rounds, page)
    return None


NAMES = {
    "peer": "import-export",
    "tuned": "the same, tuned",
    "ours": "ours",
    "limit": "limit, bare table",
}


def report(options, rounds, page):
    print(
        f"{options.rows:,} rows of a calls file, {options.rounds} rounds; by CPU time in brackets"
    )
    for name, words in NAMES.items():
        rate, cpu = (
            statistics.median(at[name][of] for at in rounds) for of in ("rate", "cpu_rate")
        )
        print(f"  {words:18}{rate:8,.0f} rows/s ({cpu:,.0f})")
    seconds, cpu = (statistics.median(at["ours"][of] for at in rounds) for of in ("seconds", "cpu"))
    print(f"  ours, whole file  {seconds:8.1f} s ({cpu:.1f})")
    print(
        f"  by the page       {page['seconds']:8.1f} s ({page['cpu']:.1f}), {page['megabytes']:.0f} MB"
    )
    waits = [*(at["ours"]["waited"] for at in rounds), page["waited"]]
    longest, p99 = (statistics.median(at[of] for at in waits) * 1000 for of in ("longest", "p99"))
    print(f"  another writer    {longest:8.0f} ms at most, {p99:.0f} ms for 99 of 100")
    megabytes = max(at["ours"]["megabytes"] for at in rounds)
    print(f"  memory            {megabytes:8.0f} MB")
    show_ratio("tuned", rounds)
    ratio = show_ratio("peer", rounds)
    require(ratio >= options.at_least, f"the ratio is under {options.at_least}")
    require(megabytes <= MOST_MEGABYTES, f"it took more than {MOST_MEGABYTES:.0f} MB")


def show_ratio(name, rounds):
    ratios = [at["ours"]["cpu_rate"] / at[name]["cpu_rate"] for at in rounds]
    ratio, wall = (
        statistics.median(found)
        for found in (ratios, [at["ours"]["rate"] / at[name]["rate"] for at in rounds])
    )
    print(
        f"  ratio to {NAMES[name]:15} {ratio:.1f} (min {min(ratios):.1f}, max {max(ratios):.1f}; "
        f"by the clock {wall:.1f})"
    )
    return ratio


if __name__ == "__main__":
    main()
