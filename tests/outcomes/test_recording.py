from datetime import date, timedelta
from uuid import uuid4

import pytest

from calls.evergrove.schemas import CallAttempt, RequestStatus
from calls.models import Outcome
from calls.outcomes.recording import record_attempts, record_outcome
from calls.vocabulary import EventKind, Phase
from tests.factories import NOW, make_row

pytestmark = pytest.mark.django_db

HEARD = {  # the documents' example, with what it leaves null filled in
    "called": True,
    "time_of_call": "2026-04-09T15:00:00Z",
    "voicemail_left": False,
    "person_spoke_with": "Alex",
    "positive_or_negative_contact": "positive",
    "original_appointment": {"date": "2026-04-09", "time": "11:00"},
    "rescheduled_appointment": {"date": "2026-04-16", "time": None},
    "additional_dates_of_service": [
        {"date": "2026-04-11", "time": None},
        {"date": "2026-04-18", "time": "09:30"},
    ],
    "appointment_attendance_status": "no_show_rescheduled",
    "reason_why": "Car trouble",
    "bill_sending_confirmation": "confirmed",
    "report_sending_confirmation": "not_discussed",
}


def told(outcomes):
    return RequestStatus.model_validate(
        {"id": str(uuid4()), "workflow_status": "COMPLETE", "generated_outcomes": outcomes}
    )


@pytest.fixture
def row():
    return make_row(Phase.COMPLETED, expected_appointment_date_time="2026-04-09T11:00:00")


def recorded(row, **changes):
    record_outcome(row, told(HEARD | changes), now=NOW)
    return Outcome.objects.get(row=row)


# --- The outcome ---


def test_every_documented_field_has_its_column(row):
    outcome = recorded(row)
    found = {field.name: getattr(outcome, field.name) for field in outcome._meta.concrete_fields}
    assert found == {
        "row": row,
        "called": True,
        "time_of_call": NOW.replace(hour=15, minute=0, second=0),
        "voicemail_left": False,
        "person_spoke_with": "Alex",
        "positive_or_negative_contact": "positive",
        "original_date": date(2026, 4, 9),
        "original_time": "11:00",
        "rescheduled_date": date(2026, 4, 16),
        "rescheduled_time": "",
        "additional_dates_of_service": [
            {"date": "2026-04-11", "time": None},
            {"date": "2026-04-18", "time": "09:30"},
        ],
        "appointment_attendance_status": "no_show_rescheduled",
        "reason_why": "Car trouble",
        "bill_sending_confirmation": "confirmed",
        "report_sending_confirmation": "not_discussed",
        "review_reasons": [],
        "raw": HEARD,
        "received_at": NOW,
    }


def test_nulls_are_kept_as_unsaid(row):
    nullable = (
        "time_of_call",
        "voicemail_left",
        "person_spoke_with",
        "original_appointment",
        "reason_why",
    )
    outcome = recorded(row, **dict.fromkeys(nullable))
    assert (outcome.time_of_call, outcome.voicemail_left, outcome.original_date) == (
        None,
        None,
        None,
    )
    assert (outcome.person_spoke_with, outcome.reason_why, outcome.original_time) == ("", "", "")


def test_what_cannot_be_read_stays_in_the_raw_answer(row):
    odd = {
        "original_appointment": "next week",
        "appointment_attendance_status": "moved_away",
        "mood": "good",
    }
    outcome = recorded(row, **odd)
    assert outcome.original_date is None
    assert outcome.appointment_attendance_status == "moved_away"
    assert {name: outcome.raw[name] for name in odd} == odd


def test_nobody_reached_is_not_a_negative_answer(row):
    outcome = recorded(
        row,
        positive_or_negative_contact="unknown",
        person_spoke_with=None,
        voicemail_left=True,
        appointment_attendance_status="unknown",
    )
    assert outcome.positive_or_negative_contact == "unknown"
    assert outcome.appointment_attendance_status == "unknown"


def test_doubts_are_noted_with_the_outcome(row):
    outcome = recorded(
        row,
        appointment_attendance_status="attended",
        person_spoke_with=None,
        rescheduled_appointment=None,
        original_appointment={"date": "2026-04-07", "time": None},
    )
    assert outcome.review_reasons == ["another_date", "nobody_spoken_with"]


def test_a_later_answer_replaces_the_earlier_one(row):
    recorded(row)
    outcome = recorded(row, appointment_attendance_status="attended", rescheduled_appointment=None)
    assert (outcome.appointment_attendance_status, outcome.rescheduled_date) == ("attended", None)
    assert Outcome.objects.count() == 1


def test_the_timeline_tells_the_word_and_no_patient_data(row):
    recorded(row, person_spoke_with="Amara", reason_why="Amara was ill")
    event = row.events.get(kind=EventKind.OUTCOME)
    assert (event.detail, event.at) == ("no_show_rescheduled", NOW)


# --- Attempts ---


def attempt(**changes):
    fields = {
        "id": uuid4(),
        "attempt_number": 1,
        "status": "COMPLETE",
        "disposition": "ANSWERED",
        "error_detail": None,
        "room_name": "scheduler-tenant_123-22222222",
        "workflow_id": "scheduled-request-1",
        "call_reference_time_utc": "2026-04-09T15:00:00Z",
        "transcript_bucket": "transcripts",
        "transcript_object_key": "tenant_123/22222222/transcript.json",
        "recording_id": "55555555-5555-4555-8555-555555555555",
        "generated_outcomes": {"called": True},
        "agent_behavior_evaluation": {"polite": {"score": 3}},
        "created_at": "2026-04-09T15:00:00Z",
        "updated_at": "2026-04-09T15:08:30Z",
    }
    return CallAttempt.model_validate(fields | changes)


def test_an_attempt_is_kept_with_the_time_it_was_read(row):
    seen = attempt()
    assert record_attempts(row, [seen], now=NOW) == 1
    kept = row.attempts.get()
    assert kept.attempt_id == seen.id
    assert (kept.status, kept.disposition, kept.error_detail) == ("COMPLETE", "ANSWERED", "")
    assert kept.transcript_object_key == "tenant_123/22222222/transcript.json"
    assert kept.recording_id == "55555555-5555-4555-8555-555555555555"
    assert kept.agent_behavior_evaluation == {"polite": {"score": 3}}
    assert (kept.upstream_created_at, kept.fetched_at) == (seen.created_at, NOW)


def test_reading_attempts_again_renews_them(row):
    seen = attempt(status="PLACED", disposition=None)
    record_attempts(row, [seen], now=NOW)
    later = NOW + timedelta(minutes=5)
    record_attempts(row, [attempt(id=seen.id), attempt(attempt_number=2)], now=later)
    assert list(row.attempts.values_list("attempt_number", "status", "fetched_at")) == [
        (1, "COMPLETE", later),
        (2, "COMPLETE", later),
    ]


@pytest.mark.parametrize(
    ("seen", "numbers"),
    [
        ([attempt(id=None)], []),
        ([attempt(attempt_number=None), attempt(attempt_number=None)], [1, 2]),
        ([attempt(attempt_number=-3)], [1]),
    ],
    ids=["without an id", "without a number", "with a negative number"],
)
def test_odd_attempts_are_kept_as_far_as_they_can_be_told_apart(row, seen, numbers):
    assert record_attempts(row, seen, now=NOW) == len(numbers)
    assert list(row.attempts.values_list("attempt_number", flat=True)) == numbers


def test_the_attempt_of_another_call_stays_with_it(row):
    other = make_row(Phase.COMPLETED)
    seen = attempt()
    record_attempts(other, [seen], now=NOW)
    record_attempts(row, [seen], now=NOW)
    assert other.attempts.count() == 1
    assert row.attempts.count() == 0
