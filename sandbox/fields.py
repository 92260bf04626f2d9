"""One check per kind of value the documents name. Each returns the value to keep or raises `Wrong`."""

import re
from collections.abc import Callable
from datetime import date, datetime
from functools import cache
from importlib.resources import files
from typing import Any
from uuid import UUID
from zoneinfo import available_timezones

Check = Callable[[Any], Any]

STATES = {
    "AL": "alabama", "AK": "alaska", "AZ": "arizona", "AR": "arkansas", "CA": "california",
    "CO": "colorado", "CT": "connecticut", "DE": "delaware", "DC": "district of columbia",
    "FL": "florida", "GA": "georgia", "HI": "hawaii", "ID": "idaho", "IL": "illinois",
    "IN": "indiana", "IA": "iowa", "KS": "kansas", "KY": "kentucky", "LA": "louisiana",
    "ME": "maine", "MD": "maryland", "MA": "massachusetts", "MI": "michigan", "MN": "minnesota",
    "MS": "mississippi", "MO": "missouri", "MT": "montana", "NE": "nebraska", "NV": "nevada",
    "NH": "new hampshire", "NJ": "new jersey", "NM": "new mexico", "NY": "new york",
    "NC": "north carolina", "ND": "north dakota", "OH": "ohio", "OK": "oklahoma", "OR": "oregon",
    "PA": "pennsylvania", "RI": "rhode island", "SC": "south carolina", "SD": "south dakota",
    "TN": "tennessee", "TX": "texas", "UT": "utah", "VT": "vermont", "VA": "virginia",
    "WA": "washington", "WV": "west virginia", "WI": "wisconsin", "WY": "wyoming",
    "AS": "american samoa", "GU": "guam", "MP": "northern mariana islands", "PR": "puerto rico",
    "VI": "virgin islands",
}  # fmt: skip
STATE_NAMES = frozenset(STATES.values())
NANP = re.compile(r"(?!.11)[2-9]\d\d(?!.11)[2-9]\d{6}", re.ASCII)
SSN = re.compile(r"\d{9}|\d{3}-\d{2}-\d{4}|\d{4}", re.ASCII)
ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
NAIVE_DATETIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", re.ASCII)
CLOCK_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d", re.ASCII)
TRUTHS = {"true": True, "1": True, "yes": True, "on": True, "t": True, "y": True} | {
    "false": False, "0": False, "no": False, "off": False, "f": False, "n": False
}  # fmt: skip


class Wrong(Exception):
    """A value is not what the documents ask for: its machine word and a sentence without it."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


def string(value: Any) -> str:
    if not isinstance(value, str):
        raise Wrong("string_type", "Input should be a valid string")
    return value


def text(value: Any) -> str:
    if not string(value).strip():
        raise Wrong("string_too_short", "String should have at least 1 character")
    return str(value)


def nullable(check: Check) -> Check:
    return lambda value: None if value is None else check(value)


def one_of(*words: str) -> Check:
    def check(value: Any) -> str:
        if string(value) not in words:
            raise Wrong("enum", f"Input should be {' or '.join(map(repr, words))}")
        return str(value)

    return check


def uuid(value: Any) -> str:
    try:
        return str(UUID(string(value)))
    except ValueError:
        raise Wrong("uuid_parsing", "Input should be a valid UUID") from None


def outbound_phone(value: Any) -> str:
    """E.164 as sent: nothing is normalised here, unlike the patient's own number."""
    if not string(value).startswith("+1") or not NANP.fullmatch(value[2:]):
        raise Wrong("phone", "Input should be a callable NANP E.164 phone number")
    return str(value)


def patient_phone(value: Any) -> str | None:
    if string(value) == "NONE":
        return None
    digits = re.sub(r"[ ().\-]", "", value).removeprefix("+")
    national = digits[1:] if len(digits) == 11 and digits.startswith("1") else digits
    if not NANP.fullmatch(national):
        raise Wrong("phone", "Input should be a valid NANP phone number")
    return f"+1{national}"


def ssn(value: Any) -> str | None:
    if string(value) == "NONE":
        return None
    if not SSN.fullmatch(value):
        raise Wrong("ssn", "Input should be 9 digits, the last 4 digits, NONE or null")
    return str(value)


def iso_date(value: Any) -> str:
    if not ISO_DATE.fullmatch(string(value)) or not _parses(date.fromisoformat, value):
        raise Wrong("date_parsing", "Input should be a date in the form YYYY-MM-DD")
    return str(value)


def naive_datetime(value: Any) -> str:
    if not NAIVE_DATETIME.fullmatch(string(value)) or not _parses(datetime.fromisoformat, value):
        raise Wrong("datetime_naive", "Input should be YYYY-MM-DDTHH:mm:ss without timezone info")
    return str(value)


def iso_datetime(value: Any) -> str:
    if "T" not in string(value) or not _parses(datetime.fromisoformat, value):
        raise Wrong("datetime_parsing", "Input should be a valid ISO datetime")
    return str(value)


def clock_time(value: Any) -> str:
    if not value or not CLOCK_TIME.fullmatch(string(value)):
        raise Wrong("time_parsing", "Input should be a time in the form HH:mm")
    return str(value)


def iana_zone(value: Any) -> str:
    if string(value) not in all_zones():
        raise Wrong("timezone", "Input should be a valid IANA timezone")
    return str(value)


def canonical_zone(value: Any) -> str:
    if string(value) not in region_zones():
        raise Wrong("timezone", "Input should be a canonical region IANA timezone")
    return str(value)


def us_state(value: Any) -> str:
    if string(value).upper() not in STATES and value.lower() not in STATE_NAMES:
        raise Wrong("state", "Input should be a US state abbreviation or full state name")
    return str(value)


def query_boolean(value: str) -> bool:
    try:
        return TRUTHS[value.lower()]
    except KeyError:
        raise Wrong("bool_parsing", "Input should be a valid boolean") from None


@cache
def all_zones() -> frozenset[str]:
    return frozenset(available_timezones())


@cache
def region_zones() -> frozenset[str]:
    """The names of zone.tab: one per region, no alias among them."""
    table = (files("tzdata") / "zoneinfo" / "zone.tab").read_text("utf-8")
    lines = (line for line in table.splitlines() if line and not line.startswith("#"))
    return frozenset(line.split("\t")[2] for line in lines)


def _parses(read: Callable[[str], object], value: str) -> bool:
    try:
        read(value)
    except ValueError:
        return False
    return True
