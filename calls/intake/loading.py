"""A file becomes a batch: its columns are planned, its lines checked and stored, now or in slices (R55, R56).

Lines are stored in chunks, each in a short commit of its own together with how far the reading has come.
So others go on writing, and a reading that was cut off goes on where it stopped, with every line counted
once. The batch stays `loading` until the last line.
"""

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from calls.intake import memory
from calls.intake.columns import match_columns, says_plainly, unused_headers
from calls.intake.comparing import CheckedLine, split_by_reference
from calls.intake.filerules import rules_of
from calls.intake.planning import ColumnPlan, Proposal, looked_at
from calls.intake.reading import Limits, Table, read_table
from calls.intake.storing import Store, Tally
from calls.intake.validating import FIELD_LABELS, DateFormat
from calls.models import Batch, CallEvent, Upload
from calls.vocabulary import BatchState, EventKind

CHUNK = 500  # lines of one commit: twice as many would be quicker by a tenth, and held up others
LONG_HELD = 0.1  # seconds

FORMAT_WORDS = {
    DateFormat.MONTH_FIRST: "month first, so that 04/03/1967 is April 3",
    DateFormat.DAY_FIRST: "day first, so that 04/03/1967 is March 4",
    DateFormat.YEAR_FIRST: "year first",
    DateFormat.NAMED_MONTH: "with the month's name",
}

KeepGoing = Callable[[], bool]


class Overtaken(Exception):
    """Another process stores the lines of the same upload."""


def limits() -> Limits:
    return Limits(max_bytes=settings.UPLOAD_MAX_MB * 1024 * 1024, max_rows=settings.UPLOAD_MAX_ROWS)


def load_file(
    data: bytes, *, name: str, by: Any = None, derive_reference: bool = False, sheet: str = ""
) -> Batch:
    """Store the good lines as call rows and the others with their problems. Raises FileRefused.

    Nobody is asked: columns are those of the headers, or as they were confirmed for the same headers.
    Nothing of a refused file is stored. `sheet`: which one of a workbook, needed when several have content.
    """
    table = read_table(data, limits(), sheet=sheet)
    found = planned(table, derive_reference=derive_reference)
    with transaction.atomic():
        batch = new_batch(name=name, by=by)
        upload = Upload.objects.create(
            batch=batch,
            file_name=name[:255],
            sheet=table.sheet,
            digest=memory.digest_of(data),
            received_by=by,
        )
        settle_columns(upload, table, found)
    read_lines(upload, table)
    batch.refresh_from_db()
    return batch


def planned(table: Table, *, derive_reference: bool) -> Proposal:
    """The columns without asking anybody. Raises FileRefused."""
    if remembered := memory.recalled(table.headers):
        found = looked_at(table, Proposal(remembered))
        if not found.unclear:
            return found
    match = match_columns(table.headers, derive_reference=derive_reference)
    plan = ColumnPlan(match.mapping, derive_reference=derive_reference)
    return looked_at(table, Proposal(plan))


def new_batch(*, name: str, by: Any, state: BatchState = BatchState.LOADING) -> Batch:
    return Batch.objects.create(
        name=name[:120],
        state=state,
        created_by=by,
        wait_for_appointment=settings.WAIT_FOR_APPOINTMENT,
    )


def settle_columns(upload: Upload, table: Table, found: Proposal) -> None:
    """From here on the file is read by this plan and by no other."""
    upload.lines_total = len(table.rows)
    upload.save(update_fields=["lines_total"])
    batch = upload.batch
    batch.state, batch.headers = BatchState.LOADING, table.headers
    batch.columns, batch.notices = found.plan.as_json(), file_notices(table, found)
    batch.save(update_fields=["state", "headers", "columns", "notices"])


def file_notices(table: Table, found: Proposal) -> list[str]:
    """Sentences about the file as a whole, shown above the review.

    What was confirmed for an earlier file is told only where this one has it too.
    """
    plan = found.plan
    notices = [*table.notices, *([f"Sheet “{table.sheet}” was read"] if table.sheet else [])]
    pairs = [
        f"{table.headers[at]} as {FIELD_LABELS[name]}"
        for name, at in plan.mapping.items()
        if not says_plainly(table.headers[at], name)
    ]
    if pairs:
        notices.append("Columns that were read by another name: " + ", ".join(pairs))
    for name, format in plan.formats.items():
        is_met = plan.hints.get(name) != DateFormat.ISO
        if name in plan.mapping and format in FORMAT_WORDS and is_met:
            header = table.headers[plan.mapping[name]]
            notices.append(f"Dates in “{header}” were read {FORMAT_WORDS[format]}")
    if plan.convert_zones and found.aliases:
        notices.append("Time zones like US/Eastern were converted to region names")
    if unknown := unused_headers(table.headers, plan.mapping):
        notices.append("Columns that are not used: " + ", ".join(unknown))
    return notices


# --- Reading the lines ----------------------------------------------------------------------------
class Reading:
    """One stretch of storing lines, from wherever an earlier one stopped."""

    def __init__(self, upload: Upload, table: Table) -> None:
        now = timezone.now()
        self.upload, self.size = upload, CHUNK
        self.store = Store(upload.batch, now)
        self.lines = rules_of(upload.batch).check_all(table.rows, now=now)

    def skip(self, number: int) -> None:
        """Pass lines that are stored, noting their references; a chunk at a time, to keep memory flat."""
        for start in range(0, number, CHUNK):
            passed = islice(self.lines, min(CHUNK, number - start))
            split_by_reference(passed, self.store.seen)

    def next_chunk(self) -> list[CheckedLine]:
        return list(islice(self.lines, self.size))

    def keep(self, lines: list[CheckedLine]) -> None:
        """One commit. Raises Overtaken when the reading has gone further than we know."""
        before, told = self.upload.lines_read, len(self.store.book.notices)
        chunk = self.store.prepare(lines)
        with transaction.atomic():
            began = time.monotonic()
            here = Upload.objects.filter(pk=self.upload.pk, lines_read=before)
            if not here.update(lines_read=before + len(lines), beat_at=timezone.now()):
                raise Overtaken
            tally = self.store.store(chunk)
            count(self.upload.batch, tally, self.store.book.notices[told:])
        self.upload.lines_read = before + len(lines)
        self.adapt(time.monotonic() - began)

    def adapt(self, held: float) -> None:
        """SQLite has one writer at a time: where a commit took long, the next ones are smaller."""
        self.size = max(self.size // 2, 1) if held > LONG_HELD else min(self.size * 2, CHUNK)


def read_lines(upload: Upload, table: Table, keep_going: KeepGoing = lambda: True) -> bool:
    """Check and store the lines that are left. False: it was told to stop before the last one.

    Raises Overtaken when another process reads the same upload; that one goes on.
    """
    with collector_paused():
        reading = Reading(upload, table)
        reading.skip(upload.lines_read)
        while chunk := reading.next_chunk():
            reading.keep(chunk)
            if not keep_going():
                return upload.lines_read == upload.lines_total and finish(upload)
    return finish(upload)


@contextmanager
def collector_paused() -> Iterator[None]:
    """Lines hold no cycles, and looking for some among all that is kept of them takes a sixth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def count(batch: Batch, tally: Tally, notices: list[str]) -> None:
    """Add to the batch's numbers. Other uploads may take rows out of it at the same time."""
    told: dict[str, Any] = {}
    if notices:
        told["notices"] = batch.notices = [*batch.notices, *notices]
    if tally.unchanged:
        told["unchanged_in"] = sorted({*batch.unchanged_in, *tally.unchanged_in})
        batch.unchanged_in = told["unchanged_in"]
    Batch.objects.filter(pk=batch.pk).update(
        accepted=F("accepted") + tally.accepted,
        rejected=F("rejected") + tally.rejected,
        unchanged=F("unchanged") + tally.unchanged,
        **told,
    )


@transaction.atomic
def finish(upload: Upload) -> bool:
    """The batch is a draft from now on, and the file itself is forgotten."""
    Upload.objects.filter(pk=upload.pk).update(content=None)
    loading = Batch.objects.filter(pk=upload.batch_id, state=BatchState.LOADING)
    if loading.update(state=BatchState.DRAFT):
        note_replaced(upload)
        upload.batch.refresh_from_db()
        CallEvent.objects.create(
            batch=upload.batch,
            at=timezone.now(),
            kind=EventKind.UPLOADED,
            actor=upload.received_by,
            detail=str(upload.batch.accepted),
        )
    return True


def note_replaced(upload: Upload) -> None:
    """Say which batches lost rows to this one (R33)."""
    replaced = CallEvent.objects.filter(kind=EventKind.UPDATED, at__gte=upload.received_at)
    if not replaced.exists():  # mostly so, and asked without looking at the rows
        return
    ours = replaced.filter(row__batch=upload.batch_id)
    if details := list(ours.values_list("detail", flat=True)):
        batch = Batch.objects.get(pk=upload.batch_id)
        rows = "1 row takes" if len(details) == 1 else f"{len(details):,} rows take"
        batches = ", ".join(sorted(detail.removeprefix("from ") for detail in set(details)))
        said = f"{rows} the place of what an earlier file said, before it was sent: {batches}"
        batch.notices = [*batch.notices, said]
        batch.save(update_fields=["notices"])
