from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from calls.actions import note_export
from calls.exports import write_outcomes
from calls.management.batches import batch_or_error


class Command(BaseCommand):
    help = "Write one CSV line per row of a batch, with all outcome fields."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("batch", type=int)
        parser.add_argument("-o", "--output", type=Path, help="a file (default: standard output)")

    def handle(self, *args: Any, batch: int, output: Path | None, **options: Any) -> None:
        found = batch_or_error(batch)
        if output is None:
            count = write_outcomes(found.rows.all(), self.stdout)
        else:
            try:
                with output.open("w", encoding="utf-8", newline="") as out:
                    count = write_outcomes(found.rows.all(), out)
            except OSError as error:
                raise CommandError(f"{output} cannot be written: {error.strerror}.") from None
        note_export(batch=found, by=None, rows=count)
