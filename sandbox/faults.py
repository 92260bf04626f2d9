"""Faults on demand: what goes wrong, where, how often, and what that does to a request."""

import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from sandbox.answers import Answer, ConnectionLost

ENDPOINTS = ("entities", "schedule", "trigger", "poll")
OTHER_TENANT = "tenant_of_another_key"
STRANGE_REFERENCE = "reference-of-nobody"

Effect = Callable[[Any, datetime], Answer]


@dataclass(frozen=True)
class Fault:
    """`endpoint`: one of ENDPOINTS, or `*`. `times`: how often, None for always. `probability`: the
    chance that it strikes at all. `applied`: whether the request has its effect all the same, None for
    what is usual of the kind. `hang`: seconds of silence before a connection is closed."""

    kind: str
    endpoint: str = "*"
    times: int | None = 1
    probability: float = 1.0
    applied: bool | None = None
    seconds: float = 0.0
    code: int = 503
    retry_after: int | None = None
    keep: int = 0
    hang: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind is one of {', '.join(KINDS)}")
        if self.endpoint not in (*ENDPOINTS, "*"):
            raise ValueError(f"endpoint is one of {', '.join(ENDPOINTS)} or *")
        if not 0 <= self.probability <= 1:
            raise ValueError("probability is between 0 and 1")
        if self.endpoint not in (ONLY_AT.get(self.kind, self.endpoint), "*"):
            raise ValueError(f"{self.kind} is a fault of {ONLY_AT[self.kind]} alone")

    @property
    def takes_effect(self) -> bool:
        return self.kind in USUALLY_APPLIED if self.applied is None else self.applied

    def meets(self, endpoint: str) -> bool:
        return endpoint == ONLY_AT.get(self.kind, endpoint) and self.endpoint in ("*", endpoint)


@dataclass(frozen=True)
class Moment:
    """A request about to be served: its body, its effect, and what a fault may use on it."""

    body: Any
    effect: Effect
    now: datetime
    sleep: Callable[[float], object]
    later: Callable[[datetime, Callable[[], object]], None]
    path: str

    def serve(self, body: Any = None) -> Answer:
        return self.effect(self.body if body is None else body, self.now)


class Faults:
    """The faults that are set, struck in the order they were added, one per request."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._lock = threading.Lock()
        self._set: list[tuple[Fault, int | None]] = []

    def add(self, kind: str, endpoint: str = "*", **options: Any) -> Fault:
        """Options are the fields of Fault. Raises ValueError on an unknown kind or endpoint."""
        fault = Fault(kind, endpoint, **options)
        with self._lock:
            self._set.append((fault, fault.times))
        return fault

    def take(self, endpoint: str) -> Fault | None:
        with self._lock:
            for place, (fault, left) in enumerate(self._set):
                if fault.meets(endpoint) and self._rng.random() < fault.probability:
                    self._use_up(place, fault, left)
                    return fault
        return None

    def clear(self) -> None:
        with self._lock:
            self._set.clear()

    def as_json(self) -> list[dict[str, Any]]:
        with self._lock:
            return [{**asdict(fault), "times": left} for fault, left in self._set]

    def _use_up(self, place: int, fault: Fault, left: int | None) -> None:
        if left is not None and left <= 1:
            del self._set[place]
        elif left is not None:
            self._set[place] = (fault, left - 1)


def fault_options(value: Any) -> dict[str, Any]:
    """The fields of a Fault out of JSON. Raises ValueError naming what is wrong."""
    kinds: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "bool": (bool,)}
    kinds |= {"float": (int, float), "int | None": (int, type(None))}
    kinds["bool | None"] = (bool, type(None))
    if not isinstance(value, dict) or "kind" not in value:
        raise ValueError("a fault is an object with a kind")
    known = {field.name: kinds[_type_name(field.type)] for field in fields(Fault)}
    for name, given in value.items():
        if not isinstance(given, known.get(name, ())) or (
            isinstance(given, bool) and bool not in known[name]
        ):
            raise ValueError(f"{name} is unknown or of the wrong type")
    return value


def _type_name(kind: Any) -> str:
    return str(getattr(kind, "__name__", kind))


def strike(fault: Fault, moment: Moment) -> Answer:
    """Serves a request as the fault has it. Raises ConnectionLost where there is no answer."""
    return KINDS[fault.kind](fault, moment)


def _refused(fault: Fault, moment: Moment) -> Answer:
    raise ConnectionLost(refused=True)


def _lost_before(fault: Fault, moment: Moment) -> Answer:
    raise ConnectionLost(hang=fault.hang)


def _lost_after(fault: Fault, moment: Moment) -> Answer:
    moment.serve()
    raise ConnectionLost(hang=fault.hang)


def _applied_late(fault: Fault, moment: Moment) -> Answer:
    due = moment.now + timedelta(seconds=fault.seconds)
    moment.later(due, lambda: moment.effect(moment.body, due))
    raise ConnectionLost(hang=fault.hang)


def _status(fault: Fault, moment: Moment) -> Answer:
    if fault.takes_effect:
        moment.serve()
    return injected(fault.code, moment.body, fault.retry_after)


def _errors_200(fault: Fault, moment: Moment) -> Answer:
    if fault.takes_effect:
        moment.serve()
    return Answer.of({"triggered": [], "errors": ["Workflow could not be started"]})


def _unreadable_200(fault: Fault, moment: Moment) -> Answer:
    whole = moment.serve() if fault.takes_effect else Answer.of({"id": "", "triggered": []})
    return Answer(200, whole.body[: len(whole.body) // 2])


def _not_json(fault: Fault, moment: Moment) -> Answer:
    if fault.takes_effect:
        moment.serve()
    return Answer(200, b"<html><body>Please wait</body></html>", content_type="text/html")


def _redirect(fault: Fault, moment: Moment) -> Answer:
    return Answer.of({"detail": "Moved"}, 307, location=f"{moment.path}/moved")


def _slow(fault: Fault, moment: Moment) -> Answer:
    moment.sleep(fault.seconds)
    return moment.effect(moment.body, moment.now + timedelta(seconds=fault.seconds))


def _partial_schedule(fault: Fault, moment: Moment) -> Answer:
    if fault.takes_effect or not _has_calls(moment.body):
        answer = moment.serve()
    else:
        answer = moment.serve({**moment.body, "calls": moment.body["calls"][: fault.keep]})
    return _with_requests(answer, lambda requests: requests[: fault.keep])


def _wrong_reference(fault: Fault, moment: Moment) -> Answer:
    def rename(requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**requests[0], "external_reference_id": STRANGE_REFERENCE}, *requests[1:]]

    return _with_requests(moment.serve(), rename)


def _duplicate_reference(fault: Fault, moment: Moment) -> Answer:
    """The last request answers to the first one's reference; a lone request is answered twice."""

    def repeat(requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
        first = requests[0]["external_reference_id"]
        kept = requests[:-1] or requests
        return [*kept, {**requests[-1], "external_reference_id": first}]

    return _with_requests(moment.serve(), repeat)


def _stale(fault: Fault, moment: Moment) -> Answer:
    """The state before the last change, with its older updated_at."""
    answer = moment.serve()
    if answer.status != 200:
        return answer
    changed = datetime.fromisoformat(answer.value["updated_at"])
    return moment.effect(moment.body, changed - timedelta(microseconds=1))


def _tenant(fault: Fault, moment: Moment) -> Answer:
    answer = moment.serve()
    return answer.saying(_renamed(answer.value)) if answer.status == 200 else answer


def _renamed(value: Any) -> Any:
    if isinstance(value, list):
        return [_renamed(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        name: OTHER_TENANT if name == "tenant_id" else _renamed(one) for name, one in value.items()
    }


def _has_calls(body: Any) -> bool:
    return isinstance(body, dict) and isinstance(body.get("calls"), list)


def _with_requests(
    answer: Answer, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]
) -> Answer:
    if answer.status != 200:
        return answer
    return answer.saying({"scheduled_requests": change(answer.value["scheduled_requests"])})


def injected(code: int, body: Any, retry_after: int | None = None) -> Answer:
    """An error as a real server might word it: 400 and 422 echo what was sent."""
    detail: Any = "Injected by the sandbox"
    if code in (400, 422):
        detail = [{"type": "injected", "loc": ["body"], "msg": detail, "input": body}]
    headers = {} if retry_after is None else {"retry_after": str(retry_after)}
    return Answer.of({"detail": detail}, code, **headers)


KINDS: Mapping[str, Callable[[Fault, Moment], Answer]] = {
    "refused": _refused,
    "lost_before": _lost_before,
    "lost_after": _lost_after,
    "applied_late": _applied_late,
    "status": _status,
    "errors_200": _errors_200,
    "unreadable_200": _unreadable_200,
    "not_json": _not_json,
    "redirect": _redirect,
    "slow": _slow,
    "partial_schedule": _partial_schedule,
    "wrong_reference": _wrong_reference,
    "duplicate_reference": _duplicate_reference,
    "stale": _stale,
    "tenant": _tenant,
}
ONLY_AT: Mapping[str, str] = {
    "errors_200": "trigger",
    "partial_schedule": "schedule",
    "wrong_reference": "schedule",
    "duplicate_reference": "schedule",
    "stale": "poll",
}
USUALLY_APPLIED = frozenset({"unreadable_200", "not_json", "partial_schedule"})
