"""POST /scheduler/entities: an office that has work, or was edited, is sent in its newest state (R10-R15)."""

import logging
from collections.abc import Sequence
from datetime import datetime
from uuid import uuid4

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from calls.engine import upstream
from calls.engine.asking import each, run_jobs
from calls.engine.claiming import LEASE, clipped, release_rows
from calls.engine.policy import INTENT_MAX_AGE, backoff
from calls.engine.tools import Answer, HeldBack, Tools, require_claim
from calls.evergrove.errors import EvergroveError, KeyRefused, Misconfigured, Rejected, SlowDown
from calls.evergrove.schemas import EntityBody, SchedulerEntity
from calls.models import CallRow, Entity
from calls.models.event import note_event
from calls.vocabulary import BatchState, EventKind, HoldReason, Phase

logger = logging.getLogger(__name__)

LONGEST_REQUEST = LEASE - INTENT_MAX_AGE


def send_entities(tools: Tools) -> int:
    """Upsert what is due; returns how many answers were recorded."""
    return run_jobs(
        tools,
        claim=lambda limit: claim_entities(limit, now=tools.clock()),
        ask=lambda entity: send(entity, tools),
        record=each(lambda answer: record_entity(answer, tools)),
        in_flight=tools.rules.concurrency,
    )


def due_entities(now: datetime) -> QuerySet[Entity]:
    """Offices whose newest state Evergrove does not have: with rows to queue now, or known upstream."""
    waiting_rows = CallRow.objects.filter(
        entity=OuterRef("pk"),
        phase=Phase.READY,
        hold_reason="",
        batch__state=BatchState.RUNNING,
    )
    return Entity.objects.filter(
        Q(next_at=None) | Q(next_at__lte=now),
        Q(claimed_until=None) | Q(claimed_until__lt=now),
        Q(entity_id__isnull=False) | Exists(waiting_rows),
        hold_reason="",
        synced_version__lt=F("version"),
    )


def claim_entities(limit: int, *, now: datetime) -> Sequence[Entity]:
    """One upsert in flight per office: the claim lasts until it is recorded or its lease is over (R14)."""
    token = uuid4().hex
    ids = list(due_entities(now).order_by("pk").values_list("pk", flat=True)[:limit])
    if not ids:
        return []
    Entity.objects.filter(
        Q(claimed_until=None) | Q(claimed_until__lt=now), pk__in=ids, hold_reason=""
    ).update(claimed_by=token, claimed_until=now + LEASE, fence=F("fence") + 1)
    return list(Entity.objects.filter(pk__in=ids, claimed_by=token).order_by("pk"))


def send(entity: Entity, tools: Tools) -> SchedulerEntity:
    """Raises IntentTooOld instead of sending a state that may be older than what a rival has sent (R14).

    The rest of the lease has to outlast the request, so that there is one upsert in flight per office.
    """
    claimed_until = entity.claimed_until
    require_claim(claimed_until and claimed_until - LONGEST_REQUEST, tools)
    return tools.client.upsert_entity(body_of(entity))


def body_of(entity: Entity) -> EntityBody:
    """The full current entity, guide included (R10, R14)."""
    return EntityBody(
        name=entity.upstream_name,
        location_name=entity.name,
        location_timezone=entity.timezone,
        working_hours_policy=entity.working_hours,
        ivr_answer_key_guide=entity.ivr_guide or None,
    )


def record_entity(answer: Answer[Entity], tools: Tools) -> None:
    entity, now = answer.job, tools.clock()
    match answer.value:
        case SchedulerEntity() as told:
            if not upstream.note_tenant(told.tenant_id, tools):
                release(entity, next_at=now)
            elif Entity.objects.filter(entity_id=told.id).exclude(pk=entity.pk).exists():
                refuse_shared_id(entity, now=now)
            else:
                record_sent(entity, told, now=now)
        case SlowDown() | KeyRefused() | Misconfigured() | HeldBack() as error:
            release(entity, next_at=now, last_error=clipped(error.reason))
        case Rejected() as error:
            refuse(entity, error.reason)
        case EvergroveError() as error:
            failures = entity.failures + 1
            release(
                entity,
                failures=failures,
                next_at=now + backoff(failures, tools.rng, retry_after=error.retry_after),
                last_error=clipped(error.reason),
            )


def release(entity: Entity, **fields: object) -> bool:
    """Give the claim back with `fields`; False when another worker has taken the office since."""
    mine = Entity.objects.filter(pk=entity.pk, fence=entity.fence)
    return bool(mine.update(claimed_by="", claimed_until=None, **fields))


def refuse(entity: Entity, reason: str) -> None:
    """Hold the office, unless somebody has corrected it while this older state was out."""
    mine = Entity.objects.filter(pk=entity.pk, fence=entity.fence, version=entity.version)
    held = {"hold_reason": HoldReason.OFFICE_REFUSED, "last_error": clipped(reason)}
    if not mine.update(claimed_by="", claimed_until=None, **held):
        release(entity)


def refuse_shared_id(entity: Entity, *, now: datetime) -> None:
    """Evergrove takes two names for one: each upsert would change the other office's calls (R13)."""
    logger.warning("office %s was given the id of another office", entity.pk)
    note_event(entity_id=entity.pk, at=now, kind=EventKind.ANOMALY, detail="entity_id_of_another")
    refuse(entity, "The answer named the id of another office")


def record_sent(entity: Entity, told: SchedulerEntity, *, now: datetime) -> None:
    """Keep the id before anything else happens (R11), and what Evergrove says of the office (R15)."""
    if entity.entity_id not in (None, told.id):
        logger.warning("office %s has another id at Evergrove now", entity.pk)
        note_event(entity_id=entity.pk, at=now, kind=EventKind.ANOMALY, detail="entity_id_changed")
    kept = release(
        entity,
        entity_id=told.id,
        can_call=told.can_call,
        upstream_hours=told.working_hours_policy,
        working_hours_source=(told.working_hours_source or "")[:64],
        working_hours_updated_at=told.working_hours_updated_at,
        synced_version=entity.version,  # an edit made meanwhile has raised the version: it is sent next
        synced_at=now,
        next_at=None,
        failures=0,
        last_error="",
    )
    if not kept:  # this older state may have arrived after a rival's newer one
        Entity.objects.filter(pk=entity.pk).update(version=F("version") + 1)
        return
    note_event(entity_id=entity.pk, at=now, kind=EventKind.OFFICE_SENT)
    if told.can_call:
        release_rows(entity.rows.all(), HoldReason.OFFICE_NOT_CALLABLE, now=now)
