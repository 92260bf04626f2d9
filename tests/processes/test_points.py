"""The process that asks is killed at each moment of each kind of request, by the one that answers."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.processes.family import Proc
from tests.processes.judging import Verdict, judge
from tests.processes.standin import Act, Point, Standin, served
from tests.processes.world import World, calls_file, until

pytestmark = [pytest.mark.processes, pytest.mark.long]

CALLS = 3
AT_ONCE = 3  # worlds; each mostly waits
PATIENCE = 180.0  # seconds for what takes a few


@dataclass(frozen=True)
class Death:
    """`lost`: the request has no effect, ever; otherwise it has one, even if only after the death."""

    point: Point
    lost: bool = False

    def __str__(self) -> str:
        return f"{self.point.endpoint} {self.point.moment}" + " and lost" * self.lost


def death(endpoint: str, moment: str, *, lost: bool = False) -> Death:
    return Death(Point(endpoint, moment), lost)


CELLS: tuple[tuple[Death, ...], ...] = (
    (death("entities", "received"),),
    (death("entities", "applied"),),
    (death("entities", "answered"),),
    (death("schedule", "received"),),
    (death("schedule", "received", lost=True),),
    (death("schedule", "applied"),),
    (death("schedule", "answered"),),
    (death("trigger", "received"),),
    (death("trigger", "received", lost=True),),
    (death("trigger", "applied"),),
    (death("trigger", "answered"),),
    (death("poll", "received"),),
    (death("poll", "answered"),),
    # A look at a doubtful call: it follows a trigger whose process was killed too.
    (death("trigger", "applied"), death("look", "received")),
    (death("trigger", "received", lost=True), death("look", "answered")),
    # Sent again after two clean looks, and killed again.
    (death("trigger", "received", lost=True), death("trigger", "applied")),
)
NAMES = [", ".join(map(str, cell)) for cell in CELLS]


def reference(cell: int, call: int) -> str:
    return f"cell{cell:02}-{call:03}"


class Stage:
    """A world in which some cells are played one after the other."""

    def __init__(self, folder: Path, cells: list[int]) -> None:
        self.world, self.cells = World(folder), cells
        self.supervisor = 0
        self.standin = Standin(lambda: self.supervisor, pace=0.2)
        self.deaths = 0

    def play(self) -> Verdict:
        self.world.prepare(*(calls_file(CALLS, CALLS, name=f"cell{one:02}") for one in self.cells))
        self.world.rows("UPDATE calls_batch SET state = 'paused'")
        with (
            served(self.world, self.standin),
            self.world.running("manage.py", "run_workers") as supervisor,
        ):
            self.supervisor = supervisor.pid
            for number, cell in enumerate(self.cells, start=1):
                self.play_cell(cell, batch=number)
        accepted = [reference(cell, call) for cell in self.cells for call in range(CALLS)]
        return judge(self.world, accepted, self.standin.queued)

    def play_cell(self, cell: int, *, batch: int) -> None:
        for one in CELLS[cell]:
            self.standin.at(replace(one.point, about=f"cell{cell:02}"), self.killer(lost=one.lost))
        self.deaths = 0
        self.world.rows(f"UPDATE calls_batch SET state = 'running' WHERE id = {batch}")  # noqa: S608
        until(lambda: self.goes_on(cell, batch), PATIENCE, NAMES[cell])

    def killer(self, *, lost: bool) -> Act:
        def kill(asker: Proc) -> bool:
            os.kill(asker.pid, signal.SIGKILL)
            until(lambda: not asker.lives_on, 60, "it is dead")
            self.deaths += 1
            self.world.wake_now()
            return lost

        return kill

    def goes_on(self, cell: int, batch: int) -> bool:
        if self.deaths:
            self.world.shorten_waits()
            self.world.let_go()  # of a row that met two deaths before it was sent
            time.sleep(0.3)
        query = (
            f"SELECT COUNT(*) FROM calls_callrow WHERE phase = 'completed' AND batch_id = {batch}"  # noqa: S608
        )
        is_over = self.world.rows(query) == [(CALLS,)]
        assert not is_over or self.deaths == len(CELLS[cell]), "it was not killed"
        return is_over


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list["Future[Verdict]"]]:
    """One for each share of the cells."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield [
            pool.submit(Stage(tmp_path_factory.mktemp("world"), shares(first)).play)
            for first in range(AT_ONCE)
        ]


def shares(first: int) -> list[int]:
    return list(range(first, len(CELLS), AT_ONCE))


@pytest.mark.parametrize("cell", range(len(CELLS)), ids=NAMES)
@pytest.mark.fault(
    "Processes",
    "Process that asks killed at any moment of a request",
    "Each call is made once and recorded, no row is lost.",
)
def test_a_death_neither_repeats_nor_loses_a_call(
    cell: int, verdicts: list["Future[Verdict]"]
) -> None:
    verdict = verdicts[cell % AT_ONCE].result()
    assert not [one for one in verdict.wrong if one.startswith(f"cell{cell:02}")], verdict
    assert verdict.calls == CALLS * len(shares(cell % AT_ONCE))
    assert not verdict.names_in_log
