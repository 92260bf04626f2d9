"""A coordinator's morning: upload, review, start, watch, read the outcome and its attempts."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.processes.world import until

pytestmark = [pytest.mark.browser, pytest.mark.processes]

SOON = 180_000  # milliseconds


def test_an_upload_becomes_outcomes_while_one_watches(product, page: Any, calls_file: Path) -> None:
    upload(page, calls_file)
    page.get_by_text("1 must be fixed").first.wait_for()
    assert page.get_by_text("Provider phone must have 10 digits").first.is_visible()

    page.goto(page.url.replace("review", "confirm"))
    page.get_by_role("button", name="Start 3 calls").click()
    live = page.locator("#batch-live")
    live.get_by_text("3 of 3 calls have ended").wait_for(timeout=SOON)  # without a reload

    page.get_by_role("link", name="All calls of this batch").click()
    page.get_by_role("link", name="Walker Amaral 1").click()
    page.get_by_text(re.compile("^Attended on")).first.wait_for()
    assert page.get_by_role("heading", name="Attempt 1").count() == 0
    page.get_by_role("button", name=re.compile("attempts", re.IGNORECASE)).click()
    page.get_by_text("Attempt 1", exact=False).first.wait_for()

    counts = product.ledger()["calls_by_reference"]
    assert {ref: n for ref, n in counts.items() if ref.startswith("walk")} == {
        "walk-1": 1,
        "walk-2": 1,
        "walk-3": 1,
    }


def upload(page: Any, file: Path) -> None:
    page.get_by_role("link", name="Upload calls").first.click()
    page.locator("input[type=file]").set_input_files(file)
    page.get_by_role("button", name="Check the file").click()
    page.wait_for_url(re.compile("/review/"))


@pytest.mark.parametrize("width", [1440, 390], ids=["wide", "narrow"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "path", ["/", "/calls/", "/calls/new/", "/batches/", "/uploads/new/", "/offices/", "/system/"]
)
def test_no_page_scrolls_sideways_or_complains(
    page: Any, path: str, width: int, scheme: str
) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(path)
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0
    assert page.title().endswith("Evergrove Dash")


def test_a_page_says_nothing_of_a_patient_in_its_address_or_title(
    page: Any, calls_file: Path
) -> None:
    page.goto("/")
    search = page.get_by_role("searchbox").first
    search.fill("Walker Amaral")
    search.press("Enter")
    page.wait_for_url(re.compile("/calls/"))
    until(lambda: page.title(), 5, "a title")
    assert "Amaral" not in page.url + page.title()
