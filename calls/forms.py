"""The form of a single call. It only carries cells: the upload's validator decides about them (R37-R56)."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from django import forms
from django.utils import timezone

from calls.intake.fields import FIELDS
from calls.intake.normalising import NotAccepted, provider_phone
from calls.intake.phones import extension_of
from calls.intake.validating import CheckedRow, check_row
from calls.models import CallRow
from calls.vocabulary import Objective

# Never written into a page: left empty in the form of a known row, they stay as they are.
KEPT_BACK = ("patient_ssn", "patient_dob", "patient_phone_number")
HINTS = {
    "external_reference_id": "Your own reference, different on every call",
    "patient_ssn": "9 digits or the last 4",
    "patient_dob": "Like 1967-04-13",
    "date_of_injury": "Like 2026-01-15",
    "expected_appointment_date_time": "On the office's clock, like 2026-04-09 11:00",
    "local_timezone": "A region name, like America/New_York",
    "provider_state": "Like NY or New York",
    "outbound_phone_number": "10 digits, no extension",
    "eoc_number": "Episode of care",
    "notes": "Told to the agent before the call",
    "best_to_make_call_by": "On the office's clock, like 2026-04-10 17:00",
}
GROUPS = (
    ("Call", ("external_reference_id", "organization_name", "objective", "best_to_make_call_by")),
    (
        "Office",
        (
            "provider_office",
            "outbound_phone_number",
            "provider_office_address",
            "provider_state",
            "local_timezone",
        ),
    ),
    (
        "Visit",
        ("expected_appointment_date_time", "service_modality", "body_part", "eoc_number", "notes"),
    ),
    (
        "Patient and claim",
        (
            "patient_name",
            "patient_dob",
            "patient_ssn",
            "patient_phone_number",
            "date_of_injury",
            "claim_number",
            "insurer_group_name",
        ),
    ),
)
LONG = {"notes", "provider_office_address"}
MOVE, GUIDE = "move_extension", "ivr_guide"


class Cell(forms.CharField):
    """One cell of a row. `required` is for the label; the row's validator says what is wrong or missing."""

    def validate(self, value: Any) -> None:
        return None

    def run_validators(self, value: Any) -> None:
        return None


class Choice(forms.ChoiceField):
    """A cell with few values; the row's validator knows them too."""

    def validate(self, value: Any) -> None:
        return None


class CallForm(forms.Form):
    """Fields named as in the API. `checked` holds the validator's result once the form was cleaned.

    With `row`, the form corrects that row; what is masked on pages is then not filled in. `typed` is what
    the form begins with instead. `guide`: a line for the office's IVR guide, beside the row.
    """

    use_required_attribute = False

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        row: CallRow | None = None,
        typed: Mapping[str, str] | None = None,
    ):
        self.row = row
        super().__init__(data, initial=dict(typed or initial_of(row)))
        for name, field in cells(row).items():
            self.fields[name] = field
        self.order_fields([name for _, names in GROUPS for name in names])
        self.guide = guide_line((data or self.initial).get(GUIDE, ""))
        self.checked: CheckedRow | None = None
        if row and not data:
            self.checked = self.check(self.initial)

    def clean(self) -> dict[str, Any]:
        values = dict(self.cleaned_data)
        self.checked = self.check(values)
        for problem in self.checked.problems:
            if problem.severity == "error":
                self.add_error(problem.column or None, problem.message)
        return values

    def check(self, values: Mapping[str, str]) -> CheckedRow:
        return check_row(self.cells(values), line=0, now=timezone.now())

    def accepted(self) -> CheckedRow:
        """What the validator made of a valid form."""
        assert self.checked is not None and self.is_valid()  # noqa: S101, PT018
        return self.checked

    def cells(self, values: Mapping[str, str]) -> dict[str, str]:
        """What was typed, and what stays because it was left empty."""
        kept = initial_of(self.row, every=True)
        return {
            name: values.get(name) or (kept.get(name, "") if name in KEPT_BACK else "")
            for name in self.fields
        }

    def shown(self, name: str) -> "Shown":
        """A field with what the validator adds to its errors: warnings, and a value it would take."""
        problems = [p for p in (self.checked.problems if self.checked else []) if p.column == name]
        return Shown(
            self[name],
            [p.message for p in problems if p.severity == "warning"],
            next((p.suggestion for p in problems if p.suggestion and p.code != "extension"), ""),
            any(p.suggestion and p.code == "extension" for p in problems),
        )

    def groups(self) -> list[tuple[str, list["Shown"]]]:
        return [(title, [self.shown(name) for name in names]) for title, names in GROUPS]


class Shown(NamedTuple):
    bound: forms.BoundField
    warnings: list[str]
    suggestion: str
    has_extension: bool


def without_extension(posted: Mapping[str, str]) -> dict[str, str]:
    """What was typed, with the extension of one phone where it belongs (R40).

    A provider's goes to the IVR guide of the office, a patient's to the notes.
    """
    typed = {name: posted.get(name, "") for name in (*(field.name for field in FIELDS), GUIDE)}
    column = posted[MOVE]
    extension = extension_of(typed.get(column, ""))
    try:
        provider_phone(typed.get(column, ""))
    except NotAccepted as refusal:
        if extension and refusal.suggestion:
            typed[column] = refusal.suggestion
            if column == "outbound_phone_number":
                typed[GUIDE] = f"Extension {extension}"
            else:
                said = f"Patient phone extension {extension}"
                typed["notes"] = f"{typed['notes']}\n{said}".strip()
    return typed


def guide_line(text: str) -> str:
    """Only what the form itself offers."""
    return text if re.fullmatch("Extension [0-9]{1,7}", text) else ""


def cells(row: CallRow | None) -> dict[str, forms.Field]:
    return {field.name: cell(field.name, field.label, field.required, row) for field in FIELDS}


def cell(name: str, label: str, required: bool, row: CallRow | None) -> forms.Field:
    if name == "objective":
        return Choice(label=label, choices=Objective.choices, required=False)
    hint = HINTS.get(name, "")
    if row and name in KEPT_BACK:
        keeps = "Leave empty to keep the present one"
        hint = f"{keeps}. Type NONE to remove it" if not required else keeps
        required = False
    widget = forms.Textarea(attrs={"rows": 3}) if name in LONG else forms.TextInput()
    widget.attrs["autocomplete"] = "off"
    if name == "local_timezone":
        widget.attrs["list"] = "zones"
    return Cell(label=label, required=required, help_text=hint, widget=widget)


def initial_of(row: CallRow | None, *, every: bool = False) -> dict[str, str]:
    """The row as cells; without `every`, what is masked on pages is left out."""
    if row is None:
        return {}
    names = (field.name for field in FIELDS if every or field.name not in KEPT_BACK)
    return {name: as_cell(getattr(row, name)) for name in names}


def as_cell(value: date | str | None) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return value.isoformat() if isinstance(value, date) else value or ""
