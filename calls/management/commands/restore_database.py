import os
import subprocess
import sys
from argparse import ArgumentParser
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import Error, connection
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from calls.engine.instance import identity, owner
from calls.management import copies
from calls.management.heartbeat import SILENT_AFTER
from calls.models import Lease

COMMAND = [sys.executable, str(settings.BASE_DIR / "manage.py")]
ELSEWHERE = (
    "This database is not SQLite. PostgreSQL has its own tool for this: pg_restore, with the server and "
    "the database of DATABASE_URL. Run `manage.py migrate` and `manage.py reconcile` after it, before "
    "any worker is started."
)


class Command(BaseCommand):
    help = (
        "Put a backup back in place of the SQLite database, which is kept aside. Afterwards Evergrove is "
        "asked about every open call before anything is started."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--force", action="store_true", help="although a worker seems to be running"
        )

    def handle(self, *args: Any, file: Path, force: bool, **options: Any) -> None:
        if connection.vendor != "sqlite":
            raise CommandError(ELSEWHERE)
        if not force:
            refuse_living_worker()
        database = Path(connection.settings_dict["NAME"]).resolve()
        try:
            with copies.draft_beside(database) as draft:
                prepare(draft, file)
                aside = keep_aside(database)
                put_in_place(database, draft)
        except (OSError, copies.Unusable) as error:
            raise CommandError(f"Nothing was restored. {error}") from None
        self.say(file, aside)

    def say(self, file: Path, aside: Path | None) -> None:
        self.stdout.write(f"Restored from {file}.")
        if aside:
            self.stdout.write(f"The database as it was until now is kept in {aside}.")
        self.stdout.write(
            "Once a worker runs, Evergrove is asked about every open call before anything is started. "
            "Batches with calls that were not started yet wait for a person."
        )
        if owner() not in ("", identity()):
            self.stdout.write(
                "The backup was made by another installation: nothing is sent before "
                'manage.py adopt_database --reason "..."'
            )


def refuse_living_worker() -> None:
    """A worker goes on calling from what it has read; its own rows would be gone."""
    try:
        alive = Lease.objects.filter(
            beat_at__gt=timezone.now() - timedelta(seconds=SILENT_AFTER)
        ).exists()
    except Error:  # a database without tables has no worker
        return
    if alive:
        raise CommandError(
            f"A worker is running, or was until a moment ago. Stop it, wait {SILENT_AFTER:.0f} seconds "
            "and try again, or use --force. Nothing was restored."
        )


def prepare(draft: Path, file: Path) -> None:
    """Bring a copy of the backup up to this version and mark it, before it takes the place of anything."""
    if not file.is_file():
        raise copies.Unusable(f"There is no file {file}.")
    unknown = copies.migrations_in(file) - set(MigrationLoader(None).disk_migrations or ())
    if unknown:
        raise copies.Unusable(f"{file.name} was made by a newer version of Evergrove Dash.")
    copies.write_over(draft, file)
    copies.check(draft)
    manage(draft, "migrate", "--verbosity=0")
    manage(draft, "reconcile", f"--reason=restored from {file.name}")


def manage(draft: Path, *command: str) -> None:
    """Run a command on the draft, in a process of its own because this one has the present database."""
    done = subprocess.run(  # noqa: S603
        [*COMMAND, *command],
        env=os.environ | {"DATABASE_URL": f"sqlite:///{quote(str(draft))}"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last_line = (done.stderr.strip() or "no reason given").splitlines()[-1]
        raise copies.Unusable(f"It could not be brought up to date ({command[0]}): {last_line}")


def keep_aside(database: Path) -> Path | None:
    """A copy of the present database beside it; None while there is none yet."""
    if not database.exists() or not database.stat().st_size:
        return None
    moment = timezone.localtime().strftime("%Y%m%d-%H%M%S-%f")
    aside = database.with_name(f"{database.stem}.before-restore-{moment}{database.suffix}")
    copies.copy_to_new(database, aside)
    return aside


def put_in_place(database: Path, draft: Path) -> None:
    """Written into the present file, so that web processes that have it open see the restored rows."""
    connection.close()
    database.touch()
    if not database.stat().st_size:
        database.chmod(0o600)
    copies.write_over(database, draft)
