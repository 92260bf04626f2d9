"""GET /scheduler/requests/{id}: live calls are followed, doubtful ones looked at (R70-R83)."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.db import transaction
from django.db.models import F

from calls.engine import policy
from calls.engine.asking import run_jobs
from calls.engine.claiming import clipped, in_phases, move, same_row
from calls.engine.machine import Step, step_for_answer
from calls.engine.policy import (
    CLEAN_LOOKS_NEEDED,
    NOT_FOUND_PAUSE,
    NOT_FOUND_TRIES,
    SECOND_LOOK_AFTER,
    backoff,
    is_clean_look,
    next_poll,
    poll_interval,
)
from calls.engine.tools import Answer, HeldBack, Tools, require_claim
from calls.evergrove.errors import EvergroveError, NotFound
from calls.evergrove.schemas import RequestStatus
from calls.models import BlockedPhone, CallRow
from calls.models.event import note_event
from calls.outcomes.recording import record_attempts, record_outcome
from calls.vocabulary import POLLED, EventKind, HoldReason, Phase, WorkflowStatus

POLL_LEASE = timedelta(seconds=45)
NOT_NEEDED_TO_POLL = ("patient_ssn", "notes", "warnings", "changes")
QUEUED_PER_THREAD = 6  # polls may wait for a thread: unlike triggers they do not grow stale


def poll_rows(tools: Tools) -> int:
    """Ask about what is due; returns how many answers were recorded."""
    return run_jobs(
        tools,
        claim=lambda limit: claim_to_poll(limit, now=tools.clock()),
        ask=lambda row: ask(row, tools),
        record=lambda answers: record_polls(answers, tools),
        in_flight=tools.rules.concurrency * QUEUED_PER_THREAD,
    )


def claim_to_poll(limit: int, *, now: datetime) -> Sequence[CallRow]:
    """One poll per row at a time: the claim puts the next one off by a lease (R78)."""
    token = uuid4().hex
    due = CallRow.objects.filter(in_phases(POLLED), next_at__lte=now)
    ids = list(due.order_by("next_at").values_list("pk", flat=True)[:limit])
    if not ids:
        return []
    with transaction.atomic():
        due.filter(pk__in=ids).update(
            claimed_by=token,
            claimed_until=now + POLL_LEASE,
            next_at=now + POLL_LEASE,
            fence=F("fence") + 1,
        )
        return list(CallRow.objects.filter(pk__in=ids, claimed_by=token).defer(*NOT_NEEDED_TO_POLL))


def ask(row: CallRow, tools: Tools) -> RequestStatus:
    """Slim by default; with attempts only where a retry depends on them (R70, R76)."""
    assert row.request_id is not None  # noqa: S101 - a constraint of the table
    require_claim(row.claimed_until, tools)
    return tools.client.poll(row.request_id, include_call_attempts=row.phase == Phase.CONFIRMING)


def record_polls(answers: Sequence[Answer[CallRow]], tools: Tools) -> tuple[CallRow, ...]:
    """What says nothing new is written for all rows at once, the rest row by row."""
    unchanged = []
    for answer in answers:
        if is_unchanged(answer, tools):
            unchanged.append((answer.job, answer.value))
        else:
            record_poll(answer, tools)
    put_off(unchanged, tools)
    return ()


def is_unchanged(answer: Answer[CallRow], tools: Tools) -> bool:
    """The answer is what the row says already, and nothing follows from it but the next poll."""
    row, told = answer.job, answer.value
    if not isinstance(told, RequestStatus) or row.phase == Phase.CONFIRMING:
        return False
    known = facts_of(row, told, now=tools.clock())
    del known["last_polled_at"]
    return (
        all(getattr(row, name) == value for name, value in known.items())
        and step_of(row, told) is None
        and row.hold_reason != HoldReason.REQUEST_NOT_FOUND
        and not grace_is_over(row, tools)
    )


def put_off(polled: Sequence[tuple[CallRow, RequestStatus]], tools: Tools) -> None:
    """Give rows back that are unchanged: one UPDATE for each time at which some are due again.

    Any move, claim or release since takes our token off a row; such a row is left alone.
    """
    shared, due = policy.jitter(tools.rng), defaultdict(list)
    for row, told in polled:
        due[due_again(row, told, tools, jitter=shared)].append(row)
    for next_at, rows in due.items():
        CallRow.objects.filter(
            pk__in=[row.pk for row in rows], claimed_by__in={row.claimed_by for row in rows}
        ).update(claimed_by="", claimed_until=None, last_polled_at=tools.clock(), next_at=next_at)


def record_poll(answer: Answer[CallRow], tools: Tools) -> None:
    row, value = answer.job, answer.value
    if isinstance(value, NotFound):
        record_not_found(row, value, tools)
    elif isinstance(value, HeldBack):
        release(row, tools, next_at=tools.clock())
    elif isinstance(value, EvergroveError):
        failures = row.failures + 1
        release(
            row,
            tools,
            failures=failures,
            last_error=clipped(value.reason),
            next_at=tools.clock() + backoff(failures, tools.rng, retry_after=value.retry_after),
        )
    else:
        record_answer(row, value, tools)


def record_answer(row: CallRow, told: RequestStatus, tools: Tools) -> None:
    """Everything one answer means; an older one than we have says nothing (R81)."""
    now = tools.clock()
    if is_stale(row, told):
        release(row, tools, next_at=due_again(row, told, tools), last_polled_at=now)
        return
    heed_do_not_call(row, told, now=now)
    seen = facts_of(row, told, now=now)
    if row.hold_reason == HoldReason.REQUEST_NOT_FOUND:  # it is known again
        seen |= {"hold_reason": "", "changed_at": now}
    if "hold_reason" in seen and same_row(row).exists():
        note_event(row_id=row.pk, at=now, kind=EventKind.RELEASED, detail=row.hold_reason)
    if (step := step_of(row, told)) is not None:
        record_step(row, step, told, tools, seen)
    elif row.phase == Phase.CONFIRMING:
        record_look(row, told, tools, seen)
    elif row.phase == Phase.AWAITING_OUTCOME and grace_is_over(row, tools):
        move(row, Step.COMPLETED, now=now, detail="without_outcome", **seen)
    else:
        record_unchanged(row, told, tools, seen)


def step_of(row: CallRow, told: RequestStatus) -> Step | None:
    return step_for_answer(
        row.phase,
        told.workflow_status,
        has_attempts=bool(told.call_attempts),
        has_outcome=told.generated_outcomes_raw is not None,
    )


def is_stale(row: CallRow, told: RequestStatus) -> bool:
    return (
        row.upstream_updated_at is not None
        and told.updated_at is not None
        and told.updated_at < row.upstream_updated_at
    )


def facts_of(row: CallRow, told: RequestStatus, *, now: datetime) -> dict[str, Any]:
    """The columns that any answer brings up to date."""
    active = told.workflow_status == WorkflowStatus.ACTIVE  # a word we do not know is not (R87)
    ended = row.phase == Phase.AWAITING_OUTCOME and not told.is_terminal
    return {
        # A terminal word is not taken back (R81).
        "last_workflow_status": row.last_workflow_status if ended else told.workflow_status[:64],
        "best_to_callback_after": told.best_to_callback_after,
        "upstream_updated_at": told.updated_at or row.upstream_updated_at,
        "first_active_at": row.first_active_at or (now if active or told.call_attempts else None),
        "last_polled_at": now,
        "failures": 0,
        "last_error": "",
    }


def record_step(
    row: CallRow, step: Step, told: RequestStatus, tools: Tools, seen: dict[str, Any]
) -> None:
    """The row moves; outcome and attempts that came along are kept in the same transaction."""
    now = tools.clock()
    if step == Step.ENDED_WITHOUT_OUTCOME:
        seen["complete_seen_at"] = now
    moved = move(
        row,
        step,
        now=now,
        detail=told.workflow_status[:64],
        next_at=due_again(row, told, tools),
        **seen,
    )
    if not moved:
        return
    if told.generated_outcomes_raw is not None:
        record_outcome(row, told, now=now)
    if told.call_attempts:
        record_attempts(row, told.call_attempts, now=now)


def record_look(row: CallRow, told: RequestStatus, tools: Tools, seen: dict[str, Any]) -> None:
    """ENQUEUED and no attempt: after two such looks the call was never started (R71)."""
    now = tools.clock()
    if row.hold_reason or told.call_attempts is None or told.updated_at is None:
        record_unchanged(row, told, tools, seen)
        return
    clean = is_clean_look(
        earlier_looks=row.clean_looks,
        earlier_updated_at=row.clean_look_updated_at,
        updated_at=told.updated_at,
    )
    looks = row.clean_looks + 1 if clean else 1
    if looks < CLEAN_LOOKS_NEEDED:
        release(
            row,
            tools,
            clean_looks=looks,
            clean_look_updated_at=told.updated_at,
            next_at=now + SECOND_LOOK_AFTER,
            **seen,
        )
    elif row.trigger_retries_left > tools.rules.retries_kept_back:
        retries = row.trigger_retries_left - 1
        move(row, Step.NEVER_STARTED, now=now, trigger_retries_left=retries, next_at=now, **seen)
    else:
        hold_unconfirmed(row, told, tools, seen)


def hold_unconfirmed(row: CallRow, told: RequestStatus, tools: Tools, seen: dict[str, Any]) -> None:
    """A person decides; the row stays looked at, slowly, in case the call shows up after all."""
    now, reason = tools.clock(), HoldReason.TRIGGER_UNCONFIRMED
    held = release(
        row,
        tools,
        hold_reason=reason,
        changed_at=now,
        next_at=due_again(row, told, tools, held=True),
        **seen,
    )
    if held:
        note_hold(row, reason, now=now)


def record_unchanged(row: CallRow, told: RequestStatus, tools: Tools, seen: dict[str, Any]) -> None:
    """No step; a new word from upstream is one entry in the timeline (R87)."""
    now = tools.clock()
    is_new = seen["last_workflow_status"] != row.last_workflow_status
    if is_new:
        seen["changed_at"] = now
    held = bool(seen.get("hold_reason", row.hold_reason))
    if release(row, tools, next_at=due_again(row, told, tools, held=held), **seen) and is_new:
        note_event(
            row_id=row.pk, at=now, kind=EventKind.UPSTREAM, detail=seen["last_workflow_status"]
        )


def record_not_found(row: CallRow, error: NotFound, tools: Tools) -> None:
    """Tolerated a few times, over ten minutes at least; then a person is told (R83)."""
    now, reason = tools.clock(), clipped(error.reason)
    failures = row.failures + 1 if row.last_error == reason else 1  # of this kind, in a row
    hold = failures >= NOT_FOUND_TRIES and not row.hold_reason
    held = {"hold_reason": HoldReason.REQUEST_NOT_FOUND, "changed_at": now} if hold else {}
    next_at = now + max(backoff(failures, tools.rng), NOT_FOUND_PAUSE)
    kept = release(row, tools, failures=failures, last_error=reason, next_at=next_at, **held)
    if kept and hold:
        note_hold(row, HoldReason.REQUEST_NOT_FOUND, now=now)


def note_hold(row: CallRow, reason: HoldReason, *, now: datetime) -> None:
    note_event(row_id=row.pk, at=now, kind=EventKind.HELD, phase_to=row.phase, detail=reason)


def release(row: CallRow, tools: Tools, **fields: Any) -> bool:
    """Give a polled row back without moving it; False when somebody else has it."""
    return bool(same_row(row).update(claimed_by="", claimed_until=None, **fields))


def due_again(
    row: CallRow,
    told: RequestStatus,
    tools: Tools,
    *,
    held: bool | None = None,
    jitter: float | None = None,
) -> datetime:
    now = tools.clock()
    interval = poll_interval(
        row.phase,
        age=now - (row.trigger_sent_at or now),
        late_after=tools.rules.call_timeout,
        held=bool(row.hold_reason) if held is None else held,
    )
    interval *= policy.jitter(tools.rng) if jitter is None else jitter
    return next_poll(interval, now=now, callback_after=told.best_to_callback_after)


def grace_is_over(row: CallRow, tools: Tools) -> bool:
    since = row.complete_seen_at
    return since is not None and tools.clock() - since > tools.rules.outcome_grace


def heed_do_not_call(row: CallRow, told: RequestStatus, *, now: datetime) -> None:
    """This phone is not called again by itself: not by this row, not by another (R86).

    Whenever the word is new, in any phase; a person may have lifted the block of an old one.
    """
    word = WorkflowStatus.DO_NOT_CALL_BACK
    if told.workflow_status != word or row.last_workflow_status == word:
        return
    BlockedPhone.objects.get_or_create(phone=row.outbound_phone_number, defaults={"row_id": row.pk})
