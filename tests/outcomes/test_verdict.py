from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from calls.outcomes.verdict import WHAT_TO_DO, Situation, is_late, verdict
from calls.vocabulary import OPEN, SETTLED, HoldReason, Phase, WaitReason

NOW = datetime(2026, 4, 9, 15, 42, tzinfo=UTC)  # 11:42 AM in New York, a Thursday
CALL = Situation(
    phase=Phase.COMPLETED,
    batch_state="running",
    zone="America/New_York",
    expected="2026-04-09T11:00:00",
    now=NOW,
    late_after=timedelta(hours=72),
    has_outcome=True,
)
DONE = {"phase": Phase.COMPLETED}
QUEUED = {"phase": Phase.SCHEDULED}
CALLING = {"phase": Phase.CALLING, "trigger_sent_at": NOW - timedelta(minutes=5)}
PACIFIC = {"zone": "America/Los_Angeles", "opens_at": datetime(2026, 4, 9, 16, 0, tzinfo=UTC)}
REBOOKED = {"rescheduled_date": date(2026, 4, 13), "rescheduled_time": "14:00"}


def case(name, say, tone, **fields):
    return pytest.param(fields, say, tone, id=name)


@pytest.mark.parametrize(
    ("fields", "say", "tone"),
    [
        case("attended", "Attended on Thursday, April 9 at 11:00 AM ET.", "good",
             **DONE, attendance="attended"),
        case("attended on another day", "Attended on Wednesday, April 8.", "good",
             **DONE, attendance="attended", original_date=date(2026, 4, 8)),
        case("no-show", "No-show. No new date was given.", "bad", **DONE, attendance="no_show"),
        case("rebooked", "No-show. Rebooked to Monday, April 13 at 2:00 PM ET.", "move",
             **DONE, attendance="no_show_rescheduled", **REBOOKED),
        case("rebooked without a date", "Canceled. Rebooked, but no new date was heard.", "move",
             **DONE, attendance="canceled_rescheduled"),
        case("a completed call is not good by itself", "The call completed without an answer.",
             "none", **DONE, attendance=""),
        case("no outcome came", "Completed without outcome.", "warn", **DONE, has_outcome=False),
        case("a word of tomorrow", "Evergrove reports: teleported.", "none",
             **DONE, attendance="teleported"),
        case("hours", "Waiting for opening hours: opens 9:00 AM PT.", "none",
             **QUEUED, **PACIFIC, waiting_for=WaitReason.HOURS),
        case("hours on another day",
             "Waiting for opening hours: opens Monday, April 13 at 9:00 AM PT.", "none",
             **QUEUED, **PACIFIC | {"opens_at": datetime(2026, 4, 13, 16, 0, tzinfo=UTC)},
             waiting_for=WaitReason.HOURS),
        case("appointment", "Waiting for the appointment to pass (Apr 9, 11:00 AM ET).", "none",
             **QUEUED, waiting_for=WaitReason.APPOINTMENT),
        case("paused", "Queued. The batch is paused.", "none", **QUEUED, batch_state="paused"),
        case("draft", "Not started yet.", "none",
             phase=Phase.READY, batch_state="draft"),
        case("attempt", "Calling now, attempt 1.", "busy",
             **CALLING, first_active_at=NOW, attempts=1),
        case("accepted but not ringing", "Starting. Evergrove has accepted this call.", "busy",
             **CALLING),
        case("between attempts", "Evergrove calls again after 2:00 PM ET.", "busy",
             **CALLING, callback_after=datetime(2026, 4, 9, 18, 0, tzinfo=UTC)),
        case("late", "Evergrove has not answered yet (called 73 h ago).", "warn",
             phase=Phase.CALLING, trigger_sent_at=NOW - timedelta(hours=73)),
        case("late but over", "Attended on Thursday, April 9 at 11:00 AM ET.", "good",
             **DONE, attendance="attended", trigger_sent_at=NOW - timedelta(hours=90)),
        case("do not call", "This office asked not to be called.", "bad",
             phase=Phase.FAILED, workflow_status="DO_NOT_CALL_BACK"),
        case("stopped", "Stopped at Evergrove before it came to an end.", "none",
             phase=Phase.FAILED, workflow_status="CANCELLED"),
        case("failed", "Failed. Evergrove could not complete this call.", "bad",
             phase=Phase.FAILED, workflow_status="ERROR"),
        case("held", "Held. It is not certain whether this call was started.", "warn",
             phase=Phase.CONFIRMING, hold_reason=HoldReason.TRIGGER_UNCONFIRMED),
    ],
)  # fmt: skip
def test_it_says_where_the_call_stands(fields, say, tone):
    found = verdict(replace(CALL, **fields))
    assert (found.say, found.tone) == (say, tone)


@pytest.mark.parametrize("phase", list(Phase))
def test_every_phase_has_a_sentence(phase):
    assert verdict(replace(CALL, phase=phase)).say.endswith(".")


@pytest.mark.parametrize("reason", list(HoldReason))
def test_every_hold_says_what_to_do(reason):
    assert WHAT_TO_DO[reason] in verdict(replace(CALL, phase=Phase.READY, hold_reason=reason)).more


@pytest.mark.parametrize("phase", list(Phase))
def test_only_open_calls_are_ever_late(phase):
    late = is_late(replace(CALL, phase=phase, trigger_sent_at=NOW - timedelta(hours=100)))
    assert late == (phase in OPEN) == (phase not in SETTLED)


def test_a_refused_start_does_not_say_that_nothing_was_started():
    """A refusal may follow an effect: letting it go on asks first (R71)."""
    found = verdict(
        replace(
            CALL,
            phase=Phase.SCHEDULED,
            hold_reason=HoldReason.TRIGGER_REFUSED,
            last_error="already triggered",
        )
    )
    assert found.say == "Held. Evergrove refused to start this call."
    assert found.more == (
        "Evergrove said: already triggered. When you let it go on, Evergrove is asked first whether it "
        "was started after all."
    )
