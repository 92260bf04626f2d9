import pytest

from calls.engine import leasing
from calls.engine.leasing import Slice, revoke_all
from calls.models import Lease


@pytest.fixture
def seconds(monkeypatch):
    """The process's own clock, moved by hand."""
    now = [1000.0]
    monkeypatch.setattr(leasing.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def turn(db, clock, seconds):
    turn = Slice("poll", clock=clock)
    assert turn.acquire()
    return turn


def test_one_slice_of_a_kind_runs_at_a_time(turn, clock):
    assert not Slice("poll", clock=clock).acquire()
    assert Slice("dispatch", clock=clock).acquire()


def test_a_slice_that_ended_makes_room(turn, clock):
    turn.release()
    assert Slice("poll", clock=clock).acquire()


@pytest.mark.fault(
    "Processes",
    "Slice that was killed",
    "Its lease ends after ten seconds and the next one begins.",
)
def test_a_slice_that_died_makes_room_after_its_lease(turn, clock):
    clock.advance(9)
    assert not Slice("poll", clock=clock).acquire()
    clock.advance(2)
    assert Slice("poll", clock=clock).acquire()


def test_a_running_slice_beats_and_so_keeps_its_lease(turn, clock, seconds):
    for _ in range(6):
        clock.advance(3)
        seconds[0] += 3
        assert turn.keep_going()
        assert Lease.objects.get(name="poll").beat_at == clock()
    assert not Slice("poll", clock=clock).acquire()


def test_a_slice_ends_after_its_time(turn, seconds):
    seconds[0] += leasing.SLICE_SECONDS - 1
    assert turn.keep_going()
    seconds[0] += 1
    assert not turn.keep_going()
    assert not turn.is_lost


@pytest.mark.fault(
    "Processes", "Slice frozen until after its lease", "It ends after what it has in flight."
)
def test_a_frozen_slice_learns_that_another_has_taken_over(turn, clock, seconds):
    clock.advance(11)
    seconds[0] += 11
    successor = Slice("poll", clock=clock)
    assert successor.acquire()
    assert not turn.keep_going()
    assert turn.is_lost
    turn.release()
    assert successor.keep_going()


def test_revoking_ends_every_slice_after_what_it_has_in_flight(turn, seconds):
    revoke_all()
    seconds[0] += leasing.BEAT_EVERY
    assert not turn.keep_going()
    assert turn.is_lost
