"""What a request looks like at a moment: a pure function of its story, its trigger and the time."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from sandbox.stories import Dial, Outcome, Story

END_OF_TIME = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Facts:
    """What a state needs of its request. `appointment` is the office's wall-clock time."""

    id: str
    tenant_id: str
    appointment: datetime
    created_at: datetime
    triggered_at: datetime | None


@dataclass(frozen=True)
class State:
    workflow_status: str
    best_to_callback_after: datetime | None
    generated_outcomes: dict[str, Any] | None
    call_attempts: list[dict[str, Any]]
    updated_at: datetime


@dataclass(frozen=True)
class Lived:
    """A dial with its instants."""

    dial: Dial
    number: int
    placed: datetime
    answered: datetime
    ended: datetime
    outcome_at: datetime


def state_at(story: Story, facts: Facts, now: datetime, pace: float = 1.0) -> State:
    """`pace` stretches the story's seconds. Before the trigger a request only waits."""
    if facts.triggered_at is None or now < facts.triggered_at:
        return State("ENQUEUED", None, None, [], facts.created_at)
    lived = list(_live(story, facts.triggered_at, pace))
    last = lived[-1].ended if lived else facts.triggered_at
    closed = _after(last, story.closes, pace)
    shown = _after(closed, story.outcome_after, pace)
    return State(
        workflow_status=_status(story, lived, closed, now),
        best_to_callback_after=_callback(lived, now),
        generated_outcomes=_best(story, facts, lived) if shown <= now else None,
        call_attempts=[_attempt(one, facts, now) for one in lived if one.placed <= now],
        updated_at=_latest(lived, [facts.triggered_at, closed, shown], now),
    )


def instant(moment: datetime | None) -> str | None:
    """An instant as the documents write it: UTC with Z."""
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")


def _live(story: Story, triggered_at: datetime, pace: float) -> Iterator[Lived]:
    before = triggered_at
    for number, dial in enumerate(story.dials, start=1):
        placed = _after(before, dial.wait, pace)
        before = _after(placed, dial.lasts, pace)
        answered = _after(placed, dial.rings, pace)
        yield Lived(
            dial, number, placed, answered, before, _after(before, story.outcome_after, pace)
        )


def _after(moment: datetime, seconds: float, pace: float) -> datetime:
    try:
        return moment + timedelta(seconds=seconds * pace)
    except OverflowError:
        return END_OF_TIME


def _status(story: Story, lived: list[Lived], closed: datetime, now: datetime) -> str:
    if closed <= now:
        return story.final
    return "ACTIVE" if any(one.placed <= now < one.ended for one in lived) else "ENQUEUED"


def _callback(lived: list[Lived], now: datetime) -> datetime | None:
    """When the next dial is due; only between two dials."""
    ended = any(one.ended <= now for one in lived)
    running = any(one.placed <= now < one.ended for one in lived)
    coming = [one.placed for one in lived if one.placed > now]
    return coming[0] if ended and coming and not running else None


def _latest(lived: list[Lived], others: list[datetime], now: datetime) -> datetime:
    own = [mark for one in lived for mark in (one.placed, one.answered, one.ended, one.outcome_at)]
    return max(mark for mark in own + others if mark <= now)


def _best(story: Story, facts: Facts, lived: list[Lived]) -> dict[str, Any] | None:
    if not lived or lived[story.best].dial.outcome is None:
        return None
    chosen = lived[story.best]
    return _outcome(chosen.dial.outcome, facts, chosen.placed)


def _attempt(one: Lived, facts: Facts, now: datetime) -> dict[str, Any]:
    over = one.ended <= now
    shows = one.outcome_at <= now
    marks = [one.placed, one.answered, one.ended, one.outcome_at]
    return {
        "id": _named(facts, f"attempt-{one.number}"),
        "scheduled_request_id": facts.id,
        "tenant_id": facts.tenant_id,
        "attempt_number": one.number,
        "status": one.dial.status if over else _running_status(one, now),
        "disposition": one.dial.disposition if over else None,
        "error_detail": one.dial.error if over else None,
        **_references(one, facts, over),
        "generated_outcomes": _outcome(one.dial.outcome, facts, one.placed) if shows else None,
        "agent_behavior_evaluation": _evaluation(one) if shows else None,
        "created_at": instant(one.placed),
        "updated_at": instant(max(mark for mark in marks if mark <= now)),
    }


def _running_status(one: Lived, now: datetime) -> str:
    return "ANSWERED" if one.answered <= now else "PLACED"


def _references(one: Lived, facts: Facts, over: bool) -> dict[str, Any]:
    """Where a transcript and a recording would lie; an unanswered dial has neither."""
    kept = over and one.dial.status != "FAILED"
    short = facts.id[:8]
    return {
        "room_name": f"scheduler-{facts.tenant_id}-{short}",
        "workflow_id": workflow_id(facts.id, facts.tenant_id),
        "call_reference_time_utc": instant(one.placed),
        "transcript_bucket": "transcripts" if kept else None,
        "transcript_object_key": f"{facts.tenant_id}/{short}/transcript.json" if kept else None,
        "recording_id": _named(facts, f"recording-{one.number}") if kept else None,
    }


def workflow_id(request_id: str, tenant_id: str) -> str:
    return f"scheduled-request-{tenant_id}-{request_id}"


def _named(facts: Facts, name: str) -> str:
    return str(uuid5(UUID(facts.id), name))


def _evaluation(one: Lived) -> dict[str, Any] | None:
    return {"polite": True, "stayed_on_script": False} if one.dial.evaluated else None


def _outcome(outcome: Outcome | None, facts: Facts, placed: datetime) -> dict[str, Any] | None:
    if outcome is None:
        return None
    return {
        "called": outcome.called,
        "time_of_call": instant(placed) if outcome.called else None,
        "voicemail_left": outcome.voicemail,
        "person_spoke_with": outcome.person,
        "positive_or_negative_contact": outcome.contact,
        "original_appointment": _slot(facts.appointment, outcome.original_days),
        "rescheduled_appointment": _slot(facts.appointment, outcome.rescheduled_days),
        "additional_dates_of_service": [
            _slot(facts.appointment, days, timed=False) for days in outcome.additional_days
        ],
        "appointment_attendance_status": outcome.attendance,
        "reason_why": outcome.reason,
        "bill_sending_confirmation": outcome.bill,
        "report_sending_confirmation": outcome.report,
    }


def _slot(appointment: datetime, days: int | None, *, timed: bool = True) -> dict[str, Any] | None:
    if days is None:
        return None
    day = appointment + timedelta(days=days)
    return {"date": day.date().isoformat(), "time": day.strftime("%H:%M") if timed else None}
