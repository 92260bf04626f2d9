"""An office's week in a line of words. Pure."""

from collections.abc import Mapping
from datetime import time
from itertools import groupby
from typing import Any

from calls.models.entity import WEEKDAYS
from calls.templatetags.formats import clock_text


def week_words(policy: Mapping[str, Any]) -> str:
    """`Mon to Fri 9:00 AM to 5:00 PM`; neighbouring days with the same hours are named together."""
    days = [(day[:3].capitalize(), day_words(policy.get(day) or {})) for day in WEEKDAYS]
    stretches = [(words, list(group)) for words, group in groupby(days, key=lambda day: day[1])]
    named = [f"{span([name for name, _ in group])} {words}" for words, group in stretches if words]
    return ", ".join(named) or "Always closed"


def day_words(day: Mapping[str, Any]) -> str:
    windows = day.get("windows") or ()
    return " and ".join(f"{clock(window['start'])} to {clock(window['end'])}" for window in windows)


def clock(text: str) -> str:
    return clock_text(time.fromisoformat(text))


def span(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
