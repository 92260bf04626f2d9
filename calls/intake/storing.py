"""Checked lines become CallRow, RejectedLine and Entity; the only writer of rows (R11-R13, R33, R54).

A chunk is prepared first, ciphertexts and all; then its transaction only compares and inserts, so that
others wait for it as shortly as can be.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.db.models import F, Max
from django.utils import timezone

from calls.intake.comparing import (
    SOURCE_FIELDS,
    CheckedLine,
    Rejected,
    case_of,
    conflict,
    differs,
    duplicate_warning,
    known_reference,
    known_rows,
    moved_on,
    other_references,
    sameness_after,
    split_by_reference,
    warnings_of,
)
from calls.intake.inserting import Columns, Inserter
from calls.intake.naming import EntityBook
from calls.intake.tables import Line
from calls.intake.validating import Change, CheckedRow, NormalisedRow, RowProblem
from calls.models import Batch, CallEvent, CallRow, Entity, RejectedLine
from calls.models.call import instant_of
from calls.models.event import gathered_events, note_event
from calls.vocabulary import BatchState, EventKind, HoldReason, Phase

__all__ = [
    "SOURCE_FIELDS",
    "CheckedLine",
    "NotLoaded",
    "Store",
    "Tally",
    "case_of",
    "differs",
    "give_back",
    "known_rows",
    "load_form",
    "note_sameness",
    "other_references",
    "row_fields",
    "sameness_after",
]

MASKED = {"patient_ssn"}
OF_LINE = (*SOURCE_FIELDS, "line", "appointment_at", "warnings", "changes")


class NotLoaded(Exception):
    """A single row that was not stored; `problems` say why."""

    def __init__(self, problems: Sequence[RowProblem]) -> None:
        super().__init__("The call was not stored.")
        self.problems = problems


@dataclass
class Tally:
    """What became of some lines; `unchanged_in`: the batches that hold the unchanged rows."""

    accepted: int = 0
    rejected: int = 0
    unchanged: int = 0
    unchanged_in: set[int] = field(default_factory=set)


@dataclass
class Prepared:
    """A chunk before its transaction: all that takes long and asks for no other row.

    `columns` are those of the `good` lines, `refused` those of the `rejected` ones.
    """

    good: list[CheckedLine]
    columns: Columns
    rejected: list[Rejected]
    refused: Columns


class Store:
    """Where the lines of one batch go; it knows the offices and references of the lines before."""

    def __init__(self, batch: Batch, now: datetime) -> None:
        self.batch, self.now = batch, now
        self.book, self.seen = EntityBook(), dict[str, int]()
        mine, due = {"batch_id": batch.pk}, {"next_at": now, "changed_at": now}
        self.rows = Inserter(CallRow, (*OF_LINE, "entity_id", "hold_reason"), mine | due)
        self.refusals = Inserter(RejectedLine, ("line", "cells", "problems"), mine)
        uploaded = {"at": now, "kind": EventKind.UPLOADED}
        self.events = Inserter(CallEvent, ("row_id", "phase_to", "detail"), uploaded)

    def prepare(self, chunk: Sequence[CheckedLine]) -> Prepared:
        good, rejected = split_by_reference(chunk, self.seen)
        columns, refused = columns_of(good), refused_columns(rejected)
        return Prepared(
            good, self.rows.prepared(columns), rejected, self.refusals.prepared(refused)
        )

    def store(self, chunk: Prepared) -> Tally:
        """Sort a chunk into new, changed, unchanged and rejected, and store each kind. Call in a transaction."""
        tally, refused = Tally(), list[Rejected]()
        known = known_rows(line.values.external_reference_id for line in chunk.good)
        if known:
            chunk.good, chunk.columns = self.without_known(chunk, known, tally, refused)
        self.insert(chunk.good, chunk.columns)
        self.refusals.insert(chunk.refused)
        self.refusals.insert(self.refusals.prepared(refused_columns(refused)))
        tally.accepted += len(chunk.good)
        tally.rejected += len(chunk.rejected) + len(refused)
        return tally

    def without_known(
        self, chunk: Prepared, known: Mapping[str, CallRow], tally: Tally, refused: list[Rejected]
    ) -> tuple[list[CheckedLine], Columns]:
        """The lines whose reference is new, with their columns; what the others come to is counted."""
        fresh, changed = [], []
        for at, line in enumerate(chunk.good):
            row = known.get(line.values.external_reference_id)
            if row is None:
                fresh.append(at)
            elif problem := conflict(row, line):
                refused.append((line, [problem]))
            elif differs(row, line.values):
                changed.append((row, line))
            else:
                tally.unchanged += 1
                tally.unchanged_in.add(row.batch_id)
        taken = self.update_rows(changed)
        tally.accepted += len(changed) - len(taken)
        refused += [(line, [moved_on(row, line.line.number)]) for row, line in taken]
        columns = {name: [of[at] for at in fresh] for name, of in chunk.columns.items()}
        return [chunk.good[at] for at in fresh], columns

    def update_rows(
        self, changed: Sequence[tuple[CallRow, CheckedLine]]
    ) -> list[tuple[CallRow, CheckedLine]]:
        """A later upload of rows that were not queued yet replaces them and takes them into its own batch (R33).

        Returns those that were queued, changed or discarded since they were read.
        """
        moved, taken = Counter[int](), list[tuple[CallRow, CheckedLine]]()
        lines = [line for _, line in changed]
        replaced = {row.external_reference_id for row, _ in changed}
        others = other_references(lines, but_for=replaced) if lines else []
        with gathered_events():
            for (row, line), other in zip(changed, others, strict=True):
                sameness = sameness_after(row, line, other)
                if not self.update_row(row, line, sameness):
                    taken.append((row, line))
                    continue
                moved[row.batch_id] += 1
                detail = f"from batch {row.batch_id}"
                note_event(row=row, at=self.now, kind=EventKind.UPDATED, detail=detail)
                note_sameness(row, sameness, at=self.now)
        for batch_id, number in moved.items():
            Batch.objects.filter(pk=batch_id).update(accepted=F("accepted") - number)
        return taken

    def update_row(self, row: CallRow, line: CheckedLine, sameness: Mapping[str, Any]) -> int:
        still_ours = CallRow.objects.filter(
            pk=row.pk, phase=Phase.READY, request_id=None, fence=row.fence
        )
        fields = row_fields(line.values, line, self.book) | dict(sameness)
        return still_ours.update(
            **fields,
            replaced=state_of(row),
            batch=self.batch,
            fence=F("fence") + 1,
            next_at=self.now,
            changed_at=self.now,
        )

    def insert(self, lines: Sequence[CheckedLine], columns: Columns) -> None:
        """New rows with the first entry of their timelines. Call in a transaction.

        The same case under another reference is held until a person accepts it (R54).
        """
        if not lines:
            return
        others, held = other_references(lines), HoldReason.POSSIBLE_DUPLICATE.value
        for at, other in enumerate(others):
            if other:
                warned = [[*warnings_of(lines[at].checked), duplicate_warning(other)]]
                columns["warnings"][at] = self.rows.prepared({"warnings": warned})["warnings"][0]
        offices = self.book.entities_of(values_of(lines))
        late: Columns = {
            "entity_id": [office.pk for office in offices],
            "hold_reason": [held if other else "" for other in others],
        }
        newest = CallRow.objects.aggregate(newest=Max("pk"))["newest"] or 0
        self.rows.insert(columns | late)
        self.note_uploaded(after=newest)

    def insert_lines(self, lines: Sequence[CheckedLine]) -> None:
        """New rows of lines that were compared with what is here already. Call in a transaction."""
        self.insert(lines, self.rows.prepared(columns_of(lines)))

    def note_uploaded(self, *, after: int) -> None:
        rows = CallRow.objects.filter(batch=self.batch, pk__gt=after)
        self.events.insert_from(rows.values_list("pk", "phase", "hold_reason"))


# --- The columns of lines -------------------------------------------------------------------------
def columns_of(lines: Sequence[CheckedLine]) -> dict[str, Sequence[Any]]:
    """What a line alone says of its row, by column."""
    rows = values_of(lines)
    columns: Sequence[Sequence[Any]] = list(zip(*rows, strict=True)) or [()] * len(SOURCE_FIELDS)
    return {
        **dict(zip(SOURCE_FIELDS, columns, strict=True)),
        "line": [line.line.number for line in lines],
        "appointment_at": list(map(appointment_at, rows)),
        "warnings": [warnings_of(line.checked) for line in lines],
        "changes": [changes_of(line.checked) for line in lines],
    }


def values_of(lines: Sequence[CheckedLine]) -> list[NormalisedRow]:
    return [line.values for line in lines]


def row_fields(values: NormalisedRow, line: CheckedLine, book: EntityBook) -> dict[str, Any]:
    """The fields of one row that follow from its line."""
    return {
        **values._asdict(),
        "line": line.line.number,
        "entity": book.entity_of(values),
        "appointment_at": appointment_at(values),
        "warnings": warnings_of(line.checked),
        "changes": changes_of(line.checked),
    }


def appointment_at(values: NormalisedRow) -> datetime:
    return instant(values.expected_appointment_date_time, values.local_timezone)


instant = lru_cache(maxsize=32_768)(instant_of)


def changes_of(checked: CheckedRow) -> list[dict[str, str]]:
    return list(map(shown_change, checked.changes))


def shown_change(change: Change) -> dict[str, str]:
    """A change made by normalising, as the review shows it; an SSN is never kept outside its column."""
    if change.column in MASKED:
        after = f"•••-••-{change.after[-4:]}" if change.after else ""
        return {"column": change.column, "before": "", "after": after}
    return {"column": change.column, "before": change.before, "after": change.after}


def refused_columns(rejected: Sequence[Rejected]) -> dict[str, Sequence[Any]]:
    return {
        "line": [line.line.number for line, _ in rejected],
        "cells": [json.dumps(line.line.cells) for line, _ in rejected],
        "problems": [[asdict(problem) for problem in errors] for _, errors in rejected],
    }


def note_sameness(
    row: CallRow, sameness: Mapping[str, Any], *, at: datetime, by: Any = None
) -> None:
    """A hold that came or went because the row became, or is no longer, the same case as another one."""
    before, after = row.hold_reason, sameness["hold_reason"]
    if before == after:
        return
    kind, detail = (EventKind.HELD, after) if after else (EventKind.RELEASED, before)
    note_event(row=row, at=at, kind=kind, actor=by, phase_to=row.phase, detail=detail)


# --- What a later upload took over, and gives back when it is discarded (R33) ----------------------
KEPT_OF_ROW = (*OF_LINE, "entity_id", "batch_id", "hold_reason", "replaced")


def state_of(row: CallRow) -> dict[str, Any]:
    """The row as the upload found it, in JSON's types."""
    kept = {name: getattr(row, name) for name in KEPT_OF_ROW}
    return dict(json.loads(json.dumps(kept, cls=DjangoJSONEncoder)))


def give_back(batch: Batch, *, at: datetime, by: Any) -> Counter[int]:
    """Rows that `batch` took from earlier ones return to those as they were; how many, by earlier batch.

    Rows whose earlier batch is gone stay. Call in a transaction, with the rows locked.
    """
    rows = batch.rows.filter(replaced__isnull=False)
    known = set(Batch.objects.values_list("pk", flat=True))
    returned = Counter[int]()
    for row in rows:
        before = row.replaced
        if before["batch_id"] not in known:
            continue
        if not Entity.objects.filter(pk=before["entity_id"]).exists():  # joined with another since
            before["entity_id"] = row.entity_id
        CallRow.objects.filter(pk=row.pk).update(
            **before, fence=F("fence") + 1, next_at=at, changed_at=at
        )
        detail = f"back to batch {before['batch_id']}"
        note_event(row=row, at=at, kind=EventKind.UPDATED, actor=by, detail=detail)
        returned[before["batch_id"]] += 1
    for batch_id, number in returned.items():
        earlier = Batch.objects.filter(pk=batch_id)
        earlier.update(accepted=F("accepted") + number)
        # One that has ended meanwhile does not call by itself; a withdrawn one withdraws it (finished_at).
        earlier.filter(state=BatchState.FINISHED).update(state=BatchState.PAUSED, finished_at=None)
        earlier.filter(state=BatchState.CANCELLED).update(finished_at=None)
    return returned


# --- One row by form ------------------------------------------------------------------------------
def load_form(checked: CheckedRow, *, by: Any, batch_name: str) -> CallRow:
    """Store one row that came by form, in a draft batch of its own. Raises NotLoaded."""
    line = CheckedLine(Line(number=0, cells=[]), checked)
    if checked.values is None:
        raise NotLoaded(line.errors)
    reference = checked.values.external_reference_id
    with transaction.atomic():
        if row := known_rows([reference]).get(reference):
            raise NotLoaded([known_reference(row)])
        batch = Batch.objects.create(
            name=batch_name[:120],
            accepted=1,
            created_by=by,
            wait_for_appointment=settings.WAIT_FOR_APPOINTMENT,
        )
        store = Store(batch, timezone.now())
        store.insert_lines([line])
        Batch.objects.filter(pk=batch.pk).update(notices=store.book.notices)
    return batch.rows.get()
