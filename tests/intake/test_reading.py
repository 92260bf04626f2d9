import codecs
import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calls.intake.reading import FileRefused, Limits, read_table


def lines_of(data: bytes) -> list[tuple[int, list[str]]]:
    return [(line.number, line.cells) for line in read_table(data).rows]


def refusal_of(data: bytes, **limits: int) -> FileRefused:
    with pytest.raises(FileRefused) as caught:
        read_table(data, Limits(**limits))
    return caught.value


TEXT = "reference,name\nr1,José\n"


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        pytest.param(TEXT.encode(), "utf-8", id="utf-8"),
        pytest.param(codecs.BOM_UTF8 + TEXT.encode(), "utf-8-sig", id="utf-8-with-bom"),
        pytest.param(TEXT.encode("utf-16"), "utf-16", id="utf-16-with-bom"),
        pytest.param(codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), "utf-16", id="big-endian-bom"),
        pytest.param(TEXT.encode("utf-16-le"), "utf-16-le", id="utf-16-le-by-its-zeros"),
        pytest.param(TEXT.encode("utf-16-be"), "utf-16-be", id="utf-16-be-by-its-zeros"),
        pytest.param(TEXT.encode("cp1252"), "cp1252", id="cp1252"),
    ],
)
def test_it_reads_every_encoding_alike(data: bytes, encoding: str) -> None:
    table = read_table(data)
    assert (table.headers, table.encoding) == (["reference", "name"], encoding)
    assert [line.cells for line in table.rows] == [["r1", "José"]]
    assert bool(table.notices) == (encoding == "cp1252")


def test_one_wrong_byte_does_not_change_the_other_names() -> None:
    table = read_table("name,x\nJosé,1\nZoë,2\n".encode() + b"B\xfcrki,3\n")
    assert [line.cells[0] for line in table.rows] == ["José", "Zoë", "B\ufffdrki"]
    assert table.encoding == "utf-8"
    assert table.notices == [
        "A character of the calls file could not be read: check names with “\ufffd”"
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
def test_it_finds_the_delimiter_by_the_header(delimiter: str) -> None:
    head = delimiter.join(("reference", '"name, first; last\t"', "x"))
    table = read_table(f"{head}\n{delimiter.join('abc')}".encode())
    assert (table.delimiter, len(table.headers)) == (delimiter, 3)
    assert next(iter(table.rows)).cells == ["a", "b", "c"]


@pytest.mark.parametrize("mark", ["sep=;\n", "SEP=;\r\n", '"sep=;"\n'])
def test_it_obeys_and_hides_the_separator_line_of_excel(mark: str) -> None:
    assert lines_of(f"{mark}a,b;c\n1;2\n".encode()) == [(2, ["1", "2"])]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a,b\n1,2\n3,4", [(2, ["1", "2"]), (3, ["3", "4"])], id="lf"),
        pytest.param("a,b\r\n1,2\r\n3,4\r\n", [(2, ["1", "2"]), (3, ["3", "4"])], id="crlf"),
        pytest.param("a,b\r1,2\r3,4\r", [(2, ["1", "2"]), (3, ["3", "4"])], id="cr"),
        pytest.param("a,b\r1,2\n3,4\r\n", [(2, ["1", "2"]), (3, ["3", "4"])], id="mixed"),
        pytest.param(
            "a,b\n\n1,2\n , \n,\n3,4\n", [(3, ["1", "2"]), (6, ["3", "4"])], id="blank-lines"
        ),
        pytest.param("\n\na,b\n1,2\n", [(4, ["1", "2"])], id="blank-lines-before-the-header"),
        pytest.param(
            'a,b\n"1\n\r\nx",2\n3,4\n', [(2, ["1\n\r\nx", "2"]), (3, ["3", "4"])], id="quoted"
        ),
        pytest.param("a,b,c\n1\n", [(2, ["1", "", ""])], id="short-row-is-padded"),
        pytest.param("a,b\n1,2,3\n", [(2, ["1", "2", "3"])], id="long-row-keeps-its-cells"),
        pytest.param("a,b,,\n1,2,,\n", [(2, ["1", "2", "", ""])], id="blank-end-of-the-header"),
        pytest.param("a,b\n5'10\" tall,2\n", [(2, ["5'10\" tall", "2"])], id="quote-inside-a-cell"),
    ],
)
def test_rows_keep_the_numbers_of_the_spreadsheet(text: str, expected: list) -> None:
    assert lines_of(text.encode()) == expected


def test_rows_can_be_walked_again_and_counted() -> None:
    rows = read_table(b"a,b\n1,2\n\n3,4\n").rows
    assert len(rows) == 2
    assert list(rows) == list(rows)


def test_no_repr_shows_what_cells_hold() -> None:
    table = read_table(b"name,b\nJane Patient,2\n")
    assert "Jane" not in repr(table) + repr(next(iter(table.rows)))


def workbook() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return file.getvalue()


OLD_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        pytest.param(b"", "empty", "is empty", id="nothing"),
        pytest.param(b" \r\n\n", "empty", "is empty", id="only-white-space"),
        pytest.param(codecs.BOM_UTF8, "empty", "is empty", id="only-a-bom"),
        pytest.param(b",,\n,\n", "empty", "is empty", id="only-commas"),
        pytest.param(b"a,b\n", "no_rows", "no rows", id="header-alone"),
        pytest.param(b"1,2\n3,4\n", "no_header", "names of its columns", id="numbers-on-top"),
        pytest.param(workbook(), "unreadable", "damaged", id="broken-workbook"),
        pytest.param(OLD_OFFICE + b"x" * 99, "not_csv", "(XLS)", id="xls"),
        pytest.param(
            OLD_OFFICE + "EncryptedPackage".encode("utf-16-le"),
            "protected",
            "password",
            id="locked",
        ),
        pytest.param(b"%PDF-1.7 ...", "not_csv", "PDF", id="pdf"),
        pytest.param(b"\xef\xbb\xbf <html><table>", "not_csv", "web page", id="html-named-xls"),
        pytest.param(b"a,b\n1,\x00\x01\x02", "binary", "binary", id="zero-bytes"),
        pytest.param(b"a,b\n\x81\x8d,2", "unreadable", "could not be read", id="no-encoding-fits"),
        pytest.param(b"\xff\xfea\x00,", "unreadable", "could not be read", id="cut-utf-16"),
        pytest.param(b'a,b\n1,2\n"3,4\n5,6\n', "quotation_mark", "never closed", id="open-quote"),
        pytest.param(
            b'a,b\n1,"J,x\n2,"B,y\n',
            "quotation_mark",
            "Row 2 ",
            id="quotes-that-would-join-two-rows",
        ),
        pytest.param(
            b"a,b\n1," + b"x" * 140_000, "cell_too_long", "Row 2", id="beyond-the-csv-limit"
        ),
    ],
)
def test_it_refuses_with_a_sentence(data: bytes, code: str, words: str) -> None:
    refusal = refusal_of(data)
    assert refusal.code == code
    assert words in refusal.message


@pytest.mark.parametrize(
    ("limits", "code", "words"),
    [
        pytest.param({"max_bytes": 10}, "too_large", "smaller than 0.1 MB", id="bytes"),
        pytest.param(
            {"max_rows": 1}, "too_many_rows", "1 rows or fewer. This one has 2", id="rows"
        ),
        pytest.param({"max_columns": 2}, "too_many_columns", "Row 3 has 3", id="columns-of-a-row"),
        pytest.param(
            {"max_columns": 1}, "too_many_columns", "Row 1 has 2", id="columns-of-the-header"
        ),
        pytest.param({"max_cell": 4}, "cell_too_long", "Row 2", id="cell"),
    ],
)
def test_it_refuses_what_is_too_much(limits: dict[str, int], code: str, words: str) -> None:
    refusal = refusal_of(b"a,b\nxxxxx,2\n1,2,3\n", **limits)
    assert refusal.code == code
    assert words in refusal.message


def test_a_file_just_within_its_limits_passes() -> None:
    limits = Limits(max_bytes=16, max_rows=2, max_columns=3, max_cell=5)
    assert len(read_table(b"a,b\nxxxxx,2\n1,2,3"[:16], limits).rows) == 2


SHREDS = st.sampled_from(
    [
        b'"',
        b",",
        b";",
        b"\t",
        b"\r",
        b"\n",
        b"a",
        b"\x00",
        b"\xff",
        b"\xfe",
        b"=",
        b"sep=",
        b"\xc3\xa9",
    ]
)
BYTES = st.binary(max_size=300) | st.lists(SHREDS, max_size=60).map(b"".join)


@given(
    BYTES, st.sampled_from([b"", b"name,b\n", codecs.BOM_UTF16_LE, codecs.BOM_UTF8 + b"a;b\r\n"])
)
def test_no_bytes_raise_anything_but_a_refusal(data: bytes, start: bytes) -> None:
    try:
        table = read_table(
            start + data, Limits(max_bytes=400, max_rows=20, max_columns=9, max_cell=50)
        )
    except FileRefused:
        return
    assert all(len(line.cells) >= len(table.headers) for line in table.rows)


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\x00\ufeff"), max_size=8)


@given(st.lists(st.lists(CELL, min_size=2, max_size=2), max_size=5))
def test_what_was_written_is_read_back(rows: list[list[str]]) -> None:
    rows = [["first", "row"], *rows]
    text = "a,b\n" + "".join(",".join(quoted(cell) for cell in row) + "\r\n" for row in rows)
    wanted = [row for row in rows if any(map(str.strip, row))]
    assert [line.cells for line in read_table(text.encode()).rows] == wanted


def quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


# --- A title above the names of the columns -------------------------------------------------------
NAMES = "Row reference,Patient name,DOB,Provider phone,EOC,Claim number"


def test_a_title_above_the_names_of_the_columns_is_left_out_and_said() -> None:
    table = read_table(f"SPNet\n\nWeek 15,2026\n{NAMES}\nr,J,d,p,e,c\n".encode())
    assert table.headers == NAMES.split(",")
    assert [line.number for line in table.rows] == [5]
    said = "The names of the columns stand in row 4. 2 rows above were left out"
    assert table.notices == [said]


def test_names_that_nobody_knows_stay_the_header() -> None:
    table = read_table(b"Colour,Shape\nblue,round\nred,square\n")
    assert (table.headers, len(table.rows), table.notices) == (["Colour", "Shape"], 2, [])


def test_groups_above_the_names_are_no_names() -> None:
    table = read_table(f"Reference,Patient,,Provider,Claim\n{NAMES}\nr,J,d,p,e,c\n".encode())
    assert (table.headers, len(table.rows)) == (NAMES.split(","), 1)


def test_of_two_rows_with_as_many_names_the_upper_one_is_the_header() -> None:
    assert len(read_table(f"{NAMES}\n{NAMES}\nr,J,d,p,e,c\n".encode()).rows) == 2
