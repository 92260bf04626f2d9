"""The watch over the worker, with a clock of its own."""

from datetime import UTC, datetime, timedelta

import pytest

from calls.management.heartbeat import QueueRow, Signs, Watch

NOW = datetime(2026, 4, 9, 15, 0, tzinfo=UTC)
TAKEN = NOW + timedelta(seconds=45)
DUE = NOW - timedelta(hours=1)


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watch(clock: Clock) -> Watch:
    watch = Watch(clock)
    watch.begin(signs(beat=0))
    return watch


def signs(*, beat: int, dispatch: int | None = None, queue: list[QueueRow] | None = None) -> Signs:
    """`beat`: a number that differs when the slices have beaten."""
    beats = {
        "dispatch": NOW + timedelta(seconds=beat if dispatch is None else dispatch),
        "poll": NOW + timedelta(seconds=beat),
    }
    return Signs(beats, queue or [], NOW)


def test_a_worker_that_beats_is_well(watch: Watch, clock: Clock) -> None:
    for beat in range(100):
        clock.seconds += 5
        assert watch.ailment(signs(beat=beat)) == ""


@pytest.mark.fault("Processes", "Worker that falls silent", "The supervisor starts it again.")
def test_one_silent_slice_is_enough(watch: Watch, clock: Clock) -> None:
    clock.seconds += 19
    assert watch.ailment(signs(beat=1, dispatch=0)) == ""
    clock.seconds += 2
    assert watch.ailment(signs(beat=2, dispatch=0)) == "no sign of life from dispatch for 21 s"


def test_a_quiet_slice_is_woken_once_before_the_worker_is_blamed(
    watch: Watch, clock: Clock
) -> None:
    clock.seconds += 13
    found = signs(beat=1, dispatch=0)
    assert [watch.quiet(found), watch.quiet(found)] == [["dispatch"], []]
    assert watch.ailment(found) == ""


def test_a_slice_that_goes_quiet_again_is_woken_again(watch: Watch, clock: Clock) -> None:
    clock.seconds += 13
    assert watch.quiet(signs(beat=1, dispatch=0)) == ["dispatch"]
    assert watch.quiet(signs(beat=2)) == []
    clock.seconds += 13
    assert watch.quiet(signs(beat=3, dispatch=2)) == ["dispatch"]


def test_a_slice_that_never_ran_is_silent_too(clock: Clock) -> None:
    watch, never = Watch(clock), Signs({"dispatch": None, "poll": None}, [], NOW)
    watch.begin(never)
    clock.seconds += 21
    assert watch.ailment(never)


@pytest.mark.fault(
    "Clock",
    "Machines whose clocks differ",
    "A worker is judged by whether its beat changes, not by its time.",
)
def test_the_clocks_of_other_machines_do_not_matter(watch: Watch, clock: Clock) -> None:
    """A beat of an hour ago is alive as long as it changes."""
    clock.seconds += 21
    assert watch.ailment(signs(beat=-3600)) == ""


def test_a_new_worker_gets_its_time(watch: Watch, clock: Clock) -> None:
    clock.seconds += 60
    watch.begin(signs(beat=0))
    clock.seconds += 19
    assert watch.ailment(signs(beat=0)) == ""


@pytest.mark.fault(
    "Processes", "Queue from which nobody takes", "The supervisor starts the worker again."
)
def test_what_is_due_and_not_taken_is_an_ailment(watch: Watch, clock: Clock) -> None:
    waiting = [QueueRow(1, DUE)]
    assert watch.ailment(signs(beat=1, queue=waiting)) == ""
    clock.seconds += 16
    assert watch.ailment(signs(beat=2, queue=waiting)) == "nobody takes what is due in the queue"


def test_what_was_taken_is_not_waiting(watch: Watch, clock: Clock) -> None:
    slices = [QueueRow(1, TAKEN), QueueRow(2, TAKEN)]
    for beat in range(10):
        clock.seconds += 5
        assert watch.ailment(signs(beat=beat, queue=slices)) == ""


@pytest.mark.fault(
    "Processes",
    "Monitor of the queue killed",
    "Tasks are taken and never acknowledged: the supervisor starts the worker again.",
)
def test_many_taken_and_never_acknowledged_are_an_ailment(watch: Watch, clock: Clock) -> None:
    taken = [QueueRow(number, TAKEN) for number in range(6)]
    assert watch.ailment(signs(beat=1, queue=taken)) == ""
    clock.seconds += 6
    assert watch.ailment(signs(beat=2, queue=taken)) == "nobody acknowledges what was done"


def test_a_new_worker_is_not_blamed_for_what_the_old_one_took(watch: Watch, clock: Clock) -> None:
    taken = [QueueRow(number, TAKEN) for number in range(6)]
    watch.begin(signs(beat=1, queue=taken))
    clock.seconds += 6
    assert watch.ailment(signs(beat=2, queue=taken)) == ""
