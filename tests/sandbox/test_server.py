"""The stand-in as a process of its own, over real sockets."""

import os
import signal
import socket
import subprocess
import sys
import time

import httpx  # noqa: TID251 - tests speak to the stand-in as the client does
import pytest

from tests.sandbox.bodies import call
from tests.sandbox.conftest import HEADERS, KEY, Api

pytestmark = pytest.mark.processes
STARTS_WITHIN = 20.0
STOPS_WITHIN = 5.0


@pytest.fixture
def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture
def start(port, tmp_path):
    """Starts the process and waits until it answers; kills what is left at the end."""
    started = []

    def begin(*options):
        command = [sys.executable, "-m", "sandbox", "--port", str(port), *options]
        process = subprocess.Popen(
            command,
            env=os.environ | {"SANDBOX_API_KEY": KEY},
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        started.append(process)
        _wait_for(port, process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _wait_for(port, process):
    until = time.monotonic() + STARTS_WITHIN
    while process.poll() is None and time.monotonic() < until:
        with socket.socket() as line:
            if line.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail("the stand-in did not start")


def stop(process):
    process.send_signal(signal.SIGTERM)
    return process.communicate(timeout=STOPS_WITHIN)[1], process.returncode


def client(port, **options):
    return httpx.Client(
        base_url=f"http://127.0.0.1:{port}", headers=HEADERS, trust_env=False, **options
    )


def test_it_stops_in_time_and_a_restart_finds_its_requests(start, port, tmp_path):
    store = ("--store", str(tmp_path / "sandbox.sqlite3"))
    process = start(*store)
    with client(port) as http:
        request_id = Api(http).queued()
        Api(http).trigger(request_id)
        said, code = stop(process)
    assert code == 0
    assert b"Jane" not in said
    start(*store)
    with client(port) as http:
        assert Api(http).poll(request_id).status_code == 200
        assert http.get("/_sandbox/ledger").json()["calls_by_reference"] == {"row-1": 1}


@pytest.mark.parametrize(("kind", "calls"), [("lost_before", 0), ("lost_after", 1)])
def test_a_lost_connection_is_a_closed_socket(start, port, kind, calls):
    start()
    with client(port) as http:
        request_id = Api(http).queued()
        http.post("/_sandbox/faults", json={"kind": kind, "endpoint": "trigger"})
        with pytest.raises(httpx.RemoteProtocolError):
            Api(http).trigger(request_id)
        assert http.get("/_sandbox/ledger").json()["calls_started"] == calls


def test_a_silent_connection_runs_into_the_clients_timeout(start, port):
    process = start()
    with client(port, timeout=0.3) as http:
        http.post("/_sandbox/faults", json={"kind": "lost_before", "hang": 30})
        with pytest.raises(httpx.ReadTimeout):
            Api(http).entity()
    stop(process)


def test_options_reach_the_stand_in(start, port):
    start("--latency", "0.2", "--organizations", "One, Two", "--pace", "0")
    with client(port) as http:
        begun = time.monotonic()
        entity_id = Api(http).entity().json()["id"]
        assert time.monotonic() - begun >= 0.2
        assert http.get("/_sandbox/").json()["pace"] == 0
        one = call(entity_id=entity_id, organization_name="Two")
        assert Api(http).schedule(one).status_code == 200
        other = call(entity_id=entity_id, organization_name="SPNet")
        assert Api(http).schedule(other).status_code == 422
