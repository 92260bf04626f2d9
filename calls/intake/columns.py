"""Which column of a file holds which field: exact names, labels and real-life synonyms (R55). Pure."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from calls.intake.fields import FIELD, FIELDS, OPTIONAL_COLUMNS
from calls.intake.tables import FileRefused

_TOKEN: Final = re.compile(r"[a-z0-9]+|#")
_ASIDE: Final = re.compile(r"\([^)]*\)|\[[^\]]*\]|\*")
_TIME_OF: Final = "Time of “"
_NUMBER_WORDS: Final = frozenset({"#", "no", "nr", "num", "nbr"})


@dataclass(frozen=True, slots=True)
class ColumnMatch:
    """Where each field is found.

    `mapping`: field name -> column index. `unknown`: headers that no field uses. `synonyms_used`:
    field name -> the header that was taken for it although it says it in other words.
    """

    mapping: dict[str, int]
    unknown: list[str]
    synonyms_used: dict[str, str]


def match_columns(headers: Sequence[str], *, derive_reference: bool = False) -> ColumnMatch:
    """Match headers to fields. Raises FileRefused `repeated_columns` or `missing_columns`.

    A header that is the field's own name or label wins over synonyms; two of the same rank are
    never guessed between. Without a reference column `derive_reference` must be set (R37).
    """
    exact, claims = _ranked(headers)
    _refuse_repeated(headers, claims)
    mapping = {name: columns[0] for name, columns in claims.items()}
    unknown = unused_headers(headers, mapping)
    refuse_missing(mapping, unknown, derive_reference)
    synonyms = {name: headers[index] for name, index in mapping.items() if name not in exact}
    return ColumnMatch(mapping, unknown, synonyms)


def claimed_columns(headers: Sequence[str]) -> dict[str, list[int]]:
    """Field name -> the columns whose headers mean it; more than one when they are of the same rank."""
    return _ranked(headers)[1]


def known_names(headers: Sequence[str]) -> int:
    """How many fields the headers name."""
    return len(claimed_columns(headers))


def says_plainly(header: str, name: str) -> bool:
    """Whether a header is the field's own name or label, not a synonym."""
    return _claims([header], _exact_names()).keys() == {name}


def unused_headers(headers: Sequence[str], mapping: Mapping[str, int]) -> list[str]:
    used = set(mapping.values())
    return [
        header or f"Column {index + 1} (without a name)"
        for index, header in enumerate(headers)
        if index not in used and not header.startswith(_TIME_OF)
    ]


def time_header(day: str) -> str:
    """The name of a column of times once the column `day` has them too: it is used, and no field's."""
    return f"{_TIME_OF}{day}”"


def _ranked(headers: Sequence[str]) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    exact, loose = _claims(headers, _exact_names()), _claims(headers, _synonyms())
    return exact, {**{name: found for name, found in loose.items() if name not in exact}, **exact}


def _claims(headers: Sequence[str], names: Mapping[str, str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for index, header in enumerate(headers):
        if name := names.get(_key(header)) or names.get(_key(_ASIDE.sub(" ", header))):
            found.setdefault(name, []).append(index)
    return found


def _refuse_repeated(headers: Sequence[str], claims: Mapping[str, Sequence[int]]) -> None:
    repeated = {name: columns for name, columns in claims.items() if len(columns) > 1}
    if not repeated:
        return
    parts = (
        f"{FIELD[name].label} ({_listed(f'“{headers[index]}”' for index in columns)})"
        for name, columns in repeated.items()
    )
    raise FileRefused(
        "repeated_columns",
        f"The calls file must have one column for each field. More than one is for "
        f"{_listed(parts)}. Rename or remove the columns that are not to be used",
    )


def refuse_missing(mapping: Mapping[str, int], unknown: Sequence[str], derived: bool) -> None:
    optional = OPTIONAL_COLUMNS | ({"external_reference_id"} if derived else frozenset())
    missing = [f for f in FIELDS if f.name not in mapping and f.name not in optional]
    if not missing:
        return
    if not mapping:  # what stands there may be a patient, and is not repeated
        message = (
            "No column of the calls file was recognised. Its first row must hold "
            "the names of the columns, like Patient name and Provider phone"
        )
        raise FileRefused("missing_columns", message)
    found = _listed(f"“{header}”" for header in unknown[:20]) if unknown else ""
    wanted = _listed(field.label for field in missing)
    unused = f". Columns that were not recognised: {found}" if found else ""
    raise FileRefused("missing_columns", f"The calls file has no column for {wanted}{unused}")


def _listed(parts: Iterable[str]) -> str:
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last


def _key(header: str) -> str:
    """The header without case, spaces, punctuation and the many ways to write "number"."""
    plain = unicodedata.normalize("NFKC", header).casefold()
    return "".join("number" if t in _NUMBER_WORDS else t for t in _TOKEN.findall(plain))


@lru_cache(maxsize=1)
def _exact_names() -> Mapping[str, str]:
    return {_key(text): field.name for field in FIELDS for text in (field.name, field.label)}


@lru_cache(maxsize=1)
def _synonyms() -> Mapping[str, str]:
    return {
        variant: field.name
        for field in FIELDS
        for text in (*field.synonyms, field.name, field.label)
        for variant in _variants(_key(text))
        if variant not in _exact_names()
    }


def _variants(key: str) -> Iterator[str]:
    """The key, and the same with "number" run together or left out behind a phone."""
    yield key
    if key.endswith("number"):
        yield from (key.removesuffix("number") + word for word in ("no", "num", "nbr"))
    if key.endswith("phone"):
        yield from (key + "number", key + "no", key + "num")
