"""When things may happen: calling windows, the gate before a trigger, backoff, poll pace. Pure."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from calls.vocabulary import Phase, WaitReason

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
LOOKAHEAD_DAYS = 370  # a year of closed days is the same as "never"

INTENT_MAX_AGE = timedelta(
    seconds=5
)  # an older intent is not sent: its process may have been frozen
SECOND_LOOK_AFTER = timedelta(seconds=30)  # R71
CLEAN_LOOKS_NEEDED = 2
MAX_BACKOFF = 300.0  # seconds
NOT_FOUND_TRIES = 5
NOT_FOUND_PAUSE = timedelta(minutes=10) / (NOT_FOUND_TRIES - 1)  # the tries span ten minutes (R83)
POLL_STEPS = (3.0, 5.0, 8.0, 13.0, 20.0, 30.0, 45.0, 60.0, 100.0, 150.0, 250.0, 400.0, 600.0)
HELD_POLL = timedelta(minutes=10)
LATE_POLL = timedelta(minutes=30)  # past the caller's timeout (R79)
CRASHES_BEFORE_HOLD = 3


@dataclass(frozen=True)
class OfficeHours:
    """An office's calling windows in its own zone; wall-clock times, so they follow daylight saving."""

    zone: ZoneInfo
    windows: tuple[tuple[tuple[time, time], ...], ...]  # Monday first; start <= t < end
    closed_dates: frozenset[date] = frozenset()

    @classmethod
    def of(
        cls, zone: str, policy: Mapping[str, Any], closed_dates: Sequence[str] = ()
    ) -> "OfficeHours":
        """From a working-hours policy (R17) and ISO dates."""
        return cls(
            ZoneInfo(zone),
            tuple(_windows_of(policy.get(day) or {}) for day in WEEKDAYS),
            frozenset(date.fromisoformat(text) for text in closed_dates),
        )

    def is_open(self, at: datetime) -> bool:
        local = at.astimezone(self.zone)
        return local.date() not in self.closed_dates and any(
            start <= local.time() < end for start, end in self.windows[local.weekday()]
        )

    def is_holiday(self, at: datetime) -> bool:
        return at.astimezone(self.zone).date() in self.closed_dates

    def next_opening(self, after: datetime) -> datetime | None:
        """The next instant (UTC) later than `after` at which a window starts; None within a year."""
        first = after.astimezone(self.zone).date()
        for days in range(LOOKAHEAD_DAYS):
            day = first + timedelta(days=days)
            if day in self.closed_dates:
                continue
            for start, _ in self.windows[day.weekday()]:
                opening = datetime.combine(day, start, self.zone).astimezone(UTC)
                if opening > after:
                    return opening
        return None

    def closes_at(self, at: datetime) -> datetime | None:
        """The end (UTC) of the window that is open at `at`."""
        local = at.astimezone(self.zone)
        for start, end in self.windows[local.weekday()]:
            if start <= local.time() < end and local.date() not in self.closed_dates:
                return datetime.combine(local.date(), end, self.zone).astimezone(UTC)
        return None


NEVER_OPEN = OfficeHours(ZoneInfo("UTC"), windows=((),) * len(WEEKDAYS))


def _windows_of(day: Mapping[str, Any]) -> tuple[tuple[time, time], ...]:
    return tuple(
        (time.fromisoformat(window["start"]), time.fromisoformat(window["end"]))
        for window in day.get("windows") or ()
    )


@dataclass(frozen=True)
class Wait:
    """A row may not be started yet: why, and when to look again (UTC)."""

    reason: WaitReason
    until: datetime


def gate(
    *,
    hours: OfficeHours,
    respect_hours: bool,
    appointment_at: datetime,
    wait_for_appointment: bool,
    now: datetime,
) -> Wait | None:
    """The part of R63 that time decides; None means "now". What other rows decide is in the claim."""
    if wait_for_appointment and appointment_at > now:
        return Wait(WaitReason.APPOINTMENT, appointment_at)
    if respect_hours and not hours.is_open(now):
        reason = WaitReason.HOLIDAY if hours.is_holiday(now) else WaitReason.HOURS
        return Wait(reason, hours.next_opening(now) or now + timedelta(days=1))
    return None


def backoff(failures: int, rng: random.Random, *, retry_after: float | None = None) -> timedelta:
    """Exponential with full jitter, capped; never sooner than Retry-After (R5)."""
    seconds = rng.uniform(0.5, min(MAX_BACKOFF, 2.0 ** min(failures, 16)))
    return timedelta(seconds=max(seconds, retry_after or 0.0))


def poll_interval(phase: str, *, age: timedelta, late_after: timedelta, held: bool) -> timedelta:
    """Seconds after the trigger, growing with age to a minute (R78); slow once late (R79).

    It grows in steps, so that calls of a similar age share one write.
    """
    if held:
        return HELD_POLL
    if age > late_after:
        return LATE_POLL
    share, longest = (0.25, 600.0) if phase == Phase.AWAITING_OUTCOME else (0.05, 60.0)
    seconds = min(longest, max(POLL_STEPS[0], age.total_seconds() * share))
    return timedelta(seconds=max(step for step in POLL_STEPS if step <= seconds))


def jitter(rng: random.Random) -> float:
    """What an interval is multiplied by, so that polls do not march in step."""
    return rng.uniform(0.9, 1.1)


def next_poll(interval: timedelta, *, now: datetime, callback_after: datetime | None) -> datetime:
    """Just after Evergrove's own next call, where it names one in the future (R78, R82)."""
    if callback_after is not None and callback_after > now:
        return max(now + interval, callback_after + timedelta(seconds=5))
    return now + interval


def is_clean_look(
    *, earlier_looks: int, earlier_updated_at: datetime | None, updated_at: datetime
) -> bool:
    """Whether this look counts on top of the earlier ones: nothing changed upstream in between (R71)."""
    return earlier_looks == 0 or earlier_updated_at in (None, updated_at)
