"""What is here already: the same reference (R33), and the same case under another one (R54)."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import QuerySet

from calls.intake.tables import Line
from calls.intake.validating import CheckedRow, NormalisedRow, RowProblem
from calls.models import CallRow
from calls.vocabulary import HoldReason, Phase

SOURCE_FIELDS = NormalisedRow._fields
REFERENCE = "external_reference_id"
DUPLICATE = HoldReason.POSSIBLE_DUPLICATE  # the code of its warning too

Case = tuple[str, str, str]


class CheckedLine(NamedTuple):
    """One line of the file with what the validator says of it."""

    line: Line
    checked: CheckedRow

    @property
    def values(self) -> NormalisedRow:
        """The typed row; only a line without errors has one."""
        if self.checked.values is None:
            raise ValueError("a line with errors has no values")
        return self.checked.values

    @property
    def errors(self) -> list[RowProblem]:
        return [problem for problem in self.checked.problems if problem.severity == "error"]


Rejected = tuple[CheckedLine, list[RowProblem]]


# --- The same reference ---------------------------------------------------------------------------
def split_by_reference(
    chunk: Iterable[CheckedLine], seen: dict[str, int]
) -> tuple[list[CheckedLine], list[Rejected]]:
    """Lines without errors whose reference is new to the file, and all others with their errors.

    `seen`: reference -> line of what came before; it grows.
    """
    good: list[CheckedLine] = []
    rejected: list[Rejected] = []
    for line in chunk:
        values, number = line.checked.values, line.line.number
        if values is None:
            rejected.append((line, line.errors))
        elif (first := seen.setdefault(values.external_reference_id, number)) != number:
            rejected.append((line, [repeated_reference(line, first)]))
        else:
            good.append(line)
    return good, rejected


def repeated_reference(line: CheckedLine, first: int) -> RowProblem:
    reference = line.values.external_reference_id
    return RowProblem(
        line=line.line.number,
        column=REFERENCE,
        code="repeated_reference",
        message=f"Row reference must be different on every row. {reference} is also on row {first}",
    )


def known_rows(references: Iterable[str]) -> dict[str, CallRow]:
    found = rows_with(REFERENCE, list(references)).select_related("batch")
    return {row.external_reference_id: row for row in found}


def rows_with(column: str, values: Sequence[str]) -> QuerySet[CallRow]:
    """The rows with one of `values`: mostly none, and for hundreds of values that is asked in plain SQL.

    The ORM takes several times as long to prepare the values as the database to look for them.
    """
    if not values:
        return CallRow.objects.none()
    name, table = connection.ops.quote_name(column), CallRow._meta.db_table
    marks = ", ".join(["%s"] * len(values))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id FROM {table} WHERE {name} IN ({marks})", values)  # noqa: S608
        keys = [key for (key,) in cursor.fetchall()]
    return CallRow.objects.filter(pk__in=keys)


def conflict(row: CallRow, line: CheckedLine) -> RowProblem | None:
    """A changed row that Evergrove has already cannot be changed: there is no update endpoint (R33)."""
    if row.can_be_corrected or (row.phase != Phase.WITHDRAWN and not differs(row, line.values)):
        return None
    return already_sent(row, line.line.number)


def already_sent(row: CallRow, number: int) -> RowProblem:
    withdrawn = row.phase == Phase.WITHDRAWN
    what = "was withdrawn" if withdrawn else "was already sent to Evergrove"
    return RowProblem(
        line=number,
        column=REFERENCE,
        code="reference_withdrawn" if withdrawn else "reference_already_sent",
        message=f"Row reference {row.external_reference_id} {what} (batch {row.batch_id}). "
        "To call again, give the row a new reference",
    )


def moved_on(row: CallRow, number: int) -> RowProblem:
    return RowProblem(
        line=number,
        column=REFERENCE,
        code="reference_moved_on",
        message=f"Row reference {row.external_reference_id} was queued, changed or discarded by somebody "
        "else while this file was read. Upload this row again",
    )


def known_reference(row: CallRow) -> RowProblem:
    return RowProblem(
        line=0,
        column=REFERENCE,
        code="known_reference",
        message=f"Row reference {row.external_reference_id} is already used (batch {row.batch_id})",
    )


def differs(row: CallRow, values: NormalisedRow) -> bool:
    return any(
        (getattr(row, name) or None) != (value or None)
        for name, value in zip(SOURCE_FIELDS, values, strict=True)
    )


# --- The same case --------------------------------------------------------------------------------
def case_of(values: NormalisedRow | CallRow) -> Case:
    """What makes two rows the same case: EOC in any case of letters, appointment and office phone (R54)."""
    return (
        values.eoc_number.lower(),
        values.expected_appointment_date_time,
        values.outbound_phone_number,
    )


def known_cases(lines: Iterable[CheckedLine], *, but_for: Collection[str] = ()) -> dict[Case, str]:
    """The cases that may be those of `lines` -> the reference under which each is here.

    `but_for`: references of rows that are about to change.
    """
    numbers = {line.values.eoc_number for line in lines}
    # As typed, and in capitals or without: an index finds no others, and nobody mixes them within a number.
    spelt = numbers | {text.upper() for text in numbers} | {text.lower() for text in numbers}
    same = rows_with("eoc_number", list(spelt))
    same = same.exclude(phase=Phase.WITHDRAWN).exclude(external_reference_id__in=but_for)
    found = same.values_list(
        "eoc_number", "expected_appointment_date_time", "outbound_phone_number", REFERENCE
    )
    return {
        (eoc.lower(), appointment, phone): reference for eoc, appointment, phone, reference in found
    }


def other_references(lines: Sequence[CheckedLine], *, but_for: Collection[str] = ()) -> list[str]:
    """For each line the reference under which its case is here or on a line before it; "" for a new case."""
    known, others = known_cases(lines, but_for=but_for), []
    for line in lines:
        case = case_of(line.values)
        others.append(known.get(case, ""))
        known.setdefault(case, line.values.external_reference_id)
    return others


def sameness_after(row: CallRow, line: CheckedLine, other: str) -> dict[str, Any]:
    """`hold_reason` and `warnings` of a row that `line` changes; `other`: where its new case is already.

    While the case stays the same, what a person has decided about it stays too.
    """
    warnings, hold = warnings_of(line.checked), row.hold_reason
    if case_of(line.values) == case_of(row):
        warnings += [known for known in row.warnings if known["code"] == DUPLICATE]
    elif other:
        warnings, hold = [*warnings, duplicate_warning(other)], hold or DUPLICATE
    elif hold == DUPLICATE:
        hold = ""
    return {"hold_reason": str(hold), "warnings": warnings}


def warnings_of(checked: CheckedRow) -> list[dict[str, str]]:
    return [
        {"column": problem.column, "code": problem.code, "message": problem.message}
        for problem in checked.problems
        if problem.severity == "warning"
    ]


def duplicate_warning(other: str) -> dict[str, Any]:
    return {
        "column": "eoc_number",
        "code": DUPLICATE.value,
        "message": f"The same EOC, appointment and office phone are already here as {other}",
    }
