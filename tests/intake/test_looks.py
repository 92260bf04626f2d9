"""What a number format adds to the digits of an ID: restored where it can be followed, else refused."""

import io
import zipfile

import pytest

from calls.intake.looks import Look, look_of
from calls.intake.reading import FileRefused, read_table
from tests.intake.workbooks import dressed, repacked

HEAD = ["Reference", "Claim number"]
STYLES, SHEET = "xl/styles.xml", "xl/worksheets/sheet1.xml"


@pytest.mark.parametrize(
    ("code", "number", "shown"),
    [
        ("00000000", 181910, "00181910"),
        ("000", 181910, "181910"),
        ("000", 0, "000"),
        ('"EOC-"00000000', 9, "EOC-00000009"),
        ('"WC"\\-0', 42, "WC-42"),
        ('"WC-"General', 42, "WC-42"),
        ("000-00-0000", 12345678, "012-34-5678"),
        ("(###) ###-####", 2125550199, "(212) 555-0199"),
        ("###-####", 12, "-12"),
        ('#"-A"', 0, "-A"),
        ("[$-409]0000;[Red]-0000", 7, "0007"),
        ("0000_)", 7, "0007"),
        ('"A;B"0;"C"0', 7, "A;B7"),
    ],
)
def test_a_plain_format_is_followed(code: str, number: int, shown: str) -> None:
    look = look_of(code)
    assert look is not None
    assert look.shown(number) == shown


@pytest.mark.parametrize(
    "code", ["0000.0", "000,000", '"WC-"#,##0', '"WC-"@', "[>9]0000;000", "[" * 300]
)
def test_another_one_that_adds_something_is_not(code: str) -> None:
    assert look_of(code) == Look()


@pytest.mark.parametrize(
    "code",
    [
        *("General", "0", "0.00", "#,##0", "@", "0%", "0.00E+00", "# ??/??", '_("$"* #,##0.00_)'),
        *("", "yyyy-mm-dd", 'd "de" mmmm', "[h]:mm", "[<=9999999]###-####;(###) ###-####"),
    ],
)
def test_most_formats_add_nothing(code: str) -> None:
    assert look_of(code) is None


def cells_of(data: bytes) -> list[list[str]]:
    return [line.cells for line in read_table(data).rows]


def test_an_id_is_read_as_the_sheet_shows_it() -> None:
    rows = [HEAD, [181910, 42], [181911, "WC-7"], [181912, 43]]
    data = dressed(rows, {"A2": "00000000", "A3": "00000000", "B2": '"WC-"0', "B3": '"WC-"0'})
    assert cells_of(data) == [["00181910", "WC-42"], ["00181911", "WC-7"], ["181912", "43"]]


def test_a_sheet_that_does_not_begin_in_the_first_column_is_read_alike() -> None:
    rows = [[None, None, *HEAD], [None, None, 181910, 42]]
    data = dressed(rows, {"C2": "00000000", "A2": "000"})
    assert cells_of(data) == [["00181910", "42"]]


@pytest.mark.parametrize(("number", "code"), [(42, "0000.0"), (12.5, "0000"), (42, '"WC-"@')])
def test_a_number_whose_format_cannot_be_followed_is_refused_where_digits_matter(
    number: float, code: str
) -> None:
    ((_, claim),) = cells_of(dressed([HEAD, ["a", number]], {"B2": code}))
    assert claim == f"{number:.5E}"


def changed(data: bytes, part: str, old: bytes, new: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        text = archive.read(part)
    assert old in text
    return repacked(data, {part: text.replace(old, new)})


@pytest.mark.parametrize(
    ("part", "old", "new"),
    [
        (SHEET, b'r="A2" ', b""),
        (STYLES, b"<styleSheet", b'<!DOCTYPE x [<!ENTITY a "000">]><styleSheet'),
        (STYLES, b"<numFmts", b"<!--" + b"x" * 9_000_000 + b"--><numFmts"),
    ],
    ids=["a-cell-without-a-place", "declared-entities", "endless-styles"],
)
def test_what_cannot_be_looked_at_safely_is_refused(part: str, old: bytes, new: bytes) -> None:
    with pytest.raises(FileRefused):
        read_table(changed(dressed([HEAD, [7, 8]], {"A2": "000"}), part, old, new))


def test_tags_are_found_across_the_pieces_of_a_large_sheet() -> None:
    rows = [HEAD, *([number, "x" * 90] for number in range(20_000))]
    data = dressed(rows, {f"A{number}": "000000" for number in range(2, 20_002)})
    assert [cells[0] for cells in cells_of(data)] == [f"{number:06}" for number in range(20_000)]
