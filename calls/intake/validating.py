"""The rules of one row, for the form, the upload and the admin alike (R37-R56). Pure.

All problems of a row are found at once. Messages say what is wrong, then an example, then what was
found; of a patient's data they never repeat the value.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

from calls.intake import normalising as to
from calls.intake.doubting import CELL_DOUBTS, compare_dates, compare_others
from calls.intake.fields import FIELD, FIELDS
from calls.intake.findings import (
    Cell,
    Change,
    CheckedRow,
    Findings,
    NormalisedRow,
    RowProblem,
    read_cell,
)
from calls.intake.kept import Kept
from calls.intake.normalising import DateFormat

__all__ = [
    "FIELD_LABELS",
    "PATIENT_FIELDS",
    "REQUIRED_FIELDS",
    "Change",
    "CheckedRow",
    "DateFormat",
    "NormalisedRow",
    "RowChecker",
    "RowProblem",
    "check_row",
]

FIELD_LABELS: Final[dict[str, str]] = {f.name: f.label for f in FIELDS}
PATIENT_FIELDS: Final[frozenset[str]] = frozenset(f.name for f in FIELDS if f.patient)
REQUIRED_FIELDS: Final[tuple[str, ...]] = tuple(f.name for f in FIELDS if f.required)

_NO_FORMATS: Final[Mapping[str, DateFormat]] = {}
_PLAIN_RULES: Final[dict[str, Callable[[str], Any]]] = {
    "outbound_phone_number": to.provider_phone,
    "patient_phone_number": to.patient_phone,
    "patient_ssn": to.ssn,
    "claim_number": to.identifier,
    "eoc_number": to.identifier,
    "objective": to.objective,
    "notes": partial(to.text, cap=FIELD["notes"].cap, lines=True),
    **{
        name: partial(to.text, cap=FIELD[name].cap)
        for name in (
            "organization_name",
            "patient_name",
            "service_modality",
            "insurer_group_name",
            "body_part",
            "provider_office",
            "provider_office_address",
        )
    },
}
Reader = Callable[[str], Cell]

# Texts that differ from row to row, or identify somebody: nothing is gained by keeping them.
_NOT_KEPT: Final = frozenset({"patient_ssn", "patient_name", "claim_number", "eoc_number", "notes"})
_KEPT: Final = 20_000  # texts of one column


def check_row(
    cells: Mapping[str, str],
    *,
    line: int,
    now: datetime,
    formats: Mapping[str, DateFormat] = _NO_FORMATS,
    hints: Mapping[str, DateFormat] = _NO_FORMATS,
    convert_zones: bool = False,
    reference_key: bytes | None = None,
    extra: Sequence[str] = (),
) -> CheckedRow:
    """Normalise and check one row; the arguments are those of RowChecker and its `check`."""
    checker = RowChecker(
        now=now,
        formats=formats,
        hints=hints,
        convert_zones=convert_zones,
        reference_key=reference_key,
        keep=False,
    )
    return checker.check(cells, line=line, extra=extra)


class RowChecker:
    """The rules of one file, or of one form.

    `now`: an aware instant. `formats`: date formats confirmed for a column (R44); `hints`: formats
    that the whole column suggests (`column_format`), enough for appointments (R46), otherwise only
    suggested. `convert_zones`: the conversion of zone aliases was confirmed (R48). `reference_key`:
    derive references that are blank (R37). `keep`: remember what a text became, for a whole file.
    """

    def __init__(
        self,
        *,
        now: datetime,
        formats: Mapping[str, DateFormat] = _NO_FORMATS,
        hints: Mapping[str, DateFormat] = _NO_FORMATS,
        convert_zones: bool = False,
        reference_key: bytes | None = None,
        keep: bool = True,
    ) -> None:
        self.now, self.convert_zones, self.reference_key = now, convert_zones, reference_key
        self.formats, self.hints = formats, hints
        rules = {**_PLAIN_RULES, "provider_state": to.state, **_dated(formats, hints)}
        self.readers = [
            (name, _kept(name, rule) if keep and name not in _NOT_KEPT else _reader(name, rule))
            for name, rule in rules.items()
        ]
        self.zones: dict[str | None, Reader] = {}

    def check(
        self, cells: Mapping[str, str], *, line: int, extra: Sequence[str] = ()
    ) -> CheckedRow:
        """`cells`: raw text by field name; a field that is not there counts as blank.

        `extra`: cells beyond the header, which must be blank.
        """
        row = Findings(line)
        if extra:
            row.refuse_extra(extra)
        get, values = cells.get, row.values
        for name, read in self.readers:
            values[name], told = read(get(name) or "")
            if told:
                row.tell(name, told)
        zone = row.take("local_timezone", self._zone(get("local_timezone") or "", row))
        self._take_deadline(row, get("best_to_make_call_by") or "", zone)
        self._take_reference(row, get("external_reference_id") or "")
        compare_dates(row, self.now)
        compare_others(row, self.now)
        accepted = None if row.refused else NormalisedRow(**values)
        return CheckedRow(accepted, row.sorted_problems(), row.changes)

    def _zone(self, raw: str, row: Findings) -> Cell:
        """After the state, which helps to suggest a zone."""
        state = row.values["provider_state"]
        if state not in self.zones:
            rule = partial(_zone, state=state, convert=self.convert_zones)
            self.zones[state] = _kept("local_timezone", rule)
        return self.zones[state](raw)

    def _take_deadline(self, row: Findings, raw: str, zone: str | None) -> None:
        name = "best_to_make_call_by"
        if raw:
            format, hint = self.formats.get(name), self.hints.get(name)
            rule = partial(to.deadline, zone=zone, format=format, hint=hint)
            row.take(name, _cell(name, rule, raw))
        else:
            row.values[name] = None

    def _take_reference(self, row: Findings, raw: str) -> None:
        name = "external_reference_id"
        if self.reference_key is None or not to.says_absent(to.clean(raw)):
            row.take(name, _cell(name, to.reference, raw))
            return
        values = row.values
        values[name] = to.derive_reference(
            self.reference_key,
            claim=values["claim_number"] or "",
            eoc=values["eoc_number"] or "",
            appointment=values["expected_appointment_date_time"] or "",
            phone=values["outbound_phone_number"] or "",
        )


def _dated(
    formats: Mapping[str, DateFormat], hints: Mapping[str, DateFormat]
) -> dict[str, Callable[[str], Any]]:
    return {
        name: partial(rule, format=formats.get(name), hint=hints.get(name))
        for name, rule in (
            ("patient_dob", to.iso_date),
            ("date_of_injury", to.iso_date),
            ("expected_appointment_date_time", to.appointment),
        )
    }


def _zone(text: str, state: str | None, convert: bool) -> str:
    return to.zone((convert and to.zone_of_alias(text, state)) or text, state)


def _cell(name: str, rule: Callable[[str], Any], raw: str) -> Cell:
    return read_cell(FIELD[name], rule, CELL_DOUBTS.get(name), raw)


def _reader(name: str, rule: Callable[[str], Any]) -> Reader:
    return partial(read_cell, FIELD[name], rule, CELL_DOUBTS.get(name))


def _kept(name: str, rule: Callable[[str], Any]) -> Reader:
    """A reader that knows the texts it has met."""
    return Kept(_reader(name, rule), _KEPT).__getitem__
