from uuid import uuid4

import pytest
from django.utils import timezone

from calls import actions
from calls.actions import Refused
from calls.models import Batch, BlockedPhone, CallEvent, CallRow
from calls.vocabulary import (
    OPEN,
    SETTLED,
    BatchState,
    EventKind,
    HoldReason,
    Phase,
)
from tests.factories import (
    make_batch,
    make_blocked_phone,
    make_entity,
    make_event,
    make_row,
    make_user,
)

pytestmark = pytest.mark.django_db
UNTRIGGERED_AND_FREE = (Phase.READY, Phase.SCHEDULED)


@pytest.fixture(autouse=True)
def woken(monkeypatch):
    """The tasks that were woken."""
    names = []
    monkeypatch.setattr(actions, "wake", names.append)
    return names


@pytest.fixture
def person():
    return make_user()


def kinds(**of):
    return list(CallEvent.objects.filter(**of).order_by("pk").values_list("kind", flat=True))


def fresh(item):
    return type(item).objects.get(pk=item.pk)


# --- Batches ---


@pytest.mark.parametrize("state", BatchState, ids=str)
def test_a_batch_is_started_from_draft_or_pause(state, person, woken):
    batch = make_batch(state=state)
    make_row(batch=batch)
    if state in (BatchState.DRAFT, BatchState.PAUSED):
        actions.start_batch(batch=batch, by=person)
        assert fresh(batch).state == BatchState.RUNNING
        assert fresh(batch).started_at is not None
        assert batch.events.get(kind=EventKind.STARTED).actor == person
        assert woken == ["dispatch", "poll"]
    else:
        with pytest.raises(Refused, match=BatchState(state).label.lower()):
            actions.start_batch(batch=batch, by=person)
        assert fresh(batch).state == state
        assert woken == []


def test_an_empty_batch_is_not_started(person):
    with pytest.raises(Refused, match="no calls"):
        actions.start_batch(batch=make_batch(state=BatchState.DRAFT), by=person)


def test_going_on_keeps_the_first_start_and_looks_at_the_gate_again(person):
    first = timezone.now() - timezone.timedelta(days=1)
    batch = make_batch(state=BatchState.PAUSED, started_at=first)
    tomorrow = timezone.now() + timezone.timedelta(days=1)
    row = make_row(Phase.SCHEDULED, batch=batch, next_at=tomorrow, waiting_for="hours")
    actions.start_batch(batch=batch, by=person, ignore_calling_hours=True)
    assert (fresh(batch).started_at, fresh(batch).ignore_calling_hours) == (first, True)
    assert (fresh(row).next_at < tomorrow, fresh(row).waiting_for) == (True, "")


@pytest.mark.parametrize("state", BatchState, ids=str)
def test_only_a_running_batch_is_paused(state, person):
    batch = make_batch(state=state)
    if state == BatchState.RUNNING:
        actions.pause_batch(batch=batch, by=person)
        assert fresh(batch).state == BatchState.PAUSED
        assert kinds(batch=batch) == [EventKind.PAUSED]
    else:
        with pytest.raises(Refused):
            actions.pause_batch(batch=batch, by=person)
        assert kinds(batch=batch) == []


def test_withdrawing_a_batch_takes_out_what_was_not_started(person):
    batch = make_batch()
    rows = {phase: make_row(phase, batch=batch) for phase in Phase}
    held = make_row(Phase.SCHEDULED, batch=batch, hold_reason=HoldReason.TRIGGER_REFUSED)
    assert actions.withdraw_batch(batch=batch, by=person) == 3
    assert {phase for phase, row in rows.items() if fresh(row).phase != phase} == set(
        UNTRIGGERED_AND_FREE
    )
    assert fresh(held).phase == Phase.WITHDRAWN
    assert (fresh(batch).state, fresh(batch).finished_at) == (BatchState.CANCELLED, None)
    with pytest.raises(Refused):
        actions.withdraw_batch(batch=batch, by=person)


def test_a_draft_is_discarded_and_anything_else_is_not(person):
    draft, begun, running = make_batch(state="draft"), make_batch(state="draft"), make_batch()
    make_row(batch=draft)
    make_row(Phase.SCHEDULED, batch=begun)
    actions.discard_draft(batch=draft)
    assert not Batch.objects.filter(pk=draft.pk).exists()
    for batch in (begun, running):
        with pytest.raises(Refused):
            actions.discard_draft(batch=batch)


# --- Rows ---


@pytest.mark.parametrize("phase", Phase, ids=lambda phase: phase.value)
def test_a_row_is_withdrawn_before_its_trigger_only(phase, person):
    row = make_row(phase)
    taken = actions.withdraw_rows(rows=CallRow.objects.filter(pk=row.pk), by=person)
    assert taken == (phase in UNTRIGGERED_AND_FREE)
    assert fresh(row).phase == (Phase.WITHDRAWN if taken else phase)


def test_a_released_row_goes_on_with_a_clean_slate(person):
    row = make_row(
        hold_reason=HoldReason.SCHEDULE_UNANSWERED, missed_answers=2, failures=3, crashes=1, fence=7
    )
    actions.release_hold(row=row, by=person)
    row = fresh(row)
    assert (row.hold_reason, row.missed_answers, row.failures, row.crashes) == ("", 0, 0, 0)
    assert row.fence == 8
    assert row.next_at <= timezone.now()
    event = row.events.get()
    assert (event.kind, event.actor, event.detail) == (
        EventKind.RELEASED,
        person,
        HoldReason.SCHEDULE_UNANSWERED,
    )


def test_a_row_that_is_not_held_or_has_moved_on_is_not_released(person):
    free, moved = make_row(), make_row(hold_reason=HoldReason.SCHEDULE_REFUSED)
    CallRow.objects.filter(pk=moved.pk).update(fence=9)
    for row in (free, moved):
        with pytest.raises(Refused):
            actions.release_hold(row=row, by=person)
        assert kinds(row=row) == []


def test_a_doubtful_trigger_is_looked_at_afresh_before_one_more_try(person):
    row = make_row(
        Phase.CONFIRMING,
        hold_reason=HoldReason.TRIGGER_UNCONFIRMED,
        clean_looks=1,
        trigger_retries_left=0,
    )
    actions.release_hold(row=row, by=person)
    row = fresh(row)
    assert (row.phase, row.clean_looks, row.trigger_retries_left) == (Phase.CONFIRMING, 0, 1)


@pytest.mark.fault(
    "People",
    "Release of a row whose phone asked not to be called",
    "It is refused until the block itself is lifted.",
)
def test_a_blocked_phone_must_be_allowed_before_its_rows_are_released(person):
    blocked = make_blocked_phone("+12125550187")
    held = {"outbound_phone_number": blocked.phone, "hold_reason": HoldReason.DO_NOT_CALL}
    row, other = make_row(**held), make_row(Phase.SCHEDULED, **held)
    elsewhere = make_row(hold_reason=HoldReason.DO_NOT_CALL)
    with pytest.raises(Refused, match="asked not to be called"):
        actions.release_hold(row=row, by=person)
    assert actions.lift_phone_block(phone=blocked, by=person) == 2
    assert not BlockedPhone.objects.exists()
    assert {fresh(row).hold_reason, fresh(other).hold_reason} == {""}
    assert fresh(elsewhere).hold_reason == HoldReason.DO_NOT_CALL


# --- Corrections ---


def test_a_correction_changes_what_differs_and_names_it_in_the_timeline(person):
    row = make_row(body_part="Knee", eoc_number="EOC-1")
    changed = actions.correct_row(
        row=row, values={"body_part": "Hip", "eoc_number": "EOC-1"}, by=person
    )
    assert changed == ["body_part"]
    assert fresh(row).body_part == "Hip"
    event = row.events.get()
    assert (event.kind, event.actor, event.detail) == (EventKind.CORRECTED, person, "body_part")
    assert actions.correct_row(row=fresh(row), values={"body_part": "Hip"}, by=person) == []


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase != Phase.READY], ids=str)
def test_a_row_that_evergrove_may_have_is_not_corrected(phase, person):
    row = make_row(phase, body_part="Knee")
    with pytest.raises(Refused, match="cannot be changed"):
        actions.correct_row(row=row, values={"body_part": "Hip"}, by=person)
    assert fresh(row).body_part == "Knee"


def test_a_correction_loses_against_a_claim(person):
    row = make_row()
    CallRow.objects.filter(pk=row.pk).update(fence=row.fence + 1)
    with pytest.raises(Refused):
        actions.correct_row(row=row, values={"body_part": "Hip"}, by=person)


# --- Offices ---


def test_an_edited_office_is_sent_and_frees_its_rows(person, woken):
    office = make_entity(hold_reason=HoldReason.OFFICE_REFUSED, next_at=timezone.now())
    row = make_row(entity=office, hold_reason=HoldReason.OFFICE_REFUSED)
    other = make_row(entity=office, hold_reason=HoldReason.POSSIBLE_DUPLICATE)
    assert actions.save_office(office=office, values={"ivr_guide": "Press 2"}, by=person)
    saved = fresh(office)
    assert (saved.ivr_guide, saved.version, saved.hold_reason, saved.next_at) == (
        "Press 2",
        2,
        "",
        None,
    )
    assert fresh(row).hold_reason == ""
    assert fresh(other).hold_reason == HoldReason.POSSIBLE_DUPLICATE
    assert woken == ["dispatch"]
    assert kinds(entity=office) == [EventKind.OFFICE_SAVED]


def test_saving_an_unchanged_office_does_nothing(person, woken):
    office = make_entity(ivr_guide="Press 2")
    assert not actions.save_office(office=office, values={"ivr_guide": "Press 2"}, by=person)
    assert (fresh(office).version, woken) == (1, [])


def test_local_holidays_are_not_sent(person):
    office = make_entity()
    assert actions.save_office(office=office, values={"closed_dates": ["2026-12-25"]}, by=person)
    assert fresh(office).is_synced


def test_asking_about_an_office_sends_it_again(person):
    office = make_entity(can_call=False)
    actions.ask_about_office(office=office, by=person)
    assert not fresh(office).is_synced


# --- Calling again ---


@pytest.mark.parametrize("phase", SETTLED, ids=lambda phase: phase.value)
def test_calling_again_makes_a_linked_row_under_a_new_reference(phase, person):
    row = make_row(phase, external_reference_id="row-7", request_id=uuid4(), notes="Ask for Dana")
    again = actions.call_again(row=row, by=person)
    assert (again.parent, again.external_reference_id) == (row, "row-7-again-1")
    assert (again.phase, again.request_id, again.batch.state) == (
        Phase.READY,
        None,
        BatchState.DRAFT,
    )
    assert (again.notes, again.patient_ssn, again.entity) == (
        row.notes,
        row.patient_ssn,
        row.entity,
    )
    assert fresh(row).phase == phase
    CallRow.objects.filter(pk=again.pk).update(phase=Phase.FAILED, **settled())
    third = actions.call_again(row=fresh(again), by=person)
    assert (third.parent, third.external_reference_id) == (again, "row-7-again-2")


def settled():
    now = timezone.now()
    return {"settled_at": now, "request_id": uuid4(), "trigger_sent_at": now}


@pytest.mark.parametrize("phase", OPEN, ids=lambda phase: phase.value)
def test_a_call_under_way_is_not_called_again(phase, person):
    with pytest.raises(Refused, match="still under way"):
        actions.call_again(row=make_row(phase), by=person)


def test_a_second_click_makes_no_second_repeat(person):
    row = make_row(Phase.COMPLETED)
    first = actions.call_again(row=row, by=person)
    with pytest.raises(Refused, match=f"{first.external_reference_id} repeats this one already"):
        actions.call_again(row=row, by=person)
    CallRow.objects.filter(pk=first.pk).update(phase=Phase.FAILED, **settled())
    actions.call_again(row=row, by=person)
    assert row.repeats.count() == 2


def test_a_blocked_phone_is_not_called_again(person):
    row = make_row(Phase.FAILED, outbound_phone_number=make_blocked_phone().phone)
    with pytest.raises(Refused, match="asked not to be called"):
        actions.call_again(row=row, by=person)


# --- The record ---


def test_looking_and_exporting_are_noted_with_their_person(person):
    row = make_row()
    actions.note_reveal(row=row, by=person)
    actions.note_export(batch=row.batch, by=person, rows=12)
    assert row.events.get().actor == person
    event = row.batch.events.get()
    assert (event.kind, event.detail) == (EventKind.EXPORTED, "12")


def test_nothing_in_the_timeline_names_a_patient(person):
    row = make_row(patient_name="Amara Delgado", hold_reason=HoldReason.SCHEDULE_REFUSED)
    actions.correct_row(row=row, values={"patient_name": "Amara Delgado-Ruiz"}, by=person)
    actions.release_hold(row=fresh(row), by=person)
    make_event()
    assert not CallEvent.objects.filter(detail__contains="Amara").exists()
