"""What is asked about an upload before its rows are checked: the same file again, the sheet, the columns."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from calls.intake import memory, receiving
from calls.intake.dates import Ambiguous, DateFormat
from calls.intake.fields import FIELD, FIELDS, Field
from calls.intake.planning import CONSTANT_FIELDS, REFERENCE, ColumnPlan, Proposal
from calls.intake.reading import FileRefused, Table
from calls.intake.receiving import Question
from calls.models import Upload
from calls.views.people import person
from calls.views.uploads import go_on
from calls.vocabulary import BatchState

FORMAT_VALUES = {format.value for format in DateFormat}
SAMPLES = 3
LINES_WITH_SAMPLES = 200
SAMPLE_LENGTH = 40
DERIVED = "derived"
MONTH_OR_DAY = {DateFormat.MONTH_FIRST, DateFormat.DAY_FIRST}
FORMATS = {
    DateFormat.MONTH_FIRST: "April 3 (month first)",
    DateFormat.DAY_FIRST: "March 4 (day first)",
    DateFormat.YEAR_FIRST: "Year first, like 1967/04/03",
    DateFormat.NAMED_MONTH: "With the month's name, like April 3, 1967",
}


@require_http_methods(["GET", "POST"])
def upload_columns(request: HttpRequest, pk: int) -> HttpResponse:
    upload = get_object_or_404(Upload.objects.select_related("batch").defer("content"), batch=pk)
    if upload.batch.state != BatchState.MATCHING:
        return redirect("upload_review", pk)
    try:
        return post(request, upload) if request.method == "POST" else ask(request, upload)
    except receiving.Gone:
        return render(request, "calls/upload_gone.html", {"batch": upload.batch})
    except FileRefused as refusal:
        return render(
            request, "calls/upload_gone.html", {"batch": upload.batch, "refusal": refusal.message}
        )


def ask(request: HttpRequest, upload: Upload) -> HttpResponse:
    match receiving.question_of(upload):
        case Question.AGAIN:
            return show(request, "again", upload, earlier=memory.earlier_upload(upload))
        case Question.SHEET:
            return show(request, "sheet", upload)
    if upload.sheets and "sheet" in request.GET:
        return show(request, "sheet", upload)
    table = receiving.table_of(upload)
    return show_columns(request, upload, table, receiving.proposed(upload, table))


def post(request: HttpRequest, upload: Upload) -> HttpResponse:
    if "again" in request.POST:
        return answered(upload, {"again": True})
    if "sheet" in request.POST:
        return post_sheet(request, upload, request.POST["sheet"])
    return post_columns(request, upload)


def answered(upload: Upload, answers: Mapping[str, Any]) -> HttpResponse:
    receiving.answer(upload, answers)
    receiving.advance(upload)
    return go_on(upload)


def post_sheet(request: HttpRequest, upload: Upload, sheet: str) -> HttpResponse:
    """A sheet without calls is refused and another one can be chosen."""
    if sheet not in upload.sheets:
        return show(request, "sheet", upload, error="Which sheet has the calls?", status=422)
    try:
        receiving.choose_sheet(upload, sheet)
    except FileRefused as refusal:
        said = f"“{sheet}” cannot be the sheet with the calls. {refusal.message}"
        return show(request, "sheet", upload, error=said, status=422)
    receiving.advance(upload)
    return go_on(upload)


def post_columns(request: HttpRequest, upload: Upload) -> HttpResponse:
    table = receiving.table_of(upload)
    plan = posted_plan(request.POST, table)
    found = receiving.weighed(table, plan)
    if errors := errors_of(found, table):
        return show_columns(request, upload, table, found, errors=errors, status=422)
    receiving.confirm(upload, table, found, by=person(request))
    return go_on(upload)


# --- What was posted ------------------------------------------------------------------------------
def posted_plan(posted: Mapping[str, str], table: Table) -> ColumnPlan:
    columns = {f.name: posted.get(f"column-{f.name}", "") for f in FIELDS}
    mapping = {
        name: int(text)
        for name, text in columns.items()
        if text.isdecimal() and int(text) < len(table.headers)
    }
    constants = {
        name: text
        for name in CONSTANT_FIELDS - mapping.keys()
        if (text := posted.get(f"constant-{name}", "").strip())
    }
    formats = {
        f.name: DateFormat(text)
        for f in FIELDS
        if (text := posted.get(f"format-{f.name}", "")) in FORMAT_VALUES
    }
    return ColumnPlan(
        mapping=mapping,
        constants=constants,
        formats=formats,
        convert_zones="convert_zones" in posted,
        derive_reference=columns[REFERENCE] == DERIVED,
    )


def errors_of(found: Proposal, table: Table) -> dict[str, str]:
    """Field name -> what is wrong."""
    errors = {name: f"Match a column to {FIELD[name].label}" for name in found.plan.missing()}
    by_column: dict[int, str] = {}
    for name, index in found.plan.mapping.items():
        if index in by_column:
            errors[name] = (
                f"“{table.headers[index]}” is matched to two fields. "
                "Choose a different column for one of them"
            )
        by_column[index] = name
    for name, unclear in found.unclear.items():
        errors.setdefault(name, question(table.headers[found.plan.mapping[name]], unclear))
    return errors


def question(header: str, unclear: Ambiguous) -> str:
    if set(unclear.formats) == MONTH_OR_DAY:
        return (
            f"Dates in “{header}” could be month first or day first. "
            "Is 04/03/1967 April 3 or March 4?"
        )
    return f"Dates in “{header}” are not written as in the last file. How are they written?"


# --- The page -------------------------------------------------------------------------------------
@dataclass
class Row:
    """One field, and where it is found."""

    about: Field
    column: int | None
    constant: str = ""
    samples: list[str] = field(default_factory=list)
    is_guessed: bool = False
    error: str = ""
    question: str = ""
    formats: list[tuple[str, str]] = field(default_factory=list)
    format: str = ""
    is_open: bool = False  # a person has to say something about it

    @property
    def name(self) -> str:
        return self.about.name

    @property
    def anchor(self) -> str:
        """Where its answer is given."""
        return f"format-{self.name}-{self.formats[0][0]}" if self.formats else f"column-{self.name}"

    @property
    def takes_constant(self) -> bool:
        return self.name in CONSTANT_FIELDS

    @property
    def is_reference(self) -> bool:
        return self.name == REFERENCE


def show_columns(
    request: HttpRequest,
    upload: Upload,
    table: Table,
    found: Proposal,
    *,
    errors: Mapping[str, str] | None = None,
    status: int = 200,
) -> HttpResponse:
    errors, plan = errors or {}, found.plan
    samples = samples_of(table)
    rows = [row_of(f, found, table, samples, errors) for f in FIELDS]
    is_asked = any(row.is_open for row in rows) or found.asks_about_zones
    rows.sort(key=lambda row: (not row.is_open, row.is_guessed))
    used = set(plan.mapping.values())
    return show(
        request,
        "columns",
        upload,
        status=status,
        rows=rows,
        settled=[row for row in rows if not row.is_open] if is_asked else [],
        errors=[(row.anchor, row.error) for row in rows if row.error],
        headers=list(
            enumerate(header or f"Column {n + 1}" for n, header in enumerate(table.headers))
        ),
        ignored=[h or f"Column {n + 1}" for n, h in enumerate(table.headers) if n not in used],
        derived=plan.derive_reference,
        asks_zones=found.aliases or plan.convert_zones,
        convert_zones=plan.convert_zones,
        aliases=found.aliases,
        lines=found.lines,
    )


def row_of(
    f: Field,
    found: Proposal,
    table: Table,
    samples: list[list[str]],
    errors: Mapping[str, str],
) -> Row:
    plan, unclear = found.plan, found.unclear.get(f.name)
    column = plan.mapping.get(f.name)
    row = Row(f, column, plan.constants.get(f.name, ""), error=errors.get(f.name, ""))
    row.is_guessed = f.name in found.guessed
    row.format = plan.formats.get(f.name, "")
    row.is_open = bool(
        f.name in plan.missing()
        or f.name in found.repeated
        or row.is_guessed
        or unclear
        or row.error
    )
    if column is not None:
        texts = samples[column]
        if unclear:
            texts = [unclear.example, *texts][:SAMPLES]
            row.question = question(table.headers[column], unclear)
            row.formats = [(format.value, FORMATS[format]) for format in unclear.formats]
        row.samples = [masked(text) if f.patient else shown(text) for text in texts]
    return row


def samples_of(table: Table) -> list[list[str]]:
    """The first different texts of each column."""
    found: list[list[str]] = [[] for _ in table.headers]
    for line in islice(table.rows, LINES_WITH_SAMPLES):
        for texts, cell in zip(found, line.cells, strict=False):
            if len(texts) < SAMPLES and (text := cell.strip()) and text not in texts:
                texts.append(text)
    return found


def shown(text: str) -> str:
    return text if len(text) <= SAMPLE_LENGTH else f"{text[:SAMPLE_LENGTH]}…"


def masked(text: str) -> str:
    """The shape of a patient's data without the data."""
    return re.sub(r"\w", "•", shown(text))


def show(
    request: HttpRequest, step: str, upload: Upload, *, status: int = 200, **context: Any
) -> HttpResponse:
    context |= {"step": step, "upload": upload, "batch": upload.batch}
    return render(request, "calls/upload_columns.html", context, status=status)
