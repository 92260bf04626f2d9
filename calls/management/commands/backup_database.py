from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from calls.management.copies import Unusable, copy_to_new

ELSEWHERE = (
    "This database is not SQLite. PostgreSQL has its own tool for this: pg_dump --format=custom "
    "--file=FILE, with the server and the database of DATABASE_URL."
)


class Command(BaseCommand):
    help = (
        "Copy the SQLite database into a new file, also while the worker runs, and check the copy."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        if connection.vendor != "sqlite":
            raise CommandError(ELSEWHERE)
        try:
            copy_to_new(Path(connection.settings_dict["NAME"]), file)
        except FileExistsError:
            raise CommandError(f"{file} is there already. Nothing was overwritten.") from None
        except (OSError, Unusable) as error:
            raise CommandError(f"No backup was made. {error}") from None
        megabytes = file.stat().st_size / 1_000_000
        self.stdout.write(f"Backed up to {file} ({megabytes:.1f} MB), checked.")
        self.stdout.write(
            "Keep it as safe as the database: it holds patient data. Keep FIELD_ENCRYPTION_KEYS and "
            "SECRET_KEY too, elsewhere: without them its encrypted columns are lost."
        )
