"""What the stand-in remembers: entities and requests, in memory, and in a file if it is given one.

The file is a journal of the newest state of each item. It is written inside the request that changes
it, without waiting for the disk: a stopped or killed process loses nothing it has answered.
"""

import json
import sqlite3
import threading
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any


@dataclass
class Entity:
    id: str
    name: str
    location_name: str | None
    location_timezone: str
    can_call: bool
    ivr_answer_key_guide: str | None
    working_hours_policy: dict[str, Any]
    working_hours_updated_at: datetime
    created_at: datetime
    upserts: int = 1


@dataclass
class Request:
    """`starts`: one instant per call started, so two of them are a patient's office called twice.
    `triggers`: how often this request was asked to start."""

    id: str
    call_input_id: str
    entity_id: str
    external_reference_id: str | None
    outbound_phone_number: str
    expected_appointment_date_time: str
    created_at: datetime
    triggers: int = 0
    starts: list[datetime] = field(default_factory=list)

    @property
    def triggered_at(self) -> datetime | None:
        return self.starts[0] if self.starts else None


class Store:
    """Hold `lock` around a change and its `save`."""

    def __init__(self, path: Path | str | None = None) -> None:
        self.lock = threading.RLock()
        self.entities: dict[str, Entity] = {}
        self.entity_ids: dict[str, str] = {}
        self.requests: dict[str, Request] = {}
        self._file = _open(path) if path is not None else None
        if self._file is not None:
            self._load(self._file)

    def save(self, items: Iterable[Entity | Request]) -> None:
        kept = list(items)
        for item in kept:
            self._remember(item)
        if self._file is not None:
            rows = [(item.id, type(item).__name__, _written(item)) for item in kept]
            with self._file:
                self._file.executemany("REPLACE INTO item (id, kind, body) VALUES (?, ?, ?)", rows)

    def entity_named(self, name: str) -> Entity | None:
        known = self.entity_ids.get(name)
        return None if known is None else self.entities[known]

    def clear(self) -> None:
        with self.lock:
            for memory in (self.entities, self.entity_ids, self.requests):
                memory.clear()
            if self._file is not None:
                with self._file:
                    self._file.execute("DELETE FROM item")

    def close(self) -> None:
        with self.lock:
            if self._file is not None:
                self._file.close()

    def _remember(self, item: Entity | Request) -> None:
        if isinstance(item, Entity):
            self.entities[item.id] = item
            self.entity_ids[item.name] = item.id
        else:
            self.requests[item.id] = item

    def _load(self, file: sqlite3.Connection) -> None:
        for kind, body in file.execute("SELECT kind, body FROM item ORDER BY rowid"):
            self._remember(_read(kind, json.loads(body)))


def _open(path: Path | str) -> sqlite3.Connection:
    file = sqlite3.connect(path, check_same_thread=False)
    file.execute("PRAGMA journal_mode=WAL")
    file.execute("PRAGMA synchronous=OFF")
    file.execute("CREATE TABLE IF NOT EXISTS item (id TEXT PRIMARY KEY, kind TEXT, body TEXT)")
    return file


def _written(item: Entity | Request) -> str:
    return json.dumps(asdict(item), default=datetime.isoformat)


def _read(kind: str, body: dict[str, Any]) -> Entity | Request:
    created_at = datetime.fromisoformat(body.pop("created_at"))
    if kind == "Entity":
        changed_at = datetime.fromisoformat(body.pop("working_hours_updated_at"))
        return Entity(created_at=created_at, working_hours_updated_at=changed_at, **body)
    starts = [datetime.fromisoformat(start) for start in body.pop("starts")]
    return Request(created_at=created_at, starts=starts, **body)
