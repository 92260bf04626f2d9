"""Mended lines meet what is here already, and are stored (R33)."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import F

from calls.intake.cells import clean
from calls.intake.comparing import Rejected, case_of
from calls.intake.filerules import FileRules, rules_of
from calls.intake.guiding import IVR_GUIDE, guide_office
from calls.intake.storing import CheckedLine, Store, Tally, known_rows
from calls.intake.validating import RowProblem
from calls.models import Batch, CallRow, RejectedLine

GUIDED = "guided"  # beside IVR_GUIDE: the guide had no such line before
REFERENCE = "external_reference_id"
KEPT = ("cells", "original_cells", "added", "is_skipped", "problems", "row")


@dataclass
class Mended:
    """Numbers of the lines that became rows, of those that still have a problem, and of those that are
    here already as they were mended, and are skipped.
    """

    fixed: list[int] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    unchanged: list[int] = field(default_factory=list)

    def __iadd__(self, other: "Mended") -> "Mended":
        self.fixed += other.fixed
        self.left += other.left
        self.unchanged += other.unchanged
        return self


def settle(
    batch: Batch, lines: list[RejectedLine], checked: list[CheckedLine], *, by: Any, now: datetime
) -> Mended:
    """Store the clean lines as rows of the draft, and all lines as they are now."""
    good, store, done = clean_lines(lines, checked, rules_of(batch)), Store(batch, now), Mended()
    refused = store_lines(store, [found for _, found in good])
    rows = known_rows(reference_of(found) for _, found in good)
    for line, found in good:
        row = rows[reference_of(found)]
        if line.line in refused:
            line.problems = [asdict(refused[line.line])]
        elif row.batch_id != batch.pk:
            skip_unchanged(line, row)
            done.unchanged.append(line.line)
        else:
            become(line, row, by=by, now=now)
            done.fixed.append(line.line)
    RejectedLine.objects.bulk_update(lines, KEPT, batch_size=100)
    count(batch, fixed=len(done.fixed), skipped=len(done.unchanged), notices=store.book.notices)
    done.left = [line.line for line in lines if line.row_id is None and not line.is_skipped]
    return done


def store_lines(store: Store, lines: Sequence[CheckedLine]) -> dict[int, RowProblem]:
    """As an upload does: what is here already is replaced, passed over or refused (R33).

    Returns the refusals by the lines' numbers.
    """
    chunk, refused = store.prepare(lines), list[Rejected]()
    known = known_rows(map(reference_of, lines))
    store.insert(*store.without_known(chunk, known, Tally(), refused))
    return {found.line.number: problem for found, [problem] in refused}


def become(line: RejectedLine, row: CallRow, *, by: Any, now: datetime) -> None:
    """The line is this row of its batch from now on."""
    # It may be the mended one of an earlier file; with the row, its line is out of that file's numbers.
    RejectedLine.objects.filter(row=row).exclude(pk=line.pk).delete()
    line.row, added = row, added_of(line)
    if guide_office(row.entity, added.get(IVR_GUIDE, ""), by=by, now=now):
        line.added = json.dumps(added | {GUIDED: "yes"})


def skip_unchanged(line: RejectedLine, row: CallRow) -> None:
    message = f"The same row is already here (batch {row.batch_id})"
    line.is_skipped = True
    line.problems = [asdict(RowProblem(line.line, "", "unchanged", message))]


def clean_lines(
    lines: list[RejectedLine], checked: list[CheckedLine], rules: FileRules
) -> list[tuple[RejectedLine, CheckedLine]]:
    """The lines without errors that have their reference for themselves; of the others the problem is noted."""
    pairs = [pair for pair in zip(lines, checked, strict=True) if not pair[1].errors]
    known, seen, good = known_rows(reference_of(found) for _, found in pairs), dict[str, int](), []
    for line, found in pairs:
        reference = reference_of(found)
        if (row := known.get(reference)) and is_another(row, line, found, rules):
            line.problems = [asdict(used_reference(line, row))]
        elif reference in seen:
            line.problems = [asdict(repeated_reference(line, reference, seen[reference]))]
        else:
            seen[reference] = line.line
            good.append((line, found))
    return good


def is_another(row: CallRow, line: RejectedLine, found: CheckedLine, rules: FileRules) -> bool:
    """Whether a row with the reference of a line is not the row that the line is about.

    A reference that somebody typed may be a slip, and then the row of another case would be replaced.
    """
    if row.batch_id == line.batch_id:
        return True
    texts = rules.texts(json.loads(line.original_cells or line.cells), {})
    is_of_file = clean(texts.get(REFERENCE, "")) == row.external_reference_id
    return not is_of_file and case_of(row) != case_of(found.values)


def used_reference(line: RejectedLine, row: CallRow) -> RowProblem:
    """Another row of this file has the reference, or a call of an earlier batch."""
    if row.batch_id == line.batch_id:
        return repeated_reference(line, row.external_reference_id, row.line)
    message = (
        f"Row reference {row.external_reference_id} is already used for another case "
        f"(batch {row.batch_id}). Give this row another one, or skip it"
    )
    return RowProblem(line.line, REFERENCE, "known_reference", message)


def repeated_reference(line: RejectedLine, reference: str, other: int) -> RowProblem:
    message = f"Row reference must be different on every row. {reference} is also on row {other}"
    return RowProblem(line.line, REFERENCE, "repeated_reference", message)


def count(batch: Batch, *, fixed: int, skipped: int = 0, notices: Sequence[str] = ()) -> None:
    """`fixed` lines have become rows; a negative number came back. `skipped` ones are here already."""
    Batch.objects.filter(pk=batch.pk).update(
        accepted=F("accepted") + fixed,
        rejected=F("rejected") - fixed,
        skipped=F("skipped") + skipped,
        notices=[*batch.notices, *notices],
    )


# --- Reading a line -------------------------------------------------------------------------------
def cells_of(line: RejectedLine) -> list[str]:
    cells: list[str] = json.loads(line.cells)
    return cells


def added_of(line: RejectedLine) -> dict[str, str]:
    added: dict[str, str] = json.loads(line.added) if line.added else {}
    return added


def reference_of(found: CheckedLine) -> str:
    return found.values.external_reference_id
