"""US states and IANA time zones as people write them (R48-R50). Pure; zone names come from tzdata."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache
from importlib.resources import files
from typing import Final

from calls.intake.cells import Doubt, NotAccepted, clean_word, says_absent

_EASTERN: Final = "America/New_York"
_CENTRAL: Final = "America/Chicago"
_MOUNTAIN: Final = "America/Denver"
_PACIFIC: Final = "America/Los_Angeles"
_ARIZONA: Final = "America/Phoenix"
_ALASKA: Final = "America/Anchorage"
_ALEUTIANS: Final = "America/Adak"
_HAWAII: Final = "Pacific/Honolulu"

# Zones with a history of their own whose clocks agree with another zone's today.
_SAME_CLOCK: Final = {
    **dict.fromkeys(
        (
            "America/Detroit",
            "America/Kentucky/Louisville",
            "America/Kentucky/Monticello",
            "America/Indiana/Indianapolis",
            "America/Indiana/Vincennes",
            "America/Indiana/Winamac",
            "America/Indiana/Marengo",
            "America/Indiana/Petersburg",
            "America/Indiana/Vevay",
        ),
        _EASTERN,
    ),
    **dict.fromkeys(
        (
            "America/Indiana/Tell_City",
            "America/Indiana/Knox",
            "America/Menominee",
            "America/North_Dakota/Center",
            "America/North_Dakota/New_Salem",
            "America/North_Dakota/Beulah",
        ),
        _CENTRAL,
    ),
    "America/Boise": _MOUNTAIN,
    **dict.fromkeys(
        (
            "America/Juneau",
            "America/Sitka",
            "America/Metlakatla",
            "America/Yakutat",
            "America/Nome",
        ),
        _ALASKA,
    ),
    "America/St_Thomas": "America/Puerto_Rico",
}

# Abbreviation: full name, then the zones its clocks keep, the most common one first.
_STATES: Final[Mapping[str, tuple[str, ...]]] = {
    "AL": ("Alabama", _CENTRAL, _EASTERN),
    "AK": ("Alaska", _ALASKA, _ALEUTIANS),
    "AS": ("American Samoa", "Pacific/Pago_Pago"),
    "AZ": ("Arizona", _ARIZONA, _MOUNTAIN),
    "AR": ("Arkansas", _CENTRAL),
    "CA": ("California", _PACIFIC),
    "CO": ("Colorado", _MOUNTAIN),
    "CT": ("Connecticut", _EASTERN),
    "DE": ("Delaware", _EASTERN),
    "DC": ("District of Columbia", _EASTERN),
    "FL": ("Florida", _EASTERN, _CENTRAL),
    "GA": ("Georgia", _EASTERN),
    "GU": ("Guam", "Pacific/Guam"),
    "HI": ("Hawaii", _HAWAII),
    "ID": ("Idaho", "America/Boise", _PACIFIC),
    "IL": ("Illinois", _CENTRAL),
    "IN": ("Indiana", "America/Indiana/Indianapolis", _CENTRAL),
    "IA": ("Iowa", _CENTRAL),
    "KS": ("Kansas", _CENTRAL, _MOUNTAIN),
    "KY": ("Kentucky", _EASTERN, _CENTRAL),
    "LA": ("Louisiana", _CENTRAL),
    "ME": ("Maine", _EASTERN),
    "MD": ("Maryland", _EASTERN),
    "MA": ("Massachusetts", _EASTERN),
    "MI": ("Michigan", "America/Detroit", _CENTRAL),
    "MN": ("Minnesota", _CENTRAL),
    "MS": ("Mississippi", _CENTRAL),
    "MO": ("Missouri", _CENTRAL),
    "MT": ("Montana", _MOUNTAIN),
    "NE": ("Nebraska", _CENTRAL, _MOUNTAIN),
    "NV": ("Nevada", _PACIFIC, _MOUNTAIN),
    "NH": ("New Hampshire", _EASTERN),
    "NJ": ("New Jersey", _EASTERN),
    "NM": ("New Mexico", _MOUNTAIN),
    "NY": ("New York", _EASTERN),
    "NC": ("North Carolina", _EASTERN),
    "ND": ("North Dakota", _CENTRAL, _MOUNTAIN),
    "MP": ("Northern Mariana Islands", "Pacific/Saipan"),
    "OH": ("Ohio", _EASTERN),
    "OK": ("Oklahoma", _CENTRAL, _MOUNTAIN),
    "OR": ("Oregon", _PACIFIC, _MOUNTAIN),
    "PA": ("Pennsylvania", _EASTERN),
    "PR": ("Puerto Rico", "America/Puerto_Rico"),
    "RI": ("Rhode Island", _EASTERN),
    "SC": ("South Carolina", _EASTERN),
    "SD": ("South Dakota", _CENTRAL, _MOUNTAIN),
    "TN": ("Tennessee", _CENTRAL, _EASTERN),
    "TX": ("Texas", _CENTRAL, _MOUNTAIN),
    "VI": ("US Virgin Islands", "America/St_Thomas"),
    "UT": ("Utah", _MOUNTAIN),
    "VT": ("Vermont", _EASTERN),
    "VA": ("Virginia", _EASTERN),
    "WA": ("Washington", _PACIFIC),
    "WV": ("West Virginia", _EASTERN),
    "WI": ("Wisconsin", _CENTRAL),
    "WY": ("Wyoming", _MOUNTAIN),
}
_OTHER_NAMES: Final = {
    "ncarolina": "NC",
    "ndakota": "ND",
    "scarolina": "SC",
    "sdakota": "SD",
    "wvirginia": "WV",
    "washingtondc": "DC",
    "virginislands": "VI",
    "unitedstatesvirginislands": "VI",
    "commonwealthofthenorthernmarianaislands": "MP",
}
_STATE_BY_NAME: Final = {
    **{re.sub("[^a-z]", "", names[0].casefold()): code for code, names in _STATES.items()},
    **{code.casefold(): code for code in _STATES},
    **_OTHER_NAMES,
}

_WINDOWS_ARIZONA: Final = "usmountainstandardtime"  # "US Mountain Standard Time"

# What people say. Never tzdata's own links: there EST leads to Panama, which keeps no summer time.
_SPOKEN_ZONES: Final = {
    **dict.fromkeys(("eastern", "et", "est", "edt", "estedt"), _EASTERN),
    **dict.fromkeys(("central", "ct", "cst", "cdt", "cstcdt"), _CENTRAL),
    **dict.fromkeys(("mountain", "mt", "mst", "mdt", "mstmdt"), _MOUNTAIN),
    **dict.fromkeys(("pacific", "pt", "pst", "pdt", "pstpdt"), _PACIFIC),
    **dict.fromkeys(("alaska", "alaskan", "akt", "akst", "akdt"), _ALASKA),
    **dict.fromkeys(("hawaii", "hawaiian", "hst", "ht", "hawaiialeutian"), _HAWAII),
    **dict.fromkeys(("arizona", _WINDOWS_ARIZONA), _ARIZONA),
    **dict.fromkeys(("atlantic", "ast"), "America/Puerto_Rico"),
    **dict.fromkeys(("chamorro", "chst"), "Pacific/Guam"),
}
_ZONE_PADDING: Final = re.compile(
    r"\(.*?\)|\b(?:us|standard|daylight|savings?|time|zone|timezone)\b(?!/)|[^a-z]"
)
_NO_SUMMER_TIME: Final = re.compile(
    r"\b(?:no|without)\s+(?:dst|daylight(?:\s+savings?)?(?:\s+time)?)\b"
)
_WITHOUT_SUMMER_TIME: Final = {
    _MOUNTAIN: _ARIZONA,
    **{zone: zone for zone in (_ARIZONA, _HAWAII, "America/Puerto_Rico", "Pacific/Guam")},
}
_NANP_COUNTRIES: Final = frozenset(
    (
        *("US", "PR", "GU", "VI", "AS", "MP", "UM", "CA", "AG", "AI", "BB", "BM", "BS", "DM"),
        *("DO", "GD", "JM", "KN", "KY", "LC", "MS", "SX", "TC", "TT", "VC", "VG"),
    )
)


def state(raw: str) -> str | None:
    """`new york`, `N.Y.` -> `NY`; None for a blank cell (R50). Raises NotAccepted."""
    text = clean_word(raw)
    if text in _STATES:
        return text
    if says_absent(text):
        return None
    key = re.sub("[^a-z]", "", text.casefold())
    if code := _STATE_BY_NAME.get(key):
        return code
    must = "must be a US state or territory, like NY or New York, or be left empty"
    raise NotAccepted("state", must, "", _nearest_state(key))


def zone(raw: str, state: str | None = None) -> str:
    """A canonical region zone, exactly as `zone.tab` writes it (R48). Raises NotAccepted.

    Aliases, abbreviations and other spellings are refused; the suggestion fits `state` if one is
    given.
    """
    text = clean_word(raw)
    if text in region_zones():
        return text
    meant = zone_of_alias(text, state)
    if state and not (meant and belongs(meant, state)):
        meant = main_zone(state)
    raise NotAccepted("zone", "must be a region name, like America/New_York", "", meant)


def zone_of_alias(text: str, state: str | None = None) -> str:
    """The region zone that another spelling stands for, "" when nothing is certain enough."""
    meant = _zone_spelt(text)
    # Who says Mountain in Arizona means Phoenix: only the Navajo Nation keeps Denver's clocks.
    return _ARIZONA if (meant, state) == (_MOUNTAIN, "AZ") and "/" not in text else meant


@lru_cache(maxsize=4096)
def _zone_spelt(text: str) -> str:
    told = text.casefold()
    if found := _SPOKEN_ZONES.get(re.sub("[^a-z]", "", told)):
        return found
    named, steady = _NO_SUMMER_TIME.subn("", told)
    if found := _SPOKEN_ZONES.get(_ZONE_PADDING.sub("", named)):
        return _WITHOUT_SUMMER_TIME.get(found, "") if steady else found
    return _zones_by_spelling().get(re.sub(r"[\s_]+", "_", text.casefold()), "")


def main_zone(state: str) -> str:
    """The zone most of a state keeps; `state` is an abbreviation."""
    return _STATES[state][1]


def belongs(zone: str, state: str) -> bool:
    """Whether some place in the state keeps the clocks of the zone."""
    return _SAME_CLOCK.get(zone, zone) in {_SAME_CLOCK.get(z, z) for z in _STATES[state][1:]}


@lru_cache(maxsize=4096)
def zone_doubt(zone: str, state: str | None) -> Doubt | None:
    """A zone the state cannot have (R49), or one where no North American number rings."""
    if state and not belongs(zone, state):
        name, fitting = _STATES[state][0], main_zone(state)
        says = f"is {zone}, which {name} does not keep. {fitting} would fit"
        return Doubt("zone_and_state", says, fitting)
    if not region_zones()[zone] & _NANP_COUNTRIES:
        return Doubt("zone_far_away", f"is {zone}, which is not in North America")
    return None


@lru_cache(maxsize=1)
def region_zones() -> Mapping[str, frozenset[str]]:
    """Canonical region zones -> the countries they lie in, from tzdata's `zone.tab`."""
    lines = _tzdata("zone.tab")
    return {row[2]: frozenset(row[0].split(",")) for row in (line.split("\t") for line in lines)}


@lru_cache(maxsize=1)
def _zones_by_spelling() -> Mapping[str, str]:
    """Other spellings, casefolded, -> region zone: another case, the city alone, an old alias."""
    found: dict[str, str] = {}
    for name in region_zones():
        found.setdefault(name.rsplit("/", 1)[-1].casefold(), name)
    for alias, name in _aliases():
        found[alias.casefold()] = name
    found.update((name.casefold(), name) for name in region_zones())
    return found


def _aliases() -> list[tuple[str, str]]:
    """tzdata's links that end in a region zone; only names with a slash, the others mislead."""
    words = (line.split() for line in _tzdata("tzdata.zi"))
    links = {word[2]: word[1] for word in words if word[0] == "L"}
    found = []
    for alias in links:
        name = alias
        while name in links and name not in region_zones():
            name = links[name]
        if "/" in alias and name in region_zones() and not alias.startswith("Etc/"):
            found.append((alias, name))
    return found


def _tzdata(name: str) -> list[str]:
    text = (files("tzdata") / "zoneinfo" / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@lru_cache(maxsize=1024)
def _nearest_state(key: str) -> str:
    # The first letter is seldom a slip, and it may say that another state is meant: "E Virginia".
    names = [name for name in _STATE_BY_NAME if len(name) > 2 and name[0] == key[:1]]
    near = get_close_matches(key, names, n=1, cutoff=0.85)
    return _STATE_BY_NAME[near[0]] if near else ""
