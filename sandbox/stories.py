"""The stories a call can have, chosen by the last two digits of its outbound number. See README.md.

Seconds are those of an ordinary pace. A story is data: what it looks like at a given moment is
worked out in `lifecycle`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

NEVER = math.inf
PEOPLE = ("Alex", "Maria", "Jordan", "Denise", "Priya", "Sam", "Keisha", "Tom", "Lucia", "Beth")
CONFIRMATIONS = ("confirmed", "not_confirmed", "not_discussed")


@dataclass(frozen=True)
class Outcome:
    """GeneratedOutcomes before it has dates. Days count from the expected appointment."""

    attendance: str
    contact: str = "positive"
    person: str | None = "Alex"
    voicemail: bool | None = False
    called: bool = True
    bill: str = "confirmed"
    report: str = "not_discussed"
    reason: str | None = None
    original_days: int | None = 0
    rescheduled_days: int | None = None
    additional_days: tuple[int, ...] = ()


@dataclass(frozen=True)
class Dial:
    """One attempt. `wait`: from the trigger or from the end of the dial before. `rings`: until it is
    answered, NEVER if nobody does. `lasts`: from placing to the end."""

    wait: float = 1.0
    rings: float = 1.0
    lasts: float = 4.0
    status: str = "COMPLETE"
    disposition: str | None = "ANSWERED"
    error: str | None = None
    outcome: Outcome | None = None
    evaluated: bool = False


@dataclass(frozen=True)
class Story:
    """`closes`: from the end of the last dial (or the trigger) to the final status. `best`: the dial
    whose outcome represents the call, by index; `outcome_after`: how long after closing it shows."""

    name: str
    dials: tuple[Dial, ...] = ()
    final: str = "COMPLETE"
    closes: float = 0.0
    best: int = -1
    outcome_after: float = 0.0


ATTENDED = Outcome("attended")
VOICEMAIL = Outcome(
    "unknown", contact="unknown", person=None, voicemail=True, bill="not_discussed",
    reason="A voicemail was left.", original_days=None,
)  # fmt: skip
NO_SHOW = Outcome("no_show", bill="not_discussed", reason="The patient did not come.")
NO_SHOW_RESCHEDULED = replace(NO_SHOW, attendance="no_show_rescheduled", rescheduled_days=7)
CANCELED = replace(NO_SHOW, attendance="canceled", reason="The patient called to cancel.")
CANCELED_RESCHEDULED = replace(
    CANCELED, attendance="canceled_rescheduled", reason="Car trouble.", rescheduled_days=7
)
UNABLE = Outcome(
    "unable_to_confirm", contact="negative", bill="not_discussed", original_days=None,
    reason="The office gives no information by phone.",
)  # fmt: skip
UNKNOWN = Outcome(
    "unknown", contact="unknown", person=None, bill="not_discussed", original_days=None
)
ASKED_NOT_TO_CALL = replace(UNABLE, reason="The office asked not to be called again.")

BUSY = Dial(
    rings=NEVER, lasts=2.0, status="FAILED", disposition="RETRYABLE_ERROR", error="Line busy"
)
DEAD_LINE = Dial(
    rings=NEVER, lasts=1.5, status="FAILED", disposition="NON_RETRYABLE_ERROR",
    error="Number is not in service",
)  # fmt: skip
TO_VOICEMAIL = Dial(rings=1.5, lasts=3.0, outcome=VOICEMAIL)


def answered(outcome: Outcome | None, wait: float = 1.0) -> Dial:
    return Dial(wait=wait, outcome=outcome)


def ordinary(ending: int) -> Story:
    """An answered call of 4 to 8 seconds: mostly attended, with a few of the other answers."""
    usual = ORDINARY.get(ending, ATTENDED)
    report = CONFIRMATIONS[ending % 3]
    outcome = replace(usual, person=PEOPLE[ending % 10], report=report)
    dial = Dial(rings=1.0 + ending % 3 / 2, lasts=3.0 + ending % 11 * 0.4, outcome=outcome)
    return Story(outcome.attendance, (dial,))


ORDINARY: Mapping[int, Outcome] = {
    8: NO_SHOW,
    18: CANCELED_RESCHEDULED,
    28: NO_SHOW_RESCHEDULED,
    38: CANCELED,
    48: NO_SHOW,
    58: UNABLE,
}

SPECIAL: Mapping[int, Story] = {
    60: Story("attended", (answered(replace(ATTENDED, report="confirmed")),)),
    61: Story("no_show", (answered(NO_SHOW),)),
    62: Story("no_show_rescheduled", (answered(NO_SHOW_RESCHEDULED),)),
    63: Story("canceled", (answered(CANCELED),)),
    64: Story("canceled_rescheduled", (answered(CANCELED_RESCHEDULED),)),
    65: Story("unable_to_confirm", (answered(UNABLE),)),
    66: Story("unknown", (answered(UNKNOWN),)),
    67: Story("voicemail, callback, attended", (TO_VOICEMAIL, answered(ATTENDED, wait=6.0))),
    68: Story(
        "error after retries", (BUSY, replace(BUSY, wait=4.0), replace(BUSY, wait=4.0)), "ERROR"
    ),
    69: Story("error at once", (DEAD_LINE,), "ERROR"),
    70: Story("busy, then attended", (BUSY, answered(ATTENDED, wait=4.0))),
    71: Story("cancelled before a dial", final="CANCELLED", closes=4.0),
    72: Story("cancelled after a dial", (BUSY,), "CANCELLED", closes=3.0),
    73: Story("do not call back, with outcome", (answered(ASKED_NOT_TO_CALL),), "DO_NOT_CALL_BACK"),
    74: Story("do not call back", (Dial(rings=1.0, lasts=2.0),), "DO_NOT_CALL_BACK"),
    75: Story("late outcome", (answered(ATTENDED),), outcome_after=20.0),
    76: Story("never an outcome", (answered(ATTENDED),), outcome_after=NEVER),
    77: Story("stays enqueued", closes=NEVER),
    78: Story(
        "contradictory attempts",
        (replace(answered(NO_SHOW), evaluated=True), answered(ATTENDED, wait=5.0)),
    ),
    79: Story("legacy completed", (Dial(status="LEGACY_COMPLETED", outcome=ATTENDED),)),
    80: Story("never ends", (Dial(lasts=NEVER),)),
    81: Story("voicemail only", (TO_VOICEMAIL,)),
    82: Story("attended another day", (answered(replace(ATTENDED, original_days=-2)),)),
    83: Story(
        "rescheduled without a date",
        (answered(replace(CANCELED_RESCHEDULED, rescheduled_days=None)),),
    ),
    84: Story("attended, nobody spoken with", (answered(replace(ATTENDED, person=None)),)),
    85: Story("further visits", (answered(replace(ATTENDED, additional_days=(2, 9))),)),
    86: Story(
        "bill and report refused",
        (answered(replace(ATTENDED, bill="not_confirmed", report="not_confirmed")),),
    ),
    87: Story(
        "never called",
        (Dial(disposition=None, outcome=replace(UNKNOWN, called=False, voicemail=None)),),
    ),
    99: Story("attended", (answered(ATTENDED),)),
}

STORIES: tuple[Story, ...] = tuple(SPECIAL.get(n) or ordinary(n) for n in range(100))


def story_for(phone: str) -> Story:
    return STORIES[int(phone[-2:])]
