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
from tests.processes.standin import Act, Point, Standin, served
from tests.processes.world import World, calls_file, until

pytestmark = pytest.mark.processes

CALLS = 30  # to as many phones: one volley
MOST = CALLS - 5  # of them: the doors of a server let one or two in, however fast they are shut
PATIENCE = 180.0  # seconds for what takes a few
STEP, LONGEST_STEP = 0.001, 0.05  # seconds
TOO_LONG = 6.0  # for an intent: what was not sent by then is not sent any more
TRIES = 5


class Missed(Exception):
    """The moment has passed: a busy machine looked too late."""


@dataclass(frozen=True)
class Scene:
    """`caught`: sees to it that it freezes at its moment. `whole`: everybody but the supervisor freezes."""

    caught: Callable[["Freeze"], None]
    then: Callable[["Freeze"], None]
    whole: bool = False
    pace: float = 0.2  # of the calls


@dataclass(frozen=True)
class Story:
    """`too_old`: intents that were not sent after the thaw; `recorded`: answers that the frozen one recorded."""

    verdict: Verdict
    too_old: int
    recorded: int


class Freeze:
    def __init__(self, folder: Path, scene: Scene) -> None:
        self.world, self.scene = World(folder), scene
        self.supervisor = 0
        self.standin = Standin(lambda: self.supervisor, pace=scene.pace)
        self.frozen: list[Proc] = []
        self.is_over = Event()
        self.has_missed = False

    def tell(self) -> Story:
        """Raises Missed where it was not frozen at the moment of the scene."""
        self.world.prepare(calls_file(CALLS, CALLS))
        with (
            served(self.world, self.standin) as self.server,
            self.world.running("manage.py", "run_workers") as supervisor,
        ):
            self.supervisor = supervisor.pid
            self.scene.caught(self)
            until(self.is_over.is_set, PATIENCE, "it is frozen")
            if self.has_missed:
                raise Missed
            self.scene.then(self)
            self.wait_for_the_end()
        accepted = [f"row-{number:03}" for number in range(CALLS)]
        return Story(
            judge(self.world, accepted, self.standin.queued),
            times(self.world, "detail = 'IntentTooOld'"),
            times(self.world, "phase_from = 'triggering' AND phase_to = 'calling'"),
        )

    def freeze(self, asker: Proc) -> None:
        self.frozen = [asker]
        if self.scene.whole:
            main = main_of(self.supervisor)
            self.frozen = [main, *descendants(main.pid)]
        self.send(signal.SIGSTOP)
        until(lambda: all(one.stands_still for one in self.frozen), PATIENCE, "all stand still")

    def send(self, number: int) -> None:
        for one in self.frozen:
            if one.lives_on:
                os.kill(one.pid, number)

    def triggering(self) -> int:
        return self.world.phases().get("triggering", 0)

    def wait_for_the_end(self) -> None:
        def is_over() -> bool:
            self.world.shorten_waits()
            time.sleep(0.3)
            return self.world.phases() == {"completed": CALLS}

        until(is_over, PATIENCE, "all calls are completed")


# --- moments ---


def all_sent(freeze: Freeze) -> None:
    """Its whole volley has arrived, and nothing of it was answered."""
    arrived, is_frozen = Barrier(CALLS), Event()

    def hold_up(asker: Proc) -> bool:
        if arrived.wait(PATIENCE) == 0:
            freeze.freeze(asker)
            is_frozen.set()
            freeze.is_over.set()
        is_frozen.wait(PATIENCE)
        return False

    for number in range(CALLS):
        freeze.standin.at(Point("trigger", "received", f"row-{number:03}"), hold_up)


def while_it_connects(freeze: Freeze) -> None:
    """The intents of a volley are committed and nobody opens: it waits for its connections. While it stands still
    they come about."""

    def catch(asker: Proc) -> None:
        freeze.server.shut_doors()
        until(
            lambda: freeze.triggering() == CALLS and freeze.server.connecting >= MOST,
            30,
            "it connects",
        )
        freeze.freeze(asker)
        freeze.server.open_doors()

    freeze.standin.at(Point("schedule", "answered"), trying(freeze, catch))


def while_it_writes(freeze: Freeze) -> None:
    """It holds the database's lock for the answers of its volley. It is led there by small steps."""

    def catch(asker: Proc) -> None:
        while freeze.world.phases().keys() & {"scheduling", "scheduled", "triggering"}:
            freeze.freeze(asker)
            if freeze.triggering() and freeze.world.is_locked:
                return
            freeze.send(signal.SIGCONT)
            wait_for_work_of(asker)
        raise Missed

    freeze.standin.at(Point("schedule", "answered"), trying(freeze, catch))


def trying(freeze: Freeze, catch: Callable[[Proc], None]) -> Act:
    def act(asker: Proc) -> bool:
        try:
            catch(asker)
        except (AssertionError, Missed):
            freeze.has_missed = True
        finally:
            freeze.is_over.set()
        return False

    return act


def wait_for_work_of(asker: Proc) -> None:
    """Until it was on the processor for a STEP, or has nothing to do for a while: machines may be busy."""
    before, ends_at = asker.on_processor, time.monotonic() + LONGEST_STEP
    while asker.on_processor < before + STEP and time.monotonic() < ends_at:
        time.sleep(STEP / 4)


# --- what comes then ---


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
    left_alone = freeze.world.log.count("was moved by someone else before trigger_accepted")
    return left_alone >= CALLS or not any(one.lives_on for one in freeze.frozen)


def nobody_takes_over(freeze: Freeze) -> None:
    """They stand still for too long for an intent, and for too short to be replaced."""
    time.sleep(TOO_LONG)
    freeze.send(signal.SIGCONT)


def the_supervisor_replaces(freeze: Freeze) -> None:
    """They stand still until the supervisor starts the worker again."""
    until(lambda: "starting again" in freeze.world.log, PATIENCE, "the supervisor has noticed")
    freeze.send(signal.SIGCONT)


SCENES = {
    "busy worker, others take over": Scene(all_sent, others_take_over, pace=3.0),
    "busy worker while it writes, replaced": Scene(while_it_writes, the_supervisor_replaces),
    "whole worker, thawed in time": Scene(while_it_connects, nobody_takes_over, whole=True),
    "whole worker, replaced": Scene(while_it_connects, the_supervisor_replaces, whole=True),
}


def told(folder: Path, scene: Scene) -> Story:
    """Again in another world where the moment was missed."""
    for number in range(TRIES):
        world = folder / str(number)
        world.mkdir()
        try:
            return Freeze(world, scene).tell()
        except Missed:
            continue
    raise AssertionError(f"missed {TRIES} times")


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, "Future[Story]"]]:
    with ThreadPoolExecutor(len(SCENES)) as pool:
        yield {
            name: pool.submit(told, tmp_path_factory.mktemp("scene"), scene)
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
    assert stories["busy worker, others take over"].result().recorded == 0


def test_what_was_to_leave_before_the_freeze_does_not_leave_after_it(
    stories: dict[str, "Future[Story]"],
) -> None:
    assert stories["whole worker, thawed in time"].result().too_old >= MOST
