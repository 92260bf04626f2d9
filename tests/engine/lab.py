"""The real client and the real engine against the stand-in, in one thread, on a clock that tests move."""

import json
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from random import Random
from typing import Any

import httpx  # noqa: TID251 - a transport is handed to the client
import pytest
from django.db.models import Min, Q

from calls.engine.entities import send_entities
from calls.engine.pulse import dispatch_pulse, whole_pulse
from calls.engine.scheduling import schedule_rows
from calls.engine.tools import Rules, Tools
from calls.engine.triggering import trigger_rows
from calls.evergrove.client import Evergrove
from calls.models import Batch, CallEvent, CallRow, Entity, Upstream
from calls.vocabulary import OPEN, POLLED, Phase
from sandbox import Sandbox
from sandbox.application import DEFAULT_KEY
from tests.factories import NOW, make_batch, make_entity, make_row
from tests.sandbox_transport import SandboxTransport
from tests.simulation.world import SameThread

ENDPOINTS = {
    "/scheduler/entities": "entities",
    "/scheduler/requests": "schedule",
    "/scheduler/trigger/v2": "trigger",
}

# What may be seen instead of an answer, by what it means (reliability page, table of answers).
NOT_SENT = [pytest.param({"kind": "refused"}, id="refused")]
LOST = [
    pytest.param({"kind": "lost_before"}, id="lost before it acted"),
    pytest.param({"kind": "lost_after"}, id="lost after it acted"),
    pytest.param({"kind": "lost_before", "hang": 61.0}, id="timeout"),
    pytest.param({"kind": "unreadable_200"}, id="unreadable 200"),
    pytest.param({"kind": "not_json"}, id="200 that is not JSON"),
]
SERVER_FAULTS = [
    pytest.param({"kind": "status", "code": code}, id=str(code)) for code in (500, 503, 408, 409)
]
UNKNOWN = [*LOST, *SERVER_FAULTS]
ROW_FAULTS = [
    pytest.param({"kind": "status", "code": code}, id=str(code)) for code in (400, 413, 415, 422)
]
STOPS = [
    pytest.param({"kind": "status", "code": 401}, "key_refused", id="401"),
    pytest.param({"kind": "status", "code": 403}, "key_refused", id="403"),
    pytest.param({"kind": "redirect"}, "redirected", id="redirect"),
]


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Wire(httpx.BaseTransport):
    """Keeps what was sent. `before` sees each request first, `after` each that was answered.

    Answers in `instead` replace the stand-in's.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self.inner = SandboxTransport(sandbox)
        self.sent: list[tuple[str, Any]] = []
        self.before: Callable[[str, Any], object] = lambda endpoint, body: None
        self.after: Callable[[str], object] = lambda endpoint: None
        self.instead: dict[str, deque[Any]] = defaultdict(deque)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        endpoint = ENDPOINTS.get(request.url.path, "poll")
        body = json.loads(request.content) if request.content else str(request.url)
        self.sent.append((endpoint, body))
        self.before(endpoint, body)
        if self.instead[endpoint]:
            answer = self.instead[endpoint].popleft()
            return httpx.Response(200, json=answer(body) if callable(answer) else answer)
        response = self.inner.handle_request(request)
        self.after(endpoint)
        return response


class Lab:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.sandbox = Sandbox(clock=clock, sleep=clock.advance, seed=1)
        self.wire = Wire(self.sandbox)
        client = Evergrove(
            base_url="http://127.0.0.1:8900", api_key=DEFAULT_KEY, transport=self.wire
        )
        self.executor = SameThread()  # its `before` is where a process may freeze before it sends
        self.tools = Tools(
            client=client,
            executor=self.executor,
            rules=Rules(concurrency=8),
            clock=clock,
            rng=Random(1),
            key_fingerprint="first-key",
        )
        self.numbers = count()
        self.batch: Batch = make_batch()

    # --- people and offices ---

    def rules(self, **changes: Any) -> None:
        self.tools = replace(self.tools, rules=replace(self.tools.rules, **changes))

    def office(self, **over: Any) -> Entity:
        """An office that Evergrove does not know yet."""
        return make_entity(**{"entity_id": None} | over)

    def row(self, *, story: int = 60, **over: Any) -> CallRow:
        """A row that is due; its phone has the ending that asks the stand-in for `story`."""
        number = next(self.numbers)
        phone = f"+1212{530 + number // 90}{10 + number % 90}{story:02}"
        fields = {
            "batch": self.batch,
            "outbound_phone_number": phone,
            "next_at": self.clock(),
            "changed_at": self.clock(),
        }
        if "entity" not in over:
            fields["entity"] = self.office()
        return make_row(**fields | over)

    def rows(self, number: int, **over: Any) -> list[CallRow]:
        """Rows of one office."""
        office = over.pop("entity", None) or self.office()
        return [self.row(entity=office, **over) for _ in range(number)]

    def scheduled(self, **over: Any) -> CallRow:
        """A row that the engine itself has queued."""
        return self.bring_to(Phase.SCHEDULED, self.row(**over))

    def calling(self, **over: Any) -> CallRow:
        """A row that the engine itself has triggered, due for its first poll."""
        row = self.bring_to(Phase.CALLING, self.row(**over))
        self.advance_to_next_step(row)
        return row

    def confirming(self, *, kind: str = "lost_before", **over: Any) -> CallRow:
        """A row whose trigger was not answered."""
        row = self.scheduled(**over)
        self.fault(kind, "trigger")
        return self.bring_to(Phase.CONFIRMING, row)

    def bring_to(self, phase: Phase, row: CallRow) -> CallRow:
        steps = [send_entities, schedule_rows]
        for step in [*steps, trigger_rows] if phase != Phase.SCHEDULED else steps:
            step(self.tools)
        row.refresh_from_db()
        assert row.phase == phase
        return row

    # --- time ---

    def dispatch(self) -> int:
        return dispatch_pulse(self.tools)

    def pulse(self) -> int:
        return whole_pulse(self.tools)

    def run(self, seconds: float, *, step: float = 1.0) -> None:
        """Pulses for a while: every `step` seconds where something is due, else when it will be."""
        end = self.clock() + timedelta(seconds=seconds)
        while self.clock() < end:
            soonest = max(self.clock() + timedelta(seconds=step), self.next_due() or end)
            self.clock.now = min(end, soonest)
            self.pulse()

    def next_due(self) -> datetime | None:
        moving = CallRow.objects.filter(Q(hold_reason="") | Q(phase__in=POLLED), phase__in=OPEN)
        return moving.aggregate(soonest=Min("next_at"))["soonest"]

    def advance_to_next_step(self, row: CallRow) -> None:
        row.refresh_from_db()
        self.clock.now = max(self.clock.now, row.next_at)

    # --- what is wrong, and what was seen ---

    def fault(self, kind: str, endpoint: str = "*", **options: Any) -> None:
        self.sandbox.faults.add(kind, endpoint, **options)

    def sent(self, endpoint: str) -> list[Any]:
        """Bodies (of a poll: addresses) in the order in which they arrived."""
        return [body for at, body in self.wire.sent if at == endpoint]

    def calls_of(self, row: CallRow) -> int:
        """Calls started for a row, by the stand-in's ledger."""
        return self.sandbox.ledger.calls_by_reference[row.external_reference_id]

    @property
    def upstream(self) -> Upstream:
        return Upstream.load()

    def events(self, row: CallRow) -> list[str]:
        return list(CallEvent.objects.filter(row=row).order_by("pk").values_list("kind", flat=True))


def again(item: Any) -> Any:
    """The row or office as the database has it now."""
    return type(item).objects.get(pk=item.pk)
