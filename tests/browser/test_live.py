"""How fresh a page says it is, with the clock in our hands and answers of our own."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.conftest import PATIENCE

pytestmark = [pytest.mark.browser, pytest.mark.processes]

FRAGMENT = (
    '<div id="system-live" data-live hx-get="/system/live/" hx-trigger="every 15s"'
    ' hx-swap="outerHTML">{}</div>'
)
POLL = 15_100  # milliseconds


class Answers:
    """Answers each poll of the System page with the status it holds."""

    def __init__(self, page: Any) -> None:
        self.page, self.status, self.told = page, 200, 0
        page.clock.install()
        page.route("**/system/live/", self.answer)
        page.goto("/system/")

    def answer(self, route: Any) -> None:
        self.told += 1
        route.fulfill(status=self.status, body=FRAGMENT.format(self.told), content_type="text/html")

    def poll(self, status: int, times: int = 1) -> None:
        self.status = status
        for _ in range(times):
            with self.page.expect_response("**/system/live/"):
                self.page.clock.run_for(POLL)


@pytest.fixture
def calm_page(product: Any, chromium: Any, session: Any) -> Iterator[Any]:
    """Signed in, and not failing when an answer does."""
    context = chromium.new_context(base_url=product.address, storage_state=session)
    context.set_default_timeout(PATIENCE)
    yield context.new_page()
    context.close()


def test_the_chip_moves_on_with_every_answer(page: Any) -> None:
    answers, chip = Answers(page), page.locator("[data-live-text]")
    answers.poll(200)
    before = chip.inner_text()
    answers.poll(200)
    page.locator("#system-live").get_by_text("2").wait_for()
    assert before.startswith("Updated ")
    assert chip.inner_text().startswith("Updated ")
    assert chip.inner_text() != before


def test_the_chip_takes_back_that_nothing_arrives_once_it_does(calm_page: Any) -> None:
    answers, chip = Answers(calm_page), calm_page.locator("#live-chip")
    answers.poll(503, times=3)
    calm_page.locator("#live-chip[data-state=stale]").wait_for()
    assert "Not updated" in chip.inner_text()
    calm_page.clock.run_for(POLL)  # it backs off
    assert answers.told == 3
    answers.poll(200)
    calm_page.locator("#live-chip[data-state=on]").wait_for()
    assert chip.inner_text().startswith("Updated ")
    answers.poll(200)  # at its old pace
