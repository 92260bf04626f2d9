"""The Evergrove API: one method per endpoint, one place that raises.

The only module that talks to the network. It never retries, never follows a redirect, never logs:
what an answer means for a row is decided in `errors.classify`, what to do about it in the engine.
"""

import ipaddress
import logging
import ssl
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import UUID

import httpx  # noqa: TID251 - this is the module the ban speaks of

from calls.evergrove.answers import Answer, read_json
from calls.evergrove.bodies import Body
from calls.evergrove.errors import Endpoint, NotSent, Seen, error_from
from calls.evergrove.schemas import (
    CallInput,
    EntityBody,
    RequestStatus,
    ScheduleAnswer,
    ScheduleBody,
    SchedulerEntity,
    TriggerAnswer,
    TriggerBody,
)
from calls.vocabulary import LatencyMode

# httpx logs URLs and reason phrases, httpcore the headers of answers: none of it is ours to keep.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)

MAX_ANSWER_BYTES = 5 * 1024 * 1024
READ_SECONDS: Mapping[Endpoint, float] = {
    Endpoint.ENTITIES: 30.0,
    Endpoint.SCHEDULE: 60.0,
    Endpoint.TRIGGER: 60.0,
    Endpoint.POLL: 20.0,
}

_Answered = TypeVar("_Answered", bound=Answer)
# Raised before a request line is written. Only a second opinion: the trace decides (see `_Trace`).
_BEFORE_SENDING = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
_TRANSPORT_FAULTS = (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, OSError, UnicodeError)


def _go_ahead() -> None:
    """The last look of whoever has nothing against sending."""


class Evergrove:
    """One key at one address. Safe to share between threads; close it when done.

    Every method raises an `EvergroveError` unless it returns a 2xx answer that could be read.
    `read_seconds` bounds the wait for an answer's head, and then for its body.
    """

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str,
        transport: httpx.BaseTransport | None = None,
        read_seconds: Mapping[Endpoint, float] = READ_SECONDS,
    ) -> None:
        self._base_url = checked_base_url(base_url)
        self._headers = _headers(api_key)
        self._read_seconds = read_seconds
        self._lines = _Lines(transport)

    def __repr__(self) -> str:
        return f"<Evergrove {self._base_url}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._lines.close()

    def upsert_entity(self, body: EntityBody) -> SchedulerEntity:
        """Overwrites the zone and hours of the entity of this name (R13)."""
        return self._ask(Endpoint.ENTITIES, "/scheduler/entities", SchedulerEntity, body)

    def schedule(self, calls: Sequence[CallInput]) -> ScheduleAnswer:
        """Queues calls and starts none. The answer may name fewer, more or other rows (R27)."""
        body = ScheduleBody(calls=tuple(calls))
        return self._ask(Endpoint.SCHEDULE, "/scheduler/requests", ScheduleAnswer, body)

    def trigger(
        self,
        request_id: UUID,
        *,
        latency_mode: LatencyMode,
        last_look: Callable[[], None] = _go_ahead,
    ) -> TriggerAnswer:
        """Starts a call. Ask the answer whether it was `accepted`: a 2xx alone says nothing.

        `last_look` runs when the connection stands and no byte has left yet. A `NotSent` that it
        raises is raised, and nothing is sent.
        """
        body = TriggerBody(scheduled_request_ids=(request_id,), latency_mode=latency_mode)
        return self._ask(
            Endpoint.TRIGGER, "/scheduler/trigger/v2", TriggerAnswer, body, last_look=last_look
        )

    def poll(self, request_id: UUID, *, include_call_attempts: bool = False) -> RequestStatus:
        query = "?include_call_attempts=true" if include_call_attempts else ""
        path = f"/scheduler/requests/{request_id}{query}"
        return self._ask(
            Endpoint.POLL, path, RequestStatus, about=lambda answer: answer.id == request_id
        )

    def _ask(
        self,
        endpoint: Endpoint,
        path: str,
        shape: type[_Answered],
        body: Body | None = None,
        about: Callable[[_Answered], bool] = lambda answer: True,
        last_look: Callable[[], None] = _go_ahead,
    ) -> _Answered:
        """The one place that raises. Outside any `except`, because an error of httpx holds the
        request and its headers; and with no bytes in a local, because a traceback may show those.
        """
        seen = self._exchange(endpoint, path, body, _Trace(last_look))
        if isinstance(seen, NotSent):
            raise seen
        answer = _understood(seen, shape)
        if answer is not None and about(answer):
            return answer
        raise error_from(seen, now=datetime.now(UTC))

    def _exchange(
        self, endpoint: Endpoint, path: str, body: Body | None, trace: "_Trace"
    ) -> Seen | NotSent:
        try:
            with self._send(endpoint, path, body, trace) as response:
                return self._read(endpoint, response)
        except _TRANSPORT_FAULTS as fault:
            if trace.held_back is not None:
                return trace.held_back
            left = trace.headers_started or not isinstance(fault, _BEFORE_SENDING)
            return Seen(endpoint, may_have_left=left, cause=type(fault).__name__)

    def _send(
        self, endpoint: Endpoint, path: str, body: Body | None, trace: "_Trace"
    ) -> AbstractContextManager[httpx.Response]:
        line = self._lines.fresh if endpoint is Endpoint.TRIGGER else self._lines.kept
        return line.stream(
            "GET" if body is None else "POST",
            self._base_url + path,
            content=None if body is None else body.wire(),
            headers=self._headers,
            timeout=httpx.Timeout(
                connect=5.0, read=self._read_seconds[endpoint], write=20.0, pool=5.0
            ),
            extensions={"trace": trace},
        )

    def _read(self, endpoint: Endpoint, response: httpx.Response) -> Seen:
        body, cause = _read_body(response, time.monotonic() + self._read_seconds[endpoint])
        return Seen(
            endpoint,
            status=response.status_code,
            cause=cause,
            retry_after=response.headers.get("retry-after"),
            body=body,
        )


class _Trace:
    """Learns from httpcore whether bytes of the request may have left. The type of an exception
    cannot tell: a reset before the server saw anything and one after it acted look the same.
    `last_look` may still say no at that instant: then the connection is closed unused.
    """

    def __init__(self, last_look: Callable[[], None]) -> None:
        self.last_look = last_look
        self.held_back: NotSent | None = None
        self.headers_started = False

    def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        if not event.endswith("send_request_headers.started"):
            return
        try:
            self.last_look()
        except NotSent as reason:
            self.held_back = reason.with_traceback(None)
        if self.held_back is not None:
            raise httpx.TransportError("held back")
        self.headers_started = True


class _Pair:
    """One thread's connections. `fresh` keeps none alive: a trigger never meets a stale one, whose
    reset would leave it unknown whether a call was started."""

    def __init__(self, verify: ssl.SSLContext | None) -> None:
        self.kept = _client(verify=verify)
        self.fresh = _client(verify=verify, limits=httpx.Limits(max_keepalive_connections=0))

    def close(self) -> None:
        self.kept.close()
        self.fresh.close()

    __del__ = close


class _Lines:
    """A pair per thread, because one httpx pool slows down steeply at about fifty connections.
    A pair is closed when its thread ends. A transport that was handed in is used as it is."""

    def __init__(self, transport: httpx.BaseTransport | None) -> None:
        self._given = _client(transport=transport) if transport else None
        self._verify = None if transport else httpx.create_ssl_context(trust_env=False)
        self._local = threading.local()
        self._open: weakref.WeakSet[_Pair] = weakref.WeakSet()
        self._lock = threading.Lock()

    @property
    def kept(self) -> httpx.Client:
        return self._given or self._pair().kept

    @property
    def fresh(self) -> httpx.Client:
        return self._given or self._pair().fresh

    def _pair(self) -> _Pair:
        pair: _Pair | None = getattr(self._local, "pair", None)
        if pair is None:
            pair = self._local.pair = _Pair(self._verify)
            with self._lock:
                self._open.add(pair)
        return pair

    def close(self) -> None:
        if self._given:
            self._given.close()
        with self._lock:
            pairs = list(self._open)
        for pair in pairs:
            pair.close()


def _client(**options: Any) -> httpx.Client:
    return httpx.Client(trust_env=False, follow_redirects=False, **options)


def checked_base_url(text: str) -> str:
    """The address without trailing slashes (R1). Raises ValueError, never repeating the address."""
    trimmed = text.strip().rstrip("/")
    try:
        url = httpx.URL(trimmed)
    except httpx.InvalidURL:
        raise ValueError("API_URL is not an address.") from None
    if not url.host or url.userinfo or "?" in trimmed or "#" in trimmed:
        raise ValueError("API_URL must be https://host with no user, query or fragment.")
    if url.scheme != "https" and not (url.scheme == "http" and _is_loopback(url.host)):
        raise ValueError("API_URL must use https, unless it points at this machine.")
    return trimmed


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _headers(api_key: str) -> dict[str, str]:
    key = api_key.strip()
    if not key or not (key.isascii() and key.isprintable()) or " " in key:
        raise ValueError("The API key must be printable ASCII without spaces.")
    return {
        "Authorization": f"Bearer {key}",
        "Accept": "application/json",
        "Content-Type": "application/json",
        "Accept-Encoding": "identity",  # a small answer cannot unpack into a large one
        "User-Agent": "evergrove-dash",
    }


def _read_body(response: httpx.Response, deadline: float) -> tuple[bytes, str]:
    """The body, or nothing and why (R9). A status line that came still counts without it."""
    body = bytearray()
    try:
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > MAX_ANSWER_BYTES:
                return b"", "answer too large"
            if time.monotonic() > deadline:
                return b"", "answer too slow"
    except _TRANSPORT_FAULTS as fault:
        return b"", f"answer cut off: {type(fault).__name__}"
    if "json" not in response.headers.get("content-type", "json").lower():
        return b"", "answer is not JSON"
    return bytes(body), ""


def _understood(seen: Seen, shape: type[_Answered]) -> _Answered | None:
    """The answer, if it is a 2xx that says what was documented."""
    if seen.status is None or seen.status // 100 != 2 or seen.cause:
        return None
    try:
        return shape.model_validate(read_json(seen.body))
    except ValueError:
        return None
