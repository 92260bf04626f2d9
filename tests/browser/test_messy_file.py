"""A messy file, mended on the page from end to end: one click for what is alike, a field, an undo, a skip."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import HEADER, row

pytestmark = [pytest.mark.browser, pytest.mark.processes]

# Answers take their time, as they do far from the server.
SLOW = """() => {
  const send = XMLHttpRequest.prototype.send;
  XMLHttpRequest.prototype.send = function (body) { setTimeout(() => send.call(this, body), 400); };
}"""


@pytest.fixture
def messy_file(tmp_path: Path) -> Path:
    """One good row, two with a spoken zone, one without a phone that can be called, one beyond repair."""
    lines = [row(number).replace("walk-", "messy-") for number in range(1, 6)]
    lines = [line.replace("EOC-", "MESSY-").replace("555-01", "555-02") for line in lines]
    lines[1] = lines[1].replace("America/New_York", "Nowhere/Eastern")
    lines[2] = lines[2].replace("America/New_York", "Nowhere/Eastern")
    lines[3] = re.sub(r"\(212\) 555-02\d+", "(212) 555", lines[3])
    lines[4] = lines[4].replace("1967-04-13", "unknown")
    path = tmp_path / "messy.csv"
    path.write_text(HEADER + "".join(lines))
    return path


def test_a_messy_file_becomes_a_running_batch(product: Any, page: Any, messy_file: Path) -> None:
    page.goto("/uploads/new/")
    page.locator("input[type=file]").set_input_files(messy_file)
    page.get_by_role("button", name="Check the file").click()
    page.wait_for_url(re.compile("/review/"))
    page.get_by_text("There is a problem with 4 rows").wait_for()

    page.get_by_role("button", name="Use America/New_York for both").click()
    page.get_by_text("There is a problem with 2 rows").wait_for()

    mend_by_keyboard(page)
    undo_and_mend_again(page)
    skip_the_rest(page)

    page.get_by_role("button", name="Start 4 calls").click()
    live = page.locator("#batch-live")
    live.get_by_text("4 of 4 calls have ended").wait_for(timeout=180_000)
    called = product.ledger()["calls_by_reference"]
    assert {name: n for name, n in called.items() if name.startswith("messy")} == {
        f"messy-{number}": 1 for number in range(1, 5)
    }


def mend_by_keyboard(page: Any) -> None:
    """Enter checks the row at once; the focus stays in it and the rest of the page follows."""
    phone = page.locator("#f-5-outbound_phone_number")
    phone.fill("(212) 555")
    phone.fill("(212) 555-0214")
    phone.press("Enter")
    page.locator("#row-5[data-sev=ok]").wait_for()
    page.locator("#review-totals").get_by_text("4 of 5 rows are ready").wait_for()
    page.locator("#sr-status").get_by_text("Row 5 fixed. 1 left").wait_for(state="attached")
    assert page.evaluate("document.activeElement.closest('tr')?.id") == "row-5"


def undo_and_mend_again(page: Any) -> None:
    page.locator("#row-5").get_by_role("button", name="Undo").click()
    phone = page.locator("#f-5-outbound_phone_number")
    phone.wait_for()
    assert phone.input_value() == "(212) 555"
    phone.fill("(212) 555-0214")
    phone.press("Tab")  # leaving the field is enough
    page.locator("#row-5[data-sev=ok]").wait_for()


def skip_the_rest(page: Any) -> None:
    page.locator("#review-dock").get_by_role("button", name="Skip 1 row").click()
    page.locator("#ask-yes").click()
    page.wait_for_url(re.compile("/confirm/"))


@pytest.fixture
def thrice_wrong_file(tmp_path: Path) -> Path:
    """A row that needs three fields, and one that is good."""
    line = row(6).replace("walk-", "typed-").replace("EOC-6", "").replace("Acme", "")
    path = tmp_path / "typed.csv"
    path.write_text(
        HEADER + line.replace("(212) 555-0116", "212") + row(7).replace("walk-", "typed-")
    )
    return path


def test_what_is_typed_while_a_row_is_saved_stays_and_is_saved(
    page: Any, thrice_wrong_file: Path
) -> None:
    page.goto("/uploads/new/")
    page.locator("input[type=file]").set_input_files(thrice_wrong_file)
    page.get_by_role("button", name="Check the file").click()
    page.wait_for_url(re.compile("/review/"))
    page.evaluate(SLOW)
    insurer, phone = (
        page.locator(f"#f-2-{name}") for name in ("insurer_group_name", "outbound_phone_number")
    )
    eoc = page.locator("#f-2-eoc_number")

    insurer.fill("Acme Mutual")
    insurer.press("Tab")
    page.keyboard.press("Control+A")
    page.keyboard.type("(212) 555-")
    insurer.wait_for(state="detached")  # the row is drawn anew, without what was mended
    assert phone.input_value() == "(212) 555-"
    page.keyboard.type("0216")
    page.keyboard.press("Tab")
    eoc.fill("EOC-typed")
    eoc.press("Tab")  # on to the button that the mended row no longer has

    page.locator("#row-2[data-sev=ok]").wait_for()
    page.locator("#row-2 :focus").wait_for()
    assert "EOC number: EOC-typed" in page.locator("#row-2").inner_text()


DROP = """(zone, text) => {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([text], 'dropped.csv', {type: 'text/csv'}));
  for (const kind of ['dragover', 'drop']) {
    zone.dispatchEvent(new DragEvent(kind, {dataTransfer, bubbles: true, cancelable: true}));
  }
}"""


def test_a_file_is_dropped_on_its_zone(page: Any) -> None:
    page.goto("/uploads/new/")
    page.locator(".drop").evaluate(DROP, HEADER + row(8).replace("walk-", "dropped-"))
    page.locator("#sr-status").get_by_text("The file is chosen").wait_for(state="attached")
    page.get_by_role("button", name="Check the file").click()
    page.get_by_text("1 of 1 row is ready").wait_for()
