"""What Evergrove is told about a row, as a reader may see it: SSN, date of birth and phone masked."""

from typing import Any, NamedTuple

from calls.intake.fields import FIELD
from calls.models import CallRow
from calls.models.call import NORMALIZED_FIELDS
from calls.vocabulary import Objective

MASKS = {
    "patient_ssn": "ssn",
    "patient_dob": "dob",
    "patient_phone_number": "patient_phone",
    "outbound_phone_number": "phone",
    "expected_appointment_date_time": "wall_clock",
}


class Sent(NamedTuple):
    """One field; `kind` says how it is shown. A value of None is not sent at all."""

    label: str
    value: Any
    kind: str


def sent_fields(row: CallRow, *, ssn_policy: str) -> list[Sent]:
    """The fields of `calls[]` and `details` in the documents' order (R21-R26, R43)."""
    values: dict[str, Any] = {name: getattr(row, name) or None for name in NORMALIZED_FIELDS}
    values["claim_number"] = row.claim_number or "Not Available"
    if ssn_policy == "none":
        values["patient_ssn"] = None
    fields = [
        Sent(FIELD[name].label, value, MASKS.get(name, "text")) for name, value in values.items()
    ]
    deadline = row.best_to_make_call_by
    return [
        *fields,
        Sent(FIELD["objective"].label, Objective(row.objective).label, "text"),
        Sent(FIELD["best_to_make_call_by"].label, deadline, "moment"),
    ]
