"""Dates, appointments and deadlines as people and spreadsheets write them (R25, R44-R46). Pure.

A numeric date in local order (04/05/2026) is never read on its own: only by a format that somebody
chose for the whole column, or that the whole column leaves no doubt about.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

from calls.intake.cells import NotAccepted, clean, clean_word

_LIKE_DATE: Final = "like 1967-04-13"
_LIKE_TIME: Final = "like 2026-04-09 11:00"
_YEARS: Final = range(1900, 2101)
_EPOCH: Final = datetime(1899, 12, 30)  # noqa: DTZ001 - day 0 of spreadsheets, a wall clock
_MONTH_NAMES: Final = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_MONTHS: Final = {
    **{name: number for number, name in enumerate(_MONTH_NAMES, 1)},
    **{name[:3]: number for number, name in enumerate(_MONTH_NAMES, 1)},
    "sept": 9,
}

_ISO: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_MIDNIGHT: Final = re.compile(r"[T ]00:00(?::00(?:\.0+)?)?")
_YEAR_FIRST: Final = re.compile(r"([0-9]{4})([-/. ])([0-9]{1,2})\2([0-9]{1,2})")
_COMPACT: Final = re.compile(r"((?:19|20)[0-9]{2})([0-9]{2})([0-9]{2})")
_NUMERIC: Final = re.compile(r"([0-9]{1,2})([-/. ])([0-9]{1,2})\2([0-9]{4}|[0-9]{2})")
_WEEKDAY: Final = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+)?"
_DAY_NAMED: Final = re.compile(
    _WEEKDAY
    + r"([0-9]{1,2})(?:st|nd|rd|th)?[-\s/.]*(?:of\s+)?([a-z]{3,9})\.?,?[-\s/]*([0-9]{4}|[0-9]{2})",
    re.IGNORECASE,
)
_MONTH_NAMED: Final = re.compile(
    _WEEKDAY + r"([a-z]{3,9})\.?[-\s]*([0-9]{1,2})(?:st|nd|rd|th)?[-,\s]+([0-9]{4}|[0-9]{2})",
    re.IGNORECASE,
)
_SERIAL: Final = re.compile(r"([1-9][0-9]{4})(?:\.([0-9]+))?")

_EXACT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}")
_TIMED: Final = re.compile(
    r"(?P<date>.*?[0-9a-z])(?:t|[,\s]+(?:at\s+|@\s*)?)"
    r"(?P<hour>[0-9]{1,2})(?::(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2}))?(?P<fraction>[.,][0-9]+)?)?"
    r"\s*(?P<half>[ap]\.?\s?m\.?)?"
    r"\s*(?P<zone>z|[+-][0-9]{2}(?::?[0-9]{2})?|(?:utc|gmt)[-+0-9:]*|\(?[ecmpah][sd]?t\)?)?",
    re.IGNORECASE,
)
# Clear to a reader, and not written like a time: 9.30 am, 930, 9:30a.
_LOOSELY_TIMED: Final = re.compile(
    r"(?P<date>.*?[0-9a-z])(?:t|[,\s]+(?:at\s+|@\s*)?)"
    r"(?P<hour>[0-9]{1,2})(?:[:.h]?(?P<minute>[0-9]{2}))?\s*(?P<half>[ap](?:\.?\s?m)?\.?)?",
    re.IGNORECASE,
)
_NAMED_ZONE: Final = re.compile(r"\(?[ecmpah][sd]?t\)?", re.IGNORECASE)
_ZONED: Final = re.compile(r".*[T ][0-9]{2}:[0-9]{2}.*(?:Z|[+-][0-9]{2}:?[0-9]{2})", re.IGNORECASE)
_CLOCK_TAIL: Final = re.compile(
    r"(?:T|[\s,]+(?:at\s+)?)[0-9]{1,2}(?:[:.][0-9]{2}|\s*[ap](?:\.?m|\b))", re.IGNORECASE
)
_LONGEST: Final = 100


class DateFormat(StrEnum):
    """How a whole column writes its dates."""

    ISO = "iso"
    YEAR_FIRST = "year_first"
    MONTH_FIRST = "month_first"
    DAY_FIRST = "day_first"
    NAMED_MONTH = "named_month"


Readings: TypeAlias = dict[DateFormat | None, date]


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """A column that several formats fit: `example` reads differently in each of `formats`."""

    formats: tuple[DateFormat, ...]
    example: str


def iso_date(raw: str, format: DateFormat | None = None, hint: DateFormat | None = None) -> date:
    """A date in ISO form, or in the confirmed `format` of its column (R44). Raises NotAccepted.

    `hint` is a format that the column only suggests: it feeds the refusal's suggestion, no more.
    """
    text = clean_word(raw)
    match = _ISO.match(text)
    if match and (match.end() == len(text) or _MIDNIGHT.fullmatch(text, match.end())):
        return _real_date(match[1], match[2], match[3])
    readings = _readings(text)
    if format in readings:
        return _in_range(readings[format])
    raise _date_refusal(text, readings, hint)


def appointment(raw: str, format: DateFormat | None = None, hint: DateFormat | None = None) -> str:
    """The office's wall clock as `YYYY-MM-DDTHH:mm:ss`, never with a zone (R46). Raises NotAccepted.

    Read as they are: ISO dates with any clear time. Read by `format` or `hint`: the formats of the
    column. A month-first date with AM or PM is also read when its day is above 12.
    """
    text = clean_word(raw)
    if _EXACT.fullmatch(text):
        return _wall_clock(_real_date(text[:4], text[5:7], text[8:10]), text[11:])
    match = _TIMED.fullmatch(text)
    if match is None:
        raise _untimed_refusal(text, _loosely_timed(text, format, hint))
    clock = _clock(match)
    day = _appointment_day(match, clock, format, hint)
    if match["zone"] or match["fraction"]:
        raise _excess_refusal(match, day, clock)
    return _wall_clock(day, clock)


def deadline(
    raw: str,
    zone: str | None,
    format: DateFormat | None = None,
    hint: DateFormat | None = None,
) -> datetime | None:
    """An instant in UTC (R25). A time without offset is the office's wall clock in `zone`.

    It is read as appointments are. None when that zone is not known: its own refusal is enough.
    Raises NotAccepted.
    """
    text = clean_word(raw)
    if not _ZONED.fullmatch(text):
        local = datetime.fromisoformat(appointment(text, format, hint))
        return local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) if zone else None
    try:
        instant = datetime.fromisoformat(text.upper())
        _in_range(instant.date())
        return instant.astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError):
        must = "must be a real date and time, like 2026-04-09T15:00:00Z"
        raise NotAccepted("not_real", must) from None


def column_format(values: Iterable[str]) -> DateFormat | Ambiguous | None:
    """The one format that all dates of a column fit (R44).

    Values that are no date at all are passed over. None: no dates, or no format fits them all.
    """
    readings = {text: _readings(text) for text in {_date_part(value) for value in values}}
    others = {
        text: found for text, found in readings.items() if found and DateFormat.ISO not in found
    }
    if not others:
        return DateFormat.ISO if any(readings.values()) else None
    fitting = [f for f in DateFormat if all(f in found for found in others.values())]
    unclear = sorted(text for text, found in others.items() if _differ(found))
    if len(fitting) > 1 and unclear:
        return Ambiguous(tuple(fitting), unclear[0])
    return fitting[0] if fitting else None


def _date_part(value: str) -> str:
    text = clean(value)[:_LONGEST]
    return text[: match.start()] if (match := _CLOCK_TAIL.search(text)) else text


def _real_date(year: str, month: str, day: str) -> date:
    try:
        found = date(int(year), int(month), int(day))
    except ValueError:
        raise NotAccepted("not_real", f"must be a real date, {_LIKE_DATE}") from None
    return _in_range(found)


def _in_range(found: date) -> date:
    if found.year not in _YEARS:
        raise NotAccepted("year", "must have a year from 1900 to 2100")
    return found


def _readings(text: str) -> Readings:
    """Every way to read a date with a four-digit year, by the format that reads it so."""
    found: dict[DateFormat | None, date | None] = {}
    if match := _ISO.fullmatch(text):
        found[DateFormat.ISO] = _date(match[1], match[2], match[3])
    elif match := _YEAR_FIRST.fullmatch(text):
        found[DateFormat.YEAR_FIRST] = _date(match[1], match[3], match[4])
    elif match := _COMPACT.fullmatch(text):
        found[DateFormat.YEAR_FIRST] = _date(match[1], match[2], match[3])
    elif match := _NUMERIC.fullmatch(text):
        found[DateFormat.MONTH_FIRST] = _date(match[4], match[1], match[3])
        found[DateFormat.DAY_FIRST] = _date(match[4], match[3], match[1])
    elif match := _DAY_NAMED.fullmatch(text):
        found[DateFormat.NAMED_MONTH] = _date(match[3], _MONTHS.get(match[2].casefold()), match[1])
    elif match := _MONTH_NAMED.fullmatch(text):
        found[DateFormat.NAMED_MONTH] = _date(match[3], _MONTHS.get(match[1].casefold()), match[2])
    return {format: day for format, day in found.items() if day}


def _date(year: str, month: str | int | None, day: str) -> date | None:
    """A real date with a four-digit year, or None."""
    try:
        return date(int(year), int(month or 0), int(day)) if len(year) == 4 else None
    except ValueError:
        return None


def _differ(readings: Readings) -> bool:
    return len(set(readings.values())) > 1


def _meant(readings: Readings, hint: DateFormat | None) -> date | None:
    """The date that was surely meant: by the column's hint, or because there is only one reading."""
    if hint in readings:
        return readings[hint]
    return next(iter(readings.values())) if readings and not _differ(readings) else None


def _date_refusal(text: str, readings: Readings, hint: DateFormat | None) -> NotAccepted:
    if readings:
        meant = _meant(readings, hint)
        must = f"must be written year-month-day, {_LIKE_DATE}"
        return NotAccepted("date_format", must, "", meant.isoformat() if meant else "")
    if _has_short_year(text):
        return NotAccepted("short_year", f"must have a 4-digit year, {_LIKE_DATE}")
    if serial := _serial(text):
        must = f"must be a date, {_LIKE_DATE}"
        hint_text = "A spreadsheet turned this one into a day number"
        return NotAccepted("day_number", must, hint_text, serial.date().isoformat())
    if match := _TIMED.fullmatch(text):
        meant = _meant(_readings(match["date"]), hint)
        must = f"must be a date without a time, {_LIKE_DATE}"
        return NotAccepted("with_time", must, "", meant.isoformat() if meant else "")
    return NotAccepted("not_real", f"must be a real date, {_LIKE_DATE}")


def _has_short_year(text: str) -> bool:
    for shape, year in ((_NUMERIC, 4), (_DAY_NAMED, 3), (_MONTH_NAMED, 3)):
        if match := shape.fullmatch(text):
            return len(match[year]) == 2
    return False


def _serial(text: str) -> datetime | None:
    """The moment behind a spreadsheet's day number (46121.458333 is 2026-04-09 11:00), to the minute."""
    match = _SERIAL.fullmatch(text)
    if match is None:
        return None
    minutes = round(float(f"0.{match[2] or 0}") * 24 * 60)
    return _EPOCH + timedelta(days=int(match[1]), minutes=minutes)


def _loosely_timed(text: str, format: DateFormat | None, hint: DateFormat | None) -> str:
    """The moment that was surely meant by a time that is not written like one, or ""."""
    match = _LOOSELY_TIMED.fullmatch(text)
    if match is None or not (match["minute"] or match["half"]):
        return ""
    half = f" {match['half'][0]}m" if match["half"] else ""
    written = f"{match['date']} {match['hour']}:{match['minute'] or '00'}{half}"
    try:
        return appointment(written, format, hint)
    except NotAccepted as refusal:
        return refusal.suggestion


def _untimed_refusal(text: str, meant: str = "") -> NotAccepted:
    if serial := _serial(text):
        must, hint = (
            f"must be a date and time, {_LIKE_TIME}",
            "A spreadsheet turned this one into a number",
        )
        moment = serial.isoformat() if serial.time() != time.min else ""
        return NotAccepted("day_number", must, hint, moment)
    if _readings(text):
        return NotAccepted("no_time", f"must include a time, {_LIKE_TIME}")
    if _has_short_year(text):
        return NotAccepted("short_year", f"must have a 4-digit year, {_LIKE_TIME}")
    return NotAccepted("not_real", f"must be a real date and time, {_LIKE_TIME}", "", meant)


def _clock(match: re.Match[str]) -> str:
    """`HH:mm:ss` of a matched time, AM and PM turned into 24 hours. Raises NotAccepted."""
    hour, half = int(match["hour"]), (match["half"] or "")[:1].casefold()
    bare = not half and match["minute"] is None
    if bare or (half and not 1 <= hour <= 12):
        raise NotAccepted("not_real", f"must have a real time, {_LIKE_TIME}")
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    try:
        return time(hour, int(match["minute"] or 0), int(match["second"] or 0)).isoformat()
    except ValueError:
        raise NotAccepted("not_real", f"must have a real time, {_LIKE_TIME}") from None


def _appointment_day(
    match: re.Match[str], clock: str, format: DateFormat | None, hint: DateFormat | None
) -> date:
    text = match["date"].rstrip(" ,")
    if iso := _ISO.fullmatch(text):
        return _real_date(iso[1], iso[2], iso[3])
    readings = _readings(text)
    for known in (format, hint):
        if known in readings:
            return _in_range(readings[known])
    if format is None and match["half"] and set(readings) == {DateFormat.MONTH_FIRST}:
        return _in_range(readings[DateFormat.MONTH_FIRST])
    if not readings:
        raise _untimed_refusal(text)
    meant = _meant(readings, hint)
    must = f"must be written year-month-day and time, {_LIKE_TIME}"
    raise NotAccepted("date_format", must, "", f"{meant}T{clock}" if meant else "")


def _excess_refusal(match: re.Match[str], day: date, clock: str) -> NotAccepted:
    if match["zone"]:
        # UTC and offsets are another clock; EST is said of the office's own.
        meant = f"{day}T{clock}" if _NAMED_ZONE.fullmatch(match["zone"]) else ""
        must, hint = "must not include a time zone", "Use the Time zone column"
        return NotAccepted("with_zone", must, hint, meant)
    must = f"must not have fractions of a second, {_LIKE_TIME}"
    return NotAccepted("fraction", must, "", f"{day}T{clock}")


def _wall_clock(day: date, clock: str) -> str:
    try:
        time.fromisoformat(clock)
    except ValueError:
        raise NotAccepted("not_real", f"must have a real time, {_LIKE_TIME}") from None
    return f"{day}T{clock}"
