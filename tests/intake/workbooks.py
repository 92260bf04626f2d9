"""Workbooks as bytes, for the tests of the intake."""

import io
import zipfile
from collections.abc import Iterable, Mapping
from typing import Any

from openpyxl import Workbook

Sheet = Iterable[Iterable[Any]]


def workbook(sheets: Mapping[str, Sheet] | Sheet, *, hidden: tuple[str, ...] = ()) -> bytes:
    """The sheets by name; a single one is called `Calls`."""
    named = sheets if isinstance(sheets, Mapping) else {"Calls": sheets}
    book = Workbook()
    book.remove(book.worksheets[0])
    for name, rows in named.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
        if name in hidden:
            sheet.sheet_state = "hidden"
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def dressed(rows: Sheet, formats: Mapping[str, str], *, hidden: Iterable[int] = ()) -> bytes:
    """A sheet with number formats of some cells, and some rows that a filter hides."""
    book = Workbook()
    sheet = book.worksheets[0]
    for row in rows:
        sheet.append(list(row))
    for cell, code in formats.items():
        sheet[cell].number_format = code
    for number in hidden:
        sheet.row_dimensions[number].hidden = True
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def repacked(data: bytes, changes: Mapping[str, bytes]) -> bytes:
    """The archive with some of its parts replaced or added."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**parts, **changes}.items():
            archive.writestr(name, content)
    return out.getvalue()
