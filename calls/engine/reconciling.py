"""After a restore, or a take-over of a copy: what Evergrove did since is not known here.

A queued row may have been triggered after the copy was taken, so each is asked about, attempts included, and
looked at as carefully as a doubtful trigger: twice, after the confirm wait (R70, R71). Until all of them have
been asked nothing is sent that could start a call; a row that could not be asked stays barred by itself.

Rows without a request cannot be asked about. They may have been queued since, which leaves an orphan (R30),
or even called: their batches wait for a person.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from calls.engine.asking import each, run_jobs
from calls.engine.claiming import in_phases, phone_is_busy
from calls.engine.machine import Step
from calls.engine.policy import CLEAN_LOOKS_NEEDED, SECOND_LOOK_AFTER, is_clean_look
from calls.engine.polling import (
    NOT_NEEDED_TO_POLL,
    POLL_LEASE,
    QUEUED_PER_THREAD,
    facts_of,
    heed_do_not_call,
    is_stale,
    record_poll,
    record_step,
    release,
    step_of,
)
from calls.engine.tools import Answer, Tools, require_claim
from calls.evergrove.schemas import RequestStatus
from calls.models import Batch, CallRow, Installation
from calls.models.event import note_event
from calls.vocabulary import (
    GIVEN_UP,
    POLLED,
    UNTRIGGERED,
    BatchState,
    EventKind,
    HoldReason,
    PauseReason,
    Phase,
    WaitReason,
)

logger = logging.getLogger(__name__)

TRIES = 10  # after so many the others no longer wait for this row; it stays barred
DETAIL_LENGTH = 255


# --- The beginning --------------------------------------------------------------------------------
def begin(*, reason: str, confirm_wait: timedelta, now: datetime, by: Any = None) -> int:
    """Ask about every open request before anything is started; returns how many will be asked about."""
    with transaction.atomic():
        # Orders this commit against triggers being claimed on PostgreSQL, as a pause does.
        list(Batch.objects.select_for_update().order_by("pk").values_list("pk"))
        Installation.load()
        Installation.objects.update(reconcile_since=now)
        count = mark(first_look=now + confirm_wait, now=now)
        stop_what_cannot_be_asked(now=now)
        note_event(at=now, kind=EventKind.RECONCILED, actor=by, detail=reason[:DETAIL_LENGTH])
    logger.warning("asking about %d open requests before anything is started", count)
    return count


def mark(*, first_look: datetime, now: datetime) -> int:
    """Every open request is looked at anew. The first look counts only when a trigger that somebody sent
    until now must have acted."""
    anew: dict[str, Any] = {
        "fence": F("fence") + 1,
        "claimed_by": "",
        "claimed_until": None,
        "clean_looks": 0,
        "clean_look_updated_at": None,
        "failures": 0,
        "next_at": first_look,
    }
    queued = CallRow.objects.filter(phase=Phase.SCHEDULED)
    # A retry may have been sent since: the wait counts from here, whoever lets a held one go.
    doubtful = CallRow.objects.filter(phase=Phase.CONFIRMING)
    live = CallRow.objects.filter(phase__in=(Phase.CALLING, Phase.AWAITING_OUTCOME))
    # Left to its worker. If that is gone, its rescue counts the confirm wait from here.
    in_flight = CallRow.objects.filter(phase=Phase.TRIGGERING)
    return (
        queued.update(ask_first=True, waiting_for=WaitReason.ASK_FIRST, changed_at=now, **anew)
        + doubtful.update(trigger_sent_at=now, **anew)
        + live.update(next_at=now, failures=0)
        + in_flight.update(trigger_sent_at=now)
    )


def stop_what_cannot_be_asked(*, now: datetime) -> None:
    """Rows that were not queued then may have been called since, and a batch may have been paused or withdrawn
    since: a person lets each go on."""
    untriggered = CallRow.objects.filter(batch=OuterRef("pk"), phase__in=UNTRIGGERED)
    uncertain = Batch.objects.filter(Exists(untriggered))
    running = list(uncertain.filter(state=BatchState.RUNNING).values_list("pk", flat=True))
    waiting = (BatchState.DRAFT, BatchState.PAUSED, BatchState.RUNNING)
    uncertain.filter(state__in=waiting).update(paused_reason=PauseReason.MAY_BE_CALLED)
    Batch.objects.filter(pk__in=running).update(state=BatchState.PAUSED)
    for pk in running:
        note_event(
            batch_id=pk, at=now, kind=EventKind.PAUSED, detail=PauseReason.MAY_BE_CALLED.value
        )


# --- The looks ------------------------------------------------------------------------------------
def is_pending() -> bool:
    """Whether nothing may be sent yet that could start a call."""
    return Installation.objects.filter(reconcile_since__isnull=False).exists()


def to_ask() -> QuerySet[CallRow]:
    """Rows barred until they were asked about; those that a person must look at are not asked by themselves."""
    return CallRow.objects.filter(ask_first=True, phase=Phase.SCHEDULED).exclude(
        hold_reason__in=GIVEN_UP
    )


def is_left_to_ask(since: datetime) -> bool:
    """Whether there is something that the others wait for: a barred row, or a call under way of which nothing
    was heard since."""
    unheard = Q(last_polled_at=None) | Q(last_polled_at__lt=since)
    under_way = CallRow.objects.filter(
        Q(phase=Phase.TRIGGERING) | Q(in_phases(POLLED)) & unheard, failures__lt=TRIES
    ).exclude(hold_reason=HoldReason.REQUEST_NOT_FOUND)
    return to_ask().filter(failures__lt=TRIES).exists() or under_way.exists()


def ask_first(tools: Tools) -> int:
    """Ask about barred rows that are due, then let the others go on if that was the last; returns answers."""
    asked = 0
    if to_ask().filter(next_at__lte=tools.clock()).exists():
        asked = run_jobs(
            tools,
            claim=lambda limit: claim_to_ask(limit, now=tools.clock()),
            ask=lambda row: ask(row, tools),
            record=each(lambda answer: record(answer, tools)),
            in_flight=tools.rules.concurrency * QUEUED_PER_THREAD,
        )
    since = Installation.objects.values_list("reconcile_since", flat=True).first()
    if since is None or is_left_to_ask(since):
        return asked
    if Installation.objects.filter(reconcile_since=since).update(reconcile_since=None):
        logger.warning("every open request was asked about, calls may be started again")
    return asked


def claim_to_ask(limit: int, *, now: datetime) -> Sequence[CallRow]:
    """One look per row at a time, as with polls."""
    token, due = uuid4().hex, to_ask().filter(next_at__lte=now)
    ids = list(due.order_by("next_at").values_list("pk", flat=True)[:limit])
    with transaction.atomic():
        due.filter(pk__in=ids).update(
            claimed_by=token,
            claimed_until=now + POLL_LEASE,
            next_at=now + POLL_LEASE,
            fence=F("fence") + 1,
        )
        return list(CallRow.objects.filter(pk__in=ids, claimed_by=token).defer(*NOT_NEEDED_TO_POLL))


def ask(row: CallRow, tools: Tools) -> RequestStatus:
    assert row.request_id is not None  # noqa: S101 - a constraint of the table
    require_claim(row.claimed_until, tools)
    return tools.client.poll(row.request_id, include_call_attempts=True)


def record(answer: Answer[CallRow], tools: Tools) -> None:
    row, told = answer.job, answer.value
    if not isinstance(told, RequestStatus):
        record_poll(answer, tools)
        return
    if not is_stale(row, told):
        heed_do_not_call(row, told, now=tools.clock())
    seen = facts_of(row, told, now=tools.clock())
    no_look = told.call_attempts is None or told.updated_at is None
    if is_stale(row, told):
        look_in_vain(row, tools)
    elif (step := step_of(row, told)) is not None:
        adopt(row, step, told, tools, seen)
    elif no_look:
        look_in_vain(row, tools, **seen)
    else:
        record_clean_look(row, told, tools, seen)


def adopt(
    row: CallRow, step: Step, told: RequestStatus, tools: Tools, seen: dict[str, Any]
) -> None:
    """It was triggered without our knowing: from now on it is followed like any call (R73).

    One live call per phone: when another of this phone is still followed, its end is awaited first.
    """
    if step == Step.CALL_SEEN and CallRow.objects.filter(phone_is_busy(), pk=row.pk).exists():
        look_in_vain(row, tools)
        return
    found = {"trigger_sent_at": tools.clock(), "ask_first": False, "waiting_for": ""}
    record_step(row, step, told, tools, seen | found)


def record_clean_look(
    row: CallRow, told: RequestStatus, tools: Tools, seen: dict[str, Any]
) -> None:
    """ENQUEUED and no attempt; after two such looks it was not triggered, and may be."""
    assert told.updated_at is not None  # noqa: S101 - asked before
    clean = is_clean_look(
        earlier_looks=row.clean_looks,
        earlier_updated_at=row.clean_look_updated_at,
        updated_at=told.updated_at,
    )
    looks = row.clean_looks + 1 if clean else 1
    if looks < CLEAN_LOOKS_NEEDED:
        look_again(row, tools, clean_looks=looks, clean_look_updated_at=told.updated_at, **seen)
        return
    now = tools.clock()
    clear = {"ask_first": False, "waiting_for": "", "clean_looks": 0, "clean_look_updated_at": None}
    release(row, tools, next_at=now, changed_at=now, **clear, **seen)


def look_in_vain(row: CallRow, tools: Tools, **fields: Any) -> None:
    look_again(row, tools, **fields | {"failures": row.failures + 1})


def look_again(row: CallRow, tools: Tools, **fields: Any) -> None:
    release(row, tools, next_at=tools.clock() + SECOND_LOOK_AFTER, **fields)
