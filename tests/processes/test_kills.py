"""Each process of the worker is killed once in the middle of a batch; all calls are made, and none twice."""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.processes.family import (
    WORKERS,
    Proc,
    descendants,
    family_of,
    is_busy,
    main_of,
    sentinel_of,
)
from tests.processes.world import ROWS, World, until

pytestmark = pytest.mark.processes

AT_ONCE = 3  # worlds; each mostly waits
MIDDLE = 10  # completed calls
PATIENCE = 180.0  # seconds for what takes half a minute


def worker_of(supervisor: int, *, busy: bool) -> Proc:
    """The idle one: while the others are busy it holds the lock of the queue, which dies with it."""
    chosen: list[Proc] = []

    def found() -> bool:
        workers = family_of(supervisor)[:WORKERS]
        chosen[:] = [one for one in workers if is_busy(one) is busy]
        return len(workers) == WORKERS and len(chosen) == (WORKERS - 1 if busy else 1)

    until(found, PATIENCE, "two workers are busy and one is idle")
    return chosen[0]


@dataclass(frozen=True)
class Kill:
    """Whom, and what the supervisor says of it where the queue cannot heal itself."""

    victim: Callable[[int], Proc]
    said: str = ""


KILLS = {
    "main": Kill(main_of, "ended with signal 9"),
    "sentinel": Kill(sentinel_of, "ended with code 0"),
    "busy worker": Kill(lambda pid: worker_of(pid, busy=True)),
    "idle worker": Kill(lambda pid: worker_of(pid, busy=False), "starting again"),
    "monitor": Kill(lambda pid: family_of(pid)[WORKERS], "nobody acknowledges what was done"),
    "pusher": Kill(lambda pid: family_of(pid)[WORKERS + 1]),
}


@dataclass(frozen=True)
class Story:
    """What was seen after a kill."""

    phases: dict[str, int]
    calls: dict[str, int]
    log: str
    left_over: list[int]


def completed(world: World) -> int:
    return world.phases().get("completed", 0)


def is_over(world: World) -> bool:
    world.shorten_waits()
    return completed(world) == ROWS


def tell(folder: Path, kill: Kill) -> Story:
    world = World(folder)
    world.start_batch()
    with (
        world.sandbox("--pace", "0.5"),
        world.running("manage.py", "run_workers") as supervisor,
    ):
        until(lambda: completed(world) >= MIDDLE, PATIENCE, "the batch is under way")
        family = descendants(supervisor.pid)
        os.kill(kill.victim(supervisor.pid).pid, signal.SIGKILL)
        until(lambda: is_over(world), PATIENCE, "all calls are completed")
        until(lambda: kill.said in world.log, PATIENCE, kill.said)
        family += descendants(supervisor.pid)
        ledger = world.ledger()
    left_over = [one.pid for one in family if one.lives_on]
    return Story(world.phases(), ledger["calls_by_reference"], world.log, left_over)


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, "Future[Story]"]]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {
            name: pool.submit(tell, tmp_path_factory.mktemp("world"), kill)
            for name, kill in KILLS.items()
        }


@pytest.mark.parametrize("name", KILLS)
@pytest.mark.fault(
    "Processes",
    "Any process of a working worker killed",
    "The supervisor heals it within a minute, and each call is made once.",
)
def test_work_goes_on_and_nobody_is_called_twice(
    name: str, stories: dict[str, "Future[Story]"]
) -> None:
    story = stories[name].result()
    assert story.phases == {"completed": ROWS}
    assert story.calls == {f"row-{number:03}": 1 for number in range(ROWS)}
    assert story.left_over == []
