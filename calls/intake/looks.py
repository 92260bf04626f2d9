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
_LONGEST_TAG: Final = 64 * 1024
_LONGEST_CODE: Final = 255
_DIGITS: Final = ("0", "#", "?")
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
    """A number format: `0`, `#` and `?` stand for digits, a sign after a quotation mark for itself.

    Without signs it is one that adds something and cannot be followed.
    """

    signs: tuple[str, ...] = ()

    def shown(self, number: int) -> str:
        """A whole number from 0 on as the sheet shows it."""
        digits = list(str(number)) if number else []
        places = sum(sign in _DIGITS for sign in self.signs)
        found: list[str] = []
        for sign in reversed(self.signs):
            if sign not in _DIGITS:
                found.append(sign[1:])
                continue
            places -= 1
            here = len(digits) if not places else min(len(digits), 1)  # the first takes the rest
            found.append("".join(digits[len(digits) - here :]) or ("0" if sign == "0" else ""))
            del digits[len(digits) - here :]
        return "".join(reversed(found)).strip()


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
    if signs := _signs(code):
        adds = signs.count("0") > 1 or any(sign[1:].strip() for sign in signs)
        return Look(signs) if adds else None
    pads = re.split("[.E]", bare)[0].count("0") > 1
    says = any(map(str.isalnum, "".join(_TEXT.findall(code))))
    return Look() if pads or says else None


def _signs(code: str) -> tuple[str, ...]:
    """The format of a whole number, sign by sign, () for any other: fractions, percents, conditions."""
    found, at = list[str](), 0
    while match := _SIGN.match(code, at):
        quoted, escaped, space, _fill, digit, general, plain = match.groups()
        at = match.end()
        if digit or general:
            found.append(digit or "0")
        else:
            found.append('"' + (quoted or escaped or plain or " " * bool(space)))
    whole = at == len(code) and any(sign in _DIGITS for sign in found)
    return tuple(found) if whole else ()


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
    by_column: dict[int, bytearray] = {}
    hidden: set[int] = set()
    for text in _whole_tags(pieces):
        if b"hidden" in text:
            rows = (_ROW_AT.search(tag) for tag in _HIDDEN.findall(text))
            hidden.update(int(row[1]) for row in rows if row)
        if places:
            _note_cells(text, places, by_column)
    return Looks(looks, by_column, frozenset(hidden))


def _note_cells(text: bytes, places: Mapping[bytes, int], by_column: dict[int, bytearray]) -> None:
    for style in _STYLE.finditer(text):
        place = places.get(style[1])
        if not place:
            continue
        opens = text.rfind(b"<", max(style.start() - _LONGEST_TAG, 0), style.start())
        tag = text[opens : text.find(b">", style.end(), style.end() + _LONGEST_TAG)]
        if at := _CELL_AT.search(tag):
            rows, row = by_column.setdefault(column_number(at[1]) - 1, bytearray()), int(at[2])
            rows.extend(bytes(max(row - len(rows), 0)))
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
