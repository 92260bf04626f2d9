"""An office's week as a form: windows per day, the first call, closed dates, the phone menu guide (R17-R19).

It works with submit buttons alone: adding and removing a window give the form back without saving.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, time
from typing import Any, NamedTuple

from pydantic import ValidationError

from calls.evergrove.schemas import DAYS, WorkingHoursPolicy
from calls.models.entity import OFFICE_DAY
from calls.templatetags.formats import clock_text

WINDOWS_AT_MOST = 6
CLOSED_DATES_AT_MOST = 100
GUIDE_LENGTH = 10_000
MINUTES_OF_DAY = 24 * 60


class Stretch(NamedTuple):
    """Part of the picture of a day, in per cent of 24 hours."""

    x: str
    width: str


@dataclass
class Day:
    """One day as typed: pairs of `HH:MM` texts, possibly empty or wrong."""

    key: str
    windows: list[tuple[str, str]] = field(default_factory=list)
    first_call: str = ""
    error: str = ""

    @property
    def label(self) -> str:
        return self.key.capitalize()

    @property
    def can_add(self) -> bool:
        return len(self.windows) < WINDOWS_AT_MOST

    def policy(self) -> dict[str, Any]:
        """The day as the API wants it (R18): a closed one is empty and has no first call."""
        windows = [{"start": start, "end": end} for start, end in self.windows if start or end]
        if not windows:
            return {}
        return {"default_call_time": self.first_call or None, "windows": windows}

    def stretches(self) -> list[Stretch]:
        spans = ((minutes(start), minutes(end)) for start, end in self.windows)
        return [
            Stretch(share(start), share(end - start))
            for start, end in spans
            if start is not None and end is not None and start < end
        ]

    def dot(self) -> str:
        at = minutes(self.first_call)
        return share(at) if at is not None and self.windows else ""

    def spoken(self) -> str:
        """What the picture says to someone who cannot see it."""
        if not self.windows:
            return f"{self.label}: closed"
        spans = ", ".join(f"{start} to {end}" for start, end in self.windows)
        return f"{self.label}: {spans}, first call at {self.first_call or 'no time'}"


@dataclass
class Draft:
    """The whole form as typed. `errors` belong to no day."""

    days: list[Day]
    closed: str = ""
    guide: str = ""
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def has_errors(self) -> bool:
        return bool(self.errors) or any(day.error for day in self.days)

    def problems(self) -> Iterator[tuple[str, str]]:
        """(id of the field, message), in the order of the page."""
        for day in self.days:
            if day.error:
                yield f"{day.key}-first", day.error
        yield from self.errors.items()

    def day(self, key: str) -> Day | None:
        return next((day for day in self.days if day.key == key), None)

    def values(self) -> dict[str, Any] | None:
        """What to store, or None with the errors set."""
        self.errors = {}
        hours, closed = self.checked_hours(), self.checked_dates()
        if len(self.guide) > GUIDE_LENGTH:
            self.errors["guide"] = f"The guide must have {GUIDE_LENGTH:,} characters or fewer."
        if self.has_errors or hours is None:
            return None
        return {"working_hours": hours, "closed_dates": closed, "ivr_guide": self.guide}

    def checked_hours(self) -> dict[str, Any] | None:
        typed = {day.key: day.policy() for day in self.days}
        for day in self.days:
            day.error = first_problem(day)
        if any(day.error for day in self.days):
            return None
        try:
            policy = WorkingHoursPolicy.model_validate(typed)
        except ValidationError as error:
            self.blame(error)
            return None
        return policy.model_dump(mode="json")

    def blame(self, error: ValidationError) -> None:
        """Give each complaint of the API's own shape to its day."""
        for problem in error.errors(include_input=False, include_url=False):
            text = problem["msg"].removeprefix("Value error, ")
            day = self.day(str(problem["loc"][0])) if problem["loc"] else None
            if day is None:
                self.errors["monday-add"] = text
            else:
                day.error = f"{day.label}: {text[:1].lower()}{text[1:]}"

    def checked_dates(self) -> list[str]:
        lines = [line.strip() for line in self.closed.splitlines() if line.strip()]
        wrong = [line for line in lines if iso_date(line) is None]
        if wrong:
            self.errors["closed"] = f"Closed dates must look like 2026-12-25. Found {wrong[0][:40]}"
        elif len(lines) > CLOSED_DATES_AT_MOST:
            self.errors["closed"] = f"Enter {CLOSED_DATES_AT_MOST} closed dates or fewer."
        return sorted({line for line in lines if iso_date(line)})


def first_problem(day: Day) -> str:
    """The first thing wrong with a day, in plain words; empty when there is nothing."""
    for start, end in day.windows:
        if (start or end) and (minutes(start) is None or minutes(end) is None):
            return f"{day.label}: enter when this window opens and closes, like 09:00 and 17:00."
        if start and start >= end:
            return (
                f"{day.label}: a window must open before it closes. This one is {start} to {end}."
            )
    for (_, ends), (starts, _) in zip(day.windows, day.windows[1:], strict=False):
        if ends > starts:
            return f"{day.label}: windows must be in order and must not overlap."
    return first_call_problem(day)


def first_call_problem(day: Day) -> str:
    if not day.windows:
        return ""
    if not day.first_call:
        return f"{day.label}: enter when the first call may be made."
    if minutes(day.first_call) is None:
        return f"{day.label}: the first call must be a time, like 09:15."
    if any(start <= day.first_call < end for start, end in day.windows):
        return ""
    spans = " or ".join(f"{spoken(start)} to {spoken(end)}" for start, end in day.windows)
    return (
        f"{day.label}: first call at {spoken(day.first_call)} is outside the opening hours. "
        f"Choose a time from {spans}."
    )


# --- From the office and from the form ------------------------------------------------------------
def draft_of(hours: Mapping[str, Any], closed_dates: list[str], guide: str) -> Draft:
    return Draft(
        [day_of(key, hours.get(key) or {}) for key in DAYS], "\n".join(closed_dates), guide
    )


def day_of(key: str, policy: Mapping[str, Any]) -> Day:
    windows = [(window["start"], window["end"]) for window in policy.get("windows") or ()]
    return Day(key, windows, policy.get("default_call_time") or "" if windows else "")


def draft_from(post: Mapping[str, str]) -> Draft:
    """The form as it was sent; windows left empty on both sides are dropped."""
    return Draft(
        [day_from(post, key) for key in DAYS],
        post.get("closed", "").replace("\x00", ""),
        post.get("guide", "").replace("\x00", "").replace("\r\n", "\n").strip(),
    )


def day_from(post: Mapping[str, str], key: str) -> Day:
    typed = [
        (post.get(f"{key}-start-{n}", "")[:5], post.get(f"{key}-end-{n}", "")[:5])
        for n in range(WINDOWS_AT_MOST)
    ]
    windows = [pair for pair in typed if any(pair)]
    return Day(key, windows, post.get(f"{key}-first", "")[:5] if windows else "")


def edit(draft: Draft, command: str) -> bool:
    """Apply `add:monday`, `remove:monday:1`, `weekdays` or `copy`; False for anything else."""
    verb, _, rest = command.partition(":")
    key, _, number = rest.partition(":")
    day = draft.day(key)
    match verb:
        case "add" if day is not None and day.can_add:
            add_window(day)
        case "remove" if day is not None and number.isdecimal() and int(number) < len(day.windows):
            del day.windows[int(number)]
            day.first_call = day.first_call if day.windows else ""
        case "weekdays":
            for day in draft.days:
                start_over(day, day_of(day.key, OFFICE_DAY if day.key in DAYS[:5] else {}))
        case "copy":
            for day in draft.days[1:5]:
                start_over(day, draft.days[0])
        case _:
            return False
    return True


def add_window(day: Day) -> None:
    if not day.windows:
        start_over(day, day_of(day.key, OFFICE_DAY))
        return
    day.windows.append(("", ""))


def start_over(day: Day, like: Day) -> None:
    day.windows, day.first_call = list(like.windows), like.first_call


# --- Words and numbers ----------------------------------------------------------------------------
def minutes(text: str) -> int | None:
    """`09:30` as 570; None for a text that is no time."""
    if not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", text, re.ASCII):
        return None
    return int(text[:2]) * 60 + int(text[3:])


def share(count: int) -> str:
    return f"{100 * count / MINUTES_OF_DAY:.2f}%"


def spoken(text: str) -> str:
    return clock_text(time.fromisoformat(text))


def iso_date(text: str) -> date | None:
    try:
        return (
            date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII) else None
        )
    except ValueError:
        return None
