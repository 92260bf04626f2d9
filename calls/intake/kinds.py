"""What kind of value a cell holds, by its text alone. Pure."""

from collections.abc import Callable
from functools import partial
from typing import Any

from calls.intake import normalising as to
from calls.intake.dates import Ambiguous, DateFormat, column_format


def accepted(rule: Callable[[str], Any], text: str) -> bool:
    try:
        return rule(text) is not None
    except to.NotAccepted:
        return False


def is_zone(text: str) -> bool:
    return len(text) <= 100 and (
        accepted(to.zone, text) or ("/" in text and bool(to.zone_of_alias(text)))
    )


def is_state(text: str) -> bool:
    return text.isascii() and not text.isdigit() and accepted(to.state, text)


def is_social_security(text: str) -> bool:
    return len(text) == 11 and text[3] == text[6] == "-" and accepted(to.ssn, text)


def is_date(text: str) -> bool:
    return column_format([text]) == DateFormat.ISO and len(text) == 10


def is_moment(text: str) -> bool:
    return len(text) > 10 and accepted(to.appointment, text)


def is_day(text: str) -> bool:
    """Whether it is a date without a time, in whatever order."""
    found = column_format([text])
    format = found.formats[0] if isinstance(found, Ambiguous) else found
    return accepted(partial(to.iso_date, format=format), text)


def is_time(text: str) -> bool:
    return accepted(to.appointment, f"2026-01-01 {text}")


def is_phone(text: str) -> bool:
    return accepted(to.provider_phone, text)


def is_value(text: str) -> bool:
    """Whether a cell is surely data and no column's name.

    The code of a state is neither: columns are called ID, MD and PA.
    """
    text = to.clean(text)
    return (
        column_format([text]) is not None
        or is_phone(text)
        or is_social_security(text)
        or is_zone(text)
    )
