"""Rows of every kind with sensible defaults; synthetic people only."""

from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any
from uuid import uuid4

from django.contrib.auth import get_user_model
from django.utils import timezone

from calls.models import (
    Batch,
    BlockedPhone,
    CallAttempt,
    CallEvent,
    CallRow,
    Entity,
    Outcome,
    RejectedLine,
)
from calls.models.entity import office_identity
from calls.vocabulary import SETTLED, TRIGGERED, Attendance, BatchState, EventKind, Phase

NUMBERS = count(1)
NOW = datetime(2026, 4, 9, 15, 42, 6, tzinfo=UTC)  # Thursday, 11:42 AM in New York


def make_user(username: str = "", **over: Any) -> Any:
    """A coordinator; `is_staff=True` for a supervisor."""
    name = username or f"coordinator{next(NUMBERS)}"
    return get_user_model().objects.create_user(name, password="correct horse battery", **over)


def make_batch(**over: Any) -> Batch:
    fields = {"name": "SPNet morning", "state": BatchState.RUNNING}
    return Batch.objects.create(**fields | over)


def make_entity(**over: Any) -> Entity:
    """An office that Evergrove knows and that may be called; `entity_id=None` for a new one."""
    number = next(NUMBERS)
    fields: dict[str, Any] = {
        "name": f"Select Physical Therapy {number}",
        "address": "456 Provider Rd, New York, NY 10002",
        "state": "NY",
        "timezone": "America/New_York",
        "entity_id": uuid4(),
        "can_call": True,
        "synced_version": 1,
        "synced_at": timezone.now(),
    } | over
    fields.setdefault("upstream_name", fields["name"])
    fields.setdefault(
        "identity", office_identity(fields["name"], fields["address"], fields["timezone"])
    )
    if fields["entity_id"] is None:
        fields |= {
            "can_call": None, "synced_version": 0, "synced_at": None,
        } | over  # fmt: skip
    return Entity.objects.create(**fields)


def row_values(number: int, entity: Entity) -> dict[str, Any]:
    """The 19 fields of a NormalizedCallRow."""
    return {
        "external_reference_id": f"row-{number:04}",
        "organization_name": "SPNet",
        "patient_name": f"Amara Delgado {number}",
        "patient_ssn": "987657777",
        "patient_dob": date(1967, 4, 13),
        "patient_phone_number": "+12125550100",
        "date_of_injury": date(2026, 1, 15),
        "expected_appointment_date_time": "2026-04-09T11:00:00",
        "local_timezone": entity.timezone,
        "service_modality": "Physical Therapy",
        "claim_number": f"WC-{448000 + number}",
        "insurer_group_name": "Acme Insurer Group",
        "body_part": "Left shoulder",
        "provider_office": entity.name,
        "provider_office_address": entity.address,
        "provider_state": entity.state or None,
        "outbound_phone_number": f"+1212555{number % 10_000:04}",
        "eoc_number": f"EOC-{20_000 + number}",
        "notes": None,
    }


def make_row(phase: Phase = Phase.READY, **over: Any) -> CallRow:
    """A row in any phase, with what the table's constraints ask of that phase."""
    entity = over.pop("entity", None) or make_entity()
    batch = over.pop("batch", None) or make_batch()
    now = over.get("changed_at") or timezone.now()
    fields = {
        **row_values(next(NUMBERS), entity),
        "next_at": now,
        "changed_at": now,
        **phase_values(phase, now),
        **over,
    }
    return CallRow.objects.create(batch=batch, entity=entity, phase=phase, **fields)


def phase_values(phase: Phase, now: datetime) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if phase in (Phase.SCHEDULED, *TRIGGERED):
        fields |= {"request_id": uuid4(), "last_workflow_status": "ENQUEUED"}
    if phase in TRIGGERED:
        fields |= {"trigger_sent_at": now - timedelta(minutes=5), "trigger_count": 1}
    if phase == Phase.CALLING:
        fields |= {"first_active_at": now, "last_workflow_status": "ACTIVE"}
    if phase in (Phase.AWAITING_OUTCOME, Phase.COMPLETED):
        fields |= {"first_active_at": now, "last_workflow_status": "COMPLETE"}
    if phase == Phase.FAILED:
        fields |= {"last_workflow_status": "ERROR"}
    if phase in SETTLED:
        fields["settled_at"] = now
    return fields


def make_outcome(row: CallRow, **over: Any) -> Outcome:
    """`attended`, said by Alex, unless told otherwise."""
    attendance = over.pop("attendance", Attendance.ATTENDED)
    fields: dict[str, Any] = {
        "called": True,
        "time_of_call": NOW,
        "voicemail_left": False,
        "person_spoke_with": "Alex",
        "positive_or_negative_contact": "positive",
        "original_date": date(2026, 4, 9),
        "original_time": "11:00",
        "appointment_attendance_status": attendance,
        "bill_sending_confirmation": "confirmed",
        "report_sending_confirmation": "not_discussed",
        "raw": {"appointment_attendance_status": str(attendance)},
        "received_at": timezone.now(),
    }
    return Outcome.objects.create(row=row, **fields | over)


def make_attempt(row: CallRow, **over: Any) -> CallAttempt:
    fields: dict[str, Any] = {
        "attempt_id": uuid4(),
        "attempt_number": row.attempts.count() + 1,
        "status": "COMPLETE",
        "disposition": "ANSWERED",
        "call_reference_time_utc": NOW,
        "fetched_at": timezone.now(),
    }
    return CallAttempt.objects.create(row=row, **fields | over)


def make_event(kind: EventKind = EventKind.MOVED, **over: Any) -> CallEvent:
    """An entry of a row's, batch's or office's timeline."""
    return CallEvent.objects.create(kind=kind, **{"at": timezone.now()} | over)


def make_rejected_line(batch: Batch, line: int = 2, **over: Any) -> RejectedLine:
    fields: dict[str, Any] = {
        "cells": '["row-0002", "Benjamin Achterberg", "212555"]',
        "problems": [
            {
                "line": line,
                "column": "outbound_phone_number",
                "code": "phone_digits",
                "message": "Provider phone must have 10 digits. This one has 6",
                "severity": "error",
                "suggestion": "",
            }
        ],
    }
    return RejectedLine.objects.create(batch=batch, line=line, **fields | over)


def make_blocked_phone(phone: str = "+12125550199", **over: Any) -> BlockedPhone:
    return BlockedPhone.objects.create(phone=phone, **over)
