"""The stand-in as a WSGI application: routing, the key, faults, and the ledger's entries."""

import errno
import random
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sandbox import control
from sandbox.answers import Answer, ConnectionLost, Refusal
from sandbox.endpoints import Desk
from sandbox.faults import Effect, Faults, Moment, strike
from sandbox.incoming import Incoming
from sandbox.ledger import Entry, Ledger
from sandbox.store import Store

DEFAULT_KEY = "practice-key"
DEFAULT_ORGANIZATIONS = ("SPNet", "SPNet West", "SPNet East", "SPNet Central", "SPNet South")
POLL_PATH = "/scheduler/requests/"

StartResponse = Callable[[str, list[tuple[str, str]]], object]


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Route:
    """`body`: reads what the effect takes out of the request."""

    endpoint: str
    method: str
    effect: Effect
    body: Callable[[Incoming], Any]


class Sandbox:
    """A stand-in for the Evergrove API. Safe to call from several threads.

    `clock` gives an aware UTC datetime and is the only time there is; `sleep` spends `latency` and the
    seconds of faults. The same `seed` gives the same ids and the same luck with faults.
    """

    def __init__(
        self,
        *,
        api_key: str = DEFAULT_KEY,
        organizations: Iterable[str] = DEFAULT_ORGANIZATIONS,
        store: Path | str | None = None,
        clock: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], object] = time.sleep,
        latency: float = 0.0,
        pace: float = 1.0,
        double_start: bool = True,
        seed: int | None = None,
    ) -> None:
        self.api_key = api_key
        self.store = Store(store)
        self.faults = Faults(random.Random(seed))
        self.desk = Desk(
            self.store, frozenset(organizations), random.Random(seed), pace, double_start
        )
        self._clock = clock
        self._sleep = sleep
        self._latency = latency
        self._ledger = Ledger(self.store)
        self._late: list[tuple[datetime, Callable[[], object]]] = []
        self._late_lock = threading.Lock()
        self._routes = _routes(self.desk)
        self._poll = Route("poll", "GET", self.desk.poll, _poll_body)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        try:
            answer = self._answer(Incoming(environ))
        except Refusal as refusal:
            answer = refusal.answer
        except ConnectionLost as lost:
            self._cut(environ, lost)
            raise
        headers = {"Content-Type": answer.content_type, "Content-Length": str(len(answer.body))}
        start_response(answer.line, list((headers | dict(answer.headers)).items()))
        return [answer.body]

    @property
    def ledger(self) -> Ledger:
        """The truth as of now: effects that are due by now have happened."""
        self._settle()
        return self._ledger

    def reset(self) -> None:
        """Forgets everything, in the file too."""
        with self._late_lock:
            self._late.clear()
        self.store.clear()
        self.faults.clear()
        self._ledger.entries.clear()

    def close(self) -> None:
        self.store.close()

    def _answer(self, incoming: Incoming) -> Answer:
        if incoming.path.startswith(control.PREFIX):
            return control.answer(self, incoming)
        if self._latency:
            self._sleep(self._latency)
        route = self._route(incoming)
        self._settle()
        return self._recorded(route, incoming)

    def _route(self, incoming: Incoming) -> Route:
        route = self._routes.get(incoming.path)
        if re.fullmatch(f"{POLL_PATH}[^/]+", incoming.path):
            route = self._poll
        if route is None:
            raise Refusal.saying(404, "Not Found")
        if route.method != incoming.method:
            raise Refusal.saying(405, "Method Not Allowed", allow=route.method)
        return route

    def _recorded(self, route: Route, incoming: Incoming) -> Answer:
        """One ledger entry per request to an endpoint, whatever becomes of it."""
        entry = Entry(self._clock(), route.endpoint)
        try:
            answer = self._serve(route, incoming, entry)
            entry.status = answer.status
            return answer
        except Refusal as refusal:
            entry.status = refusal.answer.status
            raise
        finally:
            self._ledger.entries.append(entry)

    def _serve(self, route: Route, incoming: Incoming, entry: Entry) -> Answer:
        incoming.require_key(self.api_key)
        incoming.require_json()
        body = route.body(incoming)
        fault = self.faults.take(route.endpoint)
        entry.about, entry.fault = _about(body), fault.kind if fault else None
        if fault is None or fault.kind != "refused":
            incoming.arrive()
        moment = Moment(body, route.effect, entry.at, self._sleep, self._later, incoming.path)
        return moment.serve() if fault is None else strike(fault, moment)

    def _later(self, due: datetime, effect: Callable[[], object]) -> None:
        with self._late_lock:
            self._late.append((due, effect))

    def _settle(self) -> None:
        """Brings about the late effects that are due."""
        if not self._late:
            return
        now = self._clock()
        with self._late_lock:
            due = sorted((one for one in self._late if one[0] <= now), key=lambda one: one[0])
            self._late = [one for one in self._late if one[0] > now]
            for _, effect in due:
                _quietly(effect)

    def _cut(self, environ: dict[str, Any], lost: ConnectionLost) -> None:
        """Ends the connection under gunicorn; elsewhere the exception says it."""
        line: socket.socket | None = environ.get("gunicorn.socket")
        if line is None:
            return
        self._sleep(lost.hang)
        # gunicorn meets the error by closing; the shutdown holds even if it came to answer a 500.
        line.shutdown(socket.SHUT_RDWR)
        raise ConnectionResetError(errno.ECONNRESET, "cut by a fault")


def _routes(desk: Desk) -> dict[str, Route]:
    return {
        "/scheduler/entities": Route("entities", "POST", desk.upsert, Incoming.json),
        "/scheduler/requests": Route("schedule", "POST", desk.schedule, Incoming.json),
        "/scheduler/trigger/v2": Route("trigger", "POST", desk.trigger, Incoming.json),
    }


def _poll_body(incoming: Incoming) -> tuple[str, str | None]:
    return incoming.path[len(POLL_PATH) :], incoming.query("include_call_attempts")


def _quietly(effect: Callable[[], object]) -> None:
    """A late effect that is refused has none."""
    try:
        effect()
    except Refusal:
        return


def _about(body: Any) -> tuple[str, ...]:
    """What a body concerns: never patient data, whatever shape it has."""
    if isinstance(body, tuple):
        return (str(body[0]),)
    if not isinstance(body, dict):
        return ()
    calls = body.get("calls") if isinstance(body.get("calls"), list) else []
    named = [call.get("external_reference_id") for call in calls or [] if isinstance(call, dict)]
    asked = body.get("scheduled_request_ids")
    ids = asked if isinstance(asked, list) else []
    return tuple(one for one in [body.get("name"), *named, *ids] if isinstance(one, str))
