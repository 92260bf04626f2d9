"""Text -> value: one pure function per kind of cell. Each returns the value or raises NotAccepted.

This module is the whole vocabulary: phones, dates and places have a module of their own and are
offered here beside the plainer kinds.
"""

import hmac
import re
from hashlib import sha256
from typing import Final

from calls.intake.cells import (
    Doubt,
    NotAccepted,
    clean,
    is_spreadsheet_error,
    refuse_shortened_number,
    says_absent,
    without_decimal_tail,
)
from calls.intake.clocks import local_clock, zone_gap_or_fold
from calls.intake.dates import (
    Ambiguous,
    DateFormat,
    appointment,
    column_format,
    deadline,
    iso_date,
)
from calls.intake.phones import patient_phone, phone_doubt, provider_phone
from calls.intake.places import belongs, main_zone, state, zone, zone_doubt, zone_of_alias

__all__ = [
    "Ambiguous",
    "DateFormat",
    "Doubt",
    "NotAccepted",
    "appointment",
    "belongs",
    "clean",
    "column_format",
    "deadline",
    "derive_reference",
    "identifier",
    "identifier_doubt",
    "is_spreadsheet_error",
    "iso_date",
    "local_clock",
    "main_zone",
    "objective",
    "patient_phone",
    "phone_doubt",
    "provider_phone",
    "reference",
    "says_absent",
    "ssn",
    "state",
    "text",
    "text_doubt",
    "zone",
    "zone_doubt",
    "zone_gap_or_fold",
    "zone_of_alias",
]

_LINE_BREAKS: Final = re.compile(r"[ \t]*[\r\n\t]+[ \t]*")
_CONTROLS: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
_SSN: Final = re.compile(r"[0-9]{9}|[0-9]{4}")
_MASKED_SSN: Final = re.compile(r"[xX*\u2022#]{5}([0-9]{4})")
_SSN_SEPARATORS: Final = str.maketrans("", "", " -\u2010\u2011\u2012\u2013\u2014\u2212")
_OBJECTIVES: Final = {
    "confirmieattendance": "CONFIRM_IE_ATTENDANCE",
    "confirmattendance": "CONFIRM_IE_ATTENDANCE",
    "reschedule": "RESCHEDULE",
}


def text(raw: str, cap: int, *, lines: bool = False) -> str:
    """Trimmed text of at most `cap` characters without control characters (R52). Raises NotAccepted.

    Line breaks and tabs stay when `lines`, otherwise each run of them becomes a space.
    """
    found = clean(raw)
    if not found.isprintable():
        found = found.replace("\r\n", "\n").replace("\r", "\n")
        found = found if lines else _LINE_BREAKS.sub(" ", found)
        if _CONTROLS.search(found):
            raise NotAccepted("control_character", "must not have control characters")
    if len(found) > cap:
        raise NotAccepted(
            "too_long", f"must have {cap:,} characters or fewer", f"This one has {len(found):,}"
        )
    return found


def text_doubt(value: str) -> Doubt | None:
    """Characters that were lost before the text came to us."""
    if value.isascii() or "\ufffd" not in value:
        return None
    return Doubt("lost_characters", "has characters that were lost on the way. Check the spelling")


def identifier(raw: str) -> str:
    """A number that is text: claims and episodes. Raises NotAccepted when a spreadsheet cut it."""
    found = text(raw, 255)
    refuse_shortened_number(found)
    return found


def identifier_doubt(value: str) -> Doubt | None:
    if not (digits := without_decimal_tail(value)):
        return None
    return Doubt("decimal", "ends in decimals. A spreadsheet may have added them", digits)


def reference(raw: str) -> str:
    """The row's stable name (R37). Raises NotAccepted, also for `1001.0`: tomorrow it may be `1001`."""
    found = identifier(raw)
    if digits := without_decimal_tail(found):
        raise NotAccepted("decimal", "must not end in decimals", "", digits)
    return found


def derive_reference(key: bytes, *, claim: str, eoc: str, appointment: str, phone: str) -> str:
    """A stable reference from normalised values; without `key` it tells nothing about them (R37)."""
    message = "\x1f".join((claim, eoc, appointment, phone)).encode()
    return f"row-{hmac.new(key, message, sha256).hexdigest()[:24]}"


def ssn(raw: str) -> str | None:
    """Nine digits or the last four, bare; None for a blank cell, NONE or null (R43). Raises NotAccepted."""
    found = clean(raw)
    if says_absent(found):
        return None
    bare = found.translate(_SSN_SEPARATORS)
    if _SSN.fullmatch(bare):
        return bare
    if match := _MASKED_SSN.fullmatch(bare):
        return match[1]
    refuse_shortened_number(found)
    must = "must have 9 digits or the last 4, or be left empty"
    raise NotAccepted("ssn", must, _ssn_hint(without_decimal_tail(found) or bare))


def _ssn_hint(bare: str) -> str:
    if not (bare.isascii() and bare.isdigit()):
        return ""
    counted = f"This one has {len(bare)}"
    return f"{counted}: a leading zero was probably lost" if len(bare) in (3, 7, 8) else counted


def objective(raw: str) -> str:
    """Why the office is called; `CONFIRM_IE_ATTENDANCE` for a blank cell (R23). Raises NotAccepted."""
    key = re.sub("[^a-z]", "", clean(raw).casefold())
    if says_absent(key):
        return "CONFIRM_IE_ATTENDANCE"
    if key in _OBJECTIVES:
        return _OBJECTIVES[key]
    raise NotAccepted("objective", "must be CONFIRM_IE_ATTENDANCE or RESCHEDULE, or be left empty")
