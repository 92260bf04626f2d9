"""A stand-in for the API at the level of the client's four methods, with its own ledger and ill luck from a seed.

It keeps the truth that the engine is judged by: which requests exist, how often each call was started, which
triggers and looks arrived and what was done with them. Its clock is the true one and never jumps.
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from calls.evergrove.errors import EvergroveError, NotFound
from calls.evergrove.schemas import (
    CallAttempt,
    GeneratedOutcomes,
    RequestStatus,
    ScheduleAnswer,
    ScheduledRequest,
    SchedulerEntity,
    TriggerAnswer,
)
from tests.simulation.faults import FAULTS, meet

# What the engine's waits are made for; the reliability page states both as assumptions.
LATEST_EFFECT = timedelta(seconds=120)  # a trigger acts within the confirm wait, or never
STALEST_ANSWER = timedelta(seconds=18)
ATTEMPT_SHOWS_AFTER = 8.0  # seconds after the start


@dataclass
class Request:
    """One queued call as upstream has it."""

    id: UUID
    reference: str
    entity_id: UUID
    phone: str
    created_at: datetime
    story: str
    starts: list[datetime] = field(default_factory=list)

    @property
    def started_at(self) -> datetime | None:
        return self.starts[0] if self.starts else None


@dataclass(frozen=True)
class Post:
    """A trigger that arrived."""

    at: datetime
    request_id: UUID
    fault: str


# Seconds from the start at which each status begins.
STORIES: dict[str, list[tuple[float, str]]] = {
    "attended": [(0, "ENQUEUED"), (2, "ACTIVE"), (40, "COMPLETE")],
    "callback": [(0, "ENQUEUED"), (2, "ACTIVE"), (30, "ENQUEUED"), (200, "ACTIVE"), (230, "COMPLETE")],
    "late_outcome": [(0, "ENQUEUED"), (2, "ACTIVE"), (20, "COMPLETE")],
    "no_outcome": [(0, "ACTIVE"), (20, "COMPLETE")],
    "error": [(0, "ENQUEUED"), (5, "ACTIVE"), (30, "ERROR")],
    "cancelled": [(0, "ENQUEUED"), (5, "CANCELLED")],
    "do_not_call": [(0, "ACTIVE"), (25, "DO_NOT_CALL_BACK")],
    "new_word": [(0, "RINGING"), (20, "COMPLETE")],
    "quick": [(0, "ENQUEUED"), (1, "COMPLETE")],
}  # fmt: skip
TERMINAL = {"COMPLETE", "ERROR", "CANCELLED", "DO_NOT_CALL_BACK"}
OUTCOME_DELAY = {"late_outcome": 60.0, "no_outcome": float("inf")}


class StandIn:
    """Has the interface of `Evergrove`. `bad_luck` is the share of requests that meet a fault.

    `expected` holds faults for the next requests of an endpoint, before luck is asked.
    """

    def __init__(self, rng: random.Random, clock: Callable[[], datetime]) -> None:
        self.rng, self.clock = rng, clock
        self.bad_luck = 0.0
        self.expected: dict[str, list[str]] = {}
        self.stories: Sequence[str] = tuple(STORIES)
        self.entities: dict[str, tuple[UUID, Any]] = {}
        self.requests: dict[UUID, Request] = {}
        self.late: list[tuple[datetime, UUID]] = []
        self.key_works = True
        self.posts: list[Post] = []
        self.looks: list[tuple[datetime, UUID]] = []
        self.in_flight: dict[
            str, datetime
        ] = {}  # the newest upsert of each office, until its answer
        self.faults_met: Counter[str] = Counter()
        self.on_request: Callable[[str], None] = lambda endpoint: None
        self.on_trigger: Callable[[Post], None] = lambda post: None
        self.on_upsert: Callable[[str], None] = lambda name: None
        self.on_the_way: Callable[[], None] = lambda: None
        self.before_effect: Callable[[str], None] = lambda endpoint: None
        self.after_effect: Callable[[str], None] = lambda endpoint: None
        self.pass_time: Callable[[float], None] = lambda seconds: None

    # --- the client's interface ---

    def upsert_entity(self, body: Any) -> SchedulerEntity:
        def effect() -> SchedulerEntity:
            known = self.entities.get(body.name)
            entity_id = known[0] if known else self.new_id()
            self.entities[body.name] = (entity_id, body)
            return SchedulerEntity(id=entity_id, tenant_id="tenant", can_call=True)

        self.on_upsert(body.name)
        arrived_at = self.in_flight[body.name] = self.clock()
        try:
            return self.meet("entities", effect)
        finally:
            if self.in_flight.get(body.name) == arrived_at:
                del self.in_flight[body.name]

    def schedule(self, calls: Any) -> ScheduleAnswer:
        def effect() -> ScheduleAnswer:
            made = [self.queue(call) for call in calls]
            return ScheduleAnswer(scheduled_requests=tuple(shown(request) for request in made))

        return self.meet("schedule", effect)

    def trigger(
        self, request_id: UUID, *, latency_mode: Any, last_look: Callable[[], None] = lambda: None
    ) -> TriggerAnswer:
        self.on_the_way()
        last_look()
        return self.meet("trigger", lambda: self.start(request_id), request_id)

    def poll(self, request_id: UUID, *, include_call_attempts: bool = False) -> RequestStatus:
        def effect() -> RequestStatus:
            if request_id not in self.requests:  # the breaker's probe
                raise NotFound("HTTP 404", status=404)
            return self.status(request_id, self.clock(), with_attempts=include_call_attempts)

        return self.meet("poll", effect, request_id)

    # --- what happens upstream ---

    def new_id(self) -> UUID:
        return UUID(int=self.rng.getrandbits(128), version=4)

    def queue(self, call: Any) -> Request:
        request = Request(
            self.new_id(),
            call.external_reference_id,
            call.entity_id,
            call.outbound_phone_number,
            self.clock(),
            self.rng.choice(self.stories),
        )
        self.requests[request.id] = request
        return request

    def start(self, request_id: UUID, at: datetime | None = None) -> TriggerAnswer:
        """The worst upstream: every trigger of a request starts a call."""
        self.requests[request_id].starts.append(at or self.clock())
        return TriggerAnswer(triggered=(str(request_id),))

    def start_late(self, request_id: UUID) -> None:
        """It will act, at the latest when the confirm wait of the request is over."""
        latest = LATEST_EFFECT.total_seconds()
        delay = self.rng.choice([self.rng.uniform(1, latest), self.rng.uniform(latest - 5, latest)])
        posted_at = next(post.at for post in reversed(self.posts) if post.request_id == request_id)
        at = max(self.clock(), posted_at + timedelta(seconds=delay))
        self.late.append((at, request_id))

    def settle_late_effects(self) -> None:
        due = sorted(item for item in self.late if item[0] <= self.clock())
        self.late = [item for item in self.late if item[0] > self.clock()]
        for at, request_id in due:
            self.start(request_id, at)

    def word(self, request: Request, at: datetime) -> str:
        if request.started_at is None or at < request.started_at:
            return "ENQUEUED"
        age = (at - request.started_at).total_seconds()
        return [word for begins, word in STORIES[request.story] if begins <= age][-1]

    def is_live(self, request: Request) -> bool:
        return bool(request.starts) and self.word(request, self.clock()) not in TERMINAL

    def status(self, request_id: UUID, at: datetime, *, with_attempts: bool) -> RequestStatus:
        request = self.requests[request_id]
        word, started = self.word(request, at), request.started_at
        age = (at - started).total_seconds() if started and started <= at else None
        begun = [
            begins for begins, _ in STORIES[request.story] if age is not None and begins <= age
        ]
        dialled = age is not None and (word != "ENQUEUED" or age > ATTEMPT_SHOWS_AFTER)
        attempts = (CallAttempt(attempt_number=1, status="PLACED"),) if dialled else ()
        outcome = self.outcome(request, age) if word in TERMINAL else None
        return RequestStatus(
            id=request.id,
            workflow_status=word,
            generated_outcomes=GeneratedOutcomes.model_validate(outcome) if outcome else None,
            generated_outcomes_raw=outcome,
            call_attempts=attempts if with_attempts else None,
            created_at=request.created_at,
            updated_at=started + timedelta(seconds=begun[-1]) if begun else request.created_at,
        )  # fmt: skip

    def stale_status(self, request_id: UUID) -> RequestStatus:
        """As it was a little while ago, and not always with the attempts that were asked for."""
        if request_id not in self.requests:
            raise NotFound("HTTP 404", status=404)
        before = self.clock() - STALEST_ANSWER * self.rng.random()
        return self.status(request_id, before, with_attempts=self.rng.random() < 0.7)

    def outcome(self, request: Request, age: float | None) -> dict[str, Any] | None:
        ended = next(begins for begins, word in STORIES[request.story] if word in TERMINAL)
        if request.story in ("error", "cancelled") or age is None:
            return None
        if age - ended < OUTCOME_DELAY.get(request.story, 0.0):
            return None
        return {"called": True, "appointment_attendance_status": "attended"}

    # --- ill luck ---

    def meet(self, endpoint: str, effect: Any, about: UUID | None = None) -> Any:
        """Every request passes here: it arrives, may act, is answered; at each end the client may die."""
        self.on_request(endpoint)
        fault = self.fault_of(endpoint)
        if endpoint == "trigger" and about is not None:
            self.posts.append(Post(self.clock(), about, fault))
            self.on_trigger(self.posts[-1])
        self.settle_late_effects()
        self.before_effect(endpoint)
        self.settle_late_effects()
        try:
            answer: Any = meet(self, endpoint, fault, effect, about)
        except EvergroveError as error:
            answer = error
        if getattr(answer, "call_attempts", None) is not None:
            self.looks.append((self.clock(), answer.id))
        self.after_effect(endpoint)
        if isinstance(answer, EvergroveError):
            raise answer
        return answer

    def fault_of(self, endpoint: str) -> str:
        if self.expected.get(endpoint):
            fault = self.expected[endpoint].pop(0)
        elif not self.key_works:
            fault = "401"
        elif self.rng.random() < self.bad_luck:
            weights = FAULTS[endpoint]
            fault = self.rng.choices(list(weights), list(weights.values()))[0]
        else:
            return ""
        if fault:
            self.faults_met[f"{endpoint}:{fault}"] += 1
        return fault


def shown(request: Request) -> ScheduledRequest:
    return ScheduledRequest(
        id=request.id,
        external_reference_id=request.reference,
        entity_id=request.entity_id,
        call_input_id=request.id,
        workflow_status="ENQUEUED",
        created_at=request.created_at,
        updated_at=request.created_at,
    )
