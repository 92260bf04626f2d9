"""Claims, moves and rescues: "this row is mine now" is one filtered UPDATE whose row count is checked.

No lock is held while the network is asked, and nothing here trusts a row that was read before: every UPDATE
repeats phase and fence, which every claim and every move raises.
"""

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.db import transaction
from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, Value, When

from calls.engine import machine
from calls.engine.machine import Step
from calls.engine.policy import CRASHES_BEFORE_HOLD, INTENT_MAX_AGE
from calls.models import Batch, BlockedPhone, CallEvent, CallRow, Entity, Installation
from calls.models.event import note_event
from calls.vocabulary import (
    GIVEN_UP,
    LIVE,
    SETTLED,
    WITHDRAWABLE,
    BatchState,
    EventKind,
    HoldReason,
    Phase,
)

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=90)  # longer than the longest connect, write and read together
ERROR_LENGTH = 255


class Constant(Value):
    """A word of ours that stands in the statement itself and not among its parameters."""

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[str | int, ...]]:
        return f"'{self.value}'", ()


def in_phases(phases: Iterable[Phase]) -> Q:
    """Constants, in the order of the partial index that is meant: SQLite does not recognise the condition
    of an index in a list of parameters, and would read the whole table."""
    return Q(phase__in=[Constant(phase.value) for phase in phases])


def in_running_batch() -> Exists:
    """Re-read inside the claiming UPDATE, so that a pause that committed is seen (R62)."""
    return Exists(Batch.objects.filter(pk=OuterRef("batch_id"), state=BatchState.RUNNING))


def nothing_to_reconcile() -> Q:
    """After a restore everything open is asked about before anything goes out (reconciling.py)."""
    return ~Q(Exists(Installation.objects.filter(reconcile_since__isnull=False)))


def of_calling_batch() -> Exists:
    """A batch may be queued at Evergrove and wait there until somebody lets it call."""
    return Exists(Batch.objects.filter(pk=OuterRef("batch_id"), queue_only=False))


def of_callable_office() -> Exists:
    return Exists(
        Entity.objects.filter(
            ~Q(can_call=False), pk=OuterRef("entity_id"), entity_id__isnull=False, hold_reason=""
        )
    )


def phone_is_blocked() -> Exists:
    return Exists(BlockedPhone.objects.filter(phone=OuterRef("outbound_phone_number")))


def phone_is_busy() -> Exists:
    return Exists(
        CallRow.objects.filter(
            outbound_phone_number=OuterRef("outbound_phone_number"), phase__in=LIVE
        ).exclude(pk=OuterRef("pk"))
    )


def phone_waits_for_a_person() -> Exists:
    """The phone is taken by a call of which it is not certain whether it was started: a person decides first."""
    doubtful = CallRow.objects.filter(
        outbound_phone_number=OuterRef("outbound_phone_number"), phase__in=LIVE
    )
    return Exists(doubtful.exclude(hold_reason="").exclude(pk=OuterRef("pk")))


def lock_batches(rows: Iterable[CallRow]) -> None:
    """Order claims against pauses: a claim waits for a pause that is committing, and the other way round.

    On SQLite every transaction here is IMMEDIATE, so there is nothing left to lock.
    """
    ids = sorted({row.batch_id for row in rows})
    list(Batch.objects.select_for_update().filter(pk__in=ids).order_by("pk").values_list("pk"))


def claim_rows(
    candidates: Sequence[CallRow],
    step: Step,
    *,
    now: datetime,
    conditions: Sequence[Any] = (),
    left_out: Sequence[str] = (),
    **fields: Any,
) -> list[CallRow]:
    """Take `candidates` through a claiming step; returns those that are ours now, in their order and as
    the database has them.

    `left_out`: columns that the step does not need (an SSN costs a decryption a row).

    One UPDATE for all of them. The conditions of R62 stand in the UPDATE itself and not in a query before
    it: on PostgreSQL the filters on the row's own columns are checked again after waiting for a rival.
    """
    if not candidates:
        return []
    phase_from, token = candidates[0].phase, uuid4().hex
    ids = [row.pk for row in candidates]
    with transaction.atomic():
        lock_batches(candidates)
        CallRow.objects.filter(
            in_running_batch(),
            nothing_to_reconcile(),
            *conditions,
            pk__in=ids,
            phase=phase_from,
            hold_reason="",
            ask_first=False,
        ).update(
            phase=machine.after(phase_from, step),
            fence=F("fence") + 1,
            claimed_by=token,
            claimed_until=now + LEASE,
            waiting_for="",
            changed_at=now,
            **fields,
        )
        found = (
            CallRow.objects.filter(pk__in=ids, claimed_by=token)
            .select_related("entity", "batch")
            .defer(*left_out)
            .in_bulk()
        )
        mine = [found[pk] for pk in ids if pk in found]
        record_events(mine, kind=EventKind.MOVED, now=now, phase_from=phase_from)
    return mine


def move(
    row: CallRow,
    step: Step,
    *,
    now: datetime,
    hold: HoldReason | str = "",
    detail: str = "",
    **fields: Any,
) -> bool:
    """Take a claimed row through `step` and release it. False: someone else moved it, drop what you hold.

    Call inside a transaction: the event belongs to the move. `row` itself is left as it was read, so that
    a record that is rolled back can be made again.
    """
    to = machine.after(row.phase, step)
    changes = {
        "phase": to,
        "hold_reason": hold,
        "fence": row.fence + 1,
        "claimed_by": "",
        "claimed_until": None,
        "changed_at": now,
        **({"settled_at": now} if to in SETTLED else {}),
        **fields,
    }
    if not same_row(row).update(**changes):
        logger.info("call %s was moved by someone else before %s", row.pk, step)
        return False
    kind = EventKind.HELD if hold else EventKind.MOVED
    note_event(
        row_id=row.pk, at=now, kind=kind, phase_from=row.phase, phase_to=to, detail=hold or detail
    )
    return True


def same_row(row: CallRow) -> QuerySet[CallRow]:
    """The row, if nobody moved or claimed it since it was read."""
    return CallRow.objects.filter(pk=row.pk, phase=row.phase, fence=row.fence)


def hold_uncallable(*, now: datetime) -> int:
    """Untriggered rows of an office that is refused or not callable, or of a blocked phone, wait for a person.

    A sweep and not a consequence of each cause, because rows may arrive, or come back from a claim, later
    than the cause. Until it has run the claims themselves leave such rows alone.
    """
    refused = Entity.objects.exclude(hold_reason="")
    not_callable = Entity.objects.filter(can_call=False)
    blocked = BlockedPhone.objects.values("phone")
    with transaction.atomic():
        return sum(
            hold_rows(CallRow.objects.filter(rows), reason, now=now)
            for reason, rows in (
                (HoldReason.OFFICE_REFUSED, Q(entity__in=refused)),
                (HoldReason.OFFICE_NOT_CALLABLE, Q(entity__in=not_callable)),
                (HoldReason.DO_NOT_CALL, Q(outbound_phone_number__in=blocked)),
            )
        )


def hold_rows(rows: QuerySet[CallRow], reason: HoldReason, *, now: datetime) -> int:
    """Hold every untriggered, unclaimed row of `rows`; returns how many. Call inside a transaction."""
    untriggered = {"phase__in": WITHDRAWABLE, "hold_reason": ""}
    ids = list(rows.filter(**untriggered).values_list("pk", flat=True))
    if not ids:
        return 0
    CallRow.objects.filter(pk__in=ids, **untriggered).update(
        hold_reason=reason, fence=F("fence") + 1, waiting_for="", changed_at=now
    )
    held = CallRow.objects.filter(pk__in=ids, hold_reason=reason).only("pk", "phase")
    record_events(held, kind=EventKind.HELD, now=now, detail=reason)
    return len(ids)


def due_at_once(now: datetime) -> Case:
    """`next_at` of rows that are let go: now, but for those that are asked about first. Their look counts only
    when a trigger that somebody sent before must have acted."""
    return Case(When(ask_first=True, then=F("next_at")), default=Value(now))


def release_rows(rows: QuerySet[CallRow], reason: HoldReason, *, now: datetime) -> int:
    """Let go of rows that were held for `reason`; returns how many. Call inside a transaction."""
    ids = list(rows.filter(hold_reason=reason).values_list("pk", flat=True))
    CallRow.objects.filter(pk__in=ids, hold_reason=reason).update(
        hold_reason="", fence=F("fence") + 1, next_at=due_at_once(now), changed_at=now
    )
    released = CallRow.objects.filter(pk__in=ids).only("pk", "phase")
    record_events(released, kind=EventKind.RELEASED, now=now, detail=reason)
    return len(ids)


def may_ring() -> Q:
    """Queued, and asked about first; a person decides about those that were asked about in vain."""
    return Q(ask_first=True) & ~Q(hold_reason__in=GIVEN_UP)


def withdraw(rows: QuerySet[CallRow], *, now: datetime, by: Any = None, detail: str = "") -> int:
    """Take untriggered, unclaimed rows out for good; returns how many. Call inside a transaction.

    One that may be ringing stays until that is known.
    """
    count = 0
    for phase in WITHDRAWABLE:
        ids = list(rows.filter(~may_ring(), phase=phase).values_list("pk", flat=True))
        count += CallRow.objects.filter(~may_ring(), pk__in=ids, phase=phase).update(
            phase=machine.after(phase, Step.WITHDRAWN),
            hold_reason="",
            waiting_for="",
            fence=F("fence") + 1,
            settled_at=now,
            changed_at=now,
        )
        taken = CallRow.objects.filter(pk__in=ids, phase=Phase.WITHDRAWN).only("pk", "phase")
        record_events(
            taken, kind=EventKind.WITHDRAWN, now=now, phase_from=phase, detail=detail, actor=by
        )
    return count


def record_events(
    rows: Iterable[CallRow],
    *,
    kind: EventKind,
    now: datetime,
    phase_from: str = "",
    detail: str = "",
    actor: Any = None,
) -> None:
    CallEvent.objects.bulk_create(
        CallEvent(
            row_id=row.pk,
            at=now,
            kind=kind,
            actor=actor,
            phase_from=phase_from,
            phase_to=row.phase,
            detail=detail,
        )
        for row in rows
    )


def rescue_claims(*, now: datetime, confirm_wait: timedelta) -> int:
    """Rows whose worker is gone: scheduling goes back to ready, triggering to confirming (R75)."""
    abandoned = CallRow.objects.filter(
        in_phases((Phase.SCHEDULING, Phase.TRIGGERING)), claimed_until__lt=now
    )
    rows = list(abandoned[:500])
    for row in rows:
        with transaction.atomic():
            rescue(row, now=now, confirm_wait=confirm_wait)
    return len(rows)


def rescue(row: CallRow, *, now: datetime, confirm_wait: timedelta) -> bool:
    """Settle one abandoned claim. A row that took three workers with it is held."""
    crashes = row.crashes + 1
    if row.phase == Phase.TRIGGERING:
        assert row.trigger_sent_at is not None  # noqa: S101 - a constraint of the table
        # It may have left as late as an intent is used.
        first_look = max(now, row.trigger_sent_at + INTENT_MAX_AGE + confirm_wait)
        return move(
            row,
            Step.TRIGGER_UNCERTAIN,
            now=now,
            detail="worker_gone",
            next_at=first_look,
            clean_looks=0,
            crashes=crashes,
        )
    return move(
        row,
        Step.SCHEDULE_UNSETTLED,
        now=now,
        hold=HoldReason.CRASHED_WORKER if crashes >= CRASHES_BEFORE_HOLD else "",
        detail="worker_gone",
        next_at=now,
        crashes=crashes,
        possible_orphans=row.possible_orphans + 1,
    )


def clipped(text: str) -> str:
    """A redacted reason that fits its column."""
    return text[:ERROR_LENGTH]
