import json
import logging
import select
import socket
import threading
import traceback
from types import SimpleNamespace

import httpx  # noqa: TID251
import pytest

from calls.evergrove import client as client_module
from calls.evergrove.client import MAX_ANSWER_BYTES, Evergrove
from calls.evergrove.errors import (
    Endpoint,
    EvergroveError,
    KeyRefused,
    Misconfigured,
    NotFound,
    NotSent,
    Rejected,
    SlowDown,
    Unknown,
)
from calls.evergrove.schemas import CallInput, EntityBody
from calls.vocabulary import LatencyMode
from tests.evergrove import samples
from tests.evergrove.peer import Peer, answering, json_answer, read_request, reset

KEY = "key-3f9c-never-shown"
CALL = CallInput(**samples.CALL)
OFFICE = EntityBody(**samples.ENTITY_BODY)
ACTIVE = json.dumps(samples.ACTIVE).encode()
TRIGGERED = json.dumps({"triggered": [str(samples.REQUEST_ID)]}).encode()
SCHEDULED = json.dumps({"scheduled_requests": [samples.SCHEDULED]}).encode()
QUICK = dict.fromkeys(Endpoint, 0.05)
PATIENT = ("Jane", "999-88", "1967", "+12125550100", "CLAIM-1")

ASKS = {
    Endpoint.ENTITIES: lambda api: api.upsert_entity(OFFICE),
    Endpoint.SCHEDULE: lambda api: api.schedule([CALL]),
    Endpoint.TRIGGER: lambda api: trigger(api),
    Endpoint.POLL: lambda api: api.poll(samples.REQUEST_ID),
}
every_endpoint = pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS)


def trigger(api, **more):
    return api.trigger(samples.REQUEST_ID, latency_mode=LatencyMode.LOW, **more)


def poll(api):
    return ASKS[Endpoint.POLL](api)


def api_over(handler, **options):
    transport = httpx.MockTransport(handler)
    return Evergrove(base_url="https://api.test/", api_key=KEY, transport=transport, **options)


def api_at(peer, *, scheme="http", **options):
    return Evergrove(base_url=f"{scheme}://{peer.address}", api_key=KEY, **options)


def replying(status=200, **answer):
    return lambda request: httpx.Response(status, **answer)


def failure_at(script, ask=trigger, **options):
    with Peer(script) as peer, api_at(peer, **options) as api, pytest.raises(EvergroveError) as e:
        ask(api)
    return e.value


# The wire


def recorded(ask, answer):
    seen = []

    def handler(request):
        seen.append(request)
        return httpx.Response(200, json=answer)

    with api_over(handler) as api:
        result = ask(api)
    return seen[0], result


WIRE = {
    Endpoint.ENTITIES: (
        "POST",
        "/scheduler/entities",
        {**samples.ENTITY_BODY, "ivr_answer_key_guide": None},
        samples.ENTITY,
    ),
    Endpoint.SCHEDULE: (
        "POST",
        "/scheduler/requests",
        {"calls": [samples.CALL]},
        json.loads(SCHEDULED),
    ),
    Endpoint.TRIGGER: (
        "POST",
        "/scheduler/trigger/v2",
        {"scheduled_request_ids": [str(samples.REQUEST_ID)], "latency_mode": "low"},
        json.loads(TRIGGERED),
    ),
    Endpoint.POLL: ("GET", f"/scheduler/requests/{samples.REQUEST_ID}", None, samples.ACTIVE),
}


@pytest.mark.parametrize("endpoint", Endpoint)
def test_each_endpoint_is_asked_as_documented(endpoint):
    method, path, body, answer = WIRE[endpoint]
    request, _ = recorded(ASKS[endpoint], answer)
    assert (request.method, str(request.url)) == (method, f"https://api.test{path}")
    assert (json.loads(request.content) if request.content else None) == body
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["accept"] == "application/json"
    assert request.headers["content-type"] == "application/json"


def test_attempts_are_asked_for_only_when_wanted():
    ask = lambda api: api.poll(samples.REQUEST_ID, include_call_attempts=True)  # noqa: E731
    request, answer = recorded(ask, samples.WITH_ATTEMPTS)
    assert request.url.query == b"include_call_attempts=true"
    assert len(answer.call_attempts) == 1


def test_high_latency_is_said_when_chosen():
    ask = lambda api: api.trigger(samples.REQUEST_ID, latency_mode=LatencyMode.HIGH)  # noqa: E731
    request, answer = recorded(ask, json.loads(TRIGGERED))
    assert json.loads(request.content)["latency_mode"] == "high"
    assert answer.accepted(samples.REQUEST_ID)


def test_each_endpoint_waits_as_long_as_was_decided():
    waits = {}

    def handler(request):
        waits[request.url.path] = request.extensions["timeout"]
        return httpx.Response(500)

    with api_over(handler) as api:
        for ask in ASKS.values():
            with pytest.raises(Unknown):
                ask(api)
    reads = {path: timeout.pop("read") for path, timeout in waits.items()}
    assert list(reads.values()) == [30, 60, 60, 20]
    assert list(waits.values()) == [{"connect": 5, "write": 20, "pool": 5}] * 4


# The address and the key


@pytest.mark.parametrize(
    "url",
    [
        "https://agent-api.evergrovelabs.com",
        "https://agent-api.evergrovelabs.com///",
        " https://agent-api.evergrovelabs.com/prefix/ ",
        "http://localhost:8900",
        "http://127.0.0.1:8900/",
        "http://[::1]:8900",
    ],
)
def test_an_address_that_is_encrypted_or_local_is_taken(url):
    with Evergrove(base_url=url, api_key=KEY) as api:
        assert repr(api) == f"<Evergrove {url.strip().rstrip('/')}>"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "agent-api.evergrovelabs.com",
        "http://agent-api.evergrovelabs.com",
        "http://10.0.0.1",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "http://localhost@example.com",
        "ftp://localhost",
        "https://",
        "https://user:hidden@example.com",
        "https://example.com/?key=hidden",
        "https://example.com/#hidden",
        "https://example.com:port",
        "https://exa\x00mple.com",
    ],
)
def test_any_other_address_is_refused_without_repeating_it(url):
    with pytest.raises(ValueError, match="API_URL") as caught:
        Evergrove(base_url=url, api_key=KEY)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("key", ["", " ", "secret\nkey", "secret key", "secrét", "secret\x00"])
def test_a_key_that_cannot_be_a_header_is_refused_without_repeating_it(key):
    with pytest.raises(ValueError, match="API key") as caught:
        Evergrove(base_url="https://api.test", api_key=key)
    assert "secr" not in str(caught.value)


@pytest.mark.fault(
    "Network", "Proxy named in the environment", "It is not used: nothing is sent elsewhere."
)
def test_the_environment_sends_nothing_elsewhere(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with Peer(answering(json_answer(ACTIVE))) as peer, api_at(peer) as api:
        assert poll(api).id == samples.REQUEST_ID


# What nobody may read


def indiscreet(request):
    """An error that repeats all it was told, and more."""
    told = {"input": request.content.decode(), "key": request.headers["authorization"]}
    return {"detail": [{"loc": ["body", "calls", 0, "Jane Patient"], "msg": str(told), **told}]}


@pytest.mark.parametrize("status", [200, 302, 400, 401, 404, 409, 422, 429, 500])
def test_no_error_holds_the_key_or_the_patient(status):
    handler = lambda request: httpx.Response(status, json=indiscreet(request))  # noqa: E731
    with api_over(handler) as api, pytest.raises(EvergroveError) as caught:
        api.schedule([CALL])
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    told = "".join(shown.format()) + repr(vars(caught.value))
    assert [secret for secret in (KEY, *PATIENT) if secret in told] == []


def test_an_error_brings_no_other_error_along():
    error = failure_at(before_reading)
    assert (error.__cause__, error.__context__) == (None, None)


def test_nothing_is_logged_at_any_level(caplog):
    caplog.set_level(logging.DEBUG)
    echo = b"X-Echo: " + KEY.encode() + b"\r\nLocation: /Jane\r\n"
    answers = [json_answer(b'{"detail": "Jane"}', status="422 Jane", headers=echo)]
    answers.append(json_answer(SCHEDULED, headers=echo))
    with (
        Peer(lambda c: [c.sendall(a) for a in answers if read_request(c)]) as peer,
        api_at(peer) as api,
    ):
        with pytest.raises(Rejected):
            api.schedule([CALL])
        api.schedule([CALL])
    assert caplog.text == ""


def test_neither_the_client_nor_its_parts_show_the_key():
    with Evergrove(base_url="https://api.test", api_key=KEY) as api:
        assert KEY not in f"{api} {api!r}"


# Answers


@every_endpoint
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, Misconfigured),
        (400, Rejected),
        (401, KeyRefused),
        (403, KeyRefused),
        (408, Unknown),
        (409, Unknown),
        (422, Rejected),
        (429, SlowDown),
        (503, Unknown),
    ],
)
def test_a_status_becomes_its_class(ask, status, kind):
    answer = replying(status, headers={"Retry-After": "7"})
    with api_over(answer) as api, pytest.raises(EvergroveError) as caught:
        ask(api)
    assert type(caught.value) is kind
    assert (caught.value.status, caught.value.retry_after) == (status, 7.0)


def test_404_is_not_found_on_a_poll_and_a_rejection_on_a_write():
    with api_over(replying(404)) as api:
        with pytest.raises(NotFound):
            poll(api)
        with pytest.raises(Rejected) as caught:
            trigger(api)
    assert type(caught.value) is Rejected


def test_retry_after_is_obeyed_as_a_date_too():
    headers = {"Retry-After": "Wed, 01 Jan 2020 00:00:00 GMT"}
    with api_over(replying(429, headers=headers)) as api, pytest.raises(SlowDown) as caught:
        poll(api)
    assert caught.value.retry_after == 0.0


@every_endpoint
@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"json": None},
        {"json": []},
        {"json": "ok"},
        {"text": "<html>", "headers": {"Content-Type": "text/html"}},
        {"content": b'{"scheduled_requests": [', "headers": {"Content-Type": "application/json"}},
        {"content": b"\xff\xfe", "headers": {"Content-Type": "application/json"}},
    ],
    ids=str,
)
def test_a_2xx_that_cannot_be_read_is_unknown(ask, answer):
    with api_over(replying(200, **answer)) as api, pytest.raises(Unknown) as caught:
        ask(api)
    assert caught.value.status == 200


def test_json_that_does_not_call_itself_json_is_not_read():
    answer = replying(200, text=TRIGGERED.decode(), headers={"Content-Type": "text/plain"})
    with api_over(answer) as api, pytest.raises(Unknown, match="answer is not JSON"):
        trigger(api)


def test_an_answer_about_another_request_is_unknown():
    answer = {**samples.ACTIVE, "id": str(samples.ENTITY_ID)}
    with api_over(replying(200, json=answer)) as api, pytest.raises(Unknown):
        poll(api)


def test_errors_in_a_2xx_are_an_answer_and_not_an_exception():
    with api_over(replying(200, json={"triggered": [], "errors": ["busy"]})) as api:
        assert not trigger(api).accepted(samples.REQUEST_ID)


@pytest.mark.fault(
    "Network",
    "Answer that drips for ever",
    "It is given up when the read timeout is over; what it said is not known.",
)
def test_a_body_that_never_ends_in_time_is_given_up(monkeypatch):
    def drip():
        while True:
            clock.now += 1
            yield b" "

    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(client_module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    with (
        api_over(replying(200, content=drip())) as api,
        pytest.raises(Unknown, match="answer too slow"),
    ):
        trigger(api)
    assert clock.now == 61


# Whether bytes may have left


@pytest.mark.parametrize(
    ("fault", "sending", "kind"),
    [
        (httpx.ConnectError, False, NotSent),
        (httpx.ConnectTimeout, False, NotSent),
        (httpx.PoolTimeout, False, NotSent),
        (httpx.ConnectError, True, Unknown),
        (httpx.WriteError, True, Unknown),
        (httpx.ReadTimeout, True, Unknown),
        (httpx.ReadError, False, Unknown),
        (OSError, False, Unknown),
    ],
)
@pytest.mark.fault(
    "Network",
    "Pool without a free connection, and any error of the transport",
    'It is "not sent" only where nothing was written for certain; any other is doubt.',
)
def test_the_trace_decides_and_doubt_is_never_read_as_not_sent(fault, sending, kind):
    def handler(request):
        if sending:
            request.extensions["trace"]("http11.send_request_headers.started", {})
        raise fault("Jane Patient")

    with api_over(handler) as api, pytest.raises(kind) as caught:
        trigger(api)
    assert caught.value.reason.endswith(f": {fault.__name__}")


def test_the_last_look_comes_when_the_connection_stands_and_before_the_first_byte():
    received = []

    def script(connection):
        received.append(connection.recv(65_536))

    def too_old():
        raise NotSent("too old")

    with Peer(script) as peer, api_at(peer) as api, pytest.raises(NotSent, match="too old") as e:
        trigger(api, last_look=too_old)
    assert received == [b""]  # connected, and nothing came
    assert e.value.__context__ is None  # nothing of the request hangs on it


def test_a_last_look_without_objection_lets_the_request_leave():
    looks = []
    with Peer(answering(json_answer(TRIGGERED))) as peer, api_at(peer) as api:
        assert trigger(api, last_look=lambda: looks.append(1)).accepted(samples.REQUEST_ID)
    assert looks == [1]


def test_a_fault_of_our_own_is_not_taken_for_a_fault_of_the_network():
    def handler(request):
        raise ZeroDivisionError

    with api_over(handler) as api, pytest.raises(ZeroDivisionError):
        trigger(api)


@every_endpoint
def test_a_refused_connection_sends_nothing(ask):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
    with Evergrove(base_url=address, api_key=KEY) as api, pytest.raises(NotSent) as caught:
        ask(api)
    assert (caught.value.status, caught.value.reason) == (None, "not sent: ConnectError")


def test_a_name_that_does_not_resolve_sends_nothing(monkeypatch):
    def fail(*args, **kwargs):
        raise socket.gaierror("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with Evergrove(base_url="https://api.test", api_key=KEY) as api, pytest.raises(NotSent):
        trigger(api)


def test_a_failed_handshake_sends_nothing():
    error = failure_at(lambda c: c.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"), scheme="https")
    assert type(error) is NotSent


def before_reading(connection):
    select.select([connection], [], [], 5)
    reset(connection)


def after_reading(connection):
    read_request(connection)
    reset(connection)


def end_of_file(connection):
    read_request(connection)


def half_a_head(connection):
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Le")


def no_http(connection):
    read_request(connection)
    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")


@every_endpoint
@pytest.mark.parametrize(
    "script", [before_reading, after_reading, end_of_file, half_a_head, no_http]
)
def test_a_connection_lost_after_sending_began_is_unknown(ask, script):
    error = failure_at(script, ask)
    assert type(error) is Unknown
    assert error.status is None


def test_silence_is_unknown():
    def silence(connection):
        read_request(connection)
        connection.recv(1)

    error = failure_at(silence, read_seconds=QUICK)
    assert (type(error), error.reason) == (Unknown, "no answer: ReadTimeout")


@pytest.mark.parametrize(
    ("status", "kind"), [("200 OK", Unknown), ("422 No", Rejected), ("401 No", KeyRefused)]
)
def test_a_body_cut_short_leaves_the_status_standing(status, kind):
    def truncated(connection):
        read_request(connection)
        connection.sendall(json_answer(TRIGGERED, status=status)[:-5])

    error = failure_at(truncated)
    assert (type(error), error.status) == (kind, int(status[:3]))


def test_a_body_in_a_broken_encoding_is_unknown():
    error = failure_at(answering(json_answer(TRIGGERED, headers=b"Content-Encoding: gzip\r\n")))
    assert (type(error), error.reason) == (Unknown, "HTTP 200: answer cut off: DecodingError")


def test_a_redirect_is_not_followed():
    elsewhere = json_answer(b"", status="307 Go", headers=b"Location: /elsewhere\r\n")
    requests = []

    def script(connection):
        while request := read_request(connection):
            requests.append(request)
            connection.sendall(elsewhere)

    error = failure_at(script)
    assert (type(error), len(requests)) == (Misconfigured, 1)
    assert "elsewhere" not in error.reason


def test_an_answer_without_end_is_cut_off_at_the_cap():
    sent = []

    def flood(connection):
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        while True:
            sent.append(connection.send(b" " * 65_536))

    error = failure_at(flood)
    assert (type(error), error.reason) == (Unknown, "HTTP 200: answer too large")
    assert MAX_ANSWER_BYTES <= sum(sent) < 10 * MAX_ANSWER_BYTES


# Connections


@pytest.mark.fault(
    "Network",
    "Kept connection that has gone stale",
    "A trigger never meets one: each goes over a connection of its own.",
)
def test_polls_share_a_connection_and_no_trigger_ever_does():
    def script(connection):
        while request := read_request(connection):
            connection.sendall(json_answer(ACTIVE if request.startswith(b"GET") else TRIGGERED))

    opened = []
    with Peer(script) as peer, api_at(peer) as api:
        for ask in (poll, poll, trigger, trigger, poll, trigger):
            ask(api)
            opened.append(peer.connections)
    assert opened == [1, 1, 2, 3, 3, 4]


def test_each_thread_has_its_own_connections_and_leaves_none_behind():
    gone = threading.Semaphore(0)

    def script(connection):
        answering(json_answer(ACTIVE))(connection)
        gone.release()

    with Peer(script) as peer, api_at(peer) as api:
        for count in (1, 2, 3):
            thread = threading.Thread(target=poll, args=(api,))
            thread.start()
            thread.join()
            assert peer.connections == count
            assert gone.acquire(timeout=5)


def test_closing_hangs_up_the_connections_of_every_thread():
    gone, asked, closed = threading.Semaphore(0), threading.Event(), threading.Event()

    def script(connection):
        answering(json_answer(ACTIVE))(connection)
        gone.release()

    def stay(api):
        poll(api)
        asked.set()
        closed.wait(5)

    with Peer(script) as peer:
        api = api_at(peer)
        thread = threading.Thread(target=stay, args=(api,))
        thread.start()
        assert asked.wait(5)
        api.close()
        assert gone.acquire(timeout=5)
        closed.set()
        thread.join()
