"""Processes are frozen in the middle of triggering and thawed when their time is over."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier, Event

import pytest

from tests.processes.family import Proc, descendants, main_of
from tests.processes.judging import Verdict, judge, times
from tests.processes.standin import Point, Standin, served
from tests.processes.world import World, calls_file, until

pytestmark = pytest.mark.processes

CALLS = 30  # to as many phones: one volley
PATIENCE = 180.0  # seconds for what takes a few
STEP, LONGEST_STEP, MOST_STEPS = 0.001, 0.05, 5000  # seconds
TOO_LONG = 6.0  # for an intent: what was not sent by then is not sent any more


@dataclass(frozen=True)
class Scene:
    """`sent`: it freezes when its whole volley has arrived and before any answer; otherwise before most of it has
    left. `whole`: everybody but the supervisor freezes. `locked`: while it writes."""

    then: Callable[["Freeze"], None]
    sent: bool = False
    whole: bool = False
    locked: bool = False


@dataclass(frozen=True)
class Story:
    """`too_old`: intents that were not sent after the thaw; `stale`: answers that the frozen process recorded."""

    verdict: Verdict
    too_old: int
    stale: int


class Freeze:
    def __init__(self, folder: Path, scene: Scene) -> None:
        self.world, self.scene = World(folder), scene
        self.supervisor = 0
        self.standin = Standin(lambda: self.supervisor, pace=3.0 if scene.sent else 0.2)
        self.asker: Proc | None = None
        self.arrived = Barrier(CALLS)
        self.is_frozen = Event()

    def tell(self) -> Story:
        self.world.prepare(calls_file(CALLS, CALLS))
        if self.scene.sent:
            for number in range(CALLS):
                self.standin.at(
                    Point("trigger", "received", f"row-{number:03}"), self.freeze_all_sent
                )
        else:
            self.standin.at(Point("schedule", "answered"), self.freeze_unsent)
        with (
            served(self.world, self.standin),
            self.world.running("manage.py", "run_workers") as supervisor,
        ):
            self.supervisor = supervisor.pid
            until(lambda: self.asker is not None, PATIENCE, "it is frozen")
            self.scene.then(self)
            self.wait_for_the_end()
        accepted = [f"row-{number:03}" for number in range(CALLS)]
        return Story(
            judge(self.world, accepted, self.standin.queued),
            times(self.world, "detail = 'IntentTooOld'"),
            times(self.world, "phase_from = 'triggering' AND phase_to = 'calling'"),
        )

    def freeze_all_sent(self, asker: Proc) -> bool:
        if self.arrived.wait(PATIENCE) == 0:
            self.frozen = [asker]
            self.send(signal.SIGSTOP)
            until(lambda: asker.stands_still, PATIENCE, "it stands still")
            self.asker = asker
            self.is_frozen.set()
        self.is_frozen.wait(PATIENCE)
        return False

    def freeze_unsent(self, asker: Proc) -> bool:
        """The answer to its queueing is out: it is led on by small steps, until the intents of a volley are
        committed, and until it holds the database's lock or not, as the scene wants it."""
        self.frozen = [asker]
        for _ in range(MOST_STEPS):
            self.send(signal.SIGSTOP)
            until(lambda: asker.stands_still, PATIENCE, "it stands still")
            if self.world.phases().get("triggering") and self.world.is_locked is self.scene.locked:
                break
            self.send(signal.SIGCONT)
            wait_for_work_of(asker)
        else:
            raise AssertionError("never caught as wanted")
        if self.scene.whole:
            main = main_of(self.supervisor)
            self.frozen = [main, *descendants(main.pid)]
            self.send(signal.SIGSTOP)
        self.asker = asker
        return False

    def send(self, number: int) -> None:
        for one in self.frozen:
            if one.lives_on:
                os.kill(one.pid, number)

    def wait_for_the_end(self) -> None:
        def is_over() -> bool:
            self.world.shorten_waits()
            time.sleep(0.3)
            return self.world.phases() == {"completed": CALLS}

        until(is_over, PATIENCE, "all calls are completed")


def wait_for_work_of(asker: Proc) -> None:
    """Until it was on the processor for a STEP, or has nothing to do for a while: machines may be busy."""
    before, ends_at = asker.on_processor, time.monotonic() + LONGEST_STEP
    while asker.on_processor < before + STEP and time.monotonic() < ends_at:
        time.sleep(STEP / 4)


def others_take_over(freeze: Freeze) -> None:
    """The frozen process wakes with thirty answers for calls that others are following by now."""
    freeze.world.wake_now()
    until(lambda: is_settled(freeze.world), PATIENCE, "others follow all calls")
    freeze.send(signal.SIGCONT)
    until(lambda: has_looked(freeze), PATIENCE, "it has looked at all answers, or was ended")


def is_settled(world: World) -> bool:
    world.shorten_waits()
    return set(world.phases()) <= {"calling", "completed"}


def has_looked(freeze: Freeze) -> bool:
    asker = freeze.asker
    left_alone = freeze.world.log.count("was moved by someone else before trigger_accepted")
    return asker is not None and (not asker.lives_on or left_alone >= CALLS)


def nobody_takes_over(freeze: Freeze) -> None:
    """Everybody but the supervisor stands still for too long for an intent, and for too short to be replaced."""
    time.sleep(TOO_LONG)
    freeze.send(signal.SIGCONT)


def the_supervisor_replaces(freeze: Freeze) -> None:
    """Everybody but the supervisor stands still until it starts the worker again."""
    until(lambda: "starting again" in freeze.world.log, PATIENCE, "the supervisor has noticed")
    freeze.send(signal.SIGCONT)


SCENES = {
    "busy worker, others take over": Scene(others_take_over, sent=True),
    "busy worker while it writes, replaced": Scene(the_supervisor_replaces, locked=True),
    "whole worker, thawed in time": Scene(nobody_takes_over, whole=True),
    "whole worker, replaced": Scene(the_supervisor_replaces, whole=True),
}


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, "Future[Story]"]]:
    with ThreadPoolExecutor(len(SCENES)) as pool:
        yield {
            name: pool.submit(Freeze(tmp_path_factory.mktemp("world"), scene).tell)
            for name, scene in SCENES.items()
        }


@pytest.mark.parametrize("name", SCENES)
def test_no_call_is_repeated_or_lost(name: str, stories: dict[str, "Future[Story]"]) -> None:
    story = stories[name].result()
    assert story.verdict.is_clean, story
    assert story.verdict.calls == CALLS


def test_answers_for_what_others_have_taken_over_are_not_recorded(
    stories: dict[str, "Future[Story]"],
) -> None:
    assert stories["busy worker, others take over"].result().stale == 0


def test_what_was_to_leave_before_the_freeze_does_not_leave_after_it(
    stories: dict[str, "Future[Story]"],
) -> None:
    assert stories["whole worker, thawed in time"].result().too_old > 0
