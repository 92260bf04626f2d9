"""Is the worker alive? Told by what it writes, not by what the queue says of itself.

A queue whose lock died with its holder looks healthy for ever, so its processes are judged by the heartbeat of our
own slices and by rows that nobody takes or acknowledges. Ages are those of a value that does not change, measured
here: clocks that differ between machines, or jump, do not matter.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

SILENT_AFTER = 20.0  # seconds; a slice beats every 2 s and the next one follows within 2 s
QUIET_AFTER = 12.0  # the lease of a slice that died is free after 10 s
WAITING_TOO_LONG = 15.0  # for a due queue row that nobody takes
TAKEN_LONG = 5.0  # longer than a task that finds its lease held; only slices take more
TAKEN_TOO_MANY = 6  # two slices, and a few whose worker was killed


class QueueRow(NamedTuple):
    """A row of the queue; `lock` is when it becomes due, and is moved ahead when a worker takes it."""

    pk: int
    lock: datetime


class Signs(NamedTuple):
    """What was found in the database: the beat of each slice, and the queue."""

    beats: Mapping[str, datetime | None]
    queue: Iterable[QueueRow]
    now: datetime


class Watch:
    """Remembers since when each value is as it is."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.since: dict[object, float] = {}
        self.inherited: set[object] = set()
        self.told: set[object] = set()

    def begin(self, signs: Signs) -> None:
        """A new worker has been started: it gets its time, and is not blamed for what was taken before it."""
        self.since = {}
        self.inherited = set(signs.queue)
        self.told = set()
        self.note(signs)

    def note(self, signs: Signs) -> None:
        seen = [*signs.beats.items(), *signs.queue]
        self.since = {value: self.since.get(value, self.clock()) for value in seen}

    def age(self, value: object) -> float:
        return self.clock() - self.since[value]

    def quiet(self, signs: Signs) -> list[str]:
        """Slices to be woken, each once: most often one process died, and the others need no restart."""
        self.note(signs)
        found = [one for one in signs.beats.items() if self.age(one) > QUIET_AFTER]
        new = [one for one in found if one not in self.told]
        self.told = set(found)
        return [name for name, _ in new]

    def ailment(self, signs: Signs) -> str:
        """Why the worker must be started again; empty when it lives."""
        self.note(signs)
        for name, beat in signs.beats.items():
            if (age := self.age((name, beat))) > SILENT_AFTER:
                return f"no sign of life from {name} for {age:.0f} s"
        rows = list(signs.queue)
        if any(row.lock <= signs.now and self.age(row) > WAITING_TOO_LONG for row in rows):
            return "nobody takes what is due in the queue"
        if sum(self.is_stuck(row, signs.now) for row in rows) >= TAKEN_TOO_MANY:
            return "nobody acknowledges what was done"
        return ""

    def is_stuck(self, row: QueueRow, now: datetime) -> bool:
        return row.lock > now and row not in self.inherited and self.age(row) > TAKEN_LONG
