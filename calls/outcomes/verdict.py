"""The one sentence that says where a call stands, made from its fields. Pure.

Completed is not confirmed (R102): the tone of a completed call comes from the attendance alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from calls.templatetags.formats import as_moment, clock_text, moment_text, zone_named, zone_word
from calls.vocabulary import (
    OPEN,
    Attendance,
    BatchState,
    HoldReason,
    Phase,
    WaitReason,
    WorkflowStatus,
)


class Verdict(NamedTuple):
    """Tone and glyph of the status vocabulary, the sentence, and what a reader may do or expect."""

    tone: str
    glyph: str
    say: str
    more: str = ""


@dataclass(frozen=True)
class Situation:
    """What the sentence is made of; instants are aware, `expected` is the office's wall clock."""

    phase: str
    batch_state: str
    zone: str
    expected: str
    now: datetime
    late_after: timedelta  # the caller's timeout (R79)
    hold_reason: str = ""
    waiting_for: str = ""
    workflow_status: str = ""
    last_error: str = ""
    opens_at: datetime | None = None  # when the gate is looked at again
    trigger_sent_at: datetime | None = None
    first_active_at: datetime | None = None
    callback_after: datetime | None = None
    attempts: int = 0  # as far as they were read
    has_outcome: bool = False
    attendance: str = ""
    original_date: date | None = None
    original_time: str = ""
    rescheduled_date: date | None = None
    rescheduled_time: str = ""


# What a person can do about each kind of hold.
WHAT_TO_DO = {
    HoldReason.POSSIBLE_DUPLICATE: (
        "Same EOC, appointment and office phone. Call it anyway, or withdraw it."
    ),
    HoldReason.OFFICE_NOT_CALLABLE: (
        "Ask Evergrove to allow this office, then ask again on the office page."
    ),
    HoldReason.OFFICE_REFUSED: (
        "Mend the hours on the office page and save it, or send it again there as it is."
    ),
    HoldReason.ORGANIZATION_DISABLED: (
        "Ask Evergrove to enable this organization, then try again. Other organizations go on."
    ),
    HoldReason.SCHEDULE_REFUSED: "Correct the data of this call, then try again.",
    HoldReason.SCHEDULE_UNANSWERED: (
        "Twice no request came back for this row. Nothing was started. Try again."
    ),
    HoldReason.TRIGGER_REFUSED: (
        "When you let it go on, Evergrove is asked first whether it was started after all."
    ),
    HoldReason.TRIGGER_UNCONFIRMED: (
        "Evergrove shows no attempt so far. Look again: it is started only if two fresh looks still "
        "show none."
    ),
    HoldReason.REQUEST_NOT_FOUND: "Ask Evergrove about this request id, then look again.",
    HoldReason.DO_NOT_CALL: (
        "Nothing calls this phone until somebody lifts the block on the office page."
    ),
    HoldReason.CRASHED_WORKER: "Tell the person who runs this system, then try again.",
}
WAITS = {
    WaitReason.APPOINTMENT: "Waiting for the appointment to pass",
    WaitReason.HOLIDAY: "The office is closed today",
    WaitReason.PHONE_BUSY: "Waiting for another call to this phone to end",
    WaitReason.BACKOFF: "Trying again shortly",
    WaitReason.ASK_FIRST: "Evergrove is asked first whether it was started",
}


def verdict(call: Situation) -> Verdict:
    if call.hold_reason:
        return held(call)
    if is_late(call):
        hours = round((call.now - (call.trigger_sent_at or call.now)).total_seconds() / 3600)
        return Verdict(
            "warn",
            "unsure",
            f"Evergrove has not answered yet (called {hours} h ago).",
            "It is still asked, slowly. The call may yet happen, so it is not counted as failed.",
        )
    return SENTENCES[Phase(call.phase)](call)


def is_late(call: Situation) -> bool:
    """Past the timeout and still without an end (R79)."""
    return (
        call.phase in OPEN
        and call.trigger_sent_at is not None
        and call.now - call.trigger_sent_at > call.late_after
    )


def held(call: Situation) -> Verdict:
    known = call.hold_reason in HoldReason.values
    label = HoldReason(call.hold_reason).label if known else call.hold_reason
    advice = WHAT_TO_DO.get(HoldReason(call.hold_reason), "") if known else ""
    error = f"Evergrove said: {call.last_error}. " if call.last_error else ""
    return Verdict("warn", "held", f"Held. {label}.", f"{error}{advice}")


# --- Before the call ------------------------------------------------------------------------------
def not_queued(call: Situation) -> Verdict:
    match call.batch_state:
        case BatchState.RUNNING:
            return Verdict("none", "queued", "Being sent to Evergrove's queue.", retry_note(call))
        case BatchState.PAUSED:
            return Verdict("none", "queued", "Not queued yet. The batch is paused.")
    return Verdict(
        "none", "queued", "Not started yet.", "Nothing is called until somebody starts it."
    )


def queued(call: Situation) -> Verdict:
    if call.batch_state == BatchState.PAUSED:
        return Verdict("none", "queued", "Queued. The batch is paused.")
    if call.waiting_for == WaitReason.HOURS:
        opens = f": opens {when(call.opens_at, call)}" if call.opens_at else ""
        return Verdict("none", "queued", f"Waiting for opening hours{opens}.")
    if call.waiting_for in WAITS:
        until = ""
        if call.waiting_for == WaitReason.APPOINTMENT:
            until = f" ({moment_text(as_moment(call.expected, zone_named(call.zone)), 'short')})"
        elif call.waiting_for == WaitReason.HOLIDAY and call.opens_at:
            until = f". Opens {when(call.opens_at, call)}"
        words = WAITS[WaitReason(call.waiting_for)]
        return Verdict("none", "queued", f"{words}{until}.", retry_note(call))
    return Verdict("none", "queued", "Queued. It starts when its turn comes.")


def retry_note(call: Situation) -> str:
    return f"The last try did not work: {call.last_error}." if call.last_error else ""


def withdrawn(call: Situation) -> Verdict:
    return Verdict("none", "cancel", "Withdrawn before it was started. It will not be called.")


# --- During the call ------------------------------------------------------------------------------
def starting(call: Situation) -> Verdict:
    return Verdict("busy", "calling", "Starting now.")


def confirming(call: Situation) -> Verdict:
    return Verdict(
        "busy",
        "unsure",
        "Checking whether this call was started.",
        "No clear answer came back, so Evergrove is asked first. Nothing is sent twice.",
    )


def calling(call: Situation) -> Verdict:
    if call.callback_after and call.callback_after > call.now:
        return Verdict(
            "busy",
            "calling",
            f"Evergrove calls again after {when(call.callback_after, call)}.",
            "Between attempts nothing is needed from you.",
        )
    if call.first_active_at is None:
        return Verdict("busy", "calling", "Starting. Evergrove has accepted this call.")
    attempt = f", attempt {call.attempts}" if call.attempts else ""
    return Verdict("busy", "calling", f"Calling now{attempt}.")


def awaiting_outcome(call: Situation) -> Verdict:
    return Verdict("busy", "done", "The call has ended. Waiting for its outcome.")


# --- After the call -------------------------------------------------------------------------------
def completed(call: Situation) -> Verdict:
    if not call.has_outcome:
        return Verdict(
            "warn",
            "unknown",
            "Completed without outcome.",
            "Evergrove sent no outcome in time. Read the attempts, or call again.",
        )
    return attendance(call)


def attendance(call: Situation) -> Verdict:
    match call.attendance:
        case Attendance.ATTENDED:
            return Verdict("good", "attended", f"Attended on {expected_text(call)}.")
        case Attendance.NO_SHOW:
            return Verdict("bad", "noshow", "No-show. No new date was given.")
        case Attendance.NO_SHOW_RESCHEDULED:
            return Verdict("move", "moved", f"No-show. {rebooked(call)}")
        case Attendance.CANCELED:
            return Verdict("none", "cancel", "Canceled. No new date was given.")
        case Attendance.CANCELED_RESCHEDULED:
            return Verdict("move", "moved", f"Canceled. {rebooked(call)}")
        case Attendance.UNABLE_TO_CONFIRM:
            return Verdict("warn", "unsure", "The office was unable to confirm the visit.")
        case Attendance.UNKNOWN | "":
            return Verdict("none", "unknown", "The call completed without an answer.")
    return Verdict("none", "unknown", f"Evergrove reports: {call.attendance}.")


def failed(call: Situation) -> Verdict:
    match call.workflow_status:
        case WorkflowStatus.DO_NOT_CALL_BACK:
            return Verdict(
                "bad",
                "dnc",
                "This office asked not to be called.",
                "Its phone is blocked until somebody lifts the block on the office page.",
            )
        case WorkflowStatus.CANCELLED:
            return Verdict("none", "cancel", "Stopped at Evergrove before it came to an end.")
    return Verdict(
        "bad",
        "failed",
        "Failed. Evergrove could not complete this call.",
        "Read the attempts to see why, then call again.",
    )


SENTENCES: dict[Phase, Callable[[Situation], Verdict]] = {
    Phase.READY: not_queued,
    Phase.SCHEDULING: not_queued,
    Phase.SCHEDULED: queued,
    Phase.TRIGGERING: starting,
    Phase.CONFIRMING: confirming,
    Phase.CALLING: calling,
    Phase.AWAITING_OUTCOME: awaiting_outcome,
    Phase.COMPLETED: completed,
    Phase.FAILED: failed,
    Phase.WITHDRAWN: withdrawn,
}


# --- Words for times ------------------------------------------------------------------------------
def expected_text(call: Situation) -> str:
    """`Thursday, April 9 at 11:00 AM ET`: the visit the office spoke of, else the expected one."""
    if call.original_date is None:
        return visit_text(as_moment(call.expected, zone_named(call.zone)))
    return slot_text(call.original_date, call.original_time, call)


def rebooked(call: Situation) -> str:
    if call.rescheduled_date is None:
        return "Rebooked, but no new date was heard."
    return f"Rebooked to {slot_text(call.rescheduled_date, call.rescheduled_time, call)}."


def slot_text(day: date, clock: str, call: Situation) -> str:
    if not clock:
        return day_words(day)
    at = time.fromisoformat(clock)
    return visit_text(datetime.combine(day, at, zone_named(call.zone)))


def visit_text(moment: datetime) -> str:
    zone = f" {zone_word(moment)}" if moment.tzinfo else ""
    return f"{day_words(moment)} at {clock_text(moment)}{zone}"


def day_words(day: date) -> str:
    return f"{day:%A, %B} {day.day}"


def when(moment: datetime | None, call: Situation) -> str:
    """`9:00 AM PT`, with its day in front unless that is today at the office."""
    if moment is None:
        return ""
    zone = zone_named(call.zone)
    there, today = as_moment(moment, zone), as_moment(call.now, zone).date()
    text = moment_text(there, "time")
    return text if there.date() == today else f"{day_words(there)} at {text}"
