"""The documents' examples, sent as they stand and compared with the answers they show."""

import pytest

from tests.sandbox.bodies import ATTEMPT_KEYS, ENTITY, OUTCOME, call

FIRST_DIAL = 1.0  # the dial follows the trigger after a second


def test_an_entity_comes_back_with_what_was_sent(api):
    answer = api.entity().json()
    assert {name: answer[name] for name in ENTITY} == ENTITY
    assert set(answer) - set(ENTITY) == {
        "id", "tenant_id", "can_call", "ivr_answer_key_guide", "working_hours_source",
        "working_hours_updated_at", "created_at",
    }  # fmt: skip
    assert answer["can_call"] is True


def test_an_entity_of_the_same_name_is_overwritten_and_keeps_its_id(api):
    first = api.entity(ivr_answer_key_guide="Press 2").json()
    second = api.entity(location_timezone="America/Denver").json()
    assert second["id"] == first["id"]
    assert second["location_timezone"] == "America/Denver"
    assert second["ivr_answer_key_guide"] is None


def test_an_office_that_must_not_be_called_says_so_and_starts_no_call(api, sandbox):
    entity = api.entity(name="Do Not Call Office of Queens").json()
    request = api.schedule(call(entity_id=entity["id"])).json()["scheduled_requests"][0]
    assert entity["can_call"] is False
    assert api.trigger(request["id"]).json()["errors"]
    assert sandbox.ledger.calls_started == 0


def test_a_call_is_queued_and_not_started(api, sandbox):
    entity_id = api.entity().json()["id"]
    (answer,) = api.schedule(call(entity_id=entity_id)).json()["scheduled_requests"]
    assert set(answer) == {
        "id", "call_input_id", "entity_id", "external_reference_id", "tenant_id",
        "workflow_status", "best_to_callback_after", "generated_outcomes", "created_at", "updated_at",
    }  # fmt: skip
    assert (answer["workflow_status"], answer["external_reference_id"]) == ("ENQUEUED", "row-0001")
    assert answer["created_at"] == "2026-04-09T15:00:00Z"
    assert sandbox.ledger.calls_started == 0


@pytest.mark.parametrize("mode", ["low", "high"])
def test_a_trigger_starts_the_call_in_the_mode_asked_for(api, mode):
    request_id = api.queued()
    answer = api.trigger(request_id, latency_mode=mode).json()
    assert answer["triggered"] == [request_id]
    assert answer["latency_mode"] == mode
    assert not answer.get("errors")


def test_latency_is_low_unless_asked_otherwise(api):
    assert api.trigger(api.queued()).json()["latency_mode"] == "low"


def test_an_active_poll_is_slim(api, clock):
    request_id = api.queued()
    api.trigger(request_id)
    clock.advance(2)
    answer = api.poll(request_id).json()
    assert answer.pop("created_at") < answer.pop("updated_at")
    assert answer == {
        "id": request_id,
        "workflow_status": "ACTIVE",
        "best_to_callback_after": None,
        "generated_outcomes": None,
    }


def test_the_documents_number_leads_to_the_documents_outcome(api, clock):
    request_id = api.queued(phone="+12125550199")
    clock.advance(-FIRST_DIAL)
    api.trigger(request_id)
    clock.advance(60)
    answer = api.poll(request_id).json()
    assert answer["workflow_status"] == "COMPLETE"
    assert answer["generated_outcomes"] == OUTCOME
    (attempt,) = api.attempts(request_id)
    assert set(attempt) == ATTEMPT_KEYS
    assert (attempt["status"], attempt["disposition"]) == ("COMPLETE", "ANSWERED")
    assert attempt["generated_outcomes"] == OUTCOME


@pytest.mark.parametrize(("given", "shown"), [("true", True), ("1", True), ("false", False)])
def test_attempts_are_shown_only_when_asked_for(api, given, shown):
    answer = api.poll(api.queued(), f"?include_call_attempts={given}").json()
    assert ("call_attempts" in answer) is shown


def test_an_unknown_id_is_not_triggered_and_not_found(api):
    nobody = "22222222-2222-4222-8222-222222222222"
    answer = api.trigger(nobody)
    assert answer.status_code == 200
    assert answer.json()["triggered"] == []
    assert nobody in answer.json()["errors"][0]
    assert api.poll(nobody).status_code == 404


@pytest.mark.parametrize("key", [None, "Bearer wrong", "key-of-the-tests", "Bearer "])
def test_the_door_stays_shut_without_the_key(api, sandbox, key):
    api.http.headers.pop("Authorization")
    headers = {} if key is None else {"Authorization": key}
    answer = api.http.post("/scheduler/entities", json=ENTITY, headers=headers)
    assert answer.status_code == 401
    assert not sandbox.ledger.entity_upserts


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/scheduler", 404),
        ("POST", "//scheduler/entities", 404),
        ("POST", "/scheduler/entities/", 404),
        ("GET", "/scheduler/requests/", 404),
        ("GET", "/scheduler/requests/a/b", 404),
        ("GET", "/scheduler/entities", 405),
        ("PUT", "/scheduler/requests", 405),
        ("GET", "/scheduler/trigger/v2", 405),
        ("DELETE", "/scheduler/requests/22222222-2222-4222-8222-222222222222", 405),
        ("GET", "/scheduler/requests/row-1", 422),
    ],
)
def test_only_the_four_endpoints_are_there(api, method, path, status):
    assert api.http.request(method, f"http://sandbox{path}").status_code == status


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b'{"name": NaN}', 400),
        (b"\xff", 400),
        (b"[" * 100_000, 400),
        (b" " * (10 * 1024 * 1024 + 1), 413),
        (b"[]", 422),
    ],
    ids=["empty", "cut", "nan", "not-text", "deep", "too-large", "a-list"],
)
def test_a_body_has_to_be_a_json_object(api, content, status):
    assert api.http.post("/scheduler/entities", content=content).status_code == status


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [("Accept", "*/*", 406), ("Accept", "text/html", 406), ("Content-Type", "text/plain", 415)],
)
def test_every_request_must_include_its_headers(api, header, value, status):
    answer = api.http.post("/scheduler/entities", json=ENTITY, headers={header: value})
    assert answer.status_code == status
