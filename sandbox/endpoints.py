"""What the four endpoints do to the store. Each takes a body and an instant and returns an answer."""

import random
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sandbox import validation
from sandbox.answers import Answer, Refusal
from sandbox.lifecycle import Facts, State, instant, state_at, workflow_id
from sandbox.store import Entity, Request, Store
from sandbox.stories import story_for

TENANT_ID = "tenant_practice"
UNCALLABLE = "do not call office"  # in an entity's name, in any case


@dataclass
class Desk:
    """`double_start`: whether a second trigger of a request that waits without an attempt starts a
    second call, as nothing in the documents rules out."""

    store: Store
    organizations: frozenset[str]
    rng: random.Random
    pace: float = 1.0
    double_start: bool = True
    tenant_id: str = field(default=TENANT_ID)

    def upsert(self, body: Any, at: datetime) -> Answer:
        given = validation.entity(body)
        with self.store.lock:
            known = self.store.entity_named(given.name)
            entity = known or self._new_entity(given, at)
            if known is not None:
                _overwrite(known, given, at)
            self.store.save([entity])
            return Answer.of(self._entity(entity))

    def schedule(self, body: Any, at: datetime) -> Answer:
        with self.store.lock:
            given = validation.calls(
                body, organizations=self.organizations, entities=self.store.entities
            )
            requests = [self._new_request(call, at) for call in given]
            self.store.save(requests)
        return Answer.of({"scheduled_requests": [self._queued(one) for one in requests]})

    def trigger(self, body: Any, at: datetime) -> Answer:
        """Unknown or unsuitable ids are answered with 200 and `errors`."""
        given = validation.trigger(body)
        with self.store.lock:
            request = self.store.requests.get(given.request_id)
            error = "Scheduled request not found" if request is None else self._count(request, at)
        if error:
            return Answer.of(_not_started(given, f"{given.request_id}: {error}"))
        return Answer.of(_started(given, self.tenant_id))

    def poll(self, body: tuple[str, str | None], at: datetime) -> Answer:
        """`body`: the id out of the path and the value of include_call_attempts."""
        wanted = validation.request_id(body[0])
        with_attempts = validation.include_call_attempts(body[1])
        request = self.store.requests.get(wanted)
        if request is None:
            raise Refusal.saying(404, "Scheduled request not found")
        return Answer.of(_status(request, self.state(request, at), with_attempts))

    def state(self, request: Request, at: datetime) -> State:
        appointment = datetime.fromisoformat(request.expected_appointment_date_time)
        facts = Facts(
            id=request.id,
            tenant_id=self.tenant_id,
            appointment=appointment,
            created_at=request.created_at,
            triggered_at=request.triggered_at,
        )
        return state_at(story_for(request.outbound_phone_number), facts, at, self.pace)

    def _count(self, request: Request, at: datetime) -> str:
        """Counts the trigger and starts a call, or says why it does not."""
        error = self._objection(request, at)
        request.triggers += 1
        if not error:
            request.starts.append(at)
        self.store.save([request])
        return error

    def _objection(self, request: Request, at: datetime) -> str:
        if not self.store.entities[request.entity_id].can_call:
            return "The entity cannot be called"
        if request.triggered_at is None:
            return ""
        state = self.state(request, at)
        waiting = state.workflow_status == "ENQUEUED" and not state.call_attempts
        return "" if waiting and self.double_start else "Already triggered"

    def _new_entity(self, given: validation.EntityInput, at: datetime) -> Entity:
        return Entity(
            id=self._uuid(),
            can_call=UNCALLABLE not in given.name.lower(),
            working_hours_updated_at=at,
            created_at=at,
            **asdict(given),
        )

    def _new_request(self, call: validation.CallInput, at: datetime) -> Request:
        return Request(
            id=self._uuid(),
            call_input_id=self._uuid(),
            entity_id=call.entity_id,
            external_reference_id=call.external_reference_id,
            outbound_phone_number=call.outbound_phone_number,
            expected_appointment_date_time=call.expected_appointment_date_time,
            created_at=at,
        )

    def _uuid(self) -> str:
        return str(UUID(int=self.rng.getrandbits(128), version=4))

    def _entity(self, entity: Entity) -> dict[str, Any]:
        return {
            "id": entity.id,
            "tenant_id": self.tenant_id,
            "name": entity.name,
            "location_name": entity.location_name,
            "location_timezone": entity.location_timezone,
            "can_call": entity.can_call,
            "ivr_answer_key_guide": entity.ivr_answer_key_guide,
            "working_hours_policy": entity.working_hours_policy,
            "working_hours_source": "api",
            "working_hours_updated_at": instant(entity.working_hours_updated_at),
            "created_at": instant(entity.created_at),
        }

    def _queued(self, request: Request) -> dict[str, Any]:
        return {
            "id": request.id,
            "call_input_id": request.call_input_id,
            "entity_id": request.entity_id,
            "external_reference_id": request.external_reference_id,
            "tenant_id": self.tenant_id,
            "workflow_status": "ENQUEUED",
            "best_to_callback_after": None,
            "generated_outcomes": None,
            "created_at": instant(request.created_at),
            "updated_at": instant(request.created_at),
        }


def _overwrite(entity: Entity, given: validation.EntityInput, at: datetime) -> None:
    """The upsert by name: hours, place and guide become those of the newest body."""
    if entity.working_hours_policy != given.working_hours_policy:
        entity.working_hours_updated_at = at
    for name, value in asdict(given).items():
        setattr(entity, name, value)
    entity.upserts += 1


def _started(given: validation.TriggerInput, tenant_id: str) -> dict[str, Any]:
    return {
        "triggered": [given.request_id],
        "workflow_id": workflow_id(given.request_id, tenant_id),
        "latency_mode": given.latency_mode,
        "message": "Triggered 1 scheduled request",
    }


def _not_started(given: validation.TriggerInput, error: str) -> dict[str, Any]:
    return {
        "triggered": [],
        "latency_mode": given.latency_mode,
        "errors": [error],
        "message": "Triggered 0 scheduled requests",
    }


def _status(request: Request, state: State, with_attempts: bool) -> dict[str, Any]:
    attempts = {"call_attempts": state.call_attempts} if with_attempts else {}
    return {
        "id": request.id,
        "workflow_status": state.workflow_status,
        "best_to_callback_after": instant(state.best_to_callback_after),
        "generated_outcomes": state.generated_outcomes,
        **attempts,
        "created_at": instant(request.created_at),
        "updated_at": instant(state.updated_at),
    }
