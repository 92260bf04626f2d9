"""Odd files from real life, with synthetic people, and what must come of each.

The suite builds them in memory. To look at them in a spreadsheet program:

    .venv/bin/python -m tests.data.make FOLDER
"""

import csv
import io
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple

from tests.intake.samples import SAMPLE
from tests.intake.workbooks import workbook

HEADERS = list(SAMPLE)
REAL_HEADERS = {
    "external_reference_id": "Ref #",
    "organization_name": "Network",
    "patient_name": "Injured Worker",
    "patient_ssn": "Last 4 of SSN",
    "patient_dob": "D.O.B.",
    "patient_phone_number": "Pt Phone",
    "date_of_injury": "DOI",
    "expected_appointment_date_time": "Appt Date/Time",
    "local_timezone": "TZ",
    "service_modality": "Service Type",
    "claim_number": "Claim#",
    "insurer_group_name": "Carrier",
    "body_part": "Body Part(s)",
    "provider_office": "Facility Name",
    "provider_office_address": "Clinic Address",
    "provider_state": "ST",
    "outbound_phone_number": "Clinic Phone No.",
    "eoc_number": "EOC No",
    "notes": "Comments",
}

Row = Mapping[str, Any]


class Odd(NamedTuple):
    """A file, and what must come of it: rows accepted and rejected, or the code of its refusal."""

    name: str
    data: bytes
    accepted: int = 0
    rejected: int = 0
    code: str = ""


def row(number: int, **change: Any) -> dict[str, Any]:
    own = {"external_reference_id": f"row-{number:04}", "eoc_number": f"EOC-{number}"}
    return {**SAMPLE, **own, **change}


def text_of(
    rows: Sequence[Row],
    *,
    headers: Sequence[str] = HEADERS,
    delimiter: str = ",",
    end: str = "\n",
    quote: Any = csv.QUOTE_MINIMAL,
) -> str:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=quote)
    writer.writerow(headers)
    writer.writerows(line.values() for line in rows)
    return out.getvalue()


TWO = [row(1), row(2)]
TYPED = {
    "patient_dob": date(1967, 4, 13),
    "date_of_injury": date(2026, 1, 15),
    "expected_appointment_date_time": datetime(2026, 4, 9, 11, 0),
    "outbound_phone_number": 2125550199,
    "patient_phone_number": 2125550100,
    "patient_ssn": 987654321,
}


def sheet(*rows: Row) -> list[list[Any]]:
    return [HEADERS, *[list(line.values()) for line in rows]]


def encoded(text: str, encoding: str = "utf-8") -> bytes:
    return text.encode(encoding)


def corpus() -> list[Odd]:
    return [*readable(), *excel_made(), *people_made(), *refused()]


def readable() -> list[Odd]:
    """How programs write files."""
    plain = text_of(TWO)
    accents = text_of([row(1, patient_name="Zoë Núñez"), row(2)])
    return [
        Odd("plain.csv", encoded(plain), 2),
        Odd("with-a-bom.csv", encoded(plain, "utf-8-sig"), 2),
        Odd("unicode-text-of-excel.txt", encoded(text_of(TWO, delimiter="\t"), "utf-16"), 2),
        Odd("old-western.csv", encoded(accents, "cp1252"), 2),
        Odd("semicolons.csv", encoded(text_of(TWO, delimiter=";")), 2),
        Odd("separator-line.csv", encoded("sep=;\r\n" + text_of(TWO, delimiter=";")), 2),
        Odd("tabs.tsv", encoded(text_of(TWO, delimiter="\t")), 2),
        Odd("old-mac.csv", encoded(text_of(TWO, end="\r")), 2),
        Odd("windows.csv", encoded(text_of(TWO, end="\r\n")), 2),
        Odd("all-quoted.csv", encoded(text_of(TWO, quote=csv.QUOTE_ALL)), 2),
        Odd("no-last-newline.csv", encoded(plain.rstrip("\n")), 2),
        Odd("blank-lines.csv", encoded(plain.replace("\n", "\n\n,,,\n")), 2),
        Odd(
            "lines-in-a-cell.csv",
            encoded(text_of([row(1, notes="Ask for Alex.\r\nThen press 2."), row(2)])),
            2,
        ),
        Odd(
            "names-of-people.csv",
            encoded(text_of(TWO, headers=list(REAL_HEADERS.values()))),
            2,
        ),
        Odd("extra-columns.csv", encoded(wider(TWO)), 2),
        Odd("title-above.csv", encoded("SPNet, week of April 6\n\n" + plain), 2),
        Odd(
            "title-above-semicolons.csv", encoded("SPNet, Inc.\n" + text_of(TWO, delimiter=";")), 2
        ),
        Odd("groups-above.csv", encoded("Reference,Patient,,,Claim,Provider\n" + plain), 2),
        Odd("a-wrong-byte.csv", encoded(accents) + b" \xff\n", 2, 1),
    ]


def wider(rows: Sequence[Row]) -> str:
    return text_of([{**line, "x": "", "y": "1"} for line in rows], headers=[*HEADERS, "", "Fax"])


def excel_made() -> list[Odd]:
    """What a spreadsheet does to numbers, dates and zeros."""
    cut = {"outbound_phone_number": "2.12556E+09"}
    return [
        Odd("plain.xlsx", workbook(sheet(*TWO)), 2),
        Odd("typed-cells.xlsx", workbook(sheet(row(1, **TYPED), row(2, **TYPED))), 2),
        Odd("hidden-lists.xlsx", workbook({"Calls": sheet(*TWO), "Lists": [["a"]]}, hidden=("Lists",)), 2),
        Odd("title-rows-blank.xlsx", workbook([[], [], *sheet(*TWO)]), 2),
        Odd("title-above.xlsx", workbook([["SPNet weekly report"], [date(2026, 4, 6)], *sheet(*TWO)]), 2),
        Odd("shortened-phone.csv", encoded(text_of([row(1, **cut), row(2)])), 1, 1),
        Odd("lost-zero-of-an-ssn.csv", encoded(text_of([row(1, patient_ssn="98765432")])), 0, 1),
        Odd("day-numbers.csv", encoded(text_of([row(1, patient_dob="24575")])), 0, 1),
        Odd("failed-formula.csv", encoded(text_of([row(1, body_part="#N/A")])), 0, 1),
        Odd("kept-zeros.csv", encoded(text_of([row(1, claim_number='="0012"')])), 1),
        Odd("no-time.xlsx", workbook(sheet(row(1, expected_appointment_date_time=date(2026, 4, 9)))), 0, 1),
        Odd("fifteen-digits.xlsx", workbook(sheet(row(1, claim_number=12345678901234567))), 0, 1),
    ]  # fmt: skip


def people_made() -> list[Odd]:
    """What people do to lines."""
    return [
        Odd("short-and-long-lines.csv", encoded(ragged()), 1, 1),
        Odd("same-reference.csv", encoded(text_of([row(1), row(1)])), 1, 1),
        Odd("zones-in-words.csv", encoded(text_of([row(1, local_timezone="Eastern")])), 0, 1),
        Odd("american-dates.csv", encoded(text_of([row(1, patient_dob="04/13/1967")])), 0, 1),
        Odd("extension.csv", encoded(text_of([row(1, outbound_phone_number="212-555-0199 x12")])), 0, 1),
        Odd("control-characters.csv", encoded(text_of([row(1, notes="a\x07b")])), 0, 1),
        Odd("unseen-marks.csv", encoded(text_of([row(1, local_timezone="\u200bAmerica/New_York\u00a0")])), 1),
        Odd("nothing-in-words.csv", encoded(text_of([row(1, patient_ssn="N/A", claim_number="none")])), 1),
    ]  # fmt: skip


def ragged() -> str:
    first, *lines = text_of([row(1), row(2, notes="")]).splitlines()
    return "\n".join([first, f"{lines[0]},,more", lines[1].rstrip(",")])


def refused() -> list[Odd]:
    """Files that are not a calls file, each with a sentence of its own."""
    return [
        Odd("empty.csv", b"", code="empty"),
        Odd("header-alone.csv", encoded(text_of([])), code="no_rows"),
        Odd("no-header.csv", b"1,2\n3,4\n", code="no_header"),
        Odd("patients-without-header.csv", encoded(text_of(TWO).partition("\n")[2]), code="no_header"),
        Odd("something-else.csv", b"Colour,Shape\nblue,round\n", code="missing_columns"),
        Odd("no-phone.csv", encoded(text_of(TWO).replace("outbound_phone_number", "x")), code="missing_columns"),
        Odd("two-offices.csv", encoded(TWICE), code="repeated_columns"),
        Odd("open-quote.csv", encoded(text_of(TWO) + '"'), code="quotation_mark"),
        Odd("picture.csv", b"\x89PNG\r\n\x1a\n" + bytes(range(256)), code="not_csv"),
        Odd("rubbish.csv", bytes(range(256)) * 9, code="unreadable"),
        Odd("web-page.xls", b"<html><table><tr><td>1</td></tr></table></html>", code="not_csv"),
        Odd("locked.xlsx", OLD_OFFICE + "EncryptedPackage".encode("utf-16-le"), code="protected"),
        Odd("old.xls", OLD_OFFICE + b"\x00" * 600, code="not_csv"),
        Odd("cut-off.xlsx", workbook(sheet(*TWO))[:-100], code="unreadable"),
        Odd("two-sheets.xlsx", workbook({"March": sheet(row(1)), "April": sheet(row(2))}), code="several_sheets"),
    ]  # fmt: skip


TWICE = text_of(TWO).replace("notes", "provider_office", 1)
OLD_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def main(folder: Path, make: Callable[[], list[Odd]] = corpus) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for odd in make():
        (folder / odd.name).write_bytes(odd.data)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
