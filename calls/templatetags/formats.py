"""How values are written for people: phones, masks, times with their zone. Pure: values in, text out."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, tzinfo
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DASH = "—"
NANP = re.compile(r"\+?1?(\d{3})(\d{3})(\d{4})")


class Part(NamedTuple):
    """One stretch of a progress bar: a tone (good, busy, warn, bad, move, none), how many, of what."""

    tone: str
    number: int
    label: str


class Stretch(NamedTuple):
    """Where a part lies on the bar, in per cent with two decimals, ready for an SVG rect."""

    tone: str
    start: str
    width: str


def phone_text(number: str) -> str:
    """`+12125550199` as `(212) 555-0199`; anything that is not a NANP number as it came."""
    found = NANP.fullmatch(number)
    return f"({found[1]}) {found[2]}-{found[3]}" if found else number


def last_digits(value: str, count: int = 4) -> str:
    """The last digits, or nothing when so few were given that showing them would show all of them."""
    digits = re.sub(r"\D", "", value)
    return digits[-count:] if len(digits) >= count else ""


def day_text(day: date, *, weekday: bool = False, year: bool = True) -> str:
    text = f"{day:%b} {day.day}" + (f", {day.year}" if year else "")
    return f"{day:%a}, {text}" if weekday else text


def clock_text(moment: datetime | time, *, seconds: bool = False) -> str:
    return f"{moment:%I:%M:%S %p}".lstrip("0") if seconds else f"{moment:%I:%M %p}".lstrip("0")


def zone_named(name: str) -> tzinfo | None:
    """The zone of that name, or None: an unknown name must not cost the reader the page."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def zone_word(moment: datetime) -> str:
    """`ET` where clocks change and everybody says so, else the zone's own letters (`MST` in Phoenix)."""
    now, summer, winter = (
        at.tzname() or "" for at in (moment, moment.replace(month=7), moment.replace(month=1))
    )
    if now[:1] in "+-":
        return f"UTC{now}"
    seasonal = summer != winter and len(now) >= 3 and now[-2:] in {"ST", "DT"}
    return f"{now[:-2]}T" if seasonal else now


def as_moment(value: datetime | str, zone: tzinfo | None) -> datetime:
    """The value on the zone's clock; a wall clock without a zone (R46) is already that.

    Raises ValueError for a text that is no time.
    """
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    if moment.tzinfo is None:
        return moment.replace(tzinfo=zone)
    return moment.astimezone(zone or UTC)


def moment_text(moment: datetime, style: str) -> str:
    """A moment in one of the styles of `office_time`; the zone follows wherever a clock is shown."""
    clock = clock_text(moment, seconds=style == "seconds")
    zoned = f"{clock} {zone_word(moment)}" if moment.tzinfo else clock
    match style:
        case "time" | "seconds":
            return zoned
        case "date":
            return day_text(moment, weekday=True, year=False)
        case "day":
            return day_text(moment)
        case "short":
            return f"{day_text(moment, year=False)}, {zoned}"
        case "full":
            return f"{day_text(moment, weekday=True)}, {zoned}"
    raise ValueError(f"No time style is called {style!r}.")


def stated_text(day: date | str, at: time | str | None) -> str:
    """A date and perhaps a time as an office said them, without a zone; what is unreadable, unchanged."""
    written = day_text(known) if (known := as_date(day)) else str(day)
    if not at:
        return written
    return f"{written}, {clock_text(hour) if (hour := as_time(at)) else at}"


def as_date(value: date | str) -> date | None:
    try:
        return date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return None


def as_time(value: time | str) -> time | None:
    try:
        return time.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return None


def initials(name: str) -> str:
    words = [word for word in re.split(r"[\s._@-]+", name) if word]
    return "".join(word[0] for word in words[:2]).upper()


def plain_words(value: Any) -> str:
    """A value of a free object (R97) as a person reads it; what it means is Evergrove's business."""
    if value in (None, "", [], {}):
        return DASH
    match value:
        case bool():
            return "Yes" if value else "No"
        case dict():
            return ", ".join(f"{name} {plain_words(item)}" for name, item in value.items())
        case list():
            return "; ".join(plain_words(item) for item in value)
        case _:
            return str(value)


def as_parts(parts: Iterable[Sequence[Any]]) -> list[Part]:
    return [Part(*part) for part in parts]


def stretches(parts: Sequence[Part]) -> list[Stretch]:
    """The coloured stretches of a bar; `none` is the empty track and only takes up room."""
    total, start, found = sum(part.number for part in parts), 0.0, []
    for part in parts:
        width = 100 * part.number / total if total else 0
        if part.number and part.tone != "none":
            found.append(Stretch(part.tone, f"{start:.2f}%", f"{width:.2f}%"))
        start += width
    return found


def sentence(parts: Sequence[Part]) -> str:
    """What a bar says to someone who cannot see it."""
    return (
        ", ".join(f"{part.number:,} {part.label}" for part in parts if part.number) or "Nothing yet"
    )
