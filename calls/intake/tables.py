"""What a file becomes, whatever its format: a table of cells, or a refusal as a whole (R55). Pure.

Row numbers are those of the spreadsheet: every record counts, blank ones and the header too, and a
line break inside quotation marks does not start a new one.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from operator import attrgetter
from typing import NamedTuple

from calls.intake.kinds import is_value


class FileRefused(Exception):
    """The file as a whole cannot be used; `message` is a sentence for the person who uploaded it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


class SheetToChoose(FileRefused):
    """More than one sheet of a workbook could hold the calls."""

    def __init__(self, sheets: list[str]) -> None:
        named = ", ".join(f"“{name}”" for name in sheets)
        super().__init__("several_sheets", f"Which sheet has the calls? The file has {named}")
        self.sheets = sheets


@dataclass(frozen=True, slots=True)
class Limits:
    """What a file may hold: bytes, rows below the header, columns, characters in a cell."""

    max_bytes: int = 25 * 1024 * 1024
    max_rows: int = 100_000
    max_columns: int = 200
    max_cell: int = 10_000


class Line(NamedTuple):
    """A row that is not blank: its number in the spreadsheet (the first is 1) and its cells.

    There are at least as many cells as headers; more when the row is longer than the header.
    """

    number: int
    cells: list[str]

    def __repr__(self) -> str:
        return f"Line {self.number}"  # never the cells: they hold patients


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows below the header. Each walk asks `records` afresh, so memory stays that of the source.

    `records`: every record from the first, blank ones too.
    """

    records: Callable[[], Iterator[list[str]]] = field(repr=False)
    header_row: int
    width: int
    titles: int = 0  # rows with content above the header, which are left out
    count: int = 0

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Line]:
        width, header_row = self.width, self.header_row
        for number, cells in enumerate(self.records(), 1):
            if number <= header_row or not any(map(str.strip, cells)):
                continue
            if len(cells) < width:
                cells.extend([""] * (width - len(cells)))
            yield Line(number, cells)


@dataclass(frozen=True, slots=True)
class Table:
    """A file that could be read. `notices` are sentences about it to show beside the rows.

    `sheet`: the name of a workbook's sheet, "" for other files.
    """

    headers: list[str]
    rows: Rows
    encoding: str
    delimiter: str
    notices: list[str]
    sheet: str = ""


Records = Callable[[], Iterator[list[str]]]
Known = Callable[[Sequence[str]], int]  # how many fields these names mean

LOOKED_THROUGH = 20  # records that may hold the names of the columns
NAMES_BELOW_A_TITLE = 6  # no row of data has as many


class Header(NamedTuple):
    """Where the names of the columns stand; `titles`: rows with content above them.

    `known`: how many of the names mean a field.
    """

    number: int
    names: list[str]
    titles: int
    known: int


def rows_of(records: Records, limits: Limits, known: Known) -> tuple[list[str], Rows]:
    """The headers and the rows below them, both within the limits. Raises FileRefused."""
    header = _header(records(), known)
    _refuse_header(header, limits)
    rows = Rows(records, header.number, len(header.names), header.titles)
    return header.names, replace(rows, count=_measured(rows, limits))


def title_notices(rows: Rows) -> list[str]:
    if not rows.titles:
        return []
    above = "1 row above was" if rows.titles == 1 else f"{rows.titles} rows above were"
    return [f"The names of the columns stand in row {rows.header_row}. {above} left out"]


def cell_too_long(number: int) -> FileRefused:
    return FileRefused(
        "cell_too_long",
        f"Row {number} of the calls file has a cell that is too long to be meant. "
        "Check for a quotation mark that is never closed",
    )


def _header(records: Iterator[list[str]], known: Known) -> Header:
    """The first record that is not blank, or one below it that surely names more columns.

    People write a title above the names of the columns, or groups of columns: Patient, Claim, Office.
    """
    headers = list(islice(_possible_headers(records, known), LOOKED_THROUGH))
    if not headers:
        raise FileRefused("empty", "The calls file is empty")
    best = max(headers, key=attrgetter("known"))  # the upper one of two that name as many
    return best if best.known >= NAMES_BELOW_A_TITLE else headers[0]


def _possible_headers(records: Iterator[list[str]], known: Known) -> Iterator[Header]:
    titles = 0
    for number, cells in enumerate(records, 1):
        names = [" ".join(cell.split()) for cell in cells]
        while names and not names[-1]:
            names.pop()
        if names:
            yield Header(number, names, titles, known(names))
            titles += 1


def _refuse_header(header: Header, limits: Limits) -> None:
    if len(header.names) > limits.max_columns:
        raise too_many_columns(header.number, len(header.names), limits)
    if max(map(len, header.names)) > limits.max_cell:
        raise cell_too_long(header.number)
    has_letters = any(character.isalpha() for name in header.names for character in name)
    # A first patient taken for names would be no call, and shown and kept as names are.
    if not has_letters or sum(map(is_value, header.names)) > header.known:
        raise FileRefused(
            "no_header",
            "The calls file must have the names of its columns in the first row, "
            "like Patient name and Provider phone",
        )


def too_many_columns(number: int, width: int, limits: Limits) -> FileRefused:
    return FileRefused(
        "too_many_columns",
        f"The calls file must have {limits.max_columns:,} columns or fewer. "
        f"Row {number} has {width:,}",
    )


def _measured(rows: Rows, limits: Limits) -> int:
    """Walk the rows once and refuse what is too much before anything is stored; their number."""
    count = 0
    for number, cells in rows:
        count += 1
        if len(cells) > limits.max_columns:
            raise too_many_columns(number, len(cells), limits)
        if max(map(len, cells)) > limits.max_cell:
            raise cell_too_long(number)
    if not count:
        raise FileRefused("no_rows", "The calls file has a header but no rows")
    if count > limits.max_rows:
        raise too_many_rows(limits, f"{count:,}")
    return count


def too_many_rows(limits: Limits, found: str) -> FileRefused:
    return FileRefused(
        "too_many_rows",
        f"The calls file must have {limits.max_rows:,} rows or fewer. This one has {found}",
    )
