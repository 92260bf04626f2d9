import httpx  # noqa: TID251 - the exceptions of a lost connection
import pytest

from sandbox import Sandbox
from sandbox.faults import ENDPOINTS
from tests.sandbox.bodies import call
from tests.sandbox.conftest import HEADERS, KEY, client_of


@pytest.mark.parametrize(
    ("kind", "options", "error", "left", "applied"),
    [
        ("refused", {}, httpx.ConnectError, False, False),
        ("lost_before", {}, httpx.ReadError, True, False),
        ("lost_before", {"hang": 90.0}, httpx.ReadTimeout, True, False),
        ("lost_after", {}, httpx.ReadError, True, True),
        ("lost_after", {"hang": 90.0}, httpx.ReadTimeout, True, True),
    ],
)
def test_a_lost_connection_looks_like_one(api, sandbox, kind, options, error, left, applied):
    request_id = api.queued()
    seen = []
    sandbox.faults.add(kind, "trigger", **options)
    request = api.http.build_request(
        "POST", "/scheduler/trigger/v2", json={"scheduled_request_ids": [request_id]}
    )
    request.extensions["trace"] = lambda event, info: seen.append(event)
    with pytest.raises(error):
        api.http.send(request)
    assert any(event.endswith("send_request_headers.started") for event in seen) is left
    assert sandbox.ledger.calls_started == applied
    assert sandbox.ledger.entries[-1].status == 0
    assert sandbox.ledger.entries[-1].fault == kind


def test_an_effect_may_come_late(api, sandbox, clock):
    request_id = api.queued()
    sandbox.faults.add("applied_late", "trigger", seconds=100.0)
    with pytest.raises(httpx.ReadError):
        api.trigger(request_id)
    clock.advance(99)
    assert sandbox.ledger.calls_started == 0
    assert api.poll(request_id).json()["workflow_status"] == "ENQUEUED"
    clock.advance(3)
    assert api.poll(request_id).json()["workflow_status"] == "ACTIVE"
    assert sandbox.ledger.calls_started == 1


@pytest.mark.parametrize("code", [400, 401, 403, 404, 409, 422, 429, 500, 503])
@pytest.mark.parametrize("applied", [True, False], ids=["applied", "not-applied"])
def test_an_error_says_nothing_about_the_effect(api, sandbox, code, applied):
    request_id = api.queued()
    sandbox.faults.add("status", "trigger", code=code, applied=applied)
    assert api.trigger(request_id).status_code == code
    assert sandbox.ledger.calls_started == applied


def test_too_many_requests_says_when_to_come_back(api, sandbox):
    sandbox.faults.add("status", "entities", code=429, retry_after=7)
    assert api.entity().headers["retry-after"] == "7"


def test_a_refused_body_is_echoed(api, sandbox):
    sandbox.faults.add("status", "schedule", code=422)
    assert "Jane Patient" in api.schedule(call()).text


@pytest.mark.parametrize("applied", [True, False])
def test_a_trigger_may_answer_errors(api, sandbox, applied):
    sandbox.faults.add("errors_200", "trigger", applied=applied)
    answer = api.trigger(api.queued())
    assert (answer.status_code, answer.json()["triggered"]) == (200, [])
    assert sandbox.ledger.calls_started == applied


@pytest.mark.parametrize("kind", ["unreadable_200", "not_json"])
@pytest.mark.parametrize("applied", [None, True, False])
def test_an_answer_may_be_unreadable(api, sandbox, kind, applied):
    sandbox.faults.add(kind, "trigger", applied=applied)
    answer = api.trigger(api.queued())
    assert answer.status_code == 200
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        answer.json()
    assert sandbox.ledger.calls_started == (applied is not False)


def test_a_redirect_has_no_effect(api, sandbox):
    sandbox.faults.add("redirect", "trigger")
    answer = api.trigger(api.queued())
    assert (answer.status_code, sandbox.ledger.calls_started) == (307, 0)
    assert answer.headers["location"] == "/scheduler/trigger/v2/moved"


@pytest.mark.parametrize(("applied", "made"), [(True, 3), (False, 1)])
def test_a_schedule_may_be_partial(api, sandbox, applied, made):
    entity_id = api.entity().json()["id"]
    sandbox.faults.add("partial_schedule", "schedule", keep=1, applied=applied)
    calls = [call(entity_id=entity_id, external_reference_id=f"row-{n}") for n in range(3)]
    answered = api.schedule(*calls).json()["scheduled_requests"]
    assert [request["external_reference_id"] for request in answered] == ["row-0"]
    assert len(sandbox.ledger.requests) == made


@pytest.mark.parametrize(
    ("kind", "references"),
    [
        ("wrong_reference", ["reference-of-nobody", "row-1"]),
        ("duplicate_reference", ["row-0", "row-0"]),
    ],
)
def test_references_may_be_mixed_up(api, sandbox, kind, references):
    entity_id = api.entity().json()["id"]
    sandbox.faults.add(kind, "schedule")
    calls = [call(entity_id=entity_id, external_reference_id=f"row-{n}") for n in range(2)]
    answered = api.schedule(*calls).json()["scheduled_requests"]
    assert [request["external_reference_id"] for request in answered] == references


def test_a_slow_answer_takes_its_time(api, sandbox, clock):
    sandbox.faults.add("slow", "entities", seconds=9.0)
    assert api.entity().json()["created_at"] == "2026-04-09T15:00:09Z"
    assert clock.slept == [9.0]


def test_a_stale_poll_answers_the_state_before(api, sandbox, clock):
    request_id = api.queued()
    api.trigger(request_id)
    clock.advance(60)
    fresh = api.poll(request_id).json()
    sandbox.faults.add("stale", "poll")
    stale = api.poll(request_id).json()
    assert (fresh["workflow_status"], stale["workflow_status"]) == ("COMPLETE", "ACTIVE")
    assert stale["updated_at"] < fresh["updated_at"]


def test_another_tenant_may_answer(api, sandbox):
    sandbox.faults.add("tenant", "entities")
    other, own = api.entity().json(), api.entity().json()
    assert other["tenant_id"] != own["tenant_id"]


def test_a_fault_strikes_its_endpoint_as_often_as_it_was_told(api, sandbox):
    sandbox.faults.add("status", "entities", times=2)
    request_id = "22222222-2222-4222-8222-222222222222"
    assert api.poll(request_id).status_code == 404
    assert [api.entity().status_code for _ in range(3)] == [503, 503, 200]


def test_chance_follows_the_seed():
    def luck(seed):
        sandbox = Sandbox(api_key=KEY, seed=seed)
        sandbox.faults.add("status", times=None, probability=0.5)
        with client_of(sandbox) as http:
            path = "/scheduler/requests/22222222-2222-4222-8222-222222222222"
            return [http.get(path).status_code for _ in range(40)]

    assert luck(1) == luck(1)
    assert luck(1) != luck(2)
    assert set(luck(1)) == {404, 503}


def test_a_fault_for_all_endpoints_spares_those_it_makes_no_sense_at(api, sandbox):
    sandbox.faults.add("stale")
    assert api.entity().status_code == 200
    assert len(sandbox.faults.as_json()) == 1


def test_faults_are_set_and_cleared_over_http(api):
    fault = {"kind": "status", "endpoint": "entities", "code": 500, "times": None}
    assert api.http.post("/_sandbox/faults", json=fault).status_code == 201
    assert api.entity().status_code == 500
    assert api.http.get("/_sandbox/faults").json()["faults"][0]["code"] == 500
    assert api.http.delete("/_sandbox/faults").json() == {"faults": []}
    assert api.entity().status_code == 200


@pytest.mark.parametrize(
    "fault",
    [
        [],
        {},
        {"kind": "earthquake"},
        {"kind": "slow", "endpoint": "elsewhere"},
        {"kind": "slow", "seconds": "9"},
        {"kind": "slow", "times": True},
        {"kind": "slow", "probability": 2},
        {"kind": "slow", "colour": "red"},
        {"kind": "stale", "endpoint": "trigger"},
    ],
)
def test_a_fault_that_does_not_exist_is_refused(api, fault):
    assert api.http.post("/_sandbox/faults", json=fault).status_code == 422


def test_faults_wait_for_requests_that_got_past_the_door(api, sandbox):
    sandbox.faults.add("status")
    wrong = HEADERS | {"Authorization": "Bearer wrong"}
    assert api.http.get("/scheduler/requests/x", headers=wrong).status_code == 401
    assert len(sandbox.faults.as_json()) == 1
    assert ENDPOINTS == ("entities", "schedule", "trigger", "poll")
