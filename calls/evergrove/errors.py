"""What can go wrong when Evergrove is asked, and what each thing means for the row.

Every write ends accepted, rejected, not sent or unknown (R7). An error carries only what is safe
to log and store: never a body, a header or the key (R3, R6).
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar

from calls.evergrove.bodies import (
    DAYS,
    CallDetails,
    CallInput,
    EntityBody,
    ScheduleBody,
    TriggerBody,
    WorkingHoursDay,
    WorkingHoursWindow,
)

_T = TypeVar("_T")
LONGEST_RETRY_AFTER = timedelta(days=1).total_seconds()


class Endpoint(StrEnum):
    ENTITIES = "entities"
    SCHEDULE = "schedule"
    TRIGGER = "trigger"
    POLL = "poll"


class EvergroveError(Exception):
    """`reason` is redacted, `retry_after` is in seconds."""

    def __init__(
        self, reason: str, *, status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.retry_after = retry_after


class NotSent(EvergroveError):
    """No byte of the request left: nothing happened."""


class Unknown(EvergroveError):
    """It may have been applied: reset, EOF, timeout, 5xx, 408, 409, unreadable 2xx."""


class Rejected(EvergroveError):
    """Not applied, and the row's fault.

    `fields` are names the answer complains about, `indexes` the positions of `calls` it names: a
    hint where to bisect, not a proof. `organization_disabled` is R31's cause.
    """

    fields: tuple[str, ...] = ()
    indexes: tuple[int, ...] = ()
    organization_disabled: bool = False


class NotFound(Rejected):
    """404 on GET (R83)."""


class SlowDown(Rejected):
    """429: the whole key slows down, the row is not at fault."""


class KeyRefused(EvergroveError):
    """401 or 403 (R4): stop all, the row is not at fault."""


class Misconfigured(EvergroveError):
    """A redirect: `API_URL` is not the API. Never followed."""


_BY_STATUS: dict[int, type[EvergroveError]] = {
    401: KeyRefused,
    403: KeyRefused,
    408: Unknown,
    409: Unknown,
    429: SlowDown,
}


def classify(
    endpoint: Endpoint, *, status: int | None, may_have_left: bool
) -> type[EvergroveError]:
    """The class of an exchange that did not end in a readable 2xx.

    `status` is None when no status line came; only then does `may_have_left` decide. A 2xx here is
    one whose answer could not be read, or does not speak of what was asked.
    """
    if status is None:
        return Unknown if may_have_left else NotSent
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status == 404 and endpoint is Endpoint.POLL:
        return NotFound
    return {3: Misconfigured, 4: Rejected}.get(status // 100, Unknown)


class Fault(NamedTuple):
    """What an error body says, cut down to our own vocabulary."""

    paths: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    indexes: tuple[int, ...] = ()
    organization_disabled: bool = False


_FIELDS = frozenset(DAYS).union(
    *(
        shape.model_fields
        for shape in (
            EntityBody, ScheduleBody, CallInput, CallDetails, TriggerBody,
            WorkingHoursDay, WorkingHoursWindow,
        )
    )
)  # fmt: skip
_NOT_ENABLED = re.compile(r"(?:\bnot|n['’]t)\s+(?:\w+\s+){0,3}enabled\b", re.I)  # noqa: RUF001
_KNOWN_REASONS: dict[type[EvergroveError], str] = {
    KeyRefused: "API key refused",
    SlowDown: "too many requests",
    Misconfigured: "redirect not followed, check API_URL",
}
_MAX_INDEX = 10_000
_PATHS_SHOWN = 5
_DEEPEST_LOC = 6


def read_fault(body: bytes) -> Fault:
    """Reads a FastAPI-like `detail`. Keeps known field names and positions only: the rest of an
    error body may echo a patient (R6), and so does an `input`, which is never looked at."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return Fault()
    found = list(_complaints(answer))
    steps = [_known_steps(loc) for loc, _ in found]
    named = [step for path in steps for step in path]
    return Fault(
        paths=_distinct([_joined(path) for path in steps if path]),
        fields=_distinct([path[-1] for path in steps if path and isinstance(path[-1], str)]),
        indexes=_distinct([step for step in named if isinstance(step, int)]),
        organization_disabled=any(_says_not_enabled(loc, text) for loc, text in found),
    )


def _says_not_enabled(loc: Sequence[Any], text: str) -> bool:
    about_it = "organization" in text.lower() or loc[-1:] == ["organization_name"]
    return about_it and bool(_NOT_ENABLED.search(text))


def _complaints(answer: Any) -> Iterator[tuple[list[Any], str]]:
    """(loc, message) pairs of an error body."""
    if not isinstance(answer, dict):
        return
    for value in (answer.get("detail"), answer.get("message"), answer.get("error")):
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, str):
                yield [], item
            elif isinstance(item, dict):
                loc, text = item.get("loc"), item.get("msg") or item.get("message")
                loc = loc[:_DEEPEST_LOC] if isinstance(loc, list) else []
                yield loc, text if isinstance(text, str) else ""


def _known_steps(loc: Sequence[Any]) -> list[str | int]:
    """The steps of a loc that are our own field names, and the position after `calls`."""
    steps: list[str | int] = []
    for before, step in zip([None, *loc], loc, strict=False):
        is_name = isinstance(step, str) and step in _FIELDS
        if is_name or (before == "calls" and type(step) is int and 0 <= step < _MAX_INDEX):
            steps.append(step)
    return steps


def _joined(path: Sequence[str | int]) -> str:
    return "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in path).lstrip(".")


def _distinct(items: Sequence[_T]) -> tuple[_T, ...]:
    return tuple(dict.fromkeys(items))


@dataclass(frozen=True, slots=True)
class Seen:
    """An exchange that ended badly, in plain values. `cause` is a class name or words of ours."""

    endpoint: Endpoint
    status: int | None = None
    may_have_left: bool = True
    cause: str = ""
    retry_after: str | None = None
    body: bytes = field(default=b"", repr=False)


def error_from(seen: Seen, *, now: datetime) -> EvergroveError:
    kind = classify(seen.endpoint, status=seen.status, may_have_left=seen.may_have_left)
    fault = read_fault(seen.body) if issubclass(kind, Rejected) else Fault()
    error = kind(
        redacted_reason(kind, seen, fault),
        status=seen.status,
        retry_after=retry_after_seconds(seen.retry_after, now=now),
    )
    if isinstance(error, Rejected):
        error.fields, error.indexes = fault.fields, fault.indexes
        error.organization_disabled = fault.organization_disabled
    return error


def redacted_reason(kind: type[EvergroveError], seen: Seen, fault: Fault) -> str:
    """Safe to log and to show: our words, a status code, known field names and positions."""
    if seen.status is None:
        words = "no answer" if seen.may_have_left else "not sent"
        return f"{words}: {seen.cause}" if seen.cause else words
    about = _about(kind, seen, fault)
    return f"HTTP {seen.status}: {about}" if about else f"HTTP {seen.status}"


def _about(kind: type[EvergroveError], seen: Seen, fault: Fault) -> str:
    if kind in _KNOWN_REASONS:
        return _KNOWN_REASONS[kind]
    if fault.organization_disabled:
        return "organization not enabled"
    if seen.status is not None and seen.status // 100 == 2:
        return seen.cause or "answer not understood"
    return ", ".join(fault.paths[:_PATHS_SHOWN])


def retry_after_seconds(header: str | None, *, now: datetime) -> float | None:
    """`Retry-After` in either form, as seconds from `now`: 0 to a day. None when unreadable."""
    text = (header or "").strip()
    if re.fullmatch(r"[0-9]{1,18}(\.[0-9]{1,9})?", text):
        return min(float(text), LONGEST_RETRY_AFTER)
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return min(max((until - now).total_seconds(), 0.0), LONGEST_RETRY_AFTER)
