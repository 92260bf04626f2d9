"""An answer becomes an Outcome and CallAttempts; the only writer of both (R95-R101)."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from calls.evergrove.schemas import AppointmentSlot, GeneratedOutcomes, RequestStatus
from calls.evergrove.schemas import CallAttempt as AttemptTold
from calls.models import CallAttempt, CallRow, Outcome
from calls.models.event import note_event
from calls.outcomes.reviewing import Heard, review_reasons
from calls.vocabulary import EventKind


def record_outcome(row: CallRow, told: RequestStatus, *, now: datetime) -> Outcome:
    """Keep the top-level outcome, the best across attempts (R101), typed and as it came."""
    heard = told.generated_outcomes or GeneratedOutcomes()
    fields = outcome_fields(heard)
    outcome, _ = Outcome.objects.update_or_create(
        row=row,
        defaults={
            **fields,
            "review_reasons": review_reasons(heard_of(row, fields)),
            "raw": told.generated_outcomes_raw or {},
            "received_at": now,
        },
    )
    note_event(
        row=row,
        at=now,
        kind=EventKind.OUTCOME,
        detail=outcome.appointment_attendance_status or "none",
    )
    return outcome


def outcome_fields(heard: GeneratedOutcomes) -> dict[str, Any]:
    """The typed columns of one `generated_outcomes` (R95)."""
    original_date, original_time = slot_columns(heard.original_appointment)
    rescheduled_date, rescheduled_time = slot_columns(heard.rescheduled_appointment)
    return {
        "called": heard.called,
        "time_of_call": heard.time_of_call,
        "voicemail_left": heard.voicemail_left,
        "person_spoke_with": (heard.person_spoke_with or "")[:255],
        "positive_or_negative_contact": (heard.positive_or_negative_contact or "")[:32],
        "original_date": original_date,
        "original_time": original_time,
        "rescheduled_date": rescheduled_date,
        "rescheduled_time": rescheduled_time,
        "additional_dates_of_service": [
            {"date": slot.date.isoformat(), "time": slot_columns(slot)[1] or None}
            for slot in heard.additional_dates_of_service
        ],
        "appointment_attendance_status": (heard.appointment_attendance_status or "")[:32],
        "reason_why": heard.reason_why or "",
        "bill_sending_confirmation": (heard.bill_sending_confirmation or "")[:32],
        "report_sending_confirmation": (heard.report_sending_confirmation or "")[:32],
    }


def slot_columns(slot: AppointmentSlot | None) -> tuple[date | None, str]:
    """(date, HH:MM); an empty time when none was said."""
    if slot is None:
        return None, ""
    return slot.date, slot.time.strftime("%H:%M") if slot.time else ""


def heard_of(row: CallRow, fields: dict[str, Any]) -> Heard:
    return Heard(
        attendance=fields["appointment_attendance_status"],
        called=fields["called"],
        person_spoke_with=fields["person_spoke_with"],
        voicemail_left=fields["voicemail_left"],
        contact=fields["positive_or_negative_contact"],
        time_of_call=fields["time_of_call"],
        original_date=fields["original_date"],
        rescheduled_date=fields["rescheduled_date"],
        expected_date=date.fromisoformat(row.expected_appointment_date_time[:10]),
        appointment_at=row.appointment_at,
    )


def record_attempts(row: CallRow, attempts: Sequence[AttemptTold], *, now: datetime) -> int:
    """Store each attempt with the time it was read (R76); returns how many.

    One without an id cannot be kept apart, one with the id of another call's attempt stays there (R9).
    """
    told = [(attempt.id, attempt) for attempt in attempts if attempt.id is not None]
    others = CallAttempt.objects.filter(attempt_id__in=[key for key, _ in told]).exclude(row=row)
    taken = set(others.values_list("attempt_id", flat=True))
    stored = [(attempt_id, attempt) for attempt_id, attempt in told if attempt_id not in taken]
    for number, (attempt_id, attempt) in enumerate(stored, start=1):
        CallAttempt.objects.update_or_create(
            attempt_id=attempt_id, defaults=attempt_fields(row, attempt, number, now=now)
        )
    return len(stored)


def attempt_fields(
    row: CallRow, told: AttemptTold, number: int, *, now: datetime
) -> dict[str, Any]:
    return {
        "row": row,
        "attempt_number": told.attempt_number if (told.attempt_number or -1) >= 0 else number,
        "status": (told.status or "")[:32],
        "disposition": (told.disposition or "")[:32],
        "error_detail": told.error_detail or "",
        "room_name": (told.room_name or "")[:255],
        "workflow_id": (told.workflow_id or "")[:255],
        "call_reference_time_utc": told.call_reference_time_utc,
        "transcript_bucket": (told.transcript_bucket or "")[:255],
        "transcript_object_key": (told.transcript_object_key or "")[:1024],
        "recording_id": (told.recording_id or "")[:255],
        "generated_outcomes": told.generated_outcomes,
        "agent_behavior_evaluation": told.agent_behavior_evaluation,
        "upstream_created_at": told.created_at,
        "upstream_updated_at": told.updated_at,
        "fetched_at": now,
    }
