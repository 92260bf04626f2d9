"""The sample bodies and answers of the API's own documents."""

from typing import Any
from uuid import UUID

ENTITY_ID = UUID("11111111-1111-4111-8111-111111111111")
REQUEST_ID = UUID("22222222-2222-4222-8222-222222222222")

OPEN_DAY = {"default_call_time": "09:00", "windows": [{"start": "09:00", "end": "17:00"}]}
HOURS: dict[str, Any] = {
    "monday": OPEN_DAY,
    "tuesday": OPEN_DAY,
    "wednesday": OPEN_DAY,
    "thursday": OPEN_DAY,
    "friday": OPEN_DAY,
    "saturday": {},
    "sunday": {},
}
ENTITY_BODY: dict[str, Any] = {
    "name": "Select Physical Therapy",
    "location_name": "Select Physical Therapy",
    "location_timezone": "America/New_York",
    "working_hours_policy": HOURS,
}
ENTITY: dict[str, Any] = {
    **ENTITY_BODY,
    "id": str(ENTITY_ID),
    "tenant_id": "tenant_123",
    "can_call": True,
    "created_at": "2026-04-09T14:00:00Z",
}
CALL: dict[str, Any] = {
    "entity_id": str(ENTITY_ID),
    "external_reference_id": "row-0001",
    "outbound_phone_number": "+12125550199",
    "objective": "CONFIRM_IE_ATTENDANCE",
    "details": {
        "organization_name": "SPNet",
        "patient_name": "Jane Patient",
        "patient_ssn": "999-88-7777",
        "patient_dob": "1967-04-13",
        "patient_phone_number": "+12125550100",
        "date_of_injury": "2026-01-15",
        "expected_appointment_date_time": "2026-04-09T11:00:00",
        "local_timezone": "America/New_York",
        "service_modality": "physical therapy",
        "claim_number": "CLAIM-1",
        "insurer_group_name": "Acme Insurer Group",
        "body_part": "left shoulder",
        "provider_office": "Select Physical Therapy",
        "provider_office_address": "456 Provider Rd, New York, NY 10002",
        "provider_state": "NY",
        "eoc_number": "EOC-1",
    },
}
SCHEDULED: dict[str, Any] = {
    "id": str(REQUEST_ID),
    "call_input_id": "33333333-3333-4333-8333-333333333333",
    "entity_id": str(ENTITY_ID),
    "external_reference_id": "row-0001",
    "tenant_id": "tenant_123",
    "workflow_status": "ENQUEUED",
    "best_to_callback_after": None,
    "generated_outcomes": None,
    "created_at": "2026-04-09T14:59:30Z",
    "updated_at": "2026-04-09T14:59:30Z",
}
ACTIVE: dict[str, Any] = {
    "id": str(REQUEST_ID),
    "workflow_status": "ACTIVE",
    "best_to_callback_after": None,
    "generated_outcomes": None,
    "created_at": "2026-04-09T14:59:30Z",
    "updated_at": "2026-04-09T15:00:05Z",
}
OUTCOMES: dict[str, Any] = {
    "called": True,
    "time_of_call": "2026-04-09T15:00:00Z",
    "voicemail_left": False,
    "person_spoke_with": "Alex",
    "positive_or_negative_contact": "positive",
    "original_appointment": {"date": "2026-04-09", "time": "11:00"},
    "rescheduled_appointment": None,
    "additional_dates_of_service": [],
    "appointment_attendance_status": "attended",
    "reason_why": None,
    "bill_sending_confirmation": "confirmed",
    "report_sending_confirmation": "not_discussed",
}
COMPLETE: dict[str, Any] = {
    **ACTIVE,
    "workflow_status": "COMPLETE",
    "generated_outcomes": OUTCOMES,
    "updated_at": "2026-04-09T15:08:30Z",
}
ATTEMPT: dict[str, Any] = {
    "id": "44444444-4444-4444-8444-444444444444",
    "scheduled_request_id": str(REQUEST_ID),
    "tenant_id": "tenant_123",
    "attempt_number": 1,
    "status": "COMPLETE",
    "disposition": "ANSWERED",
    "error_detail": None,
    "room_name": "scheduler-tenant_123-22222222",
    "workflow_id": f"scheduled-request-tenant_123-{REQUEST_ID}",
    "call_reference_time_utc": "2026-04-09T15:00:00Z",
    "transcript_bucket": "transcripts",
    "transcript_object_key": "tenant_123/22222222/transcript.json",
    "generated_outcomes": OUTCOMES,
    "agent_behavior_evaluation": None,
    "recording_id": "55555555-5555-4555-8555-555555555555",
    "created_at": "2026-04-09T15:00:00Z",
    "updated_at": "2026-04-09T15:08:30Z",
}
WITH_ATTEMPTS: dict[str, Any] = {**COMPLETE, "call_attempts": [ATTEMPT]}
