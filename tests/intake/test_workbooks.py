import io
import random
import zipfile
from datetime import date, datetime, time
from typing import Any

import pytest

from calls.intake.reading import FileRefused, Limits, SheetToChoose, read_table
from tests.intake.workbooks import dressed, repacked, workbook

HEAD = ["name", "value"]
PLAIN = workbook([HEAD, ["a", "b"]])
SHEET = "xl/worksheets/sheet1.xml"


def refusal_of(data: bytes, **limits: int) -> FileRefused:
    with pytest.raises(FileRefused) as caught:
        read_table(data, Limits(**limits))
    return caught.value


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        pytest.param("007", "007", id="text-keeps-its-zeros"),
        pytest.param(2125550199, "2125550199", id="number-of-a-phone"),
        pytest.param(1.5, "1.5", id="fraction"),
        pytest.param(12345678901234567890, "1.23457E+19", id="digits-that-were-lost"),
        pytest.param(date(2026, 4, 9), "2026-04-09", id="date"),
        pytest.param(datetime(2026, 4, 9, 11, 0), "2026-04-09T11:00:00", id="date-and-time"),
        pytest.param(
            datetime(2026, 4, 9, 10, 59, 59, 999_000), "2026-04-09T11:00:00", id="rounded-second"
        ),
        pytest.param(time(11, 30), "11:30:00", id="time"),
        pytest.param(True, "TRUE", id="boolean"),
        pytest.param(None, "", id="blank"),
    ],
)
def test_a_cell_is_what_a_person_would_type(cell: Any, text: str) -> None:
    table = read_table(workbook([HEAD, ["x", cell]]))
    assert (table.headers, table.encoding) == (HEAD, "xlsx")
    assert [line.cells for line in table.rows] == [["x", text]]


def test_rows_keep_the_numbers_of_the_spreadsheet() -> None:
    table = read_table(workbook([[], HEAD, ["a", "b"], [], ["c"]]))
    assert [(line.number, line.cells) for line in table.rows] == [(3, ["a", "b"]), (5, ["c", ""])]
    assert len(table.rows) == 2


def test_the_only_visible_sheet_with_content_is_read() -> None:
    rows = [HEAD, ["a", "b"]]
    data = workbook({"Empty": [], "Calls": rows, "Lists": rows}, hidden=("Lists",))
    assert read_table(data).sheet == "Calls"


def test_several_sheets_are_a_question_and_a_named_one_is_the_answer() -> None:
    data = workbook({"March": [HEAD, ["a", "b"]], "April": [HEAD, ["c", "d"]]})
    with pytest.raises(SheetToChoose) as caught:
        read_table(data)
    assert caught.value.sheets == ["March", "April"]
    assert next(iter(read_table(data, sheet="April").rows)).cells == ["c", "d"]
    with pytest.raises(FileRefused, match="no sheet"):
        read_table(data, sheet="May")


@pytest.mark.parametrize(
    ("hidden", "notices"),
    [
        ((), []),
        ((3,), ["1 row is hidden in the sheet, perhaps by a filter. It was read like the others"]),
        (
            (1, 2, 3, 9),
            ["2 rows are hidden in the sheet, perhaps by a filter. They were read like the others"],
        ),
    ],
    ids=["none", "one", "two-of-them-with-calls"],
)
def test_rows_that_the_sheet_hides_are_said(hidden: tuple[int, ...], notices: list[str]) -> None:
    data = dressed([HEAD, ["a", "b"], ["c", "d"], ["e", "f"]], {"B9": "0"}, hidden=hidden)
    table = read_table(data)
    assert len(table.rows) == 3
    assert table.notices == notices


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        pytest.param((date(1967, 4, 5), "13/04/1967"), True, id="day-first"),
        pytest.param((datetime(2026, 4, 5, 9), "04/13/2026 9:30"), True, id="month-first"),
        pytest.param((date(1967, 4, 13), "14/04/1967"), False, id="a-real-date-late-in-a-month"),
        pytest.param((date(1967, 4, 5), "1967-04-13"), False, id="iso"),
        pytest.param((date(1967, 4, 5), "05/04/1967"), False, id="no-text-that-had-to-stay-one"),
        pytest.param(("13/04/1967", "05/04/1967"), False, id="text-alone"),
    ],
)
def test_a_column_of_dates_that_was_half_converted_is_said(cells: tuple[Any], said: bool) -> None:
    notices = read_table(workbook([["name", "DOB"], *(["x", cell] for cell in cells)])).notices
    assert ["“DOB” holds dates beside dates that are text" in " ".join(notices)] == [said]


def archive(**parts: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in parts.items():
            file.writestr(name, content)
    return out.getvalue()


def spread(cell: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(PLAIN)) as file:
        return repacked(PLAIN, {SHEET: file.read(SHEET).replace(b'r="B2"', f'r="{cell}"'.encode())})


def lying() -> bytes:
    """A part that unpacks to more than its entries say."""
    data = bytearray(repacked(PLAIN, {"xl/media/x.bin": b"\x00" * 9_000_000}))
    size = (9_000_000).to_bytes(4, "little")
    return bytes(data.replace(size, (100).to_bytes(4, "little")))


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        pytest.param(workbook([]), "empty", "is empty", id="empty"),
        pytest.param(workbook([HEAD]), "no_rows", "no rows", id="header-alone"),
        pytest.param(PLAIN[:-40], "unreadable", "damaged", id="cut-off"),
        pytest.param(b"PK\x03\x04 xl/workbook", "unreadable", "damaged", id="only-its-name"),
        pytest.param(archive(a=b"1"), "not_csv", "a ZIP archive", id="zip"),
        pytest.param(
            archive(**{"word/document.xml": b"<x/>"}), "not_csv", "Word", id="word-document"
        ),
        pytest.param(
            repacked(PLAIN, {"xl/media/x.bin": b"\x00" * 9_000_000}), "too_large", "unpacked",
            id="bomb",
        ),
        pytest.param(lying(), "too_large", "unpacked", id="bomb-that-lies"),
        pytest.param(spread("XFD2"), "too_many_columns", "16,384", id="far-right"),
        pytest.param(spread("B1048576"), "too_many_rows", "1,048,576", id="far-down"),
        pytest.param(spread("GR99999"), "too_large", "unpacked", id="far-out"),
    ],
)  # fmt: skip
def test_it_refuses_with_a_sentence(data: bytes, code: str, words: str) -> None:
    refusal = refusal_of(data)
    assert refusal.code == code
    assert words in refusal.message


def test_a_locked_archive_is_said() -> None:
    locked = bytearray(PLAIN)
    place = locked.index(b"PK\x01\x02") + 8
    locked[place] |= 1
    assert refusal_of(bytes(locked)).code == "protected"


def test_limits_hold_for_workbooks_too() -> None:
    data = workbook([HEAD, ["a", "b"], ["c", "d"]])
    assert refusal_of(data, max_rows=1).code == "too_many_rows"
    assert refusal_of(data, max_columns=1).code == "too_many_columns"


def test_no_damage_raises_anything_but_a_refusal() -> None:
    rng = random.Random(55)
    for _ in range(150):
        data = bytearray(PLAIN)
        for _ in range(rng.randrange(1, 12)):
            data[rng.randrange(4, len(data))] = rng.randrange(256)
        try:
            list(read_table(bytes(data)).rows)
        except FileRefused:
            continue
