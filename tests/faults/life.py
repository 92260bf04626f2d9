"""A whole life of a call in which something goes wrong once, and what has to be true at its end."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx  # noqa: TID251 - the stand-in is asked without a client

from calls.evergrove.client import Evergrove
from calls.evergrove.errors import Endpoint
from calls.models import CallRow
from calls.vocabulary import Phase
from sandbox.application import DEFAULT_KEY
from tests.engine.lab import Lab, again
from tests.evergrove.peer import Peer, json_answer, read_request
from tests.factories import make_batch

QUICK = dict.fromkeys(Endpoint, 0.05)
LONG_ENOUGH = 900.0  # seconds of the lab's clock: a doubt, both looks, the retry, the call itself

Handle = Callable[[bytes], bytes]
Script = Callable[[Any, bytes, Handle], None]


class Stumbling:
    """A client whose first request of each kind goes to `bad`, and any later one to `good`."""

    def __init__(self, bad: Any, good: Any) -> None:
        self.bad, self.good = bad, good
        self.asked: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        client = self.good if name in self.asked else self.bad
        self.asked.add(name)
        return getattr(client, name)


def new_row(lab: Lab, **over: Any) -> CallRow:
    """A row in a running batch of its own, which no other row keeps from finishing."""
    return lab.row(**{"batch": make_batch()} | over)


def live_with(lab: Lab, bad: Any) -> CallRow:
    """One row from its upload on, each kind of request meeting `bad` once; returns it as it is at the end."""
    row, tools = new_row(lab), lab.tools
    stumbling: Any = Stumbling(bad, tools.client)
    lab.tools = replace(tools, client=stumbling)
    try:
        lab.run(LONG_ENOUGH, step=5)
    finally:
        lab.tools = tools
    assert stumbling.asked == {"upsert_entity", "schedule", "trigger", "poll"}
    return again(row)


def live_through(lab: Lab, script: Script, **options: Any) -> CallRow:
    """The same over a real socket: `script` has the first request of each kind, and may let it act."""

    def serve(connection: Any) -> None:
        if request := read_request(connection):
            script(connection, request, lambda raw: acted(lab, raw))

    with (
        Peer(serve) as peer,
        Evergrove(base_url=f"http://{peer.address}", api_key=DEFAULT_KEY, **options) as bad,
    ):
        row = live_with(lab, bad)
        assert peer.connections == 4
    return row


def acted(lab: Lab, raw: bytes) -> bytes:
    """Lets a request have its effect; returns the whole answer that would have come."""
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    method, path, _ = first.split()
    headers = dict(line.split(": ", 1) for line in lines)
    request = httpx.Request(method, f"http://sandbox{path}", headers=headers, content=body)
    return json_answer(lab.wire.inner.handle_request(request).read())


def answering(status: int = 200, **answer: Any) -> Evergrove:
    """A client that is always answered alike, and whose requests have no effect."""
    transport = httpx.MockTransport(lambda request: httpx.Response(status, **answer))
    return Evergrove(base_url="https://api.test", api_key=DEFAULT_KEY, transport=transport)


# --- What has to be true ---


def made_once(lab: Lab, row: CallRow) -> bool:
    """The call was started once, by the stand-in's own count, and its end is known here."""
    row = again(row)
    assert (row.phase, row.hold_reason, lab.calls_of(row)) == (Phase.COMPLETED, "", 1)
    assert row.outcome.appointment_attendance_status == "attended"
    assert lab.upstream.stop_reason == ""
    return True


def stands_still(lab: Lab, reason: str) -> bool:
    """Nothing is sent for an hour, whatever is due."""
    assert lab.upstream.stop_reason == reason
    seen = len(lab.wire.sent)
    lab.run(3600, step=900)
    return len(lab.wire.sent) == seen
