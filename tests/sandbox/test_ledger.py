import pytest

from sandbox import Sandbox
from tests.sandbox.bodies import GONE, call
from tests.sandbox.conftest import KEY, Api, client_of

BETWEEN_ATTEMPTS = "+12125550167"
STAYS_ENQUEUED = "+12125550177"


def test_it_counts_what_was_started_and_what_was_not(api, sandbox):
    started, orphan = api.queued("row-1"), api.queued("row-2")
    api.trigger(started)
    ledger = sandbox.ledger
    assert ledger.calls_started == 1
    assert ledger.calls_by_reference == {"row-1": 1, "row-2": 0}
    assert ledger.triggers == 1
    assert ledger.orphans == [orphan]
    assert ledger.entity_upserts == {"Select Physical Therapy": 2}


def test_a_second_trigger_before_any_attempt_calls_twice(api, sandbox):
    request_id = api.queued(phone=STAYS_ENQUEUED)
    for _ in range(2):
        assert api.trigger(request_id).json()["triggered"] == [request_id]
    assert sandbox.ledger.calls_by_reference == {"row-1": 2}


def test_a_kinder_upstream_does_not_start_twice(clock):
    sandbox = Sandbox(api_key=KEY, clock=clock, double_start=False)
    with client_of(sandbox) as http:
        request_id = Api(http).queued()
        Api(http).trigger(request_id)
        assert Api(http).trigger(request_id).json()["errors"]
    assert (sandbox.ledger.calls_started, sandbox.ledger.triggers) == (1, 2)


@pytest.mark.parametrize(
    ("phone", "seconds"),
    [("+12125550199", 2), ("+12125550199", 60), (BETWEEN_ATTEMPTS, 5), ("+12125550171", 60)],
    ids=["active", "complete", "between-attempts", "cancelled"],
)
def test_a_call_on_its_way_is_not_started_again(api, sandbox, clock, phone, seconds):
    request_id = api.queued(phone=phone)
    api.trigger(request_id)
    clock.advance(seconds)
    answer = api.trigger(request_id).json()
    assert (answer["triggered"], len(answer["errors"])) == ([], 1)
    assert sandbox.ledger.calls_started == 1


def test_a_request_without_reference_is_counted_by_its_id(api, sandbox):
    entity_id = api.entity().json()["id"]
    one = call(entity_id=entity_id, external_reference_id=GONE)
    (request,) = api.schedule(one).json()["scheduled_requests"]
    api.trigger(request["id"])
    assert sandbox.ledger.calls_by_reference == {request["id"]: 1}


def test_every_request_leaves_an_entry(api, sandbox):
    request_id = api.queued()
    api.trigger(request_id)
    api.poll(request_id)
    api.poll("nonsense")
    api.http.post("/scheduler/entities", content=b"{")
    api.http.get("/scheduler/requests/x", headers={"Authorization": "Bearer wrong"})
    entries = [(entry.endpoint, entry.about, entry.status) for entry in sandbox.ledger.entries]
    assert entries == [
        ("entities", ("Select Physical Therapy",), 200),
        ("schedule", ("row-1",), 200),
        ("trigger", (request_id,), 200),
        ("poll", (request_id,), 200),
        ("poll", ("nonsense",), 422),
        ("entities", (), 400),
        ("poll", (), 401),
    ]


def test_the_pages_show_the_same(api, sandbox):
    api.trigger(api.queued())
    shown = api.http.get("/_sandbox/ledger?entries=1").json()
    assert shown["calls_started"] == 1
    assert shown["calls_by_reference"] == {"row-1": 1}
    assert shown["orphans"] == []
    assert [entry["endpoint"] for entry in shown["entries"]] == ["trigger"]
    assert "Jane" not in api.http.get("/_sandbox/ledger").text
    assert api.http.get("/_sandbox/").json()["requests"] == 1


def test_its_pages_need_the_key_but_for_the_sign_of_life(api):
    api.http.headers["Authorization"] = "Bearer wrong"
    assert api.http.get("/_sandbox/").status_code == 200
    assert api.http.get("/_sandbox/ledger").status_code == 401
    assert api.http.post("/_sandbox/reset").status_code == 401
    assert api.http.get("/_sandbox/nothing").status_code == 404
    assert api.http.get("/_sandbox/reset").status_code == 405


def test_a_reset_forgets_everything(api, sandbox):
    api.trigger(api.queued())
    sandbox.faults.add("lost_before")
    api.http.post("/_sandbox/reset")
    assert sandbox.ledger.calls_started == 0
    assert sandbox.ledger.requests == []
    assert api.entity().status_code == 200
