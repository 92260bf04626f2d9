from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx  # noqa: TID251 - tests speak to the stand-in as the client does
import pytest

from sandbox import Sandbox
from tests.sandbox.bodies import ENTITY, call
from tests.sandbox_transport import SandboxTransport

KEY = "key-of-the-tests"
HEADERS = {
    "Authorization": f"Bearer {KEY}",
    "Accept": "application/json",
    "Content-Type": "application/json",
}


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 4, 9, 15, tzinfo=UTC)
        self.slept: list[float] = []

    def __call__(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Api:
    """The four endpoints in a line each, over any transport."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http

    def post(self, path: str, body: object) -> httpx.Response:
        return self.http.post(path, json=body)

    def entity(self, **changes: object) -> httpx.Response:
        return self.post("/scheduler/entities", ENTITY | changes)

    def schedule(self, *calls: object) -> httpx.Response:
        return self.post("/scheduler/requests", {"calls": list(calls)})

    def trigger(self, request_id: str, **more: object) -> httpx.Response:
        return self.post("/scheduler/trigger/v2", {"scheduled_request_ids": [request_id], **more})

    def poll(self, request_id: str, query: str = "") -> httpx.Response:
        return self.http.get(f"/scheduler/requests/{request_id}{query}")

    def attempts(self, request_id: str) -> list[dict]:
        return self.poll(request_id, "?include_call_attempts=true").json()["call_attempts"]

    def queued(self, reference: str = "row-1", phone: str = "+12125550199") -> str:
        """The id of a new request of an office of its own."""
        entity_id = self.entity().json()["id"]
        one = call(
            entity_id=entity_id, external_reference_id=reference, outbound_phone_number=phone
        )
        return self.schedule(one).json()["scheduled_requests"][0]["id"]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sandbox(clock: Clock) -> Sandbox:
    return Sandbox(api_key=KEY, clock=clock, sleep=clock.sleep, seed=1)


@pytest.fixture
def api(sandbox: Sandbox) -> Iterator[Api]:
    with client_of(sandbox) as http:
        yield Api(http)


def client_of(sandbox: Sandbox) -> httpx.Client:
    return httpx.Client(
        transport=SandboxTransport(sandbox), base_url="http://sandbox", headers=HEADERS
    )
