"""Outcomes that a person should look at before anyone relies on them (R103). Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

from calls.vocabulary import RESCHEDULED, Attendance, Contact


@dataclass(frozen=True)
class Heard:
    """What the rules look at; dates are office dates, instants UTC."""

    attendance: str
    called: bool | None
    person_spoke_with: str
    voicemail_left: bool | None
    contact: str
    time_of_call: datetime | None
    original_date: date | None
    rescheduled_date: date | None
    expected_date: date
    appointment_at: datetime


REVIEW_REASONS = {
    "no_new_date": "Rebooked, but no new date was heard",
    "new_date_not_later": "The new date is not after the original one",
    "another_date": "Attended, but on another date than expected",
    "nobody_spoken_with": "Attended, but nobody was spoken with",
    "only_voicemail": "Attended, but the call reached voicemail",
    "negative_contact": "Attended, but the contact was negative",
    "not_called": "An attendance is given, but no call was made",
    "called_too_early": "The call was made before the appointment",
    "unknown": "The call completed without an answer",
}


def review_reasons(heard: Heard) -> list[str]:
    """Keys of REVIEW_REASONS that hold, in the order a reader wants them."""
    return list(_reasons(heard))


def _reasons(heard: Heard) -> Iterator[str]:
    if heard.attendance in RESCHEDULED:
        if heard.rescheduled_date is None:
            yield "no_new_date"
        elif heard.rescheduled_date <= (heard.original_date or heard.expected_date):
            yield "new_date_not_later"
    if heard.attendance == Attendance.ATTENDED:
        yield from _doubts_of_attendance(heard)
    if heard.called is False and heard.attendance not in ("", Attendance.UNKNOWN):
        yield "not_called"
    if heard.time_of_call and heard.time_of_call < heard.appointment_at:
        yield "called_too_early"
    if heard.attendance in ("", Attendance.UNKNOWN):
        yield "unknown"


def _doubts_of_attendance(heard: Heard) -> Iterator[str]:
    if heard.original_date and heard.original_date != heard.expected_date:
        yield "another_date"
    if not heard.person_spoke_with:
        yield "nobody_spoken_with"
    if heard.voicemail_left:
        yield "only_voicemail"
    if heard.contact == Contact.NEGATIVE:
        yield "negative_contact"
