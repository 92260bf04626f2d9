import json
from datetime import UTC, date, datetime, time, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from calls.evergrove.answers import read_json
from calls.evergrove.schemas import (
    DEFAULT_WORKING_HOURS,
    AppointmentSlot,
    CallInput,
    EntityBody,
    GeneratedOutcomes,
    RequestStatus,
    ScheduleAnswer,
    ScheduleBody,
    SchedulerEntity,
    TriggerAnswer,
    WorkingHoursPolicy,
)
from calls.vocabulary import TERMINAL_STATUSES, Attendance, WorkflowStatus
from tests.evergrove import samples


def sent(body):
    return json.loads(body.wire())


def call(*, details=None, **changes):
    return CallInput(**{**samples.CALL, **changes, "details": details or samples.CALL["details"]})


def details_without(*names, **changes):
    kept = {k: v for k, v in samples.CALL["details"].items() if k not in names}
    return {**kept, **changes}


# What is sent


def test_the_documents_own_call_is_sent_unchanged():
    assert sent(call()) == samples.CALL


def test_the_documents_own_entity_is_sent_with_its_guide_named():
    assert sent(EntityBody(**samples.ENTITY_BODY)) == {
        **samples.ENTITY_BODY,
        "ivr_answer_key_guide": None,
    }


def test_the_default_hours_are_the_documented_ones():
    assert sent(DEFAULT_WORKING_HOURS) == samples.HOURS


@pytest.mark.parametrize("blank", [None, "", "  "], ids=repr)
@pytest.mark.parametrize("name", ["patient_phone_number", "patient_ssn", "provider_state"])
def test_a_blank_optional_detail_is_omitted(name, blank):
    assert name not in sent(call(details=details_without(**{name: blank})))["details"]


@pytest.mark.parametrize("blank", [None, "", "  "], ids=repr)
def test_a_blank_claim_number_is_sent_as_not_available(blank):
    details = details_without(claim_number=blank)
    assert sent(call(details=details))["details"]["claim_number"] == "Not Available"
    left_out = details_without("claim_number")
    assert sent(call(details=left_out))["details"]["claim_number"] == "Not Available"


def test_blank_notes_and_no_deadline_are_omitted():
    assert sent(call(notes=" ", best_to_make_call_by=None)) == samples.CALL


def test_notes_travel_at_the_top_and_never_in_details():
    assert sent(call(notes="Ask for Alex"))["notes"] == "Ask for Alex"
    with pytest.raises(ValidationError):
        call(details=details_without(notes="Ask for Alex"))


def test_the_deadline_is_sent_in_utc_with_z():
    eastern = timezone(timedelta(hours=-4))
    made = call(best_to_make_call_by=datetime(2026, 4, 9, 11, 0, 0, 999, tzinfo=eastern))
    assert sent(made)["best_to_make_call_by"] == "2026-04-09T15:00:00Z"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("best_to_make_call_by", datetime(2026, 4, 9)),
        ("outbound_phone_number", "2125550199"),
        ("outbound_phone_number", "+12125550199\n"),
        ("external_reference_id", ""),
        ("external_reference_id", None),
        ("entity_id", "not-an-id"),
        ("objective", "SELL"),
        ("surprise", 1),
    ],
)
def test_a_call_that_breaks_the_contract_cannot_be_built(name, value):
    with pytest.raises(ValidationError, match=name):
        call(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("eoc_number", ""),
        ("patient_dob", "04/13/1967"),
        ("patient_dob", "1967-02-30"),
        ("patient_dob", datetime(1967, 4, 13, tzinfo=UTC)),
        ("patient_ssn", "98765"),
        ("patient_phone_number", "(212) 555-0199"),
        ("expected_appointment_date_time", "2026-04-09T11:00:00Z"),
        ("expected_appointment_date_time", "2026-04-09T11:00"),
        ("expected_appointment_date_time", "2026-04-31T11:00:00"),
        ("expected_appointment_date_time", "2026-4-9T1:00:00"),
        ("expected_appointment_date_time", None),
    ],
)
def test_details_that_break_the_contract_are_refused_without_repeating_them(name, value):
    with pytest.raises(ValidationError, match=name) as caught:
        call(details=details_without(**{name: value}))
    assert not value or str(value) not in str(caught.value)


def test_typed_values_of_a_row_are_taken_as_they_are():
    details = details_without(patient_dob=date(1967, 4, 13), date_of_injury=date(2026, 1, 15))
    assert sent(call(entity_id=samples.ENTITY_ID, details=details)) == samples.CALL


def test_one_post_names_a_reference_once_and_is_never_empty():
    with pytest.raises(ValidationError):
        ScheduleBody(calls=(call(), call()))
    with pytest.raises(ValidationError):
        ScheduleBody(calls=())


def test_a_shape_printed_by_accident_shows_no_patient():
    made = ScheduleBody(calls=(call(),))
    heard = GeneratedOutcomes.model_validate(samples.OUTCOMES)
    assert (str(made), repr(heard)) == ("ScheduleBody()", "GeneratedOutcomes()")


# Working hours


def day(*windows, at="09:00"):
    return {
        "default_call_time": at,
        "windows": [{"start": start, "end": end} for start, end in windows],
    }


@pytest.mark.parametrize(
    "monday",
    [
        day(("09:00", "12:00"), ("13:00", "17:00")),
        day(("09:00", "12:00"), ("12:00", "17:00"), at="12:00"),
        day(("00:00", "23:59"), at="23:58"),
    ],
    ids=str,
)
def test_hours_within_the_rules_are_sent_as_given(monday):
    assert sent(WorkingHoursPolicy(monday=monday))["monday"] == monday


@pytest.mark.parametrize(
    "monday",
    [
        day(("09:00", "17:00"), at=None),
        day(("09:00", "17:00"), at="08:59"),
        day(("09:00", "17:00"), at="17:00"),
        day(("09:00", "12:00"), ("13:00", "17:00"), at="12:30"),
        day(at="09:00"),
        day(("17:00", "09:00"), at="17:00"),
        day(("09:00", "09:00")),
        day(("13:00", "17:00"), ("09:00", "12:00")),
        day(("09:00", "13:00"), ("12:00", "17:00")),
        day(("9:00", "17:00"), at="10:00"),
        day(("09:00", "24:00")),
        day(("09:00:00", "17:00:00"), at="10:00"),
        day(("09:00", "17:00")) | {"extra": 1},
        {"default_call_time": "09:00", "windows": [{"start": "09:00", "end": "17:00", "x": 1}]},
        {"default_call_time": "09:00", "windows": "09:00-17:00"},
    ],
    ids=str,
)
def test_hours_outside_the_rules_are_refused(monday):
    with pytest.raises(ValidationError):
        WorkingHoursPolicy(monday=monday)


@pytest.mark.parametrize(
    "week", [{}, {"monday": {}}, {"monday": None}, {"holiday": samples.OPEN_DAY}], ids=str
)
def test_a_week_needs_an_open_day_and_only_days(week):
    with pytest.raises(ValidationError):
        WorkingHoursPolicy(**week)


def test_a_closed_day_is_the_same_however_it_is_written():
    closed = {"saturday": None, "sunday": {"default_call_time": None, "windows": []}}
    assert WorkingHoursPolicy(**{**samples.HOURS, **closed}) == DEFAULT_WORKING_HOURS


# What is answered


def test_the_documents_own_completed_answer_is_read():
    answer = RequestStatus.model_validate(samples.WITH_ATTEMPTS)
    outcomes = answer.generated_outcomes
    assert answer.is_terminal
    assert answer.updated_at == datetime(2026, 4, 9, 15, 8, 30, tzinfo=UTC)
    assert outcomes.appointment_attendance_status == Attendance.ATTENDED
    assert outcomes.original_appointment == AppointmentSlot(date=date(2026, 4, 9), time=time(11))
    assert answer.generated_outcomes_raw == samples.OUTCOMES
    assert answer.call_attempts[0].disposition == "ANSWERED"
    assert answer.call_attempts[0].generated_outcomes == samples.OUTCOMES


def test_the_documents_own_active_answer_is_read():
    answer = RequestStatus.model_validate(samples.ACTIVE)
    assert not answer.is_terminal
    assert (answer.generated_outcomes, answer.generated_outcomes_raw) == (None, None)


def test_attempts_left_out_differ_from_no_attempts():
    assert RequestStatus.model_validate(samples.ACTIVE).call_attempts is None
    none_made = {**samples.ACTIVE, "call_attempts": []}
    assert RequestStatus.model_validate(none_made).call_attempts == ()


def test_an_attempt_that_cannot_be_read_still_counts():
    odd = [None, "?", {}, {"id": 5, "attempt_number": "x", "created_at": []}]
    answer = RequestStatus.model_validate({**samples.ACTIVE, "call_attempts": odd})
    assert len(answer.call_attempts) == len(odd)


@pytest.mark.parametrize("odd", ["?", {"id": 1}, 3], ids=str)
def test_attempts_that_are_no_list_are_not_taken_for_none(odd):
    with pytest.raises(ValidationError):
        RequestStatus.model_validate({**samples.ACTIVE, "call_attempts": odd})


def test_an_unknown_status_and_unknown_words_stay_text():
    outcomes = {**samples.OUTCOMES, "appointment_attendance_status": "arrived_late"}
    changes = {"workflow_status": "PAUSED", "generated_outcomes": outcomes, "new_field": 1}
    answer = RequestStatus.model_validate({**samples.ACTIVE, **changes})
    assert answer.workflow_status == "PAUSED"
    assert not answer.is_terminal
    assert answer.generated_outcomes.appointment_attendance_status == "arrived_late"


def test_terminal_is_what_the_documents_call_terminal():
    assert set(WorkflowStatus) - set(TERMINAL_STATUSES) == {"ENQUEUED", "ACTIVE"}


@pytest.mark.parametrize("name", samples.OUTCOMES)
@pytest.mark.parametrize("odd", [[], {}, [[1]], {"date": 5}, "\x00", -1, 1e400], ids=repr)
@pytest.mark.fault(
    "HTTP",
    "Outcome with a field of the wrong type",
    "That field stays in the raw answer; nothing else is lost.",
)
def test_one_odd_outcome_field_loses_nothing_else(name, odd):
    answer = RequestStatus.model_validate(
        {**samples.COMPLETE, "generated_outcomes": {**samples.OUTCOMES, name: odd}}
    )
    expected = GeneratedOutcomes.model_validate(samples.OUTCOMES).model_dump(exclude={name})
    assert answer.generated_outcomes.model_dump(exclude={name}) == expected
    assert answer.generated_outcomes_raw[name] == odd


def test_outcomes_that_are_no_object_do_not_lose_the_status():
    answer = RequestStatus.model_validate({**samples.COMPLETE, "generated_outcomes": "attended"})
    assert (answer.workflow_status, answer.generated_outcomes) == ("COMPLETE", None)


@pytest.mark.parametrize(
    ("given_time", "read"),
    [
        ("11:00", time(11)),
        ("11:00:30", time(11, 0, 30)),
        ("1:05 PM", time(13, 5)),
        (None, None),
        ("noon", None),
        ("11:00Z", None),
        (1100, None),
    ],
    ids=str,
)
def test_the_time_of_a_slot_is_read_or_absent(given_time, read):
    slot = AppointmentSlot.model_validate({"date": "2026-04-09", "time": given_time})
    assert slot == AppointmentSlot(date=date(2026, 4, 9), time=read)


def test_additional_dates_keep_those_that_can_be_read():
    items = [{"date": "2026-04-10", "time": None}, {"date": "soon"}, "x", {"date": 20260410}]
    found = GeneratedOutcomes.model_validate({"additional_dates_of_service": items})
    assert found.additional_dates_of_service == (AppointmentSlot(date=date(2026, 4, 10)),)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-04-09T15:00:00", datetime(2026, 4, 9, 15, tzinfo=UTC)),
        ("2026-04-09T15:00:00.123456789Z", datetime(2026, 4, 9, 15, 0, 0, 123456, tzinfo=UTC)),
        ("2026-04-09T11:00:00-04:00", datetime(2026, 4, 9, 15, tzinfo=UTC)),
        ("0001-01-01T00:00:00+14:00", None),
        ("yesterday", None),
        (1775746800, None),
    ],
    ids=str,
)
def test_a_moment_is_aware_utc_or_absent(text, moment):
    assert RequestStatus.model_validate({**samples.ACTIVE, "updated_at": text}).updated_at == moment


def test_an_entity_keeps_hours_it_cannot_read_as_they_came():
    entity = SchedulerEntity.model_validate(samples.ENTITY)
    assert entity.working_hours == DEFAULT_WORKING_HOURS
    odd = SchedulerEntity.model_validate({**samples.ENTITY, "working_hours_policy": {"always": 1}})
    assert (odd.working_hours, odd.working_hours_policy) == (None, {"always": 1})


@pytest.mark.parametrize("name", ["id", "tenant_id", "can_call"])
def test_an_entity_without_what_is_acted_on_is_not_understood(name):
    rest = {key: value for key, value in samples.ENTITY.items() if key != name}
    with pytest.raises(ValidationError):
        SchedulerEntity.model_validate(rest)


def test_a_scheduled_request_that_cannot_be_read_does_not_lose_the_others():
    items = [None, {"id": "?"}, samples.SCHEDULED, {"external_reference_id": "row-0002"}]
    (found,) = ScheduleAnswer.model_validate({"scheduled_requests": items}).scheduled_requests
    assert (found.id, found.external_reference_id) == (samples.REQUEST_ID, "row-0001")


@pytest.mark.parametrize("answer", [{}, {"scheduled_requests": None}, []], ids=str)
def test_a_schedule_answer_without_a_list_is_not_understood(answer):
    with pytest.raises(ValidationError):
        ScheduleAnswer.model_validate(answer)


@pytest.mark.parametrize(
    ("answer", "accepted"),
    [
        ({"triggered": [str(samples.REQUEST_ID)]}, True),
        ({"triggered": [str(samples.REQUEST_ID).upper()], "errors": None}, True),
        ({"triggered": [str(samples.REQUEST_ID)], "errors": []}, True),
        ({"triggered": [str(samples.REQUEST_ID)], "errors": ["busy"]}, False),
        ({"triggered": [str(samples.REQUEST_ID)], "errors": "busy"}, False),
        ({"triggered": [str(samples.REQUEST_ID)], "errors": {"x": 1}}, False),
        ({"triggered": [str(samples.REQUEST_ID)], "errors": [None]}, False),
        ({"triggered": [str(samples.ENTITY_ID)]}, False),
        ({"triggered": []}, False),
        ({"triggered": None}, False),
        ({}, False),
    ],
    ids=str,
)
def test_a_trigger_is_accepted_only_with_our_id_and_no_errors(answer, accepted):
    assert TriggerAnswer.model_validate(answer).accepted(samples.REQUEST_ID) is accepted


def test_json_is_made_fit_to_store():
    body = rb'{"a\u0000": ["x\u0000y", "\ud800", NaN, {"b": -Infinity}], "c": 1}'
    assert read_json(body) == {"a": ["xy", "?", None, {"b": None}], "c": 1}


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000], ids=lambda b: repr(b[:5]))
def test_what_is_not_json_is_a_value_error(body):
    with pytest.raises(ValueError):
        read_json(body)


ANY_JSON = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@ANY_JSON
@given(st.dictionaries(st.sampled_from(sorted(samples.ATTEMPT)), JSON))
def test_any_attempt_can_be_read(attempt):
    answer = RequestStatus.model_validate({**samples.ACTIVE, "call_attempts": [attempt]})
    assert len(answer.call_attempts) == 1


@ANY_JSON
@given(st.dictionaries(st.sampled_from(sorted(samples.OUTCOMES)), JSON))
def test_any_outcomes_can_be_read(outcomes):
    answer = RequestStatus.model_validate({**samples.COMPLETE, "generated_outcomes": outcomes})
    assert answer.id == UUID(samples.COMPLETE["id"])
    assert answer.generated_outcomes is not None
    assert answer.generated_outcomes_raw == outcomes
