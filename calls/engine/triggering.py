"""POST /scheduler/trigger/v2: the one request that makes a phone ring, one row at a time (R57-R63, R70-R75).

The intent is committed before the request leaves. Whatever comes back that is not a clear yes or a clear no
sends the row to `confirming`, where it is asked about and not sent again.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import IntegrityError
from django.db.models import F, Q

from calls.engine.asking import each, run_jobs
from calls.engine.braking import with_brake
from calls.engine.claiming import (
    claim_rows,
    clipped,
    in_running_batch,
    move,
    of_callable_office,
    of_calling_batch,
    phone_is_blocked,
    phone_is_busy,
)
from calls.engine.machine import Step
from calls.engine.policy import INTENT_MAX_AGE, NEVER_OPEN, OfficeHours, Wait, backoff, gate
from calls.engine.tools import Answer, HeldBack, IntentTooOld, Tools
from calls.evergrove.errors import (
    EvergroveError,
    KeyRefused,
    NotSent,
    Rejected,
    SlowDown,
)
from calls.evergrove.schemas import TriggerAnswer
from calls.models import CallRow, Entity
from calls.vocabulary import HoldReason, LatencyMode, Phase, WaitReason

logger = logging.getLogger(__name__)

LOOKED_AT_ONCE = 2  # due rows whose gate is read, per row wanted
GATE_COLUMNS = (
    "phase",
    "outbound_phone_number",
    "appointment_at",
    "batch__ignore_calling_hours",
    "batch__wait_for_appointment",
    "entity__timezone",
    "entity__working_hours",
    "entity__closed_dates",
)
NOT_NEEDED_TO_TRIGGER = (
    "patient_ssn",
    "notes",
    "warnings",
    "changes",
    "batch__headers",
    "batch__notices",
    "entity__working_hours",
    "entity__upstream_hours",
    "entity__closed_dates",
    "entity__ivr_guide",
)
FIRST_POLL = timedelta(seconds=2)


def trigger_rows(tools: Tools) -> int:
    """Start what is due and may start; returns how many answers were recorded."""
    return run_jobs(
        tools,
        claim=with_brake(lambda limit: claim_to_trigger(limit, tools), tools),
        ask=lambda row: trigger(row, tools),
        record=each(lambda answer: record_trigger(answer, tools)),
        in_flight=tools.rules.concurrency,
    )


def claim_to_trigger(limit: int, tools: Tools) -> Sequence[CallRow]:
    """Commit the intent of up to `limit` rows whose gate is open (R58, R62, R63)."""
    now = tools.clock()
    ready = rows_with_open_gate(limit, tools, now=now)
    try:
        return claim_rows(
            ready,
            Step.CLAIM_TO_TRIGGER,
            now=now,
            conditions=startable(),
            left_out=NOT_NEEDED_TO_TRIGGER,
            trigger_sent_at=now,
            trigger_count=F("trigger_count") + 1,
            clean_looks=0,
            clean_look_updated_at=None,
        )
    except IntegrityError:  # a rival began a call to one of these phones since we looked
        return []


def startable() -> tuple[object, ...]:
    """What the batch, other rows and offices decide, re-read inside the claiming UPDATE."""
    return (of_calling_batch(), of_callable_office(), ~phone_is_blocked(), ~phone_is_busy())


def rows_with_open_gate(limit: int, tools: Tools, *, now: datetime) -> list[CallRow]:
    """Due rows that may start now, at most one per phone; the others are put off until they may."""
    due = (
        CallRow.objects.filter(
            in_running_batch(),
            *startable(),
            phase=Phase.SCHEDULED,
            hold_reason="",
            ask_first=False,
            next_at__lte=now,
        )
        .select_related("entity", "batch")
        .only(*GATE_COLUMNS)
        .order_by(F("best_to_make_call_by").asc(nulls_last=True), "id")
    )
    hours: dict[int, OfficeHours] = {}
    while rows := list(due[: limit * LOOKED_AT_ONCE]):
        chosen = with_open_gate(rows, hours, tools, now=now)
        if chosen:
            return chosen[:limit]
    return []


def with_open_gate(
    rows: list[CallRow], hours: dict[int, OfficeHours], tools: Tools, *, now: datetime
) -> list[CallRow]:
    """One row per phone whose gate is open. Rows behind a closed one leave the due list."""
    chosen: dict[str, CallRow] = {}
    waiting: dict[tuple[WaitReason, datetime], list[int]] = {}
    for row in rows:
        if wait := wait_of(row, hours, tools, now=now):
            waiting.setdefault((wait.reason, wait.until), []).append(row.pk)
        else:
            chosen.setdefault(row.outbound_phone_number, row)
    put_off(waiting)
    return list(chosen.values())


def wait_of(
    row: CallRow, hours: dict[int, OfficeHours], tools: Tools, *, now: datetime
) -> Wait | None:
    """The row's gate; `hours` remembers each office's for the length of one claim."""
    office = row.entity
    if office.pk not in hours:
        hours[office.pk] = hours_of(office)
    return gate(
        hours=hours[office.pk],
        respect_hours=tools.rules.respect_calling_hours and not row.batch.ignore_calling_hours,
        appointment_at=row.appointment_at,
        wait_for_appointment=row.batch.wait_for_appointment,
        now=now,
    )


def hours_of(office: Entity) -> OfficeHours:
    """Never open where they cannot be read: one broken office must not keep all others from being called."""
    try:
        return OfficeHours.of(office.timezone, office.working_hours, office.closed_dates)
    except (LookupError, TypeError, ValueError, AttributeError):
        logger.exception("the calling hours of office %s cannot be read", office.pk)
        return NEVER_OPEN


def put_off(waiting: dict[tuple[WaitReason, datetime], list[int]]) -> None:
    """Rows with a closed gate leave the due list until it opens, and say why."""
    for (reason, until), ids in waiting.items():
        CallRow.objects.filter(pk__in=ids, phase=Phase.SCHEDULED).update(
            waiting_for=reason, next_at=until
        )


def mark_busy_phones(*, now: datetime) -> None:
    """Due rows that wait only for another call to their phone say so on the page."""
    CallRow.objects.filter(
        phone_is_busy(), phase=Phase.SCHEDULED, hold_reason="", next_at__lte=now, waiting_for=""
    ).update(waiting_for=WaitReason.PHONE_BUSY)


def wake_rows(rows: Q, *, now: datetime) -> int:
    """Look at the gate again: the office's hours, its holidays or the batch's rules have changed.

    A row that is asked about first keeps its time: a look that came sooner would say nothing.
    """
    waiting = CallRow.objects.filter(rows, phase=Phase.SCHEDULED, ask_first=False, next_at__gt=now)
    return waiting.update(next_at=now, waiting_for="")


def trigger(row: CallRow, tools: Tools) -> TriggerAnswer:
    """Send one row's request id. Raises IntentTooOld instead of sending late.

    The intent's age is looked at before the connection is made and again when it stands: whoever was
    frozen meanwhile sends nothing.
    """
    assert row.request_id is not None  # noqa: S101 - a constraint of the table
    require_fresh_intent(row, tools)
    return tools.client.trigger(
        row.request_id,
        latency_mode=LatencyMode(row.batch.latency_mode),
        last_look=lambda: require_fresh_intent(row, tools),
    )


def require_fresh_intent(row: CallRow, tools: Tools) -> None:
    assert row.trigger_sent_at is not None  # noqa: S101 - a constraint of the table
    age = tools.clock() - row.trigger_sent_at
    if not timedelta(0) <= age <= INTENT_MAX_AGE:  # below nought: the clock was set back meanwhile
        raise IntentTooOld("held back, the intent is too old")


def record_trigger(answer: Answer[CallRow], tools: Tools) -> None:
    row, now = answer.job, tools.clock()
    assert row.request_id is not None  # noqa: S101 - a constraint of the table
    match answer.value:
        case TriggerAnswer() as told if told.accepted(row.request_id):
            record_accepted(row, told, now=now)
        case TriggerAnswer():
            doubt(row, "errors_in_answer", tools)
        case SlowDown() as error:
            look_once_after(row, error, tools)
        case NotSent() | KeyRefused() as error:
            not_applied(row, error, tools)
        case Rejected() as error:  # no retry; a person decides (R74)
            move(
                row,
                Step.TRIGGER_NOT_APPLIED,
                now=now,
                hold=HoldReason.TRIGGER_REFUSED,
                last_error=clipped(error.reason),
                next_at=now,
            )
        case EvergroveError() as error:
            doubt(row, error.reason, tools)


def record_accepted(row: CallRow, told: TriggerAnswer, *, now: datetime) -> None:
    """R60. The request status stays apart: upstream may still read ENQUEUED for a while (R59)."""
    move(
        row,
        Step.TRIGGER_ACCEPTED,
        now=now,
        trigger_workflow_id=(told.workflow_id or "")[:255],
        trigger_latency_mode=(told.latency_mode or row.batch.latency_mode)[:16],
        trigger_message=(told.message or "")[:255],
        next_at=now + FIRST_POLL,
        failures=0,
        crashes=0,
        last_error="",
    )


def not_applied(row: CallRow, error: EvergroveError, tools: Tools) -> None:
    """Certain that nothing happened: back to the queue."""
    now = tools.clock()
    failures = row.failures + (0 if isinstance(error, HeldBack | KeyRefused) else 1)
    move(
        row,
        Step.TRIGGER_NOT_APPLIED,
        now=now,
        detail=type(error).__name__,
        failures=failures,
        last_error=clipped(error.reason),
        waiting_for=WaitReason.BACKOFF if failures else "",
        next_at=now + backoff(failures, tools.rng, retry_after=error.retry_after),
    )


def doubt(row: CallRow, reason: str, tools: Tools) -> None:
    """It may be ringing: ask, do not send (R70, R71)."""
    now = tools.clock()
    move(
        row,
        Step.TRIGGER_UNCERTAIN,
        now=now,
        detail="unknown",
        last_error=clipped(reason),
        next_at=now + tools.rules.confirm_wait,
    )


def look_once_after(row: CallRow, error: SlowDown, tools: Tools) -> None:
    """429 was refused for certain, so one look is enough and the automatic retry is not used up."""
    now = tools.clock()
    move(
        row,
        Step.TRIGGER_UNCERTAIN,
        now=now,
        detail="slow_down",
        last_error=clipped(error.reason),
        clean_looks=1,
        trigger_retries_left=row.trigger_retries_left + 1,
        next_at=now + backoff(1, tools.rng, retry_after=error.retry_after),
    )
