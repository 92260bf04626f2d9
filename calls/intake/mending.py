"""Rejected lines are mended on the review page: checked again at once, and stored when they are clean (R56).

Only while their batch is a draft. What is called from a running batch was agreed to when it was started;
rows mended later come as another upload, which skips what is here already.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from calls.intake.filerules import FileRules, rules_of
from calls.intake.guiding import IVR_GUIDE, forget_line
from calls.intake.phones import extension_of
from calls.intake.settling import (
    GUIDED,
    KEPT,
    REFERENCE,
    Mended,
    added_of,
    cells_of,
    clean_lines,
    count,
    settle,
)
from calls.intake.storing import CheckedLine
from calls.intake.tables import Line
from calls.intake.validating import RowProblem
from calls.models import Batch, CallRow, Entity, RejectedLine
from calls.vocabulary import BatchState, Phase

AT_ONCE = 500  # lines of one transaction
MOST = 5_000  # lines that one click mends
PHONE = "outbound_phone_number"
EXTRA = "extra_cells"  # among what was typed: drop what stands beyond the last column

Typed = dict[str, str]


class CannotMend(Exception):
    """The line or its batch has moved on; the message is for the person who tried."""


# --- Mending --------------------------------------------------------------------------------------
def mend_lines(*, batch: Batch, typed: Mapping[int, Typed], by: Any) -> Mended:
    """Put `typed` (line's key -> field -> text) into rejected lines and check them again. Raises CannotMend."""
    keys, done = list(typed), Mended()
    for start in range(0, len(keys), AT_ONCE):
        part = {key: typed[key] for key in keys[start : start + AT_ONCE]}
        try:
            done += mend_some(batch, part, by=by)
        except IntegrityError:  # another upload took one of the references in this moment
            raise CannotMend("Another upload was stored meanwhile. Save again.") from None
    return done


@transaction.atomic
def mend_some(batch: Batch, typed: Mapping[int, Typed], *, by: Any) -> Mended:
    batch, now = draft_or_refuse(batch), timezone.now()
    rules = rules_of(batch)
    lines = list(batch.rejected_lines.filter(pk__in=typed, row=None).order_by("line"))
    unskip(batch, lines)
    checked = []
    for line in lines:
        put(line, typed[line.pk], rules)
        checked.append(check(line, rules, now=now))
    return settle(batch, lines, checked, by=by, now=now)


def draft_or_refuse(batch: Batch) -> Batch:
    """The batch as it is now, locked against a start. Raises CannotMend."""
    found = Batch.objects.select_for_update().filter(pk=batch.pk).first()
    if found is None or found.state != BatchState.DRAFT:
        raise CannotMend(
            "Rows are mended here only until the batch is started. Download the rejected rows, "
            "mend them there and upload them: rows that are here already are skipped."
        )
    return found


def put(line: RejectedLine, typed: Typed, rules: FileRules) -> None:
    """Write what was typed into its cells; what has no column, or goes to the office, is kept beside them."""
    cells, added = cells_of(line), added_of(line)
    if EXTRA in typed:
        cells = cells[: rules.width]
    for name, text in typed.items():
        if name == EXTRA:
            continue
        at = rules.plan.mapping.get(name)
        if name == PHONE and IVR_GUIDE not in typed:
            added.pop(IVR_GUIDE, None)
        if at is None or name == IVR_GUIDE or (name == PHONE and IVR_GUIDE in typed):
            added[name] = text
            continue
        added.pop(name, None)
        cells += [""] * (at + 1 - len(cells))
        cells[at] = text
    line.original_cells = line.original_cells or line.cells
    line.cells, line.added = json.dumps(cells), json.dumps(added) if added else None


def check(line: RejectedLine, rules: FileRules, *, now: datetime) -> CheckedLine:
    """The line by the rules of its file; its problems are set to what is wrong with it now."""
    cells, added = cells_of(line), added_of(line)
    added.pop(IVR_GUIDE, None)
    found = CheckedLine(Line(line.line, cells), rules.check(cells, added, line=line.line, now=now))
    line.problems = [asdict(problem) for problem in found.errors]
    return found


# --- The same fault in many rows ------------------------------------------------------------------
def mend_alike(
    *, lines: QuerySet[RejectedLine], batch: Batch, column: str, code: str, value: str = "", by: Any
) -> Mended:
    """Mend those of `lines` that break one rule by what the rule suggests for each. Raises CannotMend.

    `value` chooses the lines with that suggestion; "" means whatever each line suggests.
    """
    rules, typed = rules_of(batch), dict[int, Typed]()
    for line in lines.order_by("line")[:MOST]:
        for problem in line.problems:
            offer = problem["suggestion"]
            is_alike = (problem["column"], problem["code"]) == (column, code)
            if is_alike and offer and value in ("", offer):
                extension = moved_extension(line, column, rules) if code == "extension" else {}
                typed[line.pk] = {column: offer} | extension
    return mend_lines(batch=batch, typed=typed, by=by)


def moved_extension(line: RejectedLine, column: str, rules: FileRules) -> Typed:
    """Where the extension goes that a phone may not have: a provider's to the IVR guide (R40)."""
    texts = rules.texts(cells_of(line), added_of(line))
    said = f"xtension {extension_of(texts[column])}"
    if column == PHONE:
        return {IVR_GUIDE: f"E{said}"}
    return {"notes": f"{texts.get('notes', '')}\nPatient phone e{said}".strip()}


# --- Undo and skip --------------------------------------------------------------------------------
@transaction.atomic
def undo(*, line: RejectedLine, by: Any = None) -> None:
    """Take the row out of the draft again and restore the line as it was in the file. Raises CannotMend."""
    batch, now = draft_or_refuse(line.batch), timezone.now()
    line = batch.rejected_lines.get(pk=line.pk)
    if line.row_id is not None:
        take_out(batch, line, by=by, now=now)
    line.row, line.added = None, None
    line.cells, line.original_cells = line.original_cells or line.cells, None
    rules = rules_of(batch)
    if clean_lines([line], [check(line, rules, now=now)], rules):
        message = "Nothing is wrong with this row any more. Save it to add it to this batch"
        line.problems = [asdict(RowProblem(line.line, REFERENCE, "mended_elsewhere", message))]
    line.save(update_fields=KEPT)


def take_out(batch: Batch, line: RejectedLine, *, by: Any, now: datetime) -> None:
    row = batch.rows.filter(mended_from=line, phase=Phase.READY, request_id=None).first()
    if row is None:
        raise CannotMend("This row is in another batch by now, or on its way to Evergrove.")
    if row.replaced is not None:
        raise CannotMend(
            "This row took the place of what an earlier upload said. Correct the call on its page, "
            "or discard this upload: then the earlier one has its row back as it was."
        )
    office, added = row.entity, added_of(line)
    row.delete()
    count(batch, fixed=-1)
    if GUIDED in added:
        take_back_guide(office, added[IVR_GUIDE], by=by, now=now)
    # What was made for this row alone goes with it, unless an upload that is discarded may give it a row back.
    if not CallRow.objects.filter(replaced__isnull=False).exists():
        Entity.objects.filter(pk=office.pk, entity_id=None, rows=None, claimed_by="").delete()


def take_back_guide(office: Entity, text: str, *, by: Any, now: datetime) -> None:
    """The line in the guide goes, unless another mended row needs it: then it is that one's."""
    mended = RejectedLine.objects.filter(row__entity=office, added__isnull=False)
    for other in mended.iterator():
        if (added := added_of(other)).get(IVR_GUIDE) == text:
            other.added = json.dumps(added | {GUIDED: "yes"})
            other.save(update_fields=["added"])
            return
    forget_line(office, text, by=by, now=now)


@transaction.atomic
def skip(*, lines: QuerySet[RejectedLine], batch: Batch) -> int:
    """Leave open lines out of this batch; they stay downloadable. Returns how many. Raises CannotMend."""
    batch = draft_or_refuse(batch)
    number = lines.filter(batch=batch, row=None, is_skipped=False).update(is_skipped=True)
    Batch.objects.filter(pk=batch.pk).update(skipped=F("skipped") + number)
    return number


@transaction.atomic
def take_back(*, line: RejectedLine) -> None:
    """A skipped line is to be mended after all. Raises CannotMend."""
    batch = draft_or_refuse(line.batch)
    lines = list(batch.rejected_lines.filter(pk=line.pk))
    unskip(batch, lines)


def unskip(batch: Batch, lines: list[RejectedLine]) -> None:
    keys = [line.pk for line in lines if line.is_skipped]
    number = batch.rejected_lines.filter(pk__in=keys, is_skipped=True).update(is_skipped=False)
    Batch.objects.filter(pk=batch.pk).update(skipped=F("skipped") - number)
    for line in lines:
        line.is_skipped = False


# --- Reading a line -------------------------------------------------------------------------------
def open_lines(batch: Batch) -> QuerySet[RejectedLine]:
    """Lines that neither became a row nor were skipped."""
    return batch.rejected_lines.filter(row=None, is_skipped=False)
