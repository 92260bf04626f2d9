from contextlib import contextmanager

import pytest

from calls import actions
from calls.engine import pulse
from calls.engine.scheduling import claim_chunks
from calls.engine.triggering import trigger_rows
from calls.models import Batch, CallEvent, CallRow, Lease
from calls.vocabulary import BatchState, EventKind, HoldReason, Phase
from tests.engine.lab import again
from tests.factories import make_batch, make_row

# --- The whole way ---


def test_every_row_of_a_batch_is_called_once_and_ends_with_its_outcome(lab):
    rows = [lab.row(story=story) for story in (60, 61, 64, 66, 69, 75)]
    lab.run(60)
    assert [again(row).phase for row in rows] == [
        Phase.COMPLETED, Phase.COMPLETED, Phase.COMPLETED, Phase.COMPLETED, Phase.FAILED, Phase.COMPLETED,
    ]  # fmt: skip
    assert all(lab.calls_of(row) == 1 for row in rows)
    assert lab.sandbox.ledger.orphans == []
    batch = again(lab.batch)
    assert (batch.state, batch.finished_at is not None) == (BatchState.FINISHED, True)
    assert CallEvent.objects.filter(batch=batch, kind=EventKind.FINISHED).count() == 1


def test_one_pulse_takes_a_new_row_as_far_as_its_call(lab):
    row = lab.row()
    assert lab.dispatch() == 3
    assert again(row).phase == Phase.CALLING


class Killed(BaseException):
    """The process is gone; nothing may catch it."""


@pytest.mark.parametrize("endpoint", ["entities", "schedule", "trigger", "poll"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.fault(
    "Processes",
    "Worker killed before or after any request",
    "Everything goes on from the database alone, and the call is made once.",
)
def test_a_process_that_dies_at_any_request_repeats_no_call(lab, monkeypatch, endpoint, when):
    """R90: what comes next is read from the database alone."""
    row = lab.row(story=60)

    def die(at, *body):
        if at == endpoint:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(lab.wire, when, die)
        with pytest.raises(Killed):
            lab.run(10)
    lab.run(300, step=5)
    assert again(row).phase == Phase.COMPLETED
    assert lab.calls_of(row) == 1


@pytest.mark.fault(
    "Processes",
    "Two pulses at once",
    "Every row is claimed by one of them: each call is made once, each office sent once.",
)
def test_two_workers_side_by_side_call_nobody_twice(lab):
    rows = [lab.row(story=60) for _ in range(6)]

    def rival(endpoint, body):
        lab.wire.before = lambda endpoint, body: None
        lab.pulse()
        lab.wire.before = rival

    lab.wire.before = rival
    lab.run(40, step=2)
    assert {again(row).phase for row in rows} == {Phase.COMPLETED}
    assert [lab.calls_of(row) for row in rows] == [1] * 6
    assert set(lab.sandbox.ledger.entity_upserts.values()) == {1}


# --- Batches ---


def test_a_held_row_keeps_its_batch_running(lab):
    make_row(Phase.SCHEDULED, batch=lab.batch, hold_reason=HoldReason.TRIGGER_REFUSED)
    make_row(Phase.COMPLETED, batch=lab.batch)
    lab.pulse()
    assert again(lab.batch).state == BatchState.RUNNING


@pytest.mark.fault(
    "People",
    "Batch withdrawn while its rows are being queued",
    "They are withdrawn as soon as their answer is recorded; nobody is called.",
)
def test_a_row_that_was_being_queued_when_its_batch_was_withdrawn_follows(lab):
    row = lab.row()
    lab.dispatch()
    row = lab.row(entity=again(row).entity)
    claim_chunks(1, lab.tools)
    actions.withdraw_batch(batch=again(lab.batch), by=None)
    assert again(row).phase == Phase.SCHEDULING
    lab.run(200, step=10)
    assert again(row).phase == Phase.WITHDRAWN
    assert lab.calls_of(row) == 0
    batch = again(lab.batch)
    assert (batch.state, batch.finished_at is not None) == (BatchState.CANCELLED, True)


def test_batches_of_other_states_are_left_alone(lab):
    batches = [make_batch(state=state) for state in ("draft", "paused", "finished")]
    pulse.finish_batches(now=lab.clock())
    assert [again(batch).state for batch in batches] == ["draft", "paused", "finished"]


# --- A slice ---


@pytest.fixture
def slice_tools(lab, monkeypatch):
    """`run_slice` with the lab's tools."""

    @contextmanager
    def tools_from_settings(keep_going):
        yield lab.tools

    monkeypatch.setattr(pulse, "tools_from_settings", tools_from_settings)
    monkeypatch.setattr(pulse, "IDLE_SECONDS", 0.0)
    monkeypatch.setattr("calls.engine.leasing.SLICE_SECONDS", 0.02)
    return lab


def test_a_slice_pulses_until_its_time_is_over_and_is_chained(slice_tools):
    pulses = []
    assert pulse.run_slice("dispatch", lambda tools: pulses.append(tools) or 1)
    assert len(pulses) > 1
    assert Lease.objects.get(name="dispatch").until is None


def test_a_slice_does_not_begin_beside_another(slice_tools):
    Lease.objects.create(
        name="dispatch", token="other", until=slice_tools.clock.now.replace(year=2999)
    )
    pulses = []
    assert not pulse.run_slice("dispatch", lambda tools: pulses.append(tools) or 1)
    assert pulses == []


def test_a_slice_that_fails_gives_its_lease_back(slice_tools):
    def fail(tools):
        raise RuntimeError

    with pytest.raises(RuntimeError):
        pulse.run_slice("dispatch", fail)
    assert Lease.objects.get(name="dispatch").until is None


# --- What an idle pulse costs ---


@pytest.mark.parametrize("rows", [0, 40])
def test_an_idle_pulse_costs_the_same_for_any_number_of_waiting_rows(
    lab, rows, django_assert_max_num_queries
):
    later = lab.clock().replace(year=2999)
    for phase in (Phase.READY, Phase.SCHEDULED, Phase.CALLING):
        for _ in range(rows // 3):
            make_row(phase, batch=lab.batch, next_at=later)
    with django_assert_max_num_queries(32):
        assert lab.pulse() == 0
    assert trigger_rows(lab.tools) == 0
    assert not CallRow.objects.filter(next_at=lab.clock()).exists()
    assert Batch.objects.filter(pk=lab.batch.pk).exists()
