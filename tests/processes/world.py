"""A real worker, a real sandbox and a database of its own, each run in a folder of its own."""

import csv
import io
import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import psycopg

ROOT = Path(__file__).resolve().parent.parent.parent
KEY = "key-of-this-test"
ROWS, PHONES = 60, 15  # one call at a time per phone: the batch takes a while
LONG_AGO = timedelta(days=1)
CLAIMED_FOR, ASKED_FOR = timedelta(seconds=90), timedelta(seconds=45)  # the engine's leases
LONGEST_ANSWER = timedelta(
    seconds=6
)  # of our sandboxes, and more than the age at which an intent is not used
PATIENT = "Amara Delgado"  # whose name may stand in no log


def until(condition: Callable[[], object], seconds: float, what: str) -> None:
    ends_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends_at, f"after {seconds:g} s not yet: {what}"
        time.sleep(0.1)


def moment(distance: timedelta) -> str:
    """From now, as both databases take it."""
    return (datetime.now(UTC) + distance).strftime("%Y-%m-%d %H:%M:%S.%f")


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@dataclass
class World:
    """`database`: a PostgreSQL address; without one an SQLite file in the folder. `more`: settings."""

    folder: Path
    port: int = field(default_factory=free_port)
    database: str = ""
    more: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {
            "DJANGO_SETTINGS_MODULE": "evergrove_dash.settings",
            "SECRET_KEY": "only-for-this-test-0123456789-abcdefghijklmnopqrstuvwxyz",
            "DATABASE_URL": self.database or f"sqlite:///{self.folder / 'db.sqlite3'}",
            "API_KEY": "",
            "API_URL": f"http://127.0.0.1:{self.port}",
            "SANDBOX_PORT": str(free_port()),
            "SANDBOX_API_KEY": KEY,
            "TRIGGER_CONFIRM_WAIT": "5",
            "LOG_LEVEL": "INFO",
            **self.more,
        }

    def manage(self, *args: object) -> str:
        return self.python("manage.py", *args)

    def python(self, *args: object) -> str:
        done = subprocess.run(
            [sys.executable, *map(str, args)],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def running(self, *command: str) -> Iterator["subprocess.Popen[bytes]"]:
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *command],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @contextmanager
    def sandbox(self, *options: str) -> Iterator["subprocess.Popen[bytes]"]:
        with self.running("-m", "sandbox", "--port", str(self.port), *options) as process:
            until(self.sandbox_answers, 60, "the sandbox answers")
            yield process

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def ledger(self) -> dict[str, Any]:
        address = f"http://127.0.0.1:{self.port}/_sandbox/ledger?entries=0"
        asked = Request(address, headers={"Authorization": f"Bearer {KEY}"})
        with urlopen(asked, timeout=10) as answer:  # noqa: S310 - an address of ours
            return dict(json.load(answer))

    def sandbox_answers(self) -> bool:
        try:
            self.ledger()
        except OSError:
            return False
        return True

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a SELECT finds; what another statement changes is committed."""
        with closing(self.connection()) as db, db:
            found = db.execute(query)
            return [tuple(row) for row in found.fetchall()] if found.description else []

    def connection(self) -> Any:
        if not self.database:
            return sqlite3.connect(self.folder / "db.sqlite3", timeout=20)
        parts = urlsplit(self.database)
        return psycopg.connect(
            host=parts.hostname,
            port=parts.port,
            user=parts.username,
            dbname=parts.path[1:],
            options="-c timezone=UTC",
        )

    @property
    def is_locked(self) -> bool:
        """Whether somebody is writing into the SQLite file at this moment."""
        with closing(sqlite3.connect(self.folder / "db.sqlite3", timeout=0)) as db:
            try:
                db.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return True
        return False

    def phases(self) -> dict[str, int]:
        found = self.rows("SELECT phase, COUNT(*) FROM calls_callrow GROUP BY phase")
        return dict(found)

    def shorten_waits(self) -> None:
        """Claims older than any answer are over, as after their lease, and doubtful calls are looked at now."""
        stale = moment(CLAIMED_FOR - LONGEST_ANSWER)
        self.age(
            "calls_callrow", f"phase IN ('scheduling', 'triggering') AND claimed_until < '{stale}'"
        )
        self.age("calls_entity", f"claimed_until < '{stale}'")
        asked = moment(ASKED_FOR - LONGEST_ANSWER)
        self.age(
            "calls_callrow", f"phase = 'calling' AND claimed_until < '{asked}'", column="next_at"
        )
        self.age("calls_callrow", "phase = 'confirming' AND hold_reason = ''", column="next_at")

    def wake_now(self) -> None:
        """After a death: its slice's lease is over, and the queue offers again what it had taken."""
        self.age("calls_lease", "until IS NOT NULL", column="until")
        self.age("django_q_ormq", "1 = 1", column="lock")

    def age(self, table: str, condition: str, *, column: str = "claimed_until") -> None:
        self.rows(f"UPDATE {table} SET {column} = '{moment(-LONG_AGO)}' WHERE {condition}")  # noqa: S608

    def let_go(self) -> int:
        """A person lets held rows go on; returns how many."""
        held = self.rows("SELECT id FROM calls_callrow WHERE hold_reason <> ''")
        if held:
            self.python("-m", "tests.processes.people", "go_on")
        return len(held)

    def start_batch(self, rows: int = ROWS, phones: int = PHONES, offices: int = 1) -> None:
        self.prepare(calls_file(rows, phones, offices))

    def prepare(self, *files: str) -> None:
        """A migrated database with a batch of each file, all of them started. Batches are numbered from 1."""
        paths = [self.folder / f"calls-{number}.csv" for number in range(len(files))]
        for path, text in zip(paths, files, strict=True):
            path.write_text(text)
        self.python("-m", "tests.processes.people", "start", *paths)


def calls_file(rows: int = ROWS, phones: int = PHONES, offices: int = 1, name: str = "row") -> str:
    """Ordinary calls, which end `completed`, to so many numbers of so many offices."""
    visit, text = datetime.now(UTC).date() - timedelta(days=1), io.StringIO()
    lines = [
        {
            **row(number, f"{visit}T08:00:00"),
            "external_reference_id": f"{name}-{number:03}",
            "eoc_number": f"EOC-{name}-{number}",
            "provider_office": f"Office {number % phones % offices} of {name}",
            "outbound_phone_number": phone(number % phones),
        }
        for number in range(rows)
    ]
    writer = csv.DictWriter(text, lines[0].keys())
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def phone(number: int) -> str:
    """Endings below 60 are ordinary calls."""
    return f"+1212{300 + number // 60}20{number % 60:02}"


def row(number: int, visit: str) -> dict[str, str]:
    return {
        "external_reference_id": "",
        "organization_name": "SPNet",
        "patient_name": f"{PATIENT} {number}",
        "patient_dob": "1967-04-13",
        "date_of_injury": "2025-01-15",
        "expected_appointment_date_time": visit,
        "local_timezone": "America/New_York",
        "service_modality": "Physical Therapy",
        "claim_number": f"WC-{448000 + number}",
        "insurer_group_name": "Acme Insurer Group",
        "body_part": "Left shoulder",
        "provider_office": "",
        "provider_office_address": "456 Provider Rd, New York, NY 10002",
        "outbound_phone_number": "",
        "eoc_number": "",
    }
