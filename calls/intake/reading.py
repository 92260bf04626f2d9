"""The bytes of an upload become a table of cells: which format, and text with delimiters (R55). Pure.

Whatever the bytes hold, the only exception is FileRefused.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterator
from functools import partial
from itertools import islice
from operator import itemgetter
from typing import Final

from calls.intake.columns import known_names
from calls.intake.joining import joined
from calls.intake.tables import (
    FileRefused,
    Limits,
    Line,
    SheetToChoose,
    Table,
    cell_too_long,
    rows_of,
    title_notices,
)
from calls.intake.workbooks import read_workbook

__all__ = ["FileRefused", "Limits", "Line", "SheetToChoose", "Table", "read_table"]

DELIMITERS: Final = (",", ";", "\t")
_SNIFFED: Final = 64 * 1024
_LOOKED_AT: Final = 50  # records
_WIDE: Final = 6  # cells
_BOMS: Final = (
    # The longer ones first: the mark of UTF-32 begins with that of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_OTHER_FILES: Final = (
    (b"%PDF", "a PDF document"),
    (b"\x1f\x8b", "a compressed archive"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"{\\rtf", "a text document"),
)
_ZIP: Final = b"PK"
_OLD_OFFICE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED: Final = "EncryptedPackage".encode("utf-16-le")
_SEPARATOR_LINE: Final = re.compile(r'"?sep=([,;\t])"?(?:\r\n|\r|\n)', re.IGNORECASE)
_LINE: Final = re.compile(r"[^\r\n]+(?:\r\n?|\n)?|\r\n?|\n")
_EXPORT: Final = (
    "In the spreadsheet program, save the sheet as CSV UTF-8 or XLSX and upload that file"
)


def read_table(data: bytes, limits: Limits | None = None, *, sheet: str = "") -> Table:
    """Read a CSV or XLSX file. Raises FileRefused; when it does not, walking `rows` cannot fail.

    `sheet`: which sheet of a workbook; without it the only one with content, else SheetToChoose.
    """
    limits = limits or Limits()
    _refuse_size(data, limits)
    if data.startswith(_ZIP):
        return joined(read_workbook(data, limits, sheet=sheet))
    _refuse_other_files(data)
    text, encoding, notices = _decoded(data)
    _refuse_markup(text)
    text, delimiter = _delimited(text)
    headers, rows = rows_of(partial(_records, text, delimiter), limits, known_names)
    return joined(Table(headers, rows, encoding, delimiter, [*notices, *title_notices(rows)]))


def _refuse_size(data: bytes, limits: Limits) -> None:
    if not data:
        raise FileRefused("empty", "The calls file is empty")
    if len(data) > limits.max_bytes:
        raise too_large(len(data), limits.max_bytes)


def too_large(size: int, most: int) -> FileRefused:
    return FileRefused(
        "too_large",
        f"The calls file must be smaller than {_megabytes(most)}. This one has {_megabytes(size)}",
    )


def _megabytes(size: int) -> str:
    tenths = -(-size * 10 // 1024**2)  # rounded up: a file over the limit must look like it
    return f"{tenths / 10:.1f}".removesuffix(".0") + " MB"


def _refuse_other_files(data: bytes) -> None:
    if data.startswith(_OLD_OFFICE):
        if _ENCRYPTED in data:
            message = "The calls file is protected by a password. Remove it and try again"
            raise FileRefused("protected", message)
        raise _not_csv("an old Excel workbook (XLS)")
    for signature, kind in _OTHER_FILES:
        if data.startswith(signature):
            raise _not_csv(kind)


def _not_csv(kind: str) -> FileRefused:
    return FileRefused(
        "not_csv", f"The calls file must be CSV or XLSX. This one is {kind}. {_EXPORT}"
    )


def _refuse_markup(text: str) -> None:
    start = text[:1000].lstrip().casefold()
    if start.startswith(("<!doctype", "<html", "<table", "<?xml", "<head", "<meta")):
        raise _not_csv("a web page or XML, whatever its name says")


def _decoded(data: bytes) -> tuple[str, str, list[str]]:
    """The text, the name of its encoding and what to say about it."""
    encoding = _marked_encoding(data)
    notices: list[str] = []
    try:
        text = data.decode(encoding or "utf-8")
    except UnicodeDecodeError:
        if encoding:
            raise _unreadable() from None
        text, encoding, notice = _mended(data) or _western(data)
        notices.append(notice)
    if "\x00" in text:
        raise FileRefused("binary", f"The calls file must be text. This one is binary. {_EXPORT}")
    text = text.removeprefix("\ufeff")
    if not text.strip(" \t\r\n,;"):
        raise FileRefused("empty", "The calls file is empty")
    return text, encoding or "utf-8", notices


def _marked_encoding(data: bytes) -> str:
    """The encoding that the first bytes give away: by a mark, or by the zero bytes of UTF-16."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return encoding
    sample = data[:4096]
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if odd > 4 * even and odd * 4 > len(sample):
        return "utf-16-le"
    if even > 4 * odd and even * 4 > len(sample):
        return "utf-16-be"
    return ""


def _mended(data: bytes) -> tuple[str, str, str] | None:
    """UTF-8 that a few wrong bytes were put into; the characters they were are lost.

    In other encodings hardly any bytes above ASCII are also UTF-8.
    """
    text = data.decode("utf-8", errors="replace")
    lost, beyond_ascii = text.count("\ufffd"), len(text) - len(text.encode("ascii", "ignore"))
    if beyond_ascii < 2 * lost:
        return None
    characters = "A character" if lost == 1 else f"{lost:,} characters"
    return (
        text,
        "utf-8",
        f"{characters} of the calls file could not be read: check names with “\ufffd”",
    )


def _western(data: bytes) -> tuple[str, str, str]:
    notice = (
        "The calls file is not UTF-8. It was read as Windows-1252 (Western European): "
        "check names with accents"
    )
    try:
        return data.decode("cp1252"), "cp1252", notice
    except UnicodeDecodeError:
        raise _unreadable() from None


def _unreadable() -> FileRefused:
    return FileRefused("unreadable", f"The calls file could not be read as text. {_EXPORT}")


def _delimited(text: str) -> tuple[str, str]:
    """The text without Excel's `sep=;` line, and the delimiter: the one that makes most headers."""
    if hint := _SEPARATOR_LINE.match(text):
        return text[hint.end() :], hint[1]
    return text, max(DELIMITERS, key=lambda delimiter: _width(text[:_SNIFFED], delimiter))


def _width(sample: str, delimiter: str) -> int:
    """How many cells the first record that is not blank has, read leniently.

    A title above the columns is a single cell: then the first wide record counts.
    """
    records = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
    first = 0
    try:
        for cells in islice(records, _LOOKED_AT):
            if not any(map(str.strip, cells)):
                continue
            if len(cells) >= (_WIDE if first else 2):
                return len(cells)
            first = 1
    except csv.Error:
        return first
    return first


def _records(text: str, delimiter: str) -> Iterator[list[str]]:
    """All records, blank ones too. Strict: a stray quotation mark could join two people's rows."""
    lines = map(itemgetter(0), _LINE.finditer(text))  # StringIO would take four bytes a character
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    number = 0
    try:
        for number, cells in enumerate(reader, 1):  # noqa: B007
            yield cells
    except csv.Error as error:
        raise _broken_record(number + 1, str(error)) from None


def _broken_record(number: int, reason: str) -> FileRefused:
    if "field limit" in reason:
        return cell_too_long(number)
    if "end of data" in reason:
        what = "opens a quotation mark that is never closed"
    else:
        what = "has a quotation mark in the wrong place. Inside a quoted cell write it twice"
    return FileRefused("quotation_mark", f"Row {number} of the calls file {what}")
