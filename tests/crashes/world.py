"""A world in which exactly one thing goes wrong: at one point, with one fault, in one way."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from calls.engine import asking, entities, polling, scheduling, triggering
from calls.models import CallRow
from calls.vocabulary import Phase
from tests.simulation.cast import clear_tables, make_rows
from tests.simulation.snapshot import Snapshot
from tests.simulation.trouble import Killed, Luck
from tests.simulation.world import World

SENDERS = {
    "entities": (entities, "send"),
    "schedule": (scheduling, "send"),
    "trigger": (triggering, "trigger"),
    "poll": (polling, "ask"),
}
FROZEN_FOR = 400.0  # seconds: longer than any lease, and than the wait and both looks
RIVAL_TURNS = 5


@dataclass(frozen=True)
class Cell:
    """`step` is one of entities, schedule, trigger, look, poll; `moment` is claimed, sent or recorded.

    The fault meets the step's own request; before a look it met the trigger, so that there is a doubt.
    """

    step: str
    moment: str
    fault: str
    disturbance: str
    rows: int

    def __str__(self) -> str:
        number = "one" if self.rows == 1 else "three"
        return f"{self.step}-{self.moment}-{self.fault or 'well'}-{self.disturbance}-{number}"


class CrashWorld(World):
    def __init__(self, cell: Cell) -> None:
        super().__init__(1, luck=Luck())
        object.__setattr__(self.rules, "respect_calling_hours", False)
        object.__setattr__(self.rules, "schedule_chunk", 50)
        object.__setattr__(self.rules, "concurrency", 8)
        self.cell, self.step_now, self.has_happened = cell, "", False
        self.standin.stories = ("quick",)
        endpoint = "trigger" if cell.step == "look" else cell.step
        self.standin.expected[endpoint] = [cell.fault]
        self.standin.after_effect = lambda endpoint: self.reach("sent")

    def run(self) -> None:
        clear_tables()
        make_rows(self.cell.rows)
        self.judge.rows = self.cell.rows
        with self.running(), self.points():
            self.settle()
        self.judge.check_end()

    @contextmanager
    def points(self) -> Iterator[None]:
        """Watches claims, requests and records for the moment of this cell."""
        record_group = asking.record_group

        def recorded(answers: Any, record: Any) -> Any:
            follow_ups = record_group(answers, record)
            self.reach("recorded")
            return follow_ups

        with (
            patch.object(asking, "record_group", recorded),
            self.watched("entities"),
            self.watched("schedule"),
            self.watched("trigger"),
            self.watched("poll"),
        ):
            yield

    def watched(self, step: str) -> Any:
        module, name = SENDERS[step]
        keep: Callable[[Any, Any], Any] = getattr(module, name)

        def send(job: Any, tools: Any) -> Any:
            looks = step == "poll" and job.phase == Phase.CONFIRMING
            self.step_now = "look" if looks else step
            self.reach("claimed")
            return keep(job, tools)

        return patch.object(module, name, send)

    def reach(self, moment: str) -> None:
        """The one disturbance, the first time that its point is reached."""
        here = self.step_now == self.cell.step and moment == self.cell.moment
        if self.depth or self.has_happened or not here:
            return
        self.has_happened = True
        getattr(self, self.cell.disturbance)()
        self.step_now = self.cell.step

    def kill(self) -> None:
        raise Killed

    def freeze_and_thaw(self) -> None:
        with self.aside():
            for _ in range(RIVAL_TURNS):
                self.pass_time(FROZEN_FOR / RIVAL_TURNS)
                self.others_work()

    def meet_a_rival(self) -> None:
        with self.aside():
            self.others_work()

    def others_work(self) -> None:
        self.turn(Snapshot.now())
        self.judge.look()

    def calls_of(self, row: CallRow) -> int:
        """Started upstream, by the stand-in's ledger."""
        requests = self.standin.requests.values()
        of_row = [one for one in requests if one.reference == row.external_reference_id]
        return sum(len(request.starts) for request in of_row)
