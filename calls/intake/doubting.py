"""What a cell leaves doubtful, and what the values of a row say about each other. Pure.

Contradictions are errors, oddities warnings.
"""

from datetime import datetime
from typing import Final

from calls.intake import normalising as to
from calls.intake.findings import Doubting, Findings
from calls.intake.normalising import Doubt

_CALLABLE_HOURS: Final = range(6, 22)


def compare_dates(row: Findings, now: datetime) -> None:
    """R45: born before injured, injured by today; R25: a deadline lies ahead."""
    values = row.values
    born, injured, zone = values["patient_dob"], values["date_of_injury"], values["local_timezone"]
    today, _ = to.local_clock(now, zone or "UTC")
    if born and born >= today:
        row.add("patient_dob", "not_past", "Date of birth must be in the past")
    if injured and injured > today:
        row.add("date_of_injury", "in_future", "Date of injury must not be in the future")
    if born and injured and injured <= born:
        message = "Date of injury must be after the date of birth"
        row.add("date_of_injury", "before_birth", message)
    call_by = values["best_to_make_call_by"]
    if call_by and call_by <= now:
        row.add("best_to_make_call_by", "not_future", "Call by must be in the future")


def compare_others(row: Findings, now: datetime) -> None:
    """What is accepted but deserves a look before the batch starts, because of another value."""
    values = row.values
    patient = values["patient_phone_number"]
    if patient and patient == values["outbound_phone_number"]:
        says = "is also the patient's phone. The call would reach the patient"
        row.doubt("outbound_phone_number", Doubt("patients_phone", says))
    if zone := values["local_timezone"]:
        row.doubt("local_timezone", to.zone_doubt(zone, values["provider_state"]))
    if local := values["expected_appointment_date_time"]:
        _doubt_appointment(row, local, zone, now)


def _doubt_appointment(row: Findings, local: str, zone: str | None, now: datetime) -> None:
    name, injured = "expected_appointment_date_time", row.values["date_of_injury"]
    if injured and injured.isoformat() > local[:10]:
        row.doubt("date_of_injury", Doubt("after_appointment", "is after the appointment"))
    if zone:
        row.doubt(name, to.zone_gap_or_fold(local, zone))
        _, clock = to.local_clock(now, zone)
        if local > clock:
            row.doubt(name, Doubt("in_future", "is in the future. The office may not know yet"))


# --- Of one value ---------------------------------------------------------------------------------
def _claim_doubt(value: str) -> Doubt | None:
    if not value:
        return Doubt("claim_empty", "is empty. “Not Available” will be sent")
    return to.identifier_doubt(value)


def _hour_doubt(local: str) -> Doubt | None:
    if int(local[11:13]) in _CALLABLE_HOURS:
        return None
    return Doubt("odd_hour", f"is at {local[11:16]}. Check the time of day")


CELL_DOUBTS: Final[dict[str, Doubting]] = {
    "claim_number": _claim_doubt,
    "eoc_number": to.identifier_doubt,
    "expected_appointment_date_time": _hour_doubt,
    "outbound_phone_number": to.phone_doubt,
    "patient_phone_number": to.phone_doubt,
    **dict.fromkeys(
        (
            "organization_name",
            "patient_name",
            "insurer_group_name",
            "body_part",
            "provider_office",
            "provider_office_address",
            "notes",
        ),
        to.text_doubt,
    ),
}
