"""The rules by which the lines of one file are read and checked, the first time and each time one is mended."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from calls.intake.columns import match_columns
from calls.intake.comparing import CheckedLine
from calls.intake.planning import ColumnPlan, plan_of
from calls.intake.reading import FileRefused
from calls.intake.tables import Line
from calls.intake.validating import CheckedRow, RowChecker
from calls.models import Batch
from calls.models.encrypted import derived_key


@dataclass(frozen=True)
class FileRules:
    """How the columns of a file of `width` columns are read."""

    width: int
    plan: ColumnPlan

    def texts(self, cells: list[str], added: Mapping[str, str]) -> dict[str, str]:
        """The raw text of every field of a line; what a person added goes first."""
        padded = [*cells, *[""] * (self.width - len(cells))]
        return {**self.plan.texts(padded), **added}

    def check(
        self, cells: list[str], added: Mapping[str, str], *, line: int, now: datetime
    ) -> CheckedRow:
        """One line, which a person may have added to."""
        checker = self.checker(now=now, keep=False)
        return checker.check(self.texts(cells, added), line=line, extra=cells[self.width :])

    def check_all(self, lines: Iterable[Line], *, now: datetime) -> Iterator[CheckedLine]:
        """The lines of the file itself, which are as wide as its header or wider."""
        check, texts, width = self.checker(now=now, keep=True).check, self.plan.texts, self.width
        for line in lines:
            number, cells = line
            yield CheckedLine(line, check(texts(cells), line=number, extra=cells[width:]))

    def checker(self, *, now: datetime, keep: bool) -> RowChecker:
        derive = self.plan.derive_reference
        return RowChecker(
            now=now,
            formats=self.plan.formats,
            hints=self.plan.hints,
            convert_zones=self.plan.convert_zones,
            reference_key=derived_key(settings.SECRET_KEY, "references") if derive else None,
            keep=keep,
        )


def rules_of(batch: Batch) -> FileRules:
    """As they were found or confirmed; of a file from before they were kept, by its headers."""
    plan = plan_of(batch.columns)
    return FileRules(len(batch.headers), plan if plan.mapping else plan_by_names(batch))


def plan_by_names(batch: Batch) -> ColumnPlan:
    try:
        return ColumnPlan(match_columns(batch.headers, derive_reference=True).mapping)
    except FileRefused:
        return ColumnPlan({})
