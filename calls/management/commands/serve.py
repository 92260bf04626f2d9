import socket
import sys
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from contextlib import suppress
from io import StringIO
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from calls.management.commands.run_workers import STOP_SECONDS
from calls.management.practice import SANDBOX_STORE, close_account
from calls.management.static_files import collect_if_stale
from calls.supervising import Program, Supervisor

WEB_PROCESSES, WEB_THREADS = 2, 8
WEB_STOP_SECONDS = 5
UP_WITHIN = 60.0  # seconds


class Command(BaseCommand):
    help = "Run everything: pages, worker and, in practice mode, the sandbox. One Ctrl-C stops all."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)

    def handle(self, *args: Any, host: str, port: int, **options: Any) -> None:
        refuse_taken(host, port, "--port")
        if with_sandbox():
            refuse_taken("127.0.0.1", settings.SANDBOX_PORT, "SANDBOX_PORT")
        refuse_old_tables()
        hint = self.prepared()
        Thread(target=self.announce, args=[host, port, hint], daemon=True).start()
        Supervisor(programs(host, port), report=self.report, with_output=True).run()

    def prepared(self) -> str:
        """Get ready what the programs need. Returns what practice mode says of itself."""
        collect_if_stale()
        call_command("setup_schedules", stdout=StringIO())
        if settings.PRACTICE_MODE:
            hint = StringIO()
            call_command("seed_demo", stdout=hint)
            return hint.getvalue()
        if close_account():
            self.stdout.write("The account of practice mode was closed: API_KEY is set.")
        return ""

    def announce(self, host: str, port: int, hint: str) -> None:
        wait_for(host, port)
        lines = [f"Evergrove Dash: {address(host, port)}"]
        if settings.PRACTICE_MODE:
            lines += ["Practice mode: no phone rings.", *hint.splitlines()]
        lines.append("Ctrl-C stops everything.")
        self.stdout.write("\n" + "\n".join(f"  {line}" for line in lines) + "\n\n")
        self.stdout.flush()

    def report(self, name: str, text: str) -> None:
        self.stdout.write(f"{name:<7} | {text}")
        self.stdout.flush()


def with_sandbox() -> bool:
    return settings.PRACTICE_MODE and urlsplit(settings.API_URL).port == settings.SANDBOX_PORT


def programs(host: str, port: int) -> list[Program]:
    """In the order in which they stop."""
    found = [web(host, port), worker()]
    return [*found, sandbox()] if with_sandbox() else found


def web(host: str, port: int) -> Program:
    """No access log: it would hold whole URLs."""
    options = {
        "--bind": f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
        "--worker-class": "gthread",
        "--workers": WEB_PROCESSES,
        "--threads": WEB_THREADS,
        "--graceful-timeout": WEB_STOP_SECONDS,
        "--log-level": "warning",
    }
    given = [str(part) for option in options.items() for part in option]
    return program(
        "web",
        ["-m", "gunicorn", "evergrove_dash.wsgi:application", "--no-control-socket", *given],
        patience=2.0 * WEB_STOP_SECONDS,
    )


def worker() -> Program:
    return program("worker", ["manage.py", "run_workers"], patience=STOP_SECONDS + 5)


def sandbox() -> Program:
    where = ["--port", str(settings.SANDBOX_PORT), "--store", SANDBOX_STORE]
    key = {"SANDBOX_API_KEY": settings.SANDBOX_API_KEY}
    return program("sandbox", ["-m", "sandbox", *where], patience=5.0, **key)


def program(name: str, python: Sequence[str], *, patience: float, **environment: str) -> Program:
    return Program(
        name=name,
        command=[sys.executable, *python],
        folder=settings.BASE_DIR,
        environment={"PYTHONUNBUFFERED": "1", **environment},
        patience=patience,
    )


def address(host: str, port: int) -> str:
    if settings.HTTPS_ONLY:
        return f"answers at {host}:{port}, to a proxy that speaks HTTPS"
    return f"http://{host}:{port}/"


def refuse_taken(host: str, port: int, where: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CommandError(
                f"Port {port} of {host} cannot be used ({error.strerror}). Is the dashboard running "
                f"already? Otherwise choose another port with {where}."
            ) from None


def refuse_old_tables() -> None:
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise CommandError("The database is not up to date. Run: python manage.py migrate")


def wait_for(host: str, port: int) -> None:
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    ends_at = time.monotonic() + UP_WITHIN
    while time.monotonic() < ends_at:
        with suppress(OSError), socket.create_connection((reachable, port), timeout=1):
            return
        time.sleep(0.1)
