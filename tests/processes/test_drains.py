"""SIGTERM: no more work is taken, answers in flight are waited for and recorded, the exit code is 0."""

import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import pytest

from calls.management.commands.run_workers import STOP_SECONDS
from tests.processes.family import Proc, descendants
from tests.processes.judging import rows_of
from tests.processes.standin import Point, Standin, served
from tests.processes.world import World, calls_file, free_port, until

pytestmark = pytest.mark.processes

CALLS = 12
PATIENCE = 120.0
ANSWERED_AFTER = 3.0  # seconds after the signal
SLOW_MACHINE = 15.0  # for what is to do beside waiting

COMMANDS: dict[str, Callable[[], list[str]]] = {
    "run_workers": lambda: ["run_workers"],
    "serve": lambda: ["serve", "--port", str(free_port())],
}


@dataclass(frozen=True)
class Story:
    """What was left behind by a worker that was told to end while triggers were unanswered."""

    code: int
    seconds: float
    phases: dict[str, int]
    started: int
    recorded: int
    claims: int
    leases: int
    left_over: list[int]


class Drain:
    def __init__(self, folder: Path, command: list[str]) -> None:
        self.world, self.command = World(folder), command
        self.process = 0
        self.standin = Standin(lambda: self.process)
        self.is_asked, self.may_answer = Event(), Event()

    def tell(self) -> Story:
        self.world.prepare(calls_file(CALLS, CALLS))
        for number in range(CALLS):
            self.standin.at(Point("trigger", "applied", f"row-{number:03}"), self.hold_up)
        with (
            served(self.world, self.standin),
            self.world.running("manage.py", *self.command) as process,
        ):
            self.process = process.pid
            until(self.is_asked.is_set, PATIENCE, "a trigger is out")
            family, began = descendants(process.pid), time.monotonic()
            process.send_signal(signal.SIGTERM)
            time.sleep(ANSWERED_AFTER)
            self.may_answer.set()
            code = process.wait(PATIENCE)
            return self.story(code, time.monotonic() - began, family)

    def hold_up(self, asker: Proc) -> bool:
        self.is_asked.set()
        self.may_answer.wait(PATIENCE)
        return False

    def story(self, code: int, seconds: float, family: list[Proc]) -> Story:
        calling = {row.request_id for row in rows_of(self.world) if row.phase == "calling"}
        started = {one.id for one in self.standin.queued if one.starts}
        return Story(
            code,
            seconds,
            self.world.phases(),
            len(started),
            len(started & calling),
            self.count("calls_callrow", "claimed_by <> ''"),
            self.count("calls_lease", "until IS NOT NULL"),
            [one.pid for one in family if one.lives_on],
        )

    def count(self, table: str, condition: str) -> int:
        query = f"SELECT COUNT(*) FROM {table} WHERE {condition}"  # noqa: S608
        return int(self.world.rows(query)[0][0])


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, "Future[Story]"]]:
    with ThreadPoolExecutor(len(COMMANDS)) as pool:
        yield {
            name: pool.submit(Drain(tmp_path_factory.mktemp("world"), command()).tell)
            for name, command in COMMANDS.items()
        }


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.fault(
    "Processes",
    "Worker told to stop with answers in flight",
    "They are waited for and recorded; it ends with code 0.",
)
def test_answers_in_flight_are_recorded(name: str, stories: dict[str, "Future[Story]"]) -> None:
    story = stories[name].result()
    assert story.code == 0
    assert story.started >= 1
    assert story.recorded == story.started
    assert (story.claims, story.leases, story.left_over) == (0, 0, [])
    assert set(story.phases) <= {"ready", "scheduled", "calling"}
    assert story.seconds < STOP_SECONDS + SLOW_MACHINE
