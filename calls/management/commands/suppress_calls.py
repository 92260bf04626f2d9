from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from calls.intake.reading import FileRefused
from calls.management.batches import batch_or_error
from calls.sameness import read_evidence, suppress


class Command(BaseCommand):
    help = "Withdraw the calls of a batch whose answer is known: a file of row references or claim numbers."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("batch", type=int)
        parser.add_argument("file", type=Path)
        parser.add_argument("--dry-run", action="store_true", help="only say which calls match")

    def handle(self, *args: Any, batch: int, file: Path, **options: Any) -> None:
        try:
            evidence = read_evidence(file.read_bytes())
        except FileRefused as refusal:
            raise CommandError(refusal.message) from None
        except OSError as error:
            raise CommandError(f"{file} cannot be read: {error.strerror}.") from None
        rows = evidence.rows_of(batch_or_error(batch))
        for reference in rows.order_by("line").values_list("external_reference_id", flat=True):
            self.stdout.write(reference)
        if options["dry_run"] or not rows.exists():
            self.stdout.write(f"{rows.count()} calls match. None was withdrawn.")
        else:
            self.stdout.write(f"{suppress(rows=rows, by=None)} calls were withdrawn.")
