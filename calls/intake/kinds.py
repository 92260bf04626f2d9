"""What kind of value a cell holds, by its text alone. Pure."""

from collections.abc import Callable
from typing import Any

from calls.intake import normalising as to
from calls.intake.dates import DateFormat, column_format


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
