"""Two keys during a rotation: no request is lost, none is made twice, neither key is shown."""

import json
from collections import Counter

import httpx  # noqa: TID251
import pytest

from calls.evergrove.errors import KeyRefused, NotSent, Rejected, Unknown
from calls.evergrove.rotating import RotatingEvergrove
from tests.evergrove import samples
from tests.evergrove.test_client import ACTIVE, TRIGGERED, every_endpoint, poll, trigger

PRESENT, NEXT = "key-present-4f1a", "key-next-77b0"
RIGHT = {"/scheduler/entities": samples.ENTITY, "/scheduler/requests": {"scheduled_requests": []}}


class Api:
    """Answers each key with its own status; counts what arrives by key."""

    def __init__(self, **statuses):
        self.statuses, self.seen = statuses, Counter()

    def __call__(self, request):
        key = request.headers["authorization"].removeprefix("Bearer ")
        name = "next" if key == NEXT else "present"
        self.seen[name] += 1
        status = self.statuses.get(name, 200)
        if status != 200:
            return httpx.Response(status, json={})
        if request.method == "GET":
            return httpx.Response(200, content=ACTIVE)
        if request.url.path.endswith("/trigger/v2"):
            return httpx.Response(200, content=TRIGGERED)
        return httpx.Response(200, content=json.dumps(RIGHT[request.url.path]).encode())


def rotating_over(api, **options):
    transport = httpx.MockTransport(api)
    return RotatingEvergrove(
        base_url="https://api.test", api_key=PRESENT, next_key=NEXT, transport=transport, **options
    )


@every_endpoint
def test_a_next_key_that_works_is_the_only_one_used(ask):
    api = Api()
    with rotating_over(api) as client:
        for _ in range(3):
            ask(client)
        assert client.next_key_works is True
    assert api.seen == {"next": 3}


@every_endpoint
@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.fault(
    "People",
    "Next key that is refused",
    "The present key is used; nothing stops, no request is lost or made twice.",
)
def test_a_refused_next_key_costs_one_request_and_stops_nothing(ask, status):
    api = Api(next=status)
    with rotating_over(api) as client:
        for _ in range(3):
            ask(client)
        assert client.next_key_works is False
    assert api.seen == {"next": 1, "present": 3}


def test_only_both_keys_refused_is_a_refusal():
    with rotating_over(Api(next=401, present=401)) as client, pytest.raises(KeyRefused):
        poll(client)


@pytest.mark.parametrize(
    ("status", "error"), [(500, Unknown), (503, Unknown), (422, Rejected), (429, Rejected)]
)
def test_any_other_answer_is_the_answer_and_is_not_asked_for_again(status, error):
    api = Api(next=status)
    with rotating_over(api) as client:
        with pytest.raises(error):
            trigger(client)
        assert client.next_key_works is None
    assert api.seen == {"next": 1}


def test_a_trigger_whose_refusal_came_late_is_held_back():
    """Its intent is too old by then; the present key starts it at the next claim."""
    api, looks = Api(next=401), iter([None, NotSent("too old"), None])

    def answer(request):
        request.extensions["trace"]("http11.send_request_headers.started", {})
        return api(request)

    def last_look():
        if error := next(looks):
            raise error

    with rotating_over(answer) as client:
        with pytest.raises(NotSent, match="too old"):
            trigger(client, last_look=last_look)
        assert api.seen == {"next": 1}
        trigger(client, last_look=last_look)
    assert api.seen == {"next": 1, "present": 1}


@every_endpoint
@pytest.mark.fault(
    "People",
    "Next key of another tenant",
    "It has to know a request of ours before it is used; nothing is sent with it, no row is blamed.",
)
def test_a_next_key_that_does_not_know_our_requests_is_not_used(ask):
    api = Api(next=404)
    with rotating_over(api, known_request=samples.REQUEST_ID) as client:
        for _ in range(3):
            ask(client)
        assert client.next_key_works is False
    assert api.seen == {"next": 1, "present": 3}


@every_endpoint
def test_a_next_key_that_knows_our_requests_is_used_from_then_on(ask):
    api = Api()
    with rotating_over(api, known_request=samples.REQUEST_ID) as client:
        for _ in range(3):
            ask(client)
    assert api.seen == {"next": 4}


def test_a_next_key_that_nothing_is_known_of_waits():
    """The API was out of order when it was asked for."""
    api = Api(next=503)
    with rotating_over(api, known_request=samples.REQUEST_ID) as client:
        for _ in range(3):
            poll(client)
        assert client.next_key_works is None
    assert api.seen == {"next": 1, "present": 3}


def test_neither_key_is_shown():
    with rotating_over(Api(next=401, present=401)) as client:
        with pytest.raises(KeyRefused) as refused:
            trigger(client)
        shown = f"{client!r} {refused.value} {refused.value.__context__}"
    assert PRESENT not in shown
    assert NEXT not in shown
