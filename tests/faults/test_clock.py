"""Clock"""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from calls.engine import policy
from calls.engine.triggering import claim_to_trigger, trigger_rows
from calls.models import CallRow
from calls.models.call import instant_of
from calls.vocabulary import Phase, WaitReason
from tests.engine.lab import again
from tests.factories import make_entity
from tests.faults.life import LONG_ENOUGH, made_once, new_row

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def office(start, end, **over):
    """Open each day of the week from `start` to `end` on its own clock."""
    day = {"default_call_time": start, "windows": [{"start": start, "end": end}]}
    return make_entity(entity_id=None, working_hours=dict.fromkeys(DAYS, day), **over)


def at(lab, text):
    lab.clock.now = datetime.fromisoformat(text).replace(tzinfo=UTC)


def triggered_at(lab, row):
    """When the row is triggered, on the office's clock; time goes on to whatever is due next."""
    for _ in range(100):
        lab.pulse()
        if sent := again(row).trigger_sent_at:
            return sent.astimezone(ZoneInfo(row.entity.timezone)).strftime("%d %H:%M %Z")
        lab.clock.now = max(lab.clock() + timedelta(seconds=1), lab.next_due())
    return "never"


# --- The machine's clock is set ---


def test_clock_set_back(lab):
    """What is due later waits longer, and nothing is done twice."""
    live, waiting = lab.calling(), new_row(lab)
    lab.clock.advance(-7200)
    lab.run(4 * 3600, step=60)
    assert made_once(lab, live)
    assert made_once(lab, waiting)


def test_clock_set_back_between_intent_and_trigger(lab):
    """An intent of the future is not sent, for nobody knows how old it is."""
    row, skew = lab.scheduled(), [timedelta(0)]
    lab.tools = replace(lab.tools, clock=lambda: lab.clock() + skew[0])

    def set_back():
        lab.executor.before = lambda: None
        skew[0] = timedelta(minutes=-10)

    lab.executor.before = set_back
    trigger_rows(lab.tools)
    assert (again(row).phase, lab.sent("trigger")) == (Phase.SCHEDULED, [])
    lab.run(60, step=2)
    assert made_once(lab, row)


def test_clock_set_forward(lab):
    """What is due later comes sooner, and nothing is done twice."""
    live, waiting = lab.calling(), new_row(lab)
    lab.clock.advance(7200)
    lab.run(LONG_ENOUGH, step=5)
    assert made_once(lab, live)
    assert made_once(lab, waiting)


def test_clock_set_forward_between_intent_and_trigger(lab):
    """The intent counts as old and is not sent; the next one is."""
    row = lab.scheduled()

    def set_forward():
        lab.executor.before = lambda: None
        lab.clock.advance(3600)

    lab.executor.before = set_forward
    trigger_rows(lab.tools)
    assert (again(row).phase, lab.sent("trigger")) == (Phase.SCHEDULED, [])
    lab.run(LONG_ENOUGH, step=5)
    assert made_once(lab, row)


def test_clock_set_forward_while_a_trigger_is_out(lab):
    """Its claim counts as run out and the row is asked about; the answer that comes changes nothing."""
    row = lab.scheduled()

    def set_forward(endpoint):
        lab.wire.after = lambda endpoint: None
        lab.clock.advance(3600)
        lab.pulse()

    lab.wire.after = set_forward
    trigger_rows(lab.tools)
    assert "include_call_attempts=true" in lab.sent("poll")[0]
    assert again(row).phase == Phase.COMPLETED
    lab.run(LONG_ENOUGH, step=5)
    assert made_once(lab, row)
    assert len(lab.sent("trigger")) == 1


@pytest.fixture
def machine_in_honolulu(monkeypatch):
    monkeypatch.setenv("TZ", "Pacific/Honolulu")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("machine_in_honolulu")
def test_machine_whose_zone_is_not_utc(lab):
    """It is not asked: calls are made in the office's hours on the office's clock."""
    at(lab, "2026-04-09T11:00:00")
    row = lab.row(entity=office("09:00", "17:00"), appointment_at=lab.clock() - timedelta(days=1))
    assert triggered_at(lab, row) == "09 09:00 EDT"
    lab.run(LONG_ENOUGH, step=5)
    assert made_once(lab, row)


# --- Days that are not like the others ---


def test_night_in_which_an_hour_is_missing(lab):
    """A window that begins in the missing hour opens as long after the gap as it would have begun in it."""
    at(lab, "2027-03-14T05:00:00")
    row = lab.row(entity=office("02:30", "05:00"), appointment_at=lab.clock())
    assert triggered_at(lab, row) == "14 03:30 EDT"


def test_window_that_lies_within_the_missing_hour(lab):
    """The office is not open on that day; its calls wait for the next."""
    at(lab, "2027-03-14T05:00:00")
    row = lab.row(entity=office("02:10", "02:50"), appointment_at=lab.clock())
    assert triggered_at(lab, row) == "15 02:10 EDT"


def test_night_in_which_an_hour_comes_twice(lab):
    """A window in that hour opens the first time; what comes later waits for the next day."""
    at(lab, "2026-11-01T04:00:00")
    first, second = (
        lab.row(entity=office("01:10", "01:50"), appointment_at=lab.clock()) for _ in range(2)
    )
    CallRow.objects.filter(pk=second.pk).update(next_at=lab.clock() + timedelta(hours=2))
    assert triggered_at(lab, first) == "01 01:10 EDT"
    assert triggered_at(lab, second) == "02 01:10 EST"
    lab.run(LONG_ENOUGH, step=60)
    assert made_once(lab, first)
    assert made_once(lab, second)


def test_day_with_another_offset_than_the_one_before(lab):
    """Opening hours follow the office's clock over the end of daylight saving."""
    at(lab, "2026-10-31T22:00:00")
    row = lab.row(entity=office("09:00", "17:00"), appointment_at=lab.clock())
    assert triggered_at(lab, row) == "01 09:00 EST"


def test_appointment_in_the_missing_hour(lab):
    """It counts as passed when the clocks have moved on, and is sent as it was written."""
    visit = instant_of("2027-03-14T02:30:00", "America/New_York")
    assert visit == datetime(2027, 3, 14, 7, 30, tzinfo=UTC)
    at(lab, "2027-03-14T07:00:00")
    row = lab.row(
        entity=office("00:00", "23:00"),
        expected_appointment_date_time="2027-03-14T02:30:00",
        appointment_at=visit,
    )
    assert triggered_at(lab, row) == "14 03:30 EDT"
    details = lab.sent("schedule")[0]["calls"][0]["details"]
    assert details["expected_appointment_date_time"] == "2027-03-14T02:30:00"


def test_appointment_in_the_hour_that_comes_twice(lab):
    """The first of the two is meant; the call is made after it, in office time."""
    visit = instant_of("2026-11-01T01:30:00", "America/New_York")
    at(lab, "2026-11-01T04:00:00")
    row = lab.row(entity=office("00:00", "23:00"), appointment_at=visit)
    assert triggered_at(lab, row) == "01 01:30 EDT"


def test_leap_day(lab):
    """It is a day like any other: a holiday on it is kept, the next day is open."""
    at(lab, "2028-02-29T05:00:00")
    closed = office("09:00", "17:00", closed_dates=["2028-02-29"])
    row = lab.row(entity=closed, appointment_at=instant_of("2028-02-29T00:00:00", closed.timezone))
    lab.dispatch()
    lab.dispatch()
    assert again(row).waiting_for == WaitReason.HOLIDAY
    assert triggered_at(lab, row) == "01 09:00 EST"


def test_zone_whose_rules_have_changed(lab, monkeypatch):
    """Waiting calls follow the new rules at their next look; none is made outside the office's hours."""
    at(lab, "2026-07-09T05:00:00")
    row = lab.row(entity=office("09:00", "17:00"), appointment_at=lab.clock())
    lab.dispatch()
    lab.dispatch()
    assert again(row).next_at == datetime(2026, 7, 9, 13, tzinfo=UTC)  # 9 AM by the old rules
    rules = {"America/New_York": "America/Panama"}  # without daylight saving
    monkeypatch.setattr(policy, "ZoneInfo", lambda name: ZoneInfo(rules[name]))
    triggered_at(lab, row)
    assert again(row).trigger_sent_at == datetime(2026, 7, 9, 14, tzinfo=UTC)


def test_clock_that_stands_still(lab):
    """Nothing is due a second time: a row is claimed once for each step."""
    row = lab.scheduled()
    assert [one.pk for one in claim_to_trigger(9, lab.tools)] == [row.pk]
    assert [claim_to_trigger(9, lab.tools) for _ in range(3)] == [[], [], []]
