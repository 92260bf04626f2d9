"""What must fit on a phone."""

from typing import Any

import pytest
from django.template.loader import render_to_string

from calls.vocabulary import Attendance

pytestmark = [pytest.mark.browser, pytest.mark.processes]

COVERED = """() => [...document.querySelectorAll('#batch-live dt')]
  .filter((dt) => dt.scrollWidth > dt.clientWidth).map((dt) => dt.innerText)"""


@pytest.mark.parametrize("width", [1440, 390])
def test_no_outcome_covers_its_number(page: Any, width: int) -> None:
    outcomes = [(word, 5, "#") for word in Attendance]
    fragment = render_to_string(
        "calls/_batch_live.html", {"batch": {"pk": 1}, "outcomes": outcomes}
    )
    page.set_viewport_size({"width": width, "height": 844})
    page.goto("/offices/")
    page.locator("main").evaluate("(main, html) => { main.innerHTML = html; }", fragment)
    page.locator("#batch-live dd").first.wait_for()
    assert page.evaluate(COVERED) == []
