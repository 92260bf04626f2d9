"""What the review of an upload shows: its problems by rule, and its rows in four lists."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, Q, QuerySet

from calls.intake.mending import open_lines
from calls.intake.validating import FIELD_LABELS, PATIENT_FIELDS
from calls.models import Batch, CallRow
from calls.vocabulary import HoldReason

WALKED = 5_000  # rejected lines that are looked at for the groups
LINES_NAMED = 8
OFFERS_NAMED = 3
QUOTES = "This one says “"
HAS_WARNINGS = ~Q(warnings=[])
IS_DUPLICATE = Q(hold_reason=HoldReason.POSSIBLE_DUPLICATE)
HAS_CHANGES = ~Q(changes=[])


@dataclass(frozen=True)
class Totals:
    """Rows of an upload. `ready` are stored.

    Of these `check` have a warning, `duplicates` are held, `fixed` were mended.
    """

    ready: int
    check: int
    changed: int
    duplicates: int
    fix: int
    skipped: int
    fixed: int
    unchanged: int

    @property
    def callable(self) -> int:
        """Rows that a start sets going."""
        return self.ready - self.duplicates

    @property
    def of(self) -> int:
        """Every row of the file."""
        return self.ready + self.fix + self.skipped + self.unchanged

    def parts(self) -> list[tuple[str, int, str]]:
        return [
            ("good", self.callable - self.check, "ready, nothing to check"),
            ("warn", self.check, "to check, will be called as they are"),
            ("warn", self.duplicates, f"held as possible duplicate{'s' * (self.duplicates > 1)}"),
            ("bad", self.fix, "must be fixed or skipped"),
            ("none", self.skipped, "skipped"),
            ("none", self.unchanged, "already here, skipped"),
        ]


def totals(batch: Batch) -> Totals:
    found = batch.rows.aggregate(
        ready=Count("pk"),
        check=Count("pk", filter=HAS_WARNINGS & ~IS_DUPLICATE),
        changed=Count("pk", filter=HAS_CHANGES),
        duplicates=Count("pk", filter=IS_DUPLICATE),
    )
    return Totals(
        **found,
        fix=batch.to_fix,
        skipped=batch.skipped,
        fixed=batch.rejected_lines.filter(row__isnull=False).count(),
        unchanged=batch.unchanged,
    )


@dataclass
class Group:
    """One rule that several rows break: what it asks for, in which rows, and what would mend them."""

    column: str
    code: str
    message: str
    lines: list[int] = field(default_factory=list)
    found: Counter[str] = field(default_factory=Counter)
    offers: Counter[str] = field(default_factory=Counter)  # suggestion -> rows

    def add(self, problem: Mapping[str, Any]) -> None:
        self.lines.append(problem["line"])
        self.found[rule_of(problem)[1]] += 1
        if problem["suggestion"]:
            self.offers[problem["suggestion"]] += 1

    @property
    def rows(self) -> str:
        """`row 23`, `rows 31 and 88 say “Eastern”`, `rows 2, 3, 4 and 40 more`."""
        lines = list(dict.fromkeys(self.lines))
        named = [f"{line:,}" for line in lines[:LINES_NAMED]]
        if len(lines) == 1:
            return f"row {named[0]}"
        if len(lines) > LINES_NAMED:
            return f"rows {', '.join(named)} and {len(lines) - LINES_NAMED:,} more{self.says}"
        return f"rows {', '.join(named[:-1])} and {named[-1]}{self.says}"

    @property
    def says(self) -> str:
        """What all of these cells hold, when it is the same; messages quote no patient data."""
        found = next(iter(self.found)) if len(self.found) == 1 else ""
        return found.replace("This one says", " say") if found.startswith(QUOTES) else ""

    @property
    def fixes(self) -> list[tuple[str, str]]:
        """(value, words) of each click that mends several rows; the value "" takes every row's own."""
        total = self.offers.total()
        if not total:
            return []
        if self.code == "extension":
            return [
                ("", f"Move the extension{'s' if total > 1 else ''} {extension_goes(self.column)}")
            ]
        if self.column in PATIENT_FIELDS or len(self.offers) > OFFERS_NAMED:
            return [("", f"Use what is suggested {rows_meant(total, len(self.lines))}")]
        return [
            (value, f"Use {value} {rows_meant(number, len(self.lines))}")
            for value, number in self.offers.most_common()
        ]


def extension_goes(column: str) -> str:
    return "to the notes" if column == "patient_phone_number" else "to the IVR guide of the office"


def rows_meant(number: int, of: int) -> str:
    if number < of:
        return f"for {number:,} row{'s' if number > 1 else ''}"
    return {1: "here", 2: "for both"}.get(number, f"for all {number:,}")


def problem_groups(batch: Batch) -> list[Group]:
    """The rules that open lines break, the most frequent first; of the first WALKED lines."""
    lines = open_lines(batch).order_by("line").values_list("problems", flat=True)
    groups: dict[tuple[str, str], Group] = {}
    for problem in (problem for problems in lines[:WALKED] for problem in problems):
        key = (problem["column"], problem["code"])
        groups.setdefault(key, Group(*key, rule_of(problem)[0])).add(problem)
    return sorted(groups.values(), key=lambda group: -len(group.lines))


def ready_rows(batch: Batch) -> QuerySet[CallRow]:
    return listed_rows(batch).exclude(IS_DUPLICATE)


def rows_with_warnings(batch: Batch) -> QuerySet[CallRow]:
    return listed_rows(batch).filter(HAS_WARNINGS)


def rows_with_changes(batch: Batch) -> QuerySet[CallRow]:
    return listed_rows(batch).filter(HAS_CHANGES)


def listed_rows(batch: Batch) -> QuerySet[CallRow]:
    """What the lists show of a row and nothing else: the SSN is not even read."""
    return batch.rows.order_by("line", "pk").only(
        "batch",  # set on each row by the manager, which would otherwise ask for it row by row
        "line",
        "patient_name",
        "provider_office",
        "external_reference_id",
        "expected_appointment_date_time",
        "local_timezone",
        "outbound_phone_number",
        "warnings",
        "changes",
        "hold_reason",
    )


def rule_of(problem: Mapping[str, Any]) -> tuple[str, str]:
    """What the cell has to be, and what was found instead: the two sentences of a message."""
    rule, _, found = problem["message"].partition(". ")
    return rule, found


def told(problems: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Problems or warnings in two parts."""
    for problem in problems:
        rule, found = rule_of(problem)
        yield problem | {"rule": rule, "found": found}


def labelled(changes: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Changes with the label of their column."""
    for change in changes:
        yield change | {"label": FIELD_LABELS.get(change["column"], "Row")}
