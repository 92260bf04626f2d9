"""Tables for other programs: the outcomes of calls, and the rejected lines of an upload.

A cell that a spreadsheet would take for a formula gets a leading apostrophe. Phones begin with a plus sign,
so they are written the way people write them, `(212) 555-0199`: harmless, readable, and accepted by the upload.
SSN, date of birth and the patient's phone are left out of the outcomes.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any, Protocol

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from calls.intake.memory import REASON
from calls.models import Batch, CallAttempt, CallRow, Outcome, RejectedLine
from calls.templatetags.formats import NANP, phone_text

CHUNK = 2000
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")

ROW_FIELDS = (
    "external_reference_id",
    "batch_id",
    "line",
    "organization_name",
    "patient_name",
    "claim_number",
    "eoc_number",
    "insurer_group_name",
    "provider_office",
    "outbound_phone_number",
    "expected_appointment_date_time",
    "local_timezone",
    "objective",
    "request_id",
    "request_status",
    "phase",
    "last_workflow_status",
    "hold_reason",
    "last_error",
    "trigger_sent_at",
    "settled_at",
)
OUTCOME_FIELDS = (
    "called",
    "time_of_call",
    "voicemail_left",
    "person_spoke_with",
    "positive_or_negative_contact",
    "original_date",
    "original_time",
    "rescheduled_date",
    "rescheduled_time",
    "additional_dates_of_service",
    "appointment_attendance_status",
    "reason_why",
    "bill_sending_confirmation",
    "report_sending_confirmation",
    "review_reasons",
    "received_at",
)
OUTCOME_HEADERS = (*ROW_FIELDS, "attempts_read", *OUTCOME_FIELDS)


class Writable(Protocol):
    def write(self, text: str, /) -> Any: ...


class Echo:
    """Lets csv.writer hand back the line it would write."""

    def write(self, text: str) -> str:
        return text


def csv_lines(records: Iterable[Sequence[str]]) -> Iterator[str]:
    writer = csv.writer(Echo())
    for record in records:
        yield writer.writerow([safe_cell(cell) for cell in record])


def safe_cell(text: str) -> str:
    """The text as a cell that no spreadsheet takes for a formula."""
    if not text.lstrip(" ").startswith(FORMULA_STARTS):
        return text
    return phone_text(text) if NANP.fullmatch(text) else f"'{text}"


def as_text(value: Any) -> str:
    """One value in a cell: times in UTC, yes or no, lists joined by semicolons, nothing for None."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case datetime():
            return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        case date():
            return value.isoformat()
        case list():
            return "; ".join(as_text(item) for item in value)
        case dict():  # a date of service: {date, time}
            return " ".join(as_text(part) for part in value.values() if part)
    return str(value)


# --- Outcomes -------------------------------------------------------------------------------------
def write_outcomes(rows: QuerySet[CallRow], out: Writable) -> int:
    """Write a header and one line per row; returns the number of rows. Memory stays flat."""
    count = -1
    for count, line in enumerate(outcome_lines(rows)):  # noqa: B007
        out.write(line)
    return count


def outcome_lines(rows: QuerySet[CallRow]) -> Iterator[str]:
    yield from csv_lines([OUTCOME_HEADERS])
    yield from csv_lines(outcome_records(rows))


def outcome_records(rows: QuerySet[CallRow]) -> Iterator[list[str]]:
    needed = (*ROW_FIELDS, *(f"outcome__{name}" for name in OUTCOME_FIELDS))
    found = (
        rows.select_related("outcome")
        .only(*needed)
        .annotate(attempts_read=attempts_read())
        .order_by("batch_id", "line", "pk")
    )
    for row in found.iterator(chunk_size=CHUNK):
        yield [
            *(as_text(getattr(row, name)) for name in ROW_FIELDS),
            as_text(row.attempts_read),
            *outcome_cells(row),
        ]


def attempts_read() -> Coalesce:
    """How many attempts a person has had read from Evergrove; 0 does not mean that nobody was called."""
    counted = (
        CallAttempt.objects.filter(row=OuterRef("pk"))
        .order_by()
        .values("row")
        .annotate(number=Count("pk"))
        .values("number")
    )
    return Coalesce(Subquery(counted), 0)


def outcome_cells(row: CallRow) -> list[str]:
    try:
        outcome: Outcome = row.outcome
    except ObjectDoesNotExist:
        return [""] * len(OUTCOME_FIELDS)
    return [as_text(getattr(outcome, name)) for name in OUTCOME_FIELDS]


# --- Rejected lines -------------------------------------------------------------------------------
def write_rejects(batch: Batch, out: Writable) -> int:
    """Write the rejected lines as they were uploaded, with the reason in one more column.

    Mended there, the file can be uploaded as it is: a column called "reason" is not used by the reader.
    """
    count = -1
    for count, line in enumerate(reject_lines(batch)):  # noqa: B007
        out.write(line)
    return count


def reject_lines(batch: Batch) -> Iterator[str]:
    headers = [header for header in batch.headers if header != REASON]
    yield from csv_lines([[*headers, REASON]])
    yield from csv_lines(reject_records(batch))


def reject_records(batch: Batch) -> Iterator[list[str]]:
    kept = [place for place, header in enumerate(batch.headers) if header != REASON]
    open_lines = batch.rejected_lines.filter(row=None).order_by("line")
    lines = open_lines.only("line", "cells", "problems")
    for rejected in lines.iterator(chunk_size=CHUNK):
        cells: list[str] = json.loads(rejected.cells)
        width = len(batch.headers)
        padded = [*cells, *[""] * (width - len(cells))]
        # Cells beyond the last header are what is wrong with the line: they stay, behind the reason.
        yield [*(padded[place] for place in kept), reason_of(rejected), *cells[width:]]


def reason_of(rejected: RejectedLine) -> str:
    """Every problem of the line in one cell."""
    return "; ".join(dict.fromkeys(problem["message"] for problem in rejected.problems))
