"""The truth that the product is judged by: who was called how often, and what was asked."""

from collections import Counter, deque
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sandbox.store import Request, Store

ENTRIES_KEPT = 100_000


@dataclass
class Entry:
    """One request seen. `about`: an office's name, external references or a request id; `status`: 0 when
    the connection was closed without an answer; `fault`: the one that was at work."""

    at: datetime
    endpoint: str
    about: tuple[str, ...] = ()
    status: int = 0
    fault: str | None = None


class Ledger:
    """Totals are counted from the store, so they survive a restart with it; entries do not."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.entries: deque[Entry] = deque(maxlen=ENTRIES_KEPT)

    @property
    def requests(self) -> list[Request]:
        with self._store.lock:
            return list(self._store.requests.values())

    @property
    def calls_started(self) -> int:
        return sum(len(request.starts) for request in self.requests)

    @property
    def calls_by_reference(self) -> Counter[str]:
        """Calls started per external reference; per request id where there is none."""
        counts: Counter[str] = Counter()
        for request in self.requests:
            counts[_label(request)] += len(request.starts)
        return counts

    @property
    def requests_by_reference(self) -> Counter[str]:
        return Counter(_label(request) for request in self.requests)

    @property
    def triggers(self) -> int:
        """Trigger requests that reached a known scheduled request."""
        return sum(request.triggers for request in self.requests)

    @property
    def orphans(self) -> list[str]:
        """Ids of requests nobody ever triggered."""
        return [request.id for request in self.requests if not request.triggers]

    @property
    def entity_upserts(self) -> dict[str, int]:
        with self._store.lock:
            return {entity.name: entity.upserts for entity in self._store.entities.values()}

    def as_json(self, entries: int) -> dict[str, Any]:
        """`entries`: how many of the last ones to show."""
        return {
            "calls_started": self.calls_started,
            "calls_by_reference": self.calls_by_reference,
            "requests": len(self.requests),
            "requests_by_reference": self.requests_by_reference,
            "triggers": self.triggers,
            "orphans": self.orphans,
            "entity_upserts": self.entity_upserts,
            "entries": [_shown(entry) for entry in list(self.entries)[-entries:] if entries],
        }


def _label(request: Request) -> str:
    return request.external_reference_id or request.id


def _shown(entry: Entry) -> dict[str, Any]:
    return {**asdict(entry), "at": entry.at.isoformat()}
