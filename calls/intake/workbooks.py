"""XLSX: a workbook becomes the same table of text cells as a CSV file (R55). Pure.

An archive is measured before it is opened: what it unpacks to, and how far its cells spread, because
a sheet with two cells at opposite corners takes the memory of all between them.
"""

import io
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from functools import partial
from itertools import islice
from typing import Any, Final

from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    SheetTypeEnum,
    SheetVisibleEnum,
)

from calls.intake.columns import known_names
from calls.intake.looks import Look, Looks, column_number, looks_of
from calls.intake.tables import (
    FileRefused,
    Limits,
    Rows,
    SheetToChoose,
    Table,
    rows_of,
    title_notices,
    too_many_rows,
)

_UNPACKED: Final = 12  # times the largest file: a full sheet of text unpacks to about ten times
_RATIO: Final = 200  # of one part; sheets reach about 30
_SMALL_PART: Final = 4 * 1024 * 1024
_PARTS: Final = 2_000
_MOST_CELLS: Final = 10_000_000
_PIECE: Final = 1024 * 1024
_FIRST_COLUMNS: Final = 26
_WIDE: Final = re.compile(rb"""\br\s*=\s*["']([A-Z]{2,3})[0-9]""")
_DEEP: Final = re.compile(rb"""\br\s*=\s*["'][A-Z]{0,3}([0-9]{6,})""")
_ANY_DEPTH: Final = re.compile(rb"""\br\s*=\s*["'][A-Z]{0,3}([0-9]+)""")
_MONTHS: Final = 12
_ROWS_SHOWING_DATES: Final = 2_000
_NO_MONTH: Final = re.compile(  # a date with a number that can only be the day
    r"\s*(?:(?:1[3-9]|2[0-9]|3[01])[/.-][0-9]{1,2}|[0-9]{1,2}[/.-](?:1[3-9]|2[0-9]|3[01]))[/.-][0-9]{2}"
)
_EXACT_DIGITS: Final = 10**15  # a spreadsheet keeps 15 digits of a number and no more
_RESAVE: Final = "Open it in the spreadsheet program, save it as XLSX or CSV UTF-8 and upload that"


def read_workbook(data: bytes, limits: Limits, *, sheet: str = "") -> Table:
    """The sheet called `sheet`, or the only visible one with content. Raises FileRefused."""
    try:
        _measure(data, limits)
        book = CalamineWorkbook.from_filelike(io.BytesIO(data))
        found = _sheet(book, sheet)
        looks = _looks(data, found.name)
        headers, rows = rows_of(partial(_records, found, looks), limits, known_names)
    except FileRefused:
        raise
    except (CalamineError, zipfile.BadZipFile, zlib.error, ValueError, OSError) as error:
        raise _unreadable() from error
    except Exception as error:  # whatever a reader makes of a damaged file, it is the file's fault
        raise _unreadable() from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # Rust's, which is no Exception
            raise
        raise _unreadable() from None
    notices = [
        *title_notices(rows), *_hidden_notices(rows, looks), *_half_converted(found, headers)
    ]  # fmt: skip
    return Table(headers, rows, "xlsx", "", notices, found.name)


def _hidden_notices(rows: Rows, looks: Looks) -> list[str]:
    number = sum(line.number in looks.hidden for line in rows) if looks.hidden else 0
    if not number:
        return []
    said, they = ("1 row is", "It was") if number == 1 else (f"{number:,} rows are", "They were")
    return [f"{said} hidden in the sheet, perhaps by a filter. {they} read like the others"]


def _half_converted(sheet: CalamineSheet, headers: list[str]) -> list[str]:
    """Columns in which the program took some texts for dates and could not take others.

    It read them in an order that is not theirs: of 05/04/1967 and 13/04/1967, meant day first, a
    month-first program makes May 4 and a text. Such dates all have a day that could be a month.
    """
    latest = dict[int, int]()
    left = set[int]()
    for row in islice(sheet.iter_rows(), _ROWS_SHOWING_DATES):
        for column, cell in enumerate(row[: len(headers)]):
            if isinstance(cell, date):
                latest[column] = max(latest.get(column, 0), cell.day)
            elif type(cell) is str and _NO_MONTH.match(cell):
                left.add(column)
    return [
        f"“{headers[column]}” holds dates beside dates that are text. The spreadsheet program may have "
        "swapped day and month of the former: check them"
        for column in sorted(left)
        if 0 < latest.get(column, 0) <= _MONTHS
    ]


def _unreadable() -> FileRefused:
    return FileRefused("unreadable", f"The calls file is damaged and could not be read. {_RESAVE}")


def _sheet(book: CalamineWorkbook, name: str) -> CalamineSheet:
    if name:
        if name not in book.sheet_names:
            raise FileRefused("no_such_sheet", f"The calls file has no sheet “{name}”")
        return book.get_sheet_by_name(name)
    sheets = [
        meta.name for meta in book.sheets_metadata
        if meta.typ == SheetTypeEnum.WorkSheet and meta.visible == SheetVisibleEnum.Visible
    ]  # fmt: skip
    found = [sheet for sheet in map(book.get_sheet_by_name, sheets) if _has_content(sheet)]
    if not found:
        raise FileRefused("empty", "The calls file is empty")
    if len(found) > 1:
        raise SheetToChoose([sheet.name for sheet in found])
    return found[0]


def _has_content(sheet: CalamineSheet) -> bool:
    return any(any(map(str.strip, record)) for record in _records(sheet, Looks()))


def _looks(data: bytes, sheet: str) -> Looks:
    parts = {part.filename: part for part in zipfile.ZipFile(io.BytesIO(data)).infolist()}
    return looks_of(sheet, lambda name: _unpacked(data, parts[name]), parts)


def _records(sheet: CalamineSheet, looks: Looks) -> Iterator[list[str]]:
    first = sheet.start[1] if sheet.start else 0  # rows begin where the sheet does, columns do not
    for number, row in enumerate(sheet.iter_rows()):
        cells = [cell if type(cell) is str else text_of(cell) for cell in row]
        for column, look in looks.of_row(number):
            at = column - first
            value = row[at] if 0 <= at < len(row) else None
            if isinstance(value, float | int) and not isinstance(value, bool):
                cells[at] = _as_shown(value, look)
        yield cells


def text_of(cell: Any) -> str:
    """A cell as a person would type it: whole numbers as digits, dates in ISO form.

    A number with more digits than a spreadsheet keeps is written short, so that it is refused where
    digits matter instead of being taken for another one.
    """
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, float | int):
        return _number(float(cell))
    if isinstance(cell, datetime):
        whole = (cell + timedelta(milliseconds=500)).replace(microsecond=0)
        return whole.isoformat()
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, time):
        return cell.replace(microsecond=0).isoformat()
    return "" if cell is None else str(cell)


def _number(value: float) -> str:
    if abs(value) >= _EXACT_DIGITS:
        return f"{value:.5E}"
    return str(int(value)) if value.is_integer() else repr(value)


def _as_shown(value: float, look: Look) -> str:
    """A number of which the sheet shows more than its digits; short when that cannot be followed."""
    followed = look.groups and float(value).is_integer() and 0 <= value < _EXACT_DIGITS
    return look.shown(int(value)) if followed else f"{value:.5E}"


# --- Before it is opened --------------------------------------------------------------------------
def _measure(data: bytes, limits: Limits) -> None:
    """Refuse what is no workbook, locked, or too large once unpacked. Raises BadZipFile too."""
    parts = zipfile.ZipFile(io.BytesIO(data)).infolist()
    _refuse_other_archives(parts)
    most = _UNPACKED * limits.max_bytes
    if len(parts) > _PARTS or sum(part.file_size for part in parts) > most:
        raise _too_large_unpacked()
    for part in parts:
        if part.file_size > max(_SMALL_PART, _RATIO * part.compress_size):
            raise _too_large_unpacked()
    for part in parts:
        pieces = _unpacked(data, part)
        if part.filename.endswith(".xml") and not part.filename.endswith("sharedStrings.xml"):
            _refuse_spread(pieces, limits)
        else:
            for _ in pieces:
                pass


def _refuse_other_archives(parts: list[zipfile.ZipInfo]) -> None:
    names = {part.filename for part in parts}
    if any(part.flag_bits & 1 for part in parts):
        raise FileRefused(
            "protected", "The calls file is protected by a password. Remove it and try again"
        )
    if "xl/workbook.bin" in names:
        raise _not_a_workbook("an Excel binary workbook (XLSB)")
    if "word/document.xml" in names:
        raise _not_a_workbook("a Word document")
    if "mimetype" in names:
        raise _not_a_workbook("an OpenDocument file")
    if "xl/workbook.xml" not in names and "[Content_Types].xml" not in names:
        raise _not_a_workbook("a ZIP archive")


def _not_a_workbook(kind: str) -> FileRefused:
    return FileRefused(
        "not_csv", f"The calls file must be CSV or XLSX. This one is {kind}. {_RESAVE}"
    )


def _too_large_unpacked() -> FileRefused:
    return FileRefused("too_large", "The calls file is far too large once it is unpacked")


def _unpacked(data: bytes, part: zipfile.ZipInfo) -> Iterator[bytes]:
    """The part piece by piece, and no more of it than the directory says: directories lie."""
    start = part.header_offset
    names = int.from_bytes(data[start + 26 : start + 28], "little")
    extra = int.from_bytes(data[start + 28 : start + 30], "little")
    packed = memoryview(data)[start + 30 + names + extra :][: part.compress_size]
    if part.compress_type == zipfile.ZIP_STORED:
        yield bytes(packed)
        return
    if part.compress_type != zipfile.ZIP_DEFLATED:
        raise zipfile.BadZipFile
    yield from _inflated(packed, part.file_size)


def _inflated(packed: memoryview, size: int) -> Iterator[bytes]:
    inflate, rest, seen = zlib.decompressobj(-zlib.MAX_WBITS), bytes(packed), 0
    while rest and not inflate.eof:
        piece = inflate.decompress(rest, _PIECE)
        rest, seen = inflate.unconsumed_tail, seen + len(piece)
        if seen > size:
            raise _too_large_unpacked()
        if piece:
            yield piece


def _refuse_spread(pieces: Iterable[bytes], limits: Limits) -> None:
    """Refuse cells further right or down than any calls file goes."""
    columns, rows, tail = _FIRST_COLUMNS, 0, b""
    for piece in pieces:
        text = tail + piece
        tail = text[-32:]
        columns = max(columns, _widest(text))
        pattern = _DEEP if columns <= _FIRST_COLUMNS else _ANY_DEPTH
        rows = max(rows, max(map(int, set(pattern.findall(text))), default=0))
    if columns > limits.max_columns:
        raise FileRefused(
            "too_many_columns",
            f"The calls file must have {limits.max_columns:,} columns or fewer. "
            f"This one has cells as far as column {columns:,}",
        )
    if rows > 2 * limits.max_rows + 100_000:
        raise too_many_rows(limits, f"cells as far as row {rows:,}")
    if rows * columns > _MOST_CELLS:
        raise _too_large_unpacked()


def _widest(text: bytes) -> int:
    letters = set(_WIDE.findall(text))
    return max((column_number(found) for found in letters), default=0)
