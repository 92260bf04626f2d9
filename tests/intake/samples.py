"""A's sample row as raw cells, and the instant at which the intake tests read it."""

from datetime import UTC, datetime

NOW = datetime(2026, 4, 10, 12, 0, tzinfo=UTC)
SAMPLE = {
    "external_reference_id": "row-0001",
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
    "outbound_phone_number": "+12125550199",
    "eoc_number": "EOC-1",
    "notes": "",
}
