import copy

import pytest

from sandbox import fields
from tests.sandbox.bodies import ENTITY, GONE, call

OPEN = {"default_call_time": "09:00", "windows": [{"start": "09:00", "end": "17:00"}]}


@pytest.fixture
def entity_id(api):
    return api.entity().json()["id"]


def faulty(answer):
    """Where the faults are, as dotted paths."""
    assert answer.status_code == 422, answer.text
    return {".".join(map(str, fault["loc"])) for fault in answer.json()["detail"]}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("outbound_phone_number", "+12125550199"),
        ("objective", "RESCHEDULE"),
        ("notes", None),
        ("best_to_make_call_by", "2026-04-10T15:00:00Z"),
        ("best_to_make_call_by", None),
        ("patient_ssn", "999887777"),
        ("patient_ssn", "7777"),
        ("patient_ssn", "NONE"),
        ("patient_ssn", None),
        ("patient_ssn", GONE),
        ("patient_phone_number", "(212) 555-0100"),
        ("patient_phone_number", "1-212-555-0100"),
        ("patient_phone_number", "NONE"),
        ("patient_phone_number", None),
        ("patient_phone_number", GONE),
        ("claim_number", ""),
        ("claim_number", GONE),
        ("provider_state", "New York"),
        ("provider_state", None),
        ("provider_state", GONE),
        ("local_timezone", "America/Indiana/Indianapolis"),
        ("organization_name", "SPNet West"),
    ],
)
def test_it_takes_what_the_documents_allow(api, entity_id, field, value):
    assert api.schedule(call(entity_id=entity_id, **{field: value})).status_code == 200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("entity_id", GONE),
        ("entity_id", "11111111-1111-4111-8111-111111111111"),
        ("entity_id", "office"),
        ("external_reference_id", None),
        ("external_reference_id", " "),
        ("outbound_phone_number", GONE),
        ("outbound_phone_number", "2125550199"),
        ("outbound_phone_number", "+1 212 555 0199"),
        ("outbound_phone_number", "+1212555019"),
        ("outbound_phone_number", "+442071234567"),
        ("outbound_phone_number", "+11125550199"),
        ("outbound_phone_number", "+12121550199"),
        ("outbound_phone_number", "+19115550199"),
        ("outbound_phone_number", "+12129110199"),
        ("outbound_phone_number", "+1212555019٩"),
        ("outbound_phone_number", 12125550199),
        ("objective", "CALL"),
        ("objective", GONE),
        ("notes", 1),
        ("best_to_make_call_by", "tomorrow"),
        ("best_to_make_call_by", "2026-04-10"),
        ("priority", 1),
    ],
)
def test_it_refuses_a_call(api, entity_id, field, value):
    wanted = call(**({"entity_id": entity_id} | {field: value}))
    assert faulty(api.schedule(wanted)) == {f"body.calls.0.{field}"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("organization_name", "Nobody Inc"),
        ("organization_name", ""),
        ("patient_name", GONE),
        ("patient_name", "  "),
        ("patient_ssn", ""),
        ("patient_ssn", "99988777"),
        ("patient_ssn", "99-988-7777"),
        ("patient_ssn", 7777),
        ("patient_dob", "04/13/1967"),
        ("patient_dob", "1967-02-30"),
        ("patient_dob", "19670413"),
        ("patient_phone_number", ""),
        ("patient_phone_number", "555-0100"),
        ("date_of_injury", None),
        ("date_of_injury", "2026-01-15T00:00:00"),
        ("expected_appointment_date_time", "2026-04-09T11:00:00Z"),
        ("expected_appointment_date_time", "2026-04-09T11:00:00-04:00"),
        ("expected_appointment_date_time", "2026-04-09T11:00:00.000"),
        ("expected_appointment_date_time", "2026-04-09T11:00"),
        ("expected_appointment_date_time", "2026-04-09 11:00:00"),
        ("expected_appointment_date_time", "2026-04-09"),
        ("expected_appointment_date_time", "2026-04-09T24:00:00"),
        ("local_timezone", "EST"),
        ("local_timezone", "US/Eastern"),
        ("local_timezone", "america/new_york"),
        ("service_modality", GONE),
        ("claim_number", None),
        ("insurer_group_name", GONE),
        ("body_part", GONE),
        ("provider_office", GONE),
        ("provider_office_address", GONE),
        ("provider_state", "Ontario"),
        ("provider_state", ""),
        ("eoc_number", GONE),
    ],
)
def test_it_refuses_details(api, entity_id, field, value):
    answer = api.schedule(call(entity_id=entity_id, **{field: value}))
    assert faulty(answer) == {f"body.calls.0.details.{field}"}


def test_details_take_notes_and_nothing_undocumented(api, entity_id):
    wanted = call(entity_id=entity_id)
    wanted["details"] |= {"notes": "ring twice"}
    assert api.schedule(wanted).status_code == 200
    wanted["details"] |= {"employer": "Acme"}
    assert faulty(api.schedule(wanted)) == {"body.calls.0.details.employer"}


def test_one_faulty_call_refuses_them_all_and_echoes_what_was_sent(api, sandbox, entity_id):
    good, bad = call(entity_id=entity_id), call(entity_id=entity_id, patient_dob="1967")
    answer = api.schedule(good, bad)
    assert answer.json()["detail"] == [
        {
            "type": "date_parsing",
            "loc": ["body", "calls", 1, "details", "patient_dob"],
            "msg": "Input should be a date in the form YYYY-MM-DD",
            "input": "1967",
        }
    ]
    assert sandbox.ledger.requests == []


def test_references_are_on_all_calls_or_on_none(api, entity_id):
    with_one, without = (
        call(entity_id=entity_id),
        call(entity_id=entity_id, external_reference_id=GONE),
    )
    assert faulty(api.schedule(with_one, without)) == {"body.calls"}
    (answer,) = api.schedule(without).json()["scheduled_requests"]
    assert answer["external_reference_id"] is None


def test_a_repeated_reference_makes_another_request(api, sandbox, entity_id):
    for _ in range(2):
        api.schedule(call(entity_id=entity_id))
    assert sandbox.ledger.requests_by_reference == {"row-0001": 2}


@pytest.mark.parametrize("body", [{}, {"calls": []}, {"calls": {}}, {"calls": [None]}, []])
def test_a_schedule_needs_calls(api, body):
    assert api.post("/scheduler/requests", body).status_code == 422


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"scheduled_request_ids": []},
        {"scheduled_request_ids": ["22222222-2222-4222-8222-222222222222"] * 2},
        {"scheduled_request_ids": ["row-1"]},
        {"scheduled_request_ids": "22222222-2222-4222-8222-222222222222"},
        {
            "scheduled_request_ids": ["22222222-2222-4222-8222-222222222222"],
            "latency_mode": "fast",
        },
        {"scheduled_request_ids": ["22222222-2222-4222-8222-222222222222"], "force": True},
    ],
    ids=["nothing", "none", "two", "no-uuid", "no-list", "mode", "extra"],
)
def test_a_trigger_takes_exactly_one_id(api, body):
    assert api.post("/scheduler/trigger/v2", body).status_code == 422


@pytest.mark.parametrize(
    ("day", "good"),
    [
        (OPEN, True),
        ({}, True),
        ({"windows": []}, True),
        ({"default_call_time": None, "windows": []}, True),
        (OPEN | {"default_call_time": "16:59"}, True),
        (OPEN | {"default_call_time": "17:00"}, False),
        (OPEN | {"default_call_time": "08:59"}, False),
        (OPEN | {"default_call_time": "9:00"}, False),
        (OPEN | {"default_call_time": ""}, False),
        (OPEN | {"default_call_time": None}, False),
        ({"windows": OPEN["windows"]}, False),
        ({"default_call_time": "09:00"}, False),
        ({"default_call_time": "09:00", "windows": []}, False),
        (OPEN | {"closed": False}, False),
        (OPEN | {"windows": [{"start": "17:00", "end": "09:00"}]}, False),
        (OPEN | {"windows": [{"start": "09:00"}]}, False),
        (OPEN | {"windows": [{"start": "09:00", "end": "24:00"}]}, False),
        (OPEN | {"windows": [{"start": "09:00", "end": "17:00", "note": ""}]}, False),
        (None, False),
        ([], False),
    ],
)
def test_a_day_of_working_hours(api, day, good):
    policy = ENTITY["working_hours_policy"] | {"monday": day}
    assert api.entity(working_hours_policy=policy).status_code == (200 if good else 422)


@pytest.mark.parametrize(
    ("field", "value", "good"),
    [
        ("location_name", None, True),
        ("ivr_answer_key_guide", "Press 2, then 1", True),
        ("working_hours_policy", {}, True),
        ("working_hours_policy", {"holiday": {}}, False),
        ("working_hours_policy", None, False),
        ("location_timezone", "Mars/Olympus", False),
        ("name", "", False),
        ("name", None, False),
        ("address", "456 Provider Rd", False),
    ],
)
def test_an_entity(api, field, value, good):
    assert api.entity(**{field: value}).status_code == (200 if good else 422)


@pytest.mark.parametrize("field", ["name", "location_timezone", "working_hours_policy"])
def test_an_entity_without(api, field):
    body = copy.deepcopy(ENTITY)
    del body[field]
    assert faulty(api.post("/scheduler/entities", body)) == {f"body.{field}"}


def test_the_documents_patient_phone_is_normalised():
    assert fields.patient_phone("(212) 555-0100") == "+12125550100"
