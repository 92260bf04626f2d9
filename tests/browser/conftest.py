"""The whole product, as `manage.py serve` runs it, and a Chromium that watches for what it complains about."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.processes.test_serve import answers
from tests.processes.world import World, free_port, until

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
PASSWORD = "a-password-of-this-test"
PATIENCE = 90_000  # milliseconds, for what takes one second


class Product(World):
    """A running dashboard in practice mode, with a sandbox whose calls take a moment only."""

    address = ""

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {"PRACTICE_PASSWORD": PASSWORD}


@pytest.fixture(scope="package")
def product(tmp_path_factory: Any) -> Iterator[Product]:
    world, port = Product(tmp_path_factory.mktemp("product")), free_port()
    world.manage("migrate", "-v0")
    sandbox = ("-m", "sandbox", "--port", str(world.port), "--pace", "0.3")
    with world.running(*sandbox), world.running("manage.py", "serve", "--port", str(port)):
        until(world.sandbox_answers, 120, "the sandbox")
        until(lambda: answers(port), 120, "the sign-in page")
        world.address = f"http://127.0.0.1:{port}"
        yield world


@pytest.fixture(scope="package")
def chromium() -> Iterator[Any]:
    """Closed after these tests: its event loop would make Django's ORM refuse to work in the others."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def session(product: Product, chromium: Any) -> Any:
    """The cookies of one sign-in for all tests: a second one each would soon meet the rate limit."""
    context = chromium.new_context(base_url=product.address)
    context.set_default_timeout(PATIENCE)
    sign_in(context.new_page())
    cookies = context.storage_state()
    context.close()
    return cookies


@pytest.fixture
def page(product: Product, chromium: Any, session: Any) -> Iterator[Any]:
    """Signed in; the test fails on any console error, policy violation or failed request."""
    context = chromium.new_context(
        viewport={"width": 1440, "height": 900}, base_url=product.address, storage_state=session
    )
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("response", lambda r: complaints.append(r.url) if r.status >= 500 else None)
    page.goto("/")
    yield page
    context.close()
    assert complaints == []


def sign_in(page: Any) -> None:
    page.goto("/")
    page.get_by_label("Username").fill("coordinator")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Overview").wait_for()


@pytest.fixture
def calls_file(tmp_path: Path) -> Path:
    """Three good rows, each with a line of its own, and one that must be mended."""
    path = tmp_path / "calls.csv"
    path.write_text(HEADER + "".join(row(number) for number in range(1, 4)) + row(4, phone="12"))
    return path


HEADER = (
    "external_reference_id,organization_name,patient_name,patient_dob,date_of_injury,"
    "expected_appointment_date_time,local_timezone,service_modality,claim_number,"
    "insurer_group_name,body_part,provider_office,provider_office_address,provider_state,"
    "outbound_phone_number,eoc_number\n"
)


def row(number: int, phone: str = "") -> str:
    return (
        f"walk-{number},SPNet,Walker Amaral {number},1967-04-13,2026-01-15,2026-04-09T11:00:00,"
        f"America/New_York,physical therapy,CLAIM-{number},Acme,left shoulder,Walk Clinic,"
        f'"1 Main St, New York, NY 10002",NY,{phone or f"(212) 555-01{number + 10}"},EOC-{number}\n'
    )
