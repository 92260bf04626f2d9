"""The sandbox's ledger against the database: what may never be, whatever was killed."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from tests.processes.world import PATIENT, World

ROWS = """
    SELECT r.external_reference_id, r.request_id, r.phase, r.hold_reason, r.last_workflow_status, COUNT(o.row_id)
    FROM calls_callrow r LEFT JOIN calls_outcome o ON o.row_id = r.id
    GROUP BY r.id, r.external_reference_id, r.request_id, r.phase, r.hold_reason, r.last_workflow_status
"""
EVENTS = "SELECT {} FROM calls_callevent WHERE {}"


class Queued(NamedTuple):
    """A scheduled request as the sandbox knows it: calls that began, and how often it was asked to start one.

    It refuses to start a call that has begun, so that a second request to start says more than a second start.
    """

    id: UUID
    reference: str
    starts: int
    triggers: int


class Row(NamedTuple):
    reference: str
    request_id: UUID | None
    phase: str
    hold_reason: str
    word: str
    outcomes: int


@dataclass(frozen=True)
class Verdict:
    """Sorted references. `asked_twice`: a trigger arrived again, whatever came of it; `lost`: accepted but not
    stored once; `unrecorded`: called, and the row does not say so with this request's id, a final phase,
    Evergrove's last word and an outcome."""

    rows: int
    calls: int
    twice: list[str]
    asked_twice: list[str]
    never: list[str]
    lost: list[str]
    unrecorded: list[str]
    names_in_log: int

    @property
    def wrong(self) -> set[str]:
        return {*self.twice, *self.asked_twice, *self.never, *self.lost, *self.unrecorded}

    @property
    def is_clean(self) -> bool:
        return not self.wrong and not self.names_in_log


def judge(world: World, accepted: Collection[str], queued: Collection[Queued]) -> Verdict:
    """At the end of a batch of ordinary calls, each of which has an outcome."""
    rows = rows_of(world)
    stored = Counter(row.reference for row in rows)
    calls: Counter[str] = Counter()
    for one in queued:
        calls[one.reference] += one.starts
    recorded = {row.request_id for row in rows if is_recorded(row)}
    started = [one for one in queued if one.starts]
    return Verdict(
        rows=len(rows),
        calls=calls.total(),
        twice=sorted(name for name, number in calls.items() if number > 1),
        asked_twice=sorted(one.reference for one in queued if one.triggers > 1),
        never=sorted(name for name in accepted if not calls[name]),
        lost=sorted(name for name in {*accepted, *stored} if stored[name] != (name in accepted)),
        unrecorded=sorted(one.reference for one in started if one.id not in recorded),
        names_in_log=world.log.count(PATIENT),
    )


def is_recorded(row: Row) -> bool:
    return (row.phase, row.word, row.outcomes) == ("completed", "COMPLETE", 1)


def rows_of(world: World) -> list[Row]:
    return [
        Row(reference, id and UUID(str(id)), *rest) for reference, id, *rest in world.rows(ROWS)
    ]


def times(world: World, condition: str) -> int:
    """How often the timeline says so."""
    return int(world.rows(EVENTS.format("COUNT(*)", condition))[0][0])
