"""How the columns of one file are read, as far as the file itself says it; the rest is asked. Pure.

What headers say is taken. What only the cells suggest is offered to a person, never taken; and nothing
ever tells a provider's phone from a patient's but its header.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Final

from calls.intake import normalising as to
from calls.intake.columns import claimed_columns, refuse_missing, unused_headers
from calls.intake.dates import Ambiguous, DateFormat, column_format
from calls.intake.fields import FIELDS
from calls.intake.kinds import (
    accepted,
    is_date,
    is_moment,
    is_phone,
    is_social_security,
    is_state,
    is_zone,
)
from calls.intake.tables import Table

DATE_FIELDS: Final = (
    "patient_dob",
    "date_of_injury",
    "expected_appointment_date_time",
    "best_to_make_call_by",
)
ZONE: Final = "local_timezone"
REFERENCE: Final = "external_reference_id"
REQUIRED: Final = tuple(f.name for f in FIELDS if f.required)
# One value for every row: never patient data, which would lie about all rows but one.
CONSTANT_FIELDS: Final = frozenset(
    f.name for f in FIELDS if not f.patient and f.name not in {REFERENCE, "eoc_number"}
)

_LOOKED_AT: Final = 500  # lines
_MOSTLY: Final = 0.9
_ALIASES_WORTH_ASKING: Final = 0.5  # of all lines; fewer are mended in the review at one click

Formats = dict[str, DateFormat]


@dataclass(frozen=True)
class ColumnPlan:
    """Where the fields of a file stand and how its columns are read; kept as Batch.columns.

    `constants`: the text of every row of a field without a column. `formats`: confirmed, or beyond
    doubt; `hints`: only suggested (R44, R46).
    """

    mapping: dict[str, int]
    constants: dict[str, str] = field(default_factory=dict)
    formats: Formats = field(default_factory=dict)
    hints: Formats = field(default_factory=dict)
    convert_zones: bool = False
    derive_reference: bool = False

    def missing(self) -> list[str]:
        """Needed fields that neither a column nor a constant gives."""
        given = {*self.mapping, *self.constants, *([REFERENCE] if self.derive_reference else [])}
        return [name for name in REQUIRED if name not in given]

    def texts(self, cells: Sequence[str]) -> dict[str, str]:
        """The raw text of every field of a line."""
        return self.constants | {name: cells[at] for name, at in self.mapping.items()}

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def plan_of(kept: Mapping[str, Any]) -> ColumnPlan:
    """The plan behind Batch.columns."""
    formats, hints = (
        {name: DateFormat(text) for name, text in kept.get(key, {}).items()}
        for key in ("formats", "hints")
    )
    return ColumnPlan(
        mapping=dict(kept.get("mapping", {})),
        constants=dict(kept.get("constants", {})),
        formats=formats,
        hints=hints,
        convert_zones=kept.get("convert_zones", False),
        derive_reference=kept.get("derive_reference", False),
    )


@dataclass(frozen=True)
class Proposal:
    """A plan and what is still open about it.

    `repeated`: field -> the columns whose headers claim it alike. `guessed`: fields whose column only
    the cells suggest. `unclear`: date columns that several formats fit. `aliases`: zones that are
    spelt another way, on how many lines.
    """

    plan: ColumnPlan
    repeated: dict[str, list[int]] = field(default_factory=dict)
    guessed: frozenset[str] = frozenset()
    unclear: dict[str, Ambiguous] = field(default_factory=dict)
    aliases: int = 0
    lines: int = 0

    @property
    def asks_about_zones(self) -> bool:
        return not self.plan.convert_zones and self.aliases > self.lines * _ALIASES_WORTH_ASKING

    @property
    def is_settled(self) -> bool:
        """Whether nothing has to be asked: every needed field is known, and how it is read."""
        return not (
            self.plan.missing()
            or self.repeated
            or self.guessed
            or self.unclear
            or self.asks_about_zones
        )


def plan_by_headers(headers: Sequence[str], *, derive_reference: bool) -> Proposal:
    claims = claimed_columns(headers)
    repeated = {name: columns for name, columns in claims.items() if len(columns) > 1}
    mapping = {name: columns[0] for name, columns in claims.items() if name not in repeated}
    return Proposal(
        ColumnPlan(mapping, derive_reference=derive_reference and REFERENCE not in mapping),
        repeated=repeated,
    )


def propose(
    table: Table, *, derive_reference: bool = False, remembered: ColumnPlan | None = None
) -> Proposal:
    """What is known of the file's columns; with `remembered`, what was confirmed for these headers.

    Raises FileRefused `missing_columns` when not one needed field is found.
    """
    if remembered:
        return looked_at(table, Proposal(remembered))
    found = plan_by_headers(table.headers, derive_reference=derive_reference)
    guesses = guessed_columns(table, found) if found.plan.missing() else {}
    plan = replace(found.plan, mapping={**found.plan.mapping, **guesses})
    if not found.repeated and not any(name in plan.mapping for name in REQUIRED):
        refuse_missing(plan.mapping, unused_headers(table.headers, plan.mapping), derive_reference)
    return looked_at(table, replace(found, plan=plan, guessed=frozenset(guesses)))


def looked_at(table: Table, found: Proposal) -> Proposal:
    """The proposal with what the columns as a whole say about dates and zones; walks the file once."""
    plan = found.plan
    texts = column_texts(table, (*DATE_FIELDS, ZONE), plan)
    zones = texts.pop(ZONE, Counter())
    formats, hints, unclear = dict(plan.formats), dict[str, DateFormat](), dict[str, Ambiguous]()
    for name, values in texts.items():
        seen, known = column_format(values), formats.get(name)
        if isinstance(seen, Ambiguous):
            if known not in seen.formats:
                unclear[name] = seen
        elif known and seen not in (None, known, DateFormat.ISO):
            # The file contradicts what was confirmed for an earlier one.
            unclear[name] = Ambiguous((known, seen), min(filter(None, values)))
        elif seen:
            hints[name] = seen
    for name in unclear:
        formats.pop(name, None)
    plan = replace(plan, formats=formats, hints=hints)
    return replace(found, plan=plan, unclear=unclear, aliases=aliases(zones), lines=len(table.rows))


def taken(table: Table, found: Proposal) -> Proposal:
    """The proposal with the formats that whole columns leave no doubt about taken as confirmed (R44).

    A column that also has ISO dates is no column of another format: its other dates stay suggestions.
    """
    plan = found.plan
    texts = column_texts(table, [n for n, f in plan.hints.items() if f != DateFormat.ISO], plan)
    sure = {
        name: plan.hints[name]
        for name, values in texts.items()
        if not any(column_format([value]) == DateFormat.ISO for value in values)
    }
    return replace(found, plan=replace(plan, formats={**plan.formats, **sure}))


def column_texts(table: Table, names: Iterable[str], plan: ColumnPlan) -> dict[str, Counter[str]]:
    """Of fields that have a column: its texts and how many lines have each."""
    places = {name: plan.mapping[name] for name in names if name in plan.mapping}
    found = {name: Counter[str]() for name in places}
    counting = [(found[name], at) for name, at in places.items()]
    for line in table.rows if counting else ():
        for texts, at in counting:
            texts[line.cells[at]] += 1
    return found


def aliases(zones: Counter[str]) -> int:
    """How many lines name their time zone another way than zone.tab, but clearly."""
    return sum(
        lines
        for text, lines in zones.items()
        if not accepted(to.zone, text) and to.zone_of_alias(to.clean(text)[:100])
    )


# --- By content -----------------------------------------------------------------------------------
def guessed_columns(table: Table, found: Proposal) -> dict[str, int]:
    """Fields without a header of their own whose column the cells give away: one field, one column."""
    free = free_columns(table, found)
    guesses: dict[str, int] = {}
    for kind, wanted in _KINDS.items():
        open_fields = [name for name in wanted if name not in found.plan.mapping]
        columns = [index for index, texts in free.items() if mostly(_LOOKS_LIKE[kind], texts)]
        if len(open_fields) == 1 and len(columns) == 1 and open_fields[0] not in found.repeated:
            guesses[open_fields[0]] = columns[0]
    return guesses


def free_columns(table: Table, found: Proposal) -> dict[int, list[str]]:
    """Column -> the first texts of columns that no field uses or claims."""
    used = {
        *found.plan.mapping.values(),
        *(i for columns in found.repeated.values() for i in columns),
    }
    lines = [line.cells for line in islice(table.rows, _LOOKED_AT)]
    return {
        index: [text for cells in lines if (text := to.clean(cells[index]))]
        for index in range(len(table.headers))
        if index not in used
    }


def mostly(looks_like: Callable[[str], bool], texts: Sequence[str]) -> bool:
    return bool(texts) and sum(map(looks_like, texts)) >= _MOSTLY * len(texts)


_LOOKS_LIKE: Final[dict[str, Callable[[str], bool]]] = {
    "zone": is_zone,
    "state": is_state,
    "social security": is_social_security,
    "date": is_date,
    "moment": is_moment,
    "phone": is_phone,
}
# Two dates, or two phones, are never told apart by what they hold: a kind with two open fields is left.
_KINDS: Final[dict[str, tuple[str, ...]]] = {
    "zone": ("local_timezone",),
    "state": ("provider_state",),
    "social security": ("patient_ssn",),
    "date": ("patient_dob", "date_of_injury"),
    "moment": ("expected_appointment_date_time",),
    "phone": ("outbound_phone_number", "patient_phone_number"),
}
