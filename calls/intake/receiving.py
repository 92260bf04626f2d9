"""A file that came over the web: kept encrypted, asked about where it is unclear, then read (R55).

What is asked is never kept beside the file: each step looks at the file again, so that a page may be
left, reloaded or gone back to.
"""

import base64
import time
import zlib
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Any

from django.db import transaction
from django.utils import timezone

from calls.intake import memory
from calls.intake.loading import KeepGoing, Overtaken, limits, new_batch, read_lines, settle_columns
from calls.intake.planning import ColumnPlan, Proposal, looked_at, propose, taken
from calls.intake.reading import FileRefused, SheetToChoose, Table, read_table
from calls.models import Batch, Upload
from calls.vocabulary import BatchState

AT_ONCE = 2_000  # lines that are stored while the browser waits
KEPT_FOR = timedelta(days=7)


class Question(StrEnum):
    """What a person has to say before a file can be read, in this order."""

    AGAIN = "again"
    SHEET = "sheet"
    COLUMNS = "columns"


class Gone(Exception):
    """The file is not kept any more."""


def receive(
    data: bytes,
    *,
    file_name: str,
    name: str,
    by: Any,
    derive_reference: bool = False,
    look: bool = False,
) -> Upload:
    """Keep the file and go as far as it can be read without asking. Raises FileRefused; then nothing is kept.

    `look`: the columns are to be shown even when there is nothing to ask.
    """
    sheets: list[str] = []
    try:
        table = read_table(data, limits())
        propose(table, derive_reference=derive_reference, remembered=memory.recalled(table.headers))
    except SheetToChoose as choice:
        sheets = choice.sheets
    with transaction.atomic():
        batch = new_batch(name=name or file_name, by=by, state=BatchState.MATCHING)
        batch.columns = {"derive_reference": derive_reference, "look": look}
        batch.save(update_fields=["columns"])
        upload = Upload.objects.create(
            batch=batch,
            file_name=file_name[:255],
            content=packed(data),
            digest=memory.digest_of(data),
            sheets=sheets,
            received_by=by,
        )
    advance(upload)
    return upload


def packed(data: bytes) -> str:
    """Text for the encrypted column: compressed, because that makes an hour's worth of rows a tenth as long."""
    return base64.b64encode(zlib.compress(data, 1)).decode()


def content_of(upload: Upload) -> bytes:
    """The bytes as they came. Raises Gone."""
    content = Upload.objects.values_list("content", flat=True).get(pk=upload.pk)
    if content is None:
        raise Gone
    return zlib.decompress(base64.b64decode(content))


def table_of(upload: Upload) -> Table:
    """Raises Gone, and FileRefused where the limits have become lower."""
    return read_table(content_of(upload), limits(), sheet=upload.sheet)


def question_of(upload: Upload) -> Question | None:
    """The first thing to ask; None when only the columns themselves can still be unclear."""
    answers = upload.batch.columns
    if not answers.get("again") and memory.earlier_upload(upload):
        return Question.AGAIN
    if upload.sheets and not upload.sheet:
        return Question.SHEET
    return Question.COLUMNS if answers.get("look") else None


def advance(upload: Upload) -> Question | None:
    """Settle the columns if nothing has to be asked; otherwise what to ask. Raises Gone, FileRefused."""
    if question := question_of(upload):
        return question
    table = table_of(upload)
    found = proposed(upload, table)
    if not found.is_settled:
        return Question.COLUMNS
    settle(upload, table, found)
    return None


def proposed(upload: Upload, table: Table) -> Proposal:
    found = propose(
        table,
        derive_reference=upload.batch.columns.get("derive_reference", False),
        remembered=memory.recalled(table.headers),
    )
    return taken(table, found)


@transaction.atomic
def settle(upload: Upload, table: Table, found: Proposal) -> bool:
    """False: it was settled already, by a double click."""
    matching = Batch.objects.filter(pk=upload.batch_id, state=BatchState.MATCHING)
    if not matching.update(state=BatchState.LOADING):
        return False
    settle_columns(upload, table, found)
    return True


def answer(upload: Upload, answers: Mapping[str, Any], *, sheet: str = "") -> None:
    """Keep what a person said about the file as a whole."""
    upload.batch.columns |= answers
    upload.batch.save(update_fields=["columns"])
    if sheet:
        upload.sheet = sheet
        upload.save(update_fields=["sheet"])


def choose_sheet(upload: Upload, sheet: str) -> None:
    """Keep which sheet has the calls. Raises FileRefused when it cannot be that one; then nothing is kept."""
    table = read_table(content_of(upload), limits(), sheet=sheet)
    propose(table, remembered=memory.recalled(table.headers))
    answer(upload, {}, sheet=sheet)


def weighed(table: Table, plan: ColumnPlan) -> Proposal:
    """What is still open about a person's plan."""
    return taken(table, looked_at(table, Proposal(plan)))


def confirm(upload: Upload, table: Table, found: Proposal, *, by: Any) -> bool:
    """A person's columns, used for this file and remembered for the next one with these headers."""
    memory.remember(table.headers, found.plan, by=by)
    return settle(upload, table, found)


def read(upload: Upload, keep_going: KeepGoing = lambda: True) -> bool:
    """Store the lines that are left; False when there are more. Raises Gone, FileRefused, Overtaken."""
    upload.batch.refresh_from_db()
    if upload.batch.state != BatchState.LOADING:
        return True
    return read_lines(upload, table_of(upload), keep_going)


def read_for(pk: int, *, seconds: float) -> bool:
    """One stretch of reading; whether another one is to follow."""
    until = time.monotonic() + seconds
    upload = Upload.objects.select_related("batch").filter(pk=pk).first()
    if upload is None:
        return False  # discarded since
    try:
        return not read(upload, lambda: time.monotonic() < until)
    except (Gone, Overtaken):
        return False
    except FileRefused as refusal:
        Upload.objects.filter(pk=pk).update(refusal=refusal.message[:500])
        return False


def forget_old_files() -> int:
    """Files that nobody went on with for a week; their batches stay as they are. Returns how many."""
    old = Upload.objects.filter(received_at__lt=timezone.now() - KEPT_FOR)
    return old.filter(content__isnull=False).update(content=None)


def is_small(upload: Upload) -> bool:
    return upload.lines_total <= AT_ONCE
