from datetime import timedelta

import pytest
from django.utils import timezone

from calls import actions, starting
from calls.actions import Refused
from calls.engine.pulse import whole_pulse
from calls.engine.scheduling import schedule_rows
from calls.engine.starting import start, start_due_batches
from calls.engine.triggering import claim_to_trigger, rows_with_open_gate, trigger_rows
from calls.models import Batch, CallEvent, CallRow
from calls.vocabulary import BatchState, EventKind, LatencyMode, Phase
from tests.engine.lab import again
from tests.factories import NOW, make_batch, make_row, make_user

SOON = NOW + timedelta(hours=1)


def draft(lab, **over):
    batch = make_batch(**{"state": BatchState.DRAFT, "start_at": SOON} | over)
    lab.row(batch=batch)
    return batch


# --- A draft with a time --------------------------------------------------------------------------
def test_a_draft_starts_by_itself_when_its_time_has_come(lab):
    batch = draft(lab)
    whole_pulse(lab.tools)
    assert again(batch).state == BatchState.DRAFT
    lab.clock.advance(3600)
    whole_pulse(lab.tools)
    batch = again(batch)
    assert (batch.state, batch.started_at, batch.start_at) == (BatchState.RUNNING, SOON, None)
    assert batch.events.filter(kind=EventKind.STARTED, actor=None).count() == 1


def test_a_draft_that_was_put_off_meanwhile_is_left_alone(lab):
    batch = draft(lab)
    Batch.objects.update(start_at=SOON + timedelta(days=1))
    assert not start(batch, now=SOON)
    assert again(batch).state == BatchState.DRAFT


def test_an_empty_draft_does_not_start(lab):
    make_batch(state=BatchState.DRAFT, start_at=NOW)
    assert start_due_batches(now=NOW) == 0


@pytest.mark.parametrize("state", sorted(set(BatchState) - {BatchState.DRAFT}))
def test_only_a_draft_can_be_told_to_start_later(lab, state):
    batch = draft(lab, state=state, start_at=None)
    with pytest.raises(Refused):
        starting.start_later(batch=batch, at=timezone.now() + timedelta(hours=1), by=None)


def test_a_start_can_be_called_off(lab):
    batch = draft(lab, start_at=None)
    starting.start_later(batch=batch, at=timezone.now() + timedelta(hours=1), by=None)
    starting.do_not_start(batch=batch, by=None)
    assert again(batch).start_at is None
    with pytest.raises(Refused, match="not waiting"):
        starting.do_not_start(batch=batch, by=None)


def test_a_time_that_has_passed_is_refused(lab):
    with pytest.raises(Refused, match="must be in the future"):
        starting.start_later(batch=draft(lab), at=timezone.now(), by=None)


def test_starting_by_hand_forgets_the_time_and_keeps_the_rules(lab):
    batch = draft(lab)
    rules = {"latency_mode": LatencyMode.HIGH, "wait_for_appointment": False}
    actions.start_batch(batch=batch, by=None, **rules)
    batch = again(batch)
    assert (batch.start_at, batch.latency_mode) == (None, LatencyMode.HIGH)
    assert (batch.wait_for_appointment, batch.ignore_calling_hours) == (False, False)


# --- Queue only -----------------------------------------------------------------------------------
def test_a_batch_that_only_queues_triggers_nothing_until_it_may_call(lab):
    Batch.objects.update(queue_only=True)
    row = lab.row()
    for _ in range(3):
        whole_pulse(lab.tools)
    assert (again(row).phase, lab.sent("trigger")) == (Phase.SCHEDULED, [])
    starting.start_calling(batch=lab.batch, by=None)
    trigger_rows(lab.tools)
    assert again(row).phase == Phase.CALLING


def test_calling_that_was_held_back_after_the_look_is_seen_by_the_claim_itself(lab, monkeypatch):
    lab.row()
    whole_pulse_without_trigger(lab)

    def look_then_hold_back(*args, **kwargs):
        found = rows_with_open_gate(*args, **kwargs)
        Batch.objects.update(queue_only=True)
        return found

    monkeypatch.setattr("calls.engine.triggering.rows_with_open_gate", look_then_hold_back)
    assert list(claim_to_trigger(9, lab.tools)) == []


def whole_pulse_without_trigger(lab):
    from calls.engine.entities import send_entities

    send_entities(lab.tools)
    schedule_rows(lab.tools)
    assert CallRow.objects.get().phase == Phase.SCHEDULED


def test_calling_is_let_go_once(lab):
    with pytest.raises(Refused, match="not held back"):
        starting.start_calling(batch=lab.batch, by=None)


# --- Taking a batch back --------------------------------------------------------------------------
@pytest.mark.parametrize("state", ["draft", "running", "paused"])
def test_a_batch_that_evergrove_has_not_heard_of_can_be_had_back(db, state):
    batch = make_batch(state=state)
    make_row(batch=batch)
    starting.take_back(batch=batch, by=make_user())
    assert not CallRow.objects.exists()
    assert CallEvent.objects.filter(detail__contains="taken back, 1 rows").exists()


@pytest.mark.parametrize(
    "over",
    [{"phase": Phase.SCHEDULING}, {"phase": Phase.SCHEDULED}, {"possible_orphans": 1}],
    ids=["being queued", "queued", "perhaps queued"],
)
def test_a_batch_that_evergrove_may_know_cannot(db, over):
    batch = make_batch()
    make_row(batch=batch)
    make_row(batch=batch, **over)
    with pytest.raises(Refused, match="Evergrove has 1 of these"):
        starting.take_back(batch=batch, by=None)
    assert batch.rows.count() == 2
