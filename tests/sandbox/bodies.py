"""The documents' own example bodies."""

import copy
import json
from typing import Any

ENTITY: dict[str, Any] = json.loads("""{
"name": "Select Physical Therapy",
"location_name": "Select Physical Therapy",
"location_timezone": "America/New_York",
"working_hours_policy": {
"monday": { "default_call_time": "09:00", "windows": [{ "start": "09:00", "end": "17:00" }] },
"tuesday": { "default_call_time": "09:00", "windows": [{ "start": "09:00", "end": "17:00" }] },
"wednesday": { "default_call_time": "09:00", "windows": [{ "start": "09:00", "end": "17:00" }] },
"thursday": { "default_call_time": "09:00", "windows": [{ "start": "09:00", "end": "17:00" }] },
"friday": { "default_call_time": "09:00", "windows": [{ "start": "09:00", "end": "17:00" }] },
"saturday": {},
"sunday": {}
}
}""")

CALL: dict[str, Any] = json.loads("""{
"entity_id": "11111111-1111-4111-8111-111111111111",
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
"eoc_number": "EOC-1"
}
}""")

OUTCOME: dict[str, Any] = json.loads("""{
"called": true,
"time_of_call": "2026-04-09T15:00:00Z",
"voicemail_left": false,
"person_spoke_with": "Alex",
"positive_or_negative_contact": "positive",
"original_appointment": { "date": "2026-04-09", "time": "11:00" },
"rescheduled_appointment": null,
"additional_dates_of_service": [],
"appointment_attendance_status": "attended",
"reason_why": null,
"bill_sending_confirmation": "confirmed",
"report_sending_confirmation": "not_discussed"
}""")

ATTEMPT_KEYS = frozenset(
    [
        "id",
        "scheduled_request_id",
        "tenant_id",
        "attempt_number",
        "status",
        "disposition",
        "error_detail",
        "room_name",
        "workflow_id",
        "call_reference_time_utc",
        "transcript_bucket",
        "transcript_object_key",
        "generated_outcomes",
        "agent_behavior_evaluation",
        "recording_id",
        "created_at",
        "updated_at",
    ]
)

DETAIL_NAMES = frozenset(CALL["details"])
GONE = object()


def call(**changes: Any) -> dict[str, Any]:
    """The example call with changed fields; a field of the details is changed by its own name."""
    body = copy.deepcopy(CALL)
    for name, value in changes.items():
        place = body["details"] if name in DETAIL_NAMES else body
        if value is GONE:
            del place[name]
        else:
            place[name] = value
    return body
