import re
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

import sandbox
from sandbox.lifecycle import Facts, state_at
from sandbox.stories import STORIES, story_for

TRIGGERED = datetime(2026, 4, 9, 15, tzinfo=UTC)
FACTS = Facts(
    id="22222222-2222-4222-8222-222222222222",
    tenant_id="tenant_1",
    appointment=datetime(2026, 4, 9, 11),
    created_at=TRIGGERED - timedelta(seconds=30),
    triggered_at=TRIGGERED,
)
TERMINAL = {"COMPLETE", "ERROR", "CANCELLED", "DO_NOT_CALL_BACK"}
DOCUMENTED = {
    "workflow_status": {"ENQUEUED", "ACTIVE"} | TERMINAL,
    "status": {"PLACED", "ANSWERED", "FAILED", "COMPLETE", "LEGACY_COMPLETED"},
    "disposition": {"ANSWERED", "RETRYABLE_ERROR", "NON_RETRYABLE_ERROR", None},
    "positive_or_negative_contact": {"positive", "negative", "unknown"},
    "appointment_attendance_status": {
        "attended", "canceled", "canceled_rescheduled", "no_show", "no_show_rescheduled",
        "unable_to_confirm", "unknown",
    },
    "bill_sending_confirmation": {"confirmed", "not_confirmed", "not_discussed"},
    "report_sending_confirmation": {"confirmed", "not_confirmed", "not_discussed"},
    "called": {True, False},
    "voicemail_left": {True, False, None},
}  # fmt: skip


def film(ending):
    """The states of a story, every half second of two minutes."""
    return [
        state_at(STORIES[ending], FACTS, TRIGGERED + timedelta(seconds=half / 2))
        for half in range(240)
    ]


def last(ending):
    return film(ending)[-1]


def words(ending):
    """The workflow statuses in the order they come, without repetition."""
    seen = [state.workflow_status for state in film(ending)]
    return [word for place, word in enumerate(seen) if place == 0 or seen[place - 1] != word]


def test_every_documented_value_is_reachable_and_no_other():
    reached = defaultdict(set)
    for ending in range(100):
        for state in film(ending):
            reached["workflow_status"].add(state.workflow_status)
            for attempt in state.call_attempts:
                reached["status"].add(attempt["status"])
                reached["disposition"].add(attempt["disposition"])
            for name in DOCUMENTED.keys() & (state.generated_outcomes or {}).keys():
                reached[name].add(state.generated_outcomes[name])
    assert reached == DOCUMENTED


@pytest.mark.parametrize("ending", range(100))
def test_a_story_never_goes_back(ending):
    states = film(ending)
    times = [state.updated_at for state in states]
    assert times == sorted(times)
    for before, after in pairwise(states):
        assert (
            before.workflow_status not in TERMINAL
            or before.workflow_status == after.workflow_status
        )
        assert len(before.call_attempts) <= len(after.call_attempts)
        changed = (
            before.workflow_status != after.workflow_status
            or before.generated_outcomes != after.generated_outcomes
            or before.call_attempts != after.call_attempts
        )
        assert not changed or before.updated_at < after.updated_at


@pytest.mark.parametrize("ending", [*range(60), 99])
def test_an_ordinary_call_takes_four_to_eight_seconds(ending):
    assert words(ending) == ["ENQUEUED", "ACTIVE", "COMPLETE"]
    (attempt,) = last(ending).call_attempts
    ended = datetime.fromisoformat(attempt["updated_at"]) - TRIGGERED
    assert timedelta(seconds=4) <= ended <= timedelta(seconds=8)


def test_ordinary_calls_are_mostly_attended():
    met = Counter(last(n).generated_outcomes["appointment_attendance_status"] for n in range(60))
    assert met["attended"] > 50
    assert len(met) >= 5


@pytest.mark.parametrize(
    ("ending", "attendance"),
    [
        (60, "attended"),
        (61, "no_show"),
        (62, "no_show_rescheduled"),
        (63, "canceled"),
        (64, "canceled_rescheduled"),
        (65, "unable_to_confirm"),
        (66, "unknown"),
    ],
)
def test_an_ending_asks_for_an_attendance(ending, attendance):
    assert last(ending).generated_outcomes["appointment_attendance_status"] == attendance


@pytest.mark.parametrize(
    ("ending", "expected"),
    [
        (67, ["ENQUEUED", "ACTIVE", "ENQUEUED", "ACTIVE", "COMPLETE"]),
        (68, ["ENQUEUED", "ACTIVE", "ENQUEUED", "ACTIVE", "ENQUEUED", "ACTIVE", "ERROR"]),
        (69, ["ENQUEUED", "ACTIVE", "ERROR"]),
        (71, ["ENQUEUED", "CANCELLED"]),
        (72, ["ENQUEUED", "ACTIVE", "ENQUEUED", "CANCELLED"]),
        (73, ["ENQUEUED", "ACTIVE", "DO_NOT_CALL_BACK"]),
        (77, ["ENQUEUED"]),
        (80, ["ENQUEUED", "ACTIVE"]),
    ],
)
def test_an_ending_asks_for_a_course(ending, expected):
    assert words(ending) == expected


def test_a_callback_is_announced_only_between_two_attempts():
    for state in film(67):
        waiting = state.workflow_status == "ENQUEUED" and state.call_attempts
        assert (state.best_to_callback_after is not None) == bool(waiting)
    assert last(67).generated_outcomes["voicemail_left"] is False


def test_a_late_outcome_comes_after_complete():
    states = film(75)
    complete = next(n for n, state in enumerate(states) if state.workflow_status == "COMPLETE")
    assert states[complete].generated_outcomes is None
    assert states[-1].generated_outcomes is not None
    assert states[-1].updated_at > states[complete].updated_at


def test_an_outcome_may_never_come():
    assert last(76).workflow_status == "COMPLETE"
    assert last(76).generated_outcomes is None


def test_attempts_may_contradict_each_other():
    said = [
        attempt["generated_outcomes"]["appointment_attendance_status"]
        for attempt in last(78).call_attempts
    ]
    assert said == ["no_show", "attended"]
    assert last(78).generated_outcomes["appointment_attendance_status"] == "attended"


def test_do_not_call_back_may_come_with_an_outcome():
    assert last(73).generated_outcomes is not None
    assert last(74).generated_outcomes is None


def test_dates_follow_from_the_appointment():
    assert last(62).generated_outcomes["rescheduled_appointment"] == {
        "date": "2026-04-16", "time": "11:00"
    }  # fmt: skip
    assert last(82).generated_outcomes["original_appointment"]["date"] == "2026-04-07"
    assert last(85).generated_outcomes["additional_dates_of_service"] == [
        {"date": "2026-04-11", "time": None},
        {"date": "2026-04-18", "time": None},
    ]


def test_the_pace_stretches_a_story():
    def status(pace, seconds):
        now = TRIGGERED + timedelta(seconds=seconds)
        return state_at(STORIES[99], FACTS, now, pace).workflow_status

    assert status(1, 5) == "COMPLETE"
    assert status(10, 5) == "ENQUEUED"
    assert status(10, 49) == "ACTIVE"
    assert status(10, 50) == "COMPLETE"


def test_the_readme_tells_every_story():
    readme = (Path(sandbox.__file__).parent / "README.md").read_text("utf-8")
    told = dict(re.findall(r"^\| (\d\d) \| ([^|]+) \|", readme, re.M))
    assert told == {f"{n}": STORIES[n].name for n in [*range(60, 88), 99]}
    assert story_for("+12125550177") is STORIES[77]
