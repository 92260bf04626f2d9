"""XLSX: what a sheet shows beside what its cells hold. Number formats and hidden rows. Pure.

A cell with a number format like `00000000` or `"EOC-"0000` holds the bare number, 181910 where the
sheet, and a CSV file made of it, say 00181910.
"""

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from xml.parsers.expat import ParserCreate

Part = Callable[[str], Iterable[bytes]]  # the part of that name of the archive, piece by piece
Element = tuple[str, dict[str, str]]  # its name and attributes, without prefixes

_MOST_XML: Final = 8 * 1024 * 1024  # of a part that is parsed as a whole
_MOST_LOOKS: Final = 254  # a workbook has a handful
_ROWS_AHEAD: Final = 1024
_LONGEST_TAG: Final = 64 * 1024
_LONGEST_CODE: Final = 255
_SIGN: Final = re.compile(
    r'"([^"]*)"|\\(.)|(_.)|(\*.)|([0#?])|((?i:general))|([-+$():!^&\'~{}<>= ])'
)
_ASIDE: Final = re.compile(
    r"\[(?:\$-[0-9A-F]+|black|blue|cyan|green|magenta|red|white|yellow)\]", re.IGNORECASE
)
_TEXT: Final = re.compile(r'"[^"]*"|\\.')
_NOT_DIGITS: Final = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]|_.|\*.')
_FOR_POSITIVE: Final = re.compile(r'(?:"[^"]*"|\\.|[^;"\\])*')
_OF_A_DATE: Final = re.compile("[ymdhs]", re.IGNORECASE)
_STYLE: Final = re.compile(rb"""\ss\s*=\s*["']([0-9]+)["']""")
_IS_CELL: Final = re.compile(rb"<(?:\w+:)?c\s")
_CELL_AT: Final = re.compile(rb"""\sr\s*=\s*["']([A-Z]{1,3})([0-9]{1,7})["']""")
_HIDDEN: Final = re.compile(rb"""<(?:\w+:)?row\b[^<>]*?\shidden\s*=\s*["'](?:1|true)["'][^<>]*>""")
_ROW_AT: Final = re.compile(rb"""\sr\s*=\s*["']([0-9]{1,7})["']""")


class Look(NamedTuple):
    """A number format as groups of digits and the literals around them, one more than groups.

    `least`: digits that are shown at least, with zeros in front. Without groups it is a format that
    adds something and cannot be followed.
    """

    literals: tuple[str, ...] = ()
    groups: tuple[int, ...] = ()
    least: int = 0

    def shown(self, number: int) -> str:
        """A whole number from 0 on as the sheet shows it."""
        digits = (str(number) if number else "").zfill(self.least)
        found = self.literals[-1]
        for at in range(len(self.groups) - 1, 0, -1):  # what is left over stands in the first group
            size = self.groups[at]
            found = self.literals[at] + digits[-size:] + found
            digits = digits[:-size]
        return (self.literals[0] + digits + found).strip()


@dataclass(frozen=True, slots=True)
class Looks:
    """Of one sheet: the cells whose number reads otherwise there, and the rows that it hides.

    `by_column`: of a column (A is 0) a number for each row (the first is 0): 0 for a cell that reads
    as it is, else the place in `looks`, from 1 on. `hidden`: row numbers of the spreadsheet.
    """

    looks: Sequence[Look] = ()
    by_column: Mapping[int, bytearray] = field(default_factory=dict)
    hidden: frozenset[int] = frozenset()

    def of_row(self, row: int) -> Iterator[tuple[int, Look]]:
        """(column, look) of the cells in the row, the first is 0, that may read otherwise."""
        for column, places in self.by_column.items():
            if row < len(places) and places[row]:
                yield column, self.looks[places[row] - 1]


def looks_of(sheet: str, part: Part, names: Iterable[str]) -> Looks:
    """How the sheet of this name shows its cells. `names`: all parts. Raises ValueError and more."""
    spelt = {name.casefold(): name for name in names}
    path = spelt.get(_path_of(sheet, part, spelt).casefold())
    styles = spelt.get("xl/styles.xml")
    by_style = _looks_by_style(_elements(part(styles))) if styles else {}
    return _walked(part(path), by_style) if path else Looks()


# --- Number formats -------------------------------------------------------------------------------
def look_of(code: str) -> Look | None:
    """What a number format adds to the digits of an ID; None for nothing, as of dates and amounts."""
    if len(code) > _LONGEST_CODE:
        return Look()
    code = _ASIDE.sub("", _FOR_POSITIVE.findall(code)[0])
    bare = _NOT_DIGITS.sub("", code)
    if _OF_A_DATE.search(bare):
        return None
    if look := _followed(code):
        return look if look.least > 1 or any(map(str.strip, look.literals)) else None
    pads = re.split("[.E]", bare)[0].count("0") > 1
    says = any(map(str.isalnum, "".join(_TEXT.findall(code))))
    return Look() if pads or says else None


def _followed(code: str) -> Look | None:
    """The format of a whole number; None for any other: fractions, percents, conditions."""
    literals, groups, least, at = [""], list[int](), 0, 0
    while match := _SIGN.match(code, at):
        quoted, escaped, space, _fill, digit, general, plain = match.groups()
        at = match.end()
        if not (digit or general):
            literals[-1] += quoted or escaped or plain or " " * bool(space)
            continue
        if literals[-1] or not groups:
            groups.append(0)
            literals.append("")
        groups[-1] += 1
        least += bool(least or general or digit == "0")
    return Look(tuple(literals), tuple(groups), least) if groups and at == len(code) else None


def _looks_by_style(elements: Iterable[Element]) -> dict[int, Look]:
    """Cells name a style by its place; only formats of the workbook's own add to a number."""
    codes: dict[str, str] = {}
    styles: list[str] = []
    within = ""
    for name, attributes in elements:
        if name in ("numFmts", "cellStyleXfs", "cellXfs", "dxfs"):
            within = name
        elif (within, name) == ("numFmts", "numFmt"):
            codes[attributes.get("numFmtId", "")] = attributes.get("formatCode", "")
        elif (within, name) == ("cellXfs", "xf"):
            styles.append(attributes.get("numFmtId", ""))
    looks = {id: look for id, code in codes.items() if (look := look_of(code))}
    return {at: looks[id] for at, id in enumerate(styles) if id in looks}


# --- Parts of the archive -------------------------------------------------------------------------
def _path_of(sheet: str, part: Part, spelt: Mapping[str, str]) -> str:
    """The part that holds the sheet of this name, "" when the workbook does not say."""
    book, links = (spelt.get(f"xl/{name}") for name in ("workbook.xml", "_rels/workbook.xml.rels"))
    if not (book and links):
        return ""
    ids = {of.get("name"): of.get("id") for name, of in _elements(part(book)) if name == "sheet"}
    paths = {of.get("Id"): of.get("Target", "") for _, of in _elements(part(links))}
    target = paths.get(ids.get(sheet), "")
    return posixpath.normpath(posixpath.join("/xl", target))[1:] if target else ""


def _elements(pieces: Iterable[bytes]) -> list[Element]:
    """The elements of a small part in order. Refuses a document type: entities are declared there."""
    found: list[Element] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        bare = {key.rsplit(":", 1)[-1]: value for key, value in attributes.items()}
        found.append((name.rsplit(":", 1)[-1], bare))

    def refuse(*_: object) -> None:
        raise ValueError("a document type")

    parser = ParserCreate()
    parser.StartElementHandler, parser.StartDoctypeDeclHandler = start, refuse
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > _MOST_XML:
            raise ValueError("too large to be parsed")
        parser.Parse(piece)
    parser.Parse(b"", True)
    return found


def _walked(pieces: Iterable[bytes], by_style: Mapping[int, Look]) -> Looks:
    """A sheet is searched, not parsed: that is quick, and its size does not matter."""
    looks = [*list(dict.fromkeys(by_style.values()))[:_MOST_LOOKS], Look()]
    places = {
        str(style).encode(): (looks.index(look) if look in looks else len(looks) - 1) + 1
        for style, look in by_style.items()
    }
    by_letters: dict[bytes, bytearray] = {}
    hidden: set[int] = set()
    for text in _whole_tags(pieces):
        if b"hidden" in text:
            rows = (_ROW_AT.search(tag) for tag in _HIDDEN.findall(text))
            hidden.update(int(row[1]) for row in rows if row)
        if places:
            _note_cells(text, places, by_letters)
    by_column = {column_number(letters) - 1: rows for letters, rows in by_letters.items()}
    return Looks(looks, by_column, frozenset(hidden))


def _note_cells(
    text: bytes, places: Mapping[bytes, int], by_letters: dict[bytes, bytearray]
) -> None:
    for style in _STYLE.finditer(text):
        place = places.get(style[1])
        if not place:
            continue
        opens = text.rfind(b"<", max(style.start() - _LONGEST_TAG, 0), style.start())
        tag = text[opens : text.find(b">", style.end(), style.end() + _LONGEST_TAG)]
        if at := _CELL_AT.search(tag):
            row, rows = int(at[2]), by_letters.setdefault(at[1], bytearray())
            if row > len(rows):
                rows.extend(bytes(row - len(rows) + _ROWS_AHEAD))
            rows[row - 1] = place
        elif _IS_CELL.match(tag):
            raise ValueError("a cell that does not say where it stands")


def column_number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


def _whole_tags(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes, cut so that no tag is torn."""
    tail = b""
    for piece in pieces:
        text = tail + piece
        cut = text.rfind(b"<")
        torn = cut >= 0 and text.find(b">", cut) < 0 and len(text) - cut < _LONGEST_TAG
        tail = text[cut:] if torn else b""
        yield text[:cut] if torn else text
    yield tail
