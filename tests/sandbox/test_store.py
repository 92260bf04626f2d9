from concurrent.futures import ThreadPoolExecutor

from sandbox import Sandbox
from tests.sandbox.conftest import KEY, Api, client_of


def test_a_restart_with_a_file_finds_everything_again(clock, tmp_path):
    path = tmp_path / "sandbox.sqlite3"
    before = Sandbox(api_key=KEY, clock=clock, store=path)
    with client_of(before) as http:
        entity = Api(http).entity().json()
        request_id = Api(http).queued()
        Api(http).trigger(request_id)
    before.close()
    clock.advance(60)

    after = Sandbox(api_key=KEY, clock=clock, store=path)
    with client_of(after) as http:
        assert Api(http).poll(request_id).json()["workflow_status"] == "COMPLETE"
        assert Api(http).entity().json() == entity
    assert after.ledger.calls_by_reference == {"row-1": 1}
    assert after.ledger.entity_upserts == {"Select Physical Therapy": 3}
    after.close()


def test_a_reset_empties_the_file(clock, tmp_path):
    path = tmp_path / "sandbox.sqlite3"
    before = Sandbox(api_key=KEY, clock=clock, store=path)
    with client_of(before) as http:
        Api(http).queued()
    before.reset()
    before.close()
    after = Sandbox(store=path)
    assert after.ledger.requests == []
    after.close()


def test_the_file_holds_nothing_of_a_patient(clock, tmp_path):
    kept = Sandbox(api_key=KEY, clock=clock, store=tmp_path / "sandbox.sqlite3")
    with client_of(kept) as http:
        Api(http).queued()
    kept.close()
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"row-1" in written
    for secret in (b"Jane", b"999", b"1967", b"5550100", b"CLAIM-1"):
        assert secret not in written.replace(b"5550199", b"")


def test_many_at_once_lose_nothing(sandbox):
    with client_of(sandbox) as http, ThreadPoolExecutor(16) as pool:
        api = Api(http)
        ids = list(pool.map(api.queued, (f"row-{n}" for n in range(200))))
        list(pool.map(api.trigger, ids))
    assert len(set(ids)) == 200
    assert set(sandbox.ledger.calls_by_reference.values()) == {1}
    assert sandbox.ledger.entity_upserts == {"Select Physical Therapy": 200}
