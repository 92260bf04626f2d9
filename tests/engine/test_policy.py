import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calls.engine import policy
from calls.engine.policy import OfficeHours, Wait, gate
from calls.models.entity import default_working_hours
from calls.vocabulary import Phase, WaitReason

NEW_YORK = OfficeHours.of("America/New_York", default_working_hours(), ["2026-11-26"])
HONOLULU = OfficeHours.of("Pacific/Honolulu", default_working_hours())
CLOSED = OfficeHours.of("America/New_York", {})
SPLIT_DAY = OfficeHours.of(
    "America/New_York",
    {
        "sunday": {
            "default_call_time": "01:30",
            "windows": [{"start": "01:30", "end": "02:30"}, {"start": "13:00", "end": "14:00"}],
        }
    },
)


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "is_open"),
    [
        ("2026-11-23T13:59:59", False),  # Monday 08:59:59 in New York
        ("2026-11-23T14:00:00", True),
        ("2026-11-23T21:59:59", True),
        ("2026-11-23T22:00:00", False),
        ("2026-11-22T15:00:00", False),  # Sunday
        ("2026-11-26T15:00:00", False),  # closed date
        ("2026-07-06T13:00:00", True),  # daylight saving: 09:00 is 13:00 UTC
    ],
)
def test_windows_are_wall_clock_times_of_the_office(at, is_open):
    assert NEW_YORK.is_open(utc(at)) is is_open


@pytest.mark.parametrize(
    ("after", "opening"),
    [
        ("2026-11-23T13:00:00", "2026-11-23T14:00:00"),
        ("2026-11-23T14:00:00", "2026-11-24T14:00:00"),
        ("2026-11-25T23:00:00", "2026-11-27T14:00:00"),  # over the closed date
        ("2026-11-27T23:00:00", "2026-11-30T14:00:00"),  # over the weekend
        ("2026-10-30T23:00:00", "2026-11-02T14:00:00"),  # over the end of daylight saving
    ],
)
def test_the_next_opening_skips_closed_days(after, opening):
    assert NEW_YORK.next_opening(utc(after)) == utc(opening)


def test_an_office_without_windows_never_opens():
    assert CLOSED.next_opening(utc("2026-11-23T13:00:00")) is None
    waits = gate(
        hours=CLOSED,
        respect_hours=True,
        appointment_at=utc("2026-01-01T00:00:00"),
        wait_for_appointment=True,
        now=utc("2026-11-23T13:00:00"),
    )
    assert waits == Wait(WaitReason.HOURS, utc("2026-11-24T13:00:00"))


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))
)
@pytest.mark.parametrize(
    "hours", [NEW_YORK, HONOLULU, SPLIT_DAY], ids=["ny", "honolulu", "dst night"]
)
def test_an_office_is_open_at_its_next_opening(hours, after):
    opening = hours.next_opening(after)
    assert opening > after
    # A window that starts in the hour that daylight saving skips opens when the clocks have moved on.
    assert (
        hours.is_open(opening) or hours.is_open(opening + timedelta(hours=1)) or opening.month == 3
    )


@pytest.mark.parametrize(
    ("appointment", "respect", "wait_for_appointment", "expected"),
    [
        (
            "2026-11-23T16:00:00",
            True,
            True,
            Wait(WaitReason.APPOINTMENT, utc("2026-11-23T16:00:00")),
        ),
        ("2026-11-23T16:00:00", True, False, None),
        ("2026-11-23T14:30:00", True, True, None),
    ],
    ids=["before the appointment", "told not to wait", "after the appointment"],
)
def test_a_row_waits_for_its_appointment(appointment, respect, wait_for_appointment, expected):
    found = gate(
        hours=NEW_YORK,
        respect_hours=respect,
        appointment_at=utc(appointment),
        wait_for_appointment=wait_for_appointment,
        now=utc("2026-11-23T15:00:00"),
    )
    assert found == expected


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-11-23T05:00:00", Wait(WaitReason.HOURS, utc("2026-11-23T14:00:00"))),
        ("2026-11-26T15:00:00", Wait(WaitReason.HOLIDAY, utc("2026-11-27T14:00:00"))),
        ("2026-11-23T15:00:00", None),
    ],
    ids=["night", "closed date", "open"],
)
def test_a_row_waits_for_opening_hours(now, expected):
    arguments = {
        "hours": NEW_YORK,
        "appointment_at": utc("2026-01-01T00:00:00"),
        "wait_for_appointment": True,
        "now": utc(now),
    }
    assert gate(respect_hours=True, **arguments) == expected
    assert gate(respect_hours=False, **arguments) is None


@given(st.integers(0, 10_000), st.integers(), st.none() | st.floats(0, 86_400))
def test_backoff_stays_between_retry_after_and_its_cap(failures, seed, retry_after):
    seconds = policy.backoff(failures, random.Random(seed), retry_after=retry_after).total_seconds()
    assert (retry_after or 0) - 1e-6 <= seconds <= max(policy.MAX_BACKOFF, retry_after or 0) + 1e-6
    assert seconds > 0


def test_polls_grow_rarer_with_age_and_slow_when_late():
    def seconds(age, *, held=False, phase=Phase.CALLING):
        interval = policy.poll_interval(
            phase,
            age=age,
            late_after=timedelta(hours=72),
            held=held,
        )
        return interval.total_seconds()

    fresh, older, old = (seconds(timedelta(minutes=m)) for m in (0, 5, 600))
    assert fresh < 4 < older < old <= 66
    assert seconds(timedelta(hours=73)) > 1600
    assert 500 < seconds(timedelta(0), held=True) < 700


def test_the_next_poll_comes_just_after_a_named_callback():
    now = utc("2026-11-23T15:00:00")
    soon = timedelta(seconds=4)
    callback = now + timedelta(hours=2)
    assert policy.next_poll(soon, now=now, callback_after=callback) == callback + timedelta(
        seconds=5
    )
    assert policy.next_poll(soon, now=now, callback_after=now - soon) == now + soon
    assert policy.next_poll(soon, now=now, callback_after=None) == now + soon


@pytest.mark.parametrize(
    ("looks", "earlier", "clean"),
    [
        (0, None, True),
        (1, "2026-11-23T15:00:00", True),
        (1, "2026-11-23T15:00:01", False),
        (1, None, True),
    ],
    ids=["first", "unchanged", "changed", "after a refusal"],
)
def test_a_second_look_is_clean_only_if_nothing_changed_upstream(looks, earlier, clean):
    found = policy.is_clean_look(
        earlier_looks=looks,
        earlier_updated_at=utc(earlier) if earlier else None,
        updated_at=utc("2026-11-23T15:00:00"),
    )
    assert found is clean
