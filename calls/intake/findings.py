"""What checking a row finds: problems, changes, the values, and the collector of all three. Pure.

Rows and cells are named tuples: a file has millions of them, and a dataclass takes several times as long.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final, Literal, NamedTuple

from calls.intake import normalising as to
from calls.intake.fields import FIELD, Field
from calls.intake.normalising import Doubt, NotAccepted

Severity = Literal["error", "warning"]

_SHOWN: Final = 60
# Words and numbers to which no rule of these fields objects and that none changes: most of the texts
# that differ on every row.
_PLAIN: Final = re.compile("[A-Za-z][A-Za-z0-9 .,&/-]{3,98}[A-Za-z0-9]")
_WORDS: Final = frozenset({"external_reference_id", "patient_name", "claim_number", "eoc_number"})
_ORDER: Final = {name: position for position, name in enumerate(FIELD)}
_WHEN_BLANK: Final[dict[str, str]] = {
    "claim_number": "",
    "objective": "CONFIRM_IE_ATTENDANCE",
}
_SPREADSHEET_ERROR: Final = NotAccepted(
    "spreadsheet_error", "must be a value", "A spreadsheet formula failed here"
)


@dataclass(frozen=True, slots=True)
class RowProblem:
    """What is wrong, or worth a look, in one cell.

    `line`: the spreadsheet's row. `column`: the API's field name, "" for the row as a whole.
    `suggestion`: a value that would be accepted, or "". Of a column in PATIENT_FIELDS it is patient
    data: for the page, not for logs. An SSN is never suggested.
    """

    line: int
    column: str
    code: str
    message: str
    severity: Severity = "error"
    suggestion: str = field(default="", repr=False)


class Change(NamedTuple):
    """What normalising made of a cell; `sensitive` marks a patient's data."""

    column: str
    before: str
    after: str
    sensitive: bool = False

    def __repr__(self) -> str:
        return f"Change of {self.column}"


class NormalisedRow(NamedTuple):
    """A row that may become a call: the documents' NormalizedCallRow in our types and in their order.

    Phones are +1 and ten digits, the appointment is the office's wall clock `YYYY-MM-DDTHH:mm:ss`,
    `best_to_make_call_by` is in UTC, a missing claim number is "" (R26 is applied when sending).
    Its repr is without values: it would carry a patient into logs.
    """

    external_reference_id: str
    organization_name: str
    patient_name: str
    patient_ssn: str | None
    patient_dob: date
    patient_phone_number: str | None
    date_of_injury: date
    expected_appointment_date_time: str
    local_timezone: str
    service_modality: str
    claim_number: str
    insurer_group_name: str
    body_part: str
    provider_office: str
    provider_office_address: str
    provider_state: str | None
    outbound_phone_number: str
    eoc_number: str
    notes: str | None
    objective: str
    best_to_make_call_by: datetime | None

    def __repr__(self) -> str:
        return "NormalisedRow"


class CheckedRow(NamedTuple):
    """`values` is None when any problem is an error; warnings leave it in place."""

    values: NormalisedRow | None
    problems: list[RowProblem]
    changes: list[Change]


class Told(NamedTuple):
    """What there is to say of a cell. `problem`: code, message, suggestion."""

    problem: tuple[str, str, str] | None = None
    change: Change | None = None
    doubt: Doubt | None = None


class Cell(NamedTuple):
    """What a rule makes of one text: the value, and what there is to tell of it.

    It depends on nothing but the field, its rules and the text, so that a file's repeated texts need
    it once.
    """

    value: Any
    told: Told | None = None


Doubting = Callable[[Any], Doubt | None]


def read_cell(
    field: Field, rule: Callable[[str], Any], doubting: Doubting | None, raw: str
) -> Cell:
    """The field's value by `rule`, and what is doubtful about it; None, with a problem, when not accepted."""
    if field.name in _WORDS and _PLAIN.fullmatch(raw):
        return Cell(raw)
    text = to.clean(raw)
    if to.says_absent(text):
        return _blank(field, text, doubting)
    if to.is_spreadsheet_error(text):
        return _refused(field, _SPREADSHEET_ERROR, text)
    try:
        value = rule(text)
    except NotAccepted as refusal:
        return _refused(field, refusal, text)
    shown, bare = value if type(value) is str else _shown(value), raw.strip()
    change = None if shown in (raw, bare) else Change(field.name, bare, shown, field.patient)
    doubt = doubting(value) if doubting and value is not None else None
    return Cell(value, Told(None, change, doubt) if change or doubt else None)


def _blank(field: Field, text: str, doubting: Doubting | None) -> Cell:
    value = _WHEN_BLANK.get(field.name)
    if field.required:
        return Cell(value, Told(("missing", f"Enter {field.asked}", "")))
    change = Change(field.name, text, "", field.patient) if text else None
    doubt = doubting(value) if doubting and value is not None else None
    return Cell(value, Told(None, change, doubt) if change or doubt else None)


def _refused(field: Field, refusal: NotAccepted, text: str) -> Cell:
    message = f"{field.label} {refusal.message}"
    if not field.patient and not refusal.hint.startswith("This one"):
        message += f". This one says “{_printable(text)}”"
    return Cell(None, Told((refusal.code, message, refusal.suggestion)))


@dataclass(slots=True)
class Findings:
    """A row while it is checked: values by field (None when refused or absent) and what was found."""

    line: int
    values: dict[str, Any] = field(default_factory=dict)
    problems: list[RowProblem] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    refused: bool = False

    def take(self, name: str, cell: Cell) -> Any:
        """Note the cell, and hand on its value."""
        value, told = cell
        self.values[name] = value
        if told:
            self.tell(name, told)
        return value

    def tell(self, name: str, told: Told) -> None:
        if told.problem:
            code, message, suggestion = told.problem
            self.add(name, code, message, suggestion=suggestion)
        if told.change:
            self.changes.append(told.change)
        self.doubt(name, told.doubt)

    def doubt(self, name: str, doubt: Doubt | None) -> None:
        if doubt:
            message = f"{FIELD[name].label} {doubt.says}"
            self.add(name, doubt.code, message, "warning", doubt.suggestion)

    def add(
        self,
        column: str,
        code: str,
        message: str,
        severity: Severity = "error",
        suggestion: str = "",
    ) -> None:
        self.refused = self.refused or severity == "error"
        self.problems.append(RowProblem(self.line, column, code, message, severity, suggestion))

    def sorted_problems(self) -> list[RowProblem]:
        """In the order of the fields, those of the row as a whole first."""
        if len(self.problems) > 1:
            self.problems.sort(key=lambda problem: _ORDER.get(problem.column, -1))
        return self.problems

    def refuse_extra(self, extra: Sequence[str]) -> None:
        """A cell beyond the header: something beside the table, or a comma has moved the others."""
        if any(map(str.strip, extra)):
            self.add(
                "",
                "extra_cells",
                "Row must not have more cells than the header. In a CSV file a comma inside a cell "
                "may lack its quotation marks",
            )


def _printable(text: str) -> str:
    shown = "".join(character for character in text if character.isprintable())
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"


def _shown(value: Any) -> str:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    return value.isoformat() if isinstance(value, date) else str(value or "")
