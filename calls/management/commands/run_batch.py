import json
import sys
import time
from argparse import ArgumentParser
from contextlib import closing
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db.models import QuerySet
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from calls.actions import start_batch
from calls.engine.claiming import phone_waits_for_a_person
from calls.engine.pulse import IDLE_SECONDS
from calls.engine.tools import tools_from_settings
from calls.engine.upstream import reason_to_stand_still
from calls.intake.loading import load_file
from calls.intake.reading import FileRefused
from calls.management.commands import batch_status, import_calls
from calls.management.practice import sandbox_at_hand
from calls.management.slices import Slices
from calls.models import Batch, CallRow
from calls.reports import batch_counts
from calls.vocabulary import FINAL, SETTLED, UNTRIGGERED, BatchState, PauseReason, StopReason

DEFAULT_WAIT = 3600.0
ALL_FINAL, NOT_ALL_FINAL, FILE_REFUSED = 0, 1, 2


class Command(BaseCommand):
    help = "Import a file, start it and run the engine here until every row is final or held."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--sheet", default="", help="which sheet of a workbook has the calls")
        parser.add_argument("--wait", type=float, default=DEFAULT_WAIT, metavar="SECONDS")
        parser.add_argument("--ignore-calling-hours", action="store_true")
        parser.add_argument("--json", action="store_true", help="print the batch's status as JSON")
        parser.add_argument(
            "-o", "--output", type=Path, metavar="OUT.csv", help="export here at the end"
        )

    def handle(self, *args: Any, file: Path, wait: float, **options: Any) -> None:
        new = self.imported(file, options["sheet"])
        self.report_import(new)
        batches = self.started(with_rows(new), options["ignore_calling_hours"])
        rows = CallRow.objects.filter(batch__in=batches)
        with sandbox_at_hand():
            self.run(rows, until=time.monotonic() + wait)
        self.report_pauses(batches)
        reported = new if new.rows.exists() or not batches else batches[0]
        reported.refresh_from_db()
        if options["output"]:
            call_command("export_outcomes", reported.pk, output=options["output"])
        status = batch_counts(reported).as_json()
        if options["json"]:
            self.stdout.write(json.dumps(status, indent=2))
        else:
            self.stdout.write(batch_status.as_text(status))
        all_final = rows.exists() and not rows.exclude(phase__in=FINAL).exists()
        sys.exit(ALL_FINAL if all_final else NOT_ALL_FINAL)

    def imported(self, file: Path, sheet: str) -> Batch:
        try:
            return load_file(file.read_bytes(), name=file.name, sheet=sheet)
        except FileRefused as refusal:
            raise CommandError(refusal.message, returncode=FILE_REFUSED) from None
        except OSError as error:
            raise CommandError(
                f"{file} cannot be read: {error.strerror}.", returncode=FILE_REFUSED
            ) from None

    def report_import(self, batch: Batch) -> None:
        self.stderr.write(import_calls.as_text(batch, import_calls.result_of(batch)))

    def started(self, batches: list[Batch], ignore_calling_hours: bool) -> list[Batch]:
        """Start what may be started; a batch that a person paused stays paused."""
        for batch in batches:
            if batch.state == BatchState.DRAFT:
                start_batch(batch=batch, by=None, ignore_calling_hours=ignore_calling_hours or None)
            elif batch.state == BatchState.PAUSED:
                self.stderr.write(f"Batch {batch.pk} is paused and stays so.")
        return batches

    def report_pauses(self, batches: list[Batch]) -> None:
        for batch in Batch.objects.filter(pk__in=[batch.pk for batch in batches]):
            if batch.paused_reason:
                why = PauseReason(batch.paused_reason).label.lower()
                self.stderr.write(f"Batch {batch.pk} waits for a person: {why}.")

    def run(self, rows: QuerySet[CallRow], *, until: float) -> None:
        """Pulse until no row can move without a person, or the wait is over."""
        moving = (
            rows.exclude(phase__in=SETTLED)
            .filter(hold_reason="")
            .exclude(batch__state=BatchState.PAUSED, phase__in=UNTRIGGERED)
            .exclude(phone_waits_for_a_person())
        )
        with (
            closing(Slices(lambda: time.monotonic() < until)) as slices,
            tools_from_settings(slices.keep_going) as tools,
            progress_bar() as bar,
        ):
            total = rows.count()
            task = bar.add_task("Calls", total=total)
            while (waiting := moving.count()) and time.monotonic() < until:
                bar.update(task, completed=total - waiting)
                done = slices.pulse(
                    tools
                )  # first: it goes on by itself when the key is another one
                if reason := reason_to_stand_still(tools):
                    self.stderr.write(f"Stopped: {StopReason(reason).label}.")
                    return
                if not done:
                    time.sleep(IDLE_SECONDS)
            bar.update(task, completed=total - waiting)


def with_rows(new: Batch) -> list[Batch]:
    """The batches that hold the file's rows: an earlier run that was stopped is gone on with (R90)."""
    found = Batch.objects.filter(pk__in=[new.pk, *new.unchanged_in]).order_by("pk")
    return [batch for batch in found if batch.rows.exists()]


def progress_bar() -> Progress:
    """On standard error, so that standard output stays what --json prints."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )
