"""After a restore: what was triggered since the copy was taken is found, and nothing is called twice."""

from datetime import timedelta
from uuid import uuid4

import pytest

from calls import actions, starting
from calls.engine import reconciling
from calls.engine.claiming import claim_rows
from calls.engine.machine import Step
from calls.engine.triggering import claim_to_trigger
from calls.models import Batch, BlockedPhone, CallEvent, CallRow, Installation
from calls.vocabulary import (
    BatchState,
    EventKind,
    HoldReason,
    LatencyMode,
    PauseReason,
    Phase,
    WaitReason,
)
from tests.engine.lab import again
from tests.factories import make_batch, make_row, make_user


def restored(lab):
    """The database knows of no trigger since the copy; here is the moment of the restore."""
    return actions.reconcile(by=None, reason="restored in a test")


def resumed():
    """A person lets every batch go on at once, as the banner says."""
    for batch in Batch.objects.filter(state=BatchState.PAUSED):
        actions.start_batch(batch=batch, by=None)


def triggered_since(lab, row):
    """What the lost days did: a trigger that no row knows of."""
    lab.tools.client.trigger(row.request_id, latency_mode=LatencyMode.LOW)


def to_the_end(lab):
    lab.run(600, step=15)


@pytest.mark.fault(
    "Database",
    "Restored copy that knows nothing of a call made since",
    "Every open call is asked about before anything is started; the call is found and not made again.",
)
def test_a_call_that_was_made_since_the_copy_is_adopted_and_not_made_again(lab):
    row = lab.scheduled()
    triggered_since(lab, row)
    assert restored(lab) == 1
    to_the_end(lab)
    row = again(row)
    assert lab.calls_of(row) == 1
    assert (row.phase, row.ask_first) == (Phase.COMPLETED, False)
    assert row.outcome.appointment_attendance_status == "attended"


@pytest.mark.parametrize(
    ("story", "phase"),
    [(60, Phase.COMPLETED), (69, Phase.FAILED), (71, Phase.FAILED), (76, Phase.AWAITING_OUTCOME)],
    ids=["completed", "failed", "cancelled without an attempt", "without outcome"],
)
def test_a_call_that_ended_since_the_copy_is_found_ended(lab, story, phase):
    row = lab.scheduled(story=story)
    triggered_since(lab, row)
    lab.clock.advance(3600)
    restored(lab)
    to_the_end(lab)
    row = again(row)
    assert row.phase == phase
    assert row.trigger_sent_at is not None
    assert lab.calls_of(row) == 1


def test_a_call_that_rings_now_is_followed(lab):
    row = lab.scheduled(story=80)
    triggered_since(lab, row)
    restored(lab)
    to_the_end(lab)
    assert again(row).phase == Phase.CALLING
    assert len(lab.sent("trigger")) == 1, "the one of the lost days"


def test_an_attempt_is_a_call_whatever_the_status_says(lab):
    """Between two attempts a request reads ENQUEUED again."""
    row = lab.scheduled()
    between = {"id": str(row.request_id), "workflow_status": "ENQUEUED",
               "updated_at": lab.clock().isoformat(), "call_attempts": [{"id": str(uuid4())}]}  # fmt: skip
    lab.wire.instead["poll"].append(between)
    restored(lab)
    lab.run(125, step=5)
    assert again(row).phase == Phase.CALLING
    assert not lab.sent("trigger")


def test_a_row_that_nobody_triggered_is_triggered_after_two_clean_looks(lab):
    row = lab.scheduled()
    restored(lab)
    resumed()
    polls = len(lab.sent("poll"))
    to_the_end(lab)
    looks = [body for body in lab.sent("poll")[polls:] if "include_call_attempts=true" in body]
    assert len(looks) == 2
    assert again(row).phase == Phase.COMPLETED
    assert lab.calls_of(row) == 1


def test_the_first_look_comes_after_the_wait_and_nothing_is_triggered_before_the_second(lab):
    lab.scheduled()
    restored(lab)
    lab.run(5)
    resumed()
    wait = lab.tools.rules.confirm_wait.total_seconds()
    lab.run(wait - 6)
    assert not lab.sent("poll")
    lab.run(20)
    assert len(lab.sent("poll")) == 1
    assert not lab.sent("trigger")
    lab.run(40)
    assert len(lab.sent("trigger")) == 1


def test_a_trigger_that_acts_late_is_seen_by_the_first_look(lab):
    """Sent by the lost worker a moment before the restore, and applied a minute after it."""
    row = lab.scheduled()
    lab.fault("applied_late", "trigger", seconds=60.0)
    with pytest.raises(Exception, match=r"."):
        triggered_since(lab, row)
    restored(lab)
    resumed()
    to_the_end(lab)
    assert lab.calls_of(row) == 1
    assert again(row).phase == Phase.COMPLETED


def test_nothing_is_started_anywhere_before_all_were_asked_about(lab):
    row = lab.scheduled()
    office = row.entity
    restored(lab)
    other = lab.row(entity=office, batch=make_batch())
    sent = len(lab.wire.sent)
    lab.row(batch=make_batch())  # of an office that Evergrove does not know yet
    lab.run(60, step=5)
    assert again(other).phase == Phase.READY, "not even queued"
    assert len(lab.wire.sent) == sent
    to_the_end(lab)
    assert again(other).phase == Phase.COMPLETED
    assert Installation.load().reconcile_since is None


def test_a_slice_that_runs_already_claims_nothing_more(lab):
    """The condition stands in the claiming UPDATE, as that of a pause does."""
    lab.scheduled()
    Installation.load()
    Installation.objects.update(reconcile_since=lab.clock())
    assert not claim_to_trigger(10, lab.tools)
    Installation.objects.update(reconcile_since=None)
    CallRow.objects.update(ask_first=True)
    assert not claim_to_trigger(10, lab.tools)
    CallRow.objects.update(ask_first=False)
    assert len(claim_to_trigger(10, lab.tools)) == 1


def test_a_row_that_is_barred_after_it_was_chosen_is_not_claimed(lab):
    chosen = [lab.scheduled()]
    CallRow.objects.update(ask_first=True)
    assert not claim_rows(chosen, Step.CLAIM_TO_TRIGGER, now=lab.clock())
    assert again(chosen[0]).phase == Phase.SCHEDULED


def test_an_answer_without_attempts_is_no_look(lab):
    row = lab.scheduled()

    slim = {"id": str(row.request_id), "workflow_status": "ENQUEUED",
            "updated_at": lab.clock().isoformat()}  # fmt: skip
    lab.wire.instead["poll"].extend([slim] * 3)
    restored(lab)
    lab.run(200, step=5)
    assert again(row).ask_first
    assert not lab.sent("trigger")


def test_a_request_that_changes_between_two_looks_is_looked_at_once_more(lab):
    row = lab.scheduled()
    changed_at = [lab.clock() + timedelta(seconds=seconds) for seconds in (1, 2, 2)]

    def answered(at):
        return {"id": str(row.request_id), "workflow_status": "ENQUEUED", "call_attempts": [],
                "updated_at": at.isoformat()}  # fmt: skip

    lab.wire.instead["poll"].extend(answered(at) for at in changed_at)
    restored(lab)
    resumed()
    to_the_end(lab)
    assert not lab.wire.instead["poll"], "three looks"
    assert lab.calls_of(row) == 1


def test_a_request_that_evergrove_does_not_know_is_held_and_the_others_go_on(lab):
    lost, other = lab.rows(2)
    lab.bring_to(Phase.SCHEDULED, lost)
    del lab.sandbox.store.requests[str(again(lost).request_id)]
    restored(lab)
    resumed()
    lab.run(1800, step=30)
    assert again(lost).hold_reason == HoldReason.REQUEST_NOT_FOUND
    assert again(other).phase == Phase.COMPLETED
    lost = again(lost)
    actions.release_hold(row=lost, by=None)
    lab.run(60, step=5)
    assert again(lost).phase == Phase.SCHEDULED, "asked again, not started"


def test_of_two_calls_to_one_phone_the_second_waits_until_the_first_is_over(lab, caplog):
    """Both unknown to the database, which allows one live row per phone."""
    first, second = lab.rows(2, story=80)
    CallRow.objects.filter(pk=second.pk).update(outbound_phone_number=first.outbound_phone_number)
    lab.bring_to(Phase.SCHEDULED, first)
    for row in (first, second):
        triggered_since(lab, again(row))
    restored(lab)
    lab.run(180, step=15)
    assert {again(first).phase, again(second).phase} == {Phase.CALLING, Phase.SCHEDULED}
    CallRow.objects.filter(phase=Phase.CALLING).update(
        phase=Phase.FAILED, settled_at=lab.clock(), last_workflow_status="ERROR"
    )
    lab.run(60, step=15)
    assert {again(first).phase, again(second).phase} == {Phase.CALLING, Phase.FAILED}
    assert len(lab.sent("trigger")) == 2, "those of the lost days"
    assert "could not be recorded" not in caplog.text


def test_a_held_row_is_asked_about_too(lab):
    row = lab.scheduled()
    CallRow.objects.filter(pk=row.pk).update(hold_reason=HoldReason.DO_NOT_CALL)
    triggered_since(lab, row)
    restored(lab)
    to_the_end(lab)
    assert (again(row).phase, again(row).hold_reason) == (Phase.COMPLETED, "")


def test_doubtful_rows_are_looked_at_anew_after_the_wait(lab):
    row = lab.confirming()
    CallRow.objects.filter(pk=row.pk).update(clean_looks=1)
    restored(lab)
    assert again(row).clean_looks == 0
    assert again(row).next_at == lab.clock() + lab.tools.rules.confirm_wait


def test_an_intent_in_flight_is_left_to_its_worker_and_its_wait_begins_anew(lab):
    sent_at = lab.clock() - timedelta(minutes=3)
    row = make_row(
        Phase.TRIGGERING, trigger_sent_at=sent_at, claimed_by="gone", claimed_until=sent_at
    )
    restored(lab)
    lab.dispatch()
    row = again(row)
    assert row.phase == Phase.CONFIRMING
    assert row.next_at >= lab.clock() + lab.tools.rules.confirm_wait


@pytest.mark.parametrize(
    ("state", "after"),
    [
        (BatchState.RUNNING, BatchState.PAUSED),
        (BatchState.PAUSED, BatchState.PAUSED),
        (BatchState.DRAFT, BatchState.DRAFT),
    ],
    ids=["running", "paused", "draft"],
)
@pytest.mark.fault(
    "Database",
    "Restored copy with rows that were not queued yet",
    "Their batches wait for a person.",
)
def test_batches_with_rows_that_cannot_be_asked_about_wait_for_a_person(lab, state, after):
    batch = make_batch(state=state)
    make_row(Phase.READY, batch=batch)
    restored(lab)
    batch.refresh_from_db()
    assert (batch.state, batch.paused_reason) == (after, PauseReason.MAY_BE_CALLED)
    actions.start_batch(batch=batch, by=None)
    batch.refresh_from_db()
    assert (batch.state, batch.paused_reason) == (BatchState.RUNNING, "")


def test_a_draft_that_was_to_start_at_a_time_waits_for_a_person_as_well(lab):
    batch = make_batch(state=BatchState.DRAFT, start_at=lab.clock())
    make_row(Phase.READY, batch=batch)
    restored(lab)
    to_the_end(lab)
    batch.refresh_from_db()
    assert batch.state == BatchState.DRAFT


def test_batches_that_are_queued_as_a_whole_wait_for_a_person_as_well(lab):
    """A pause or a withdrawal since the copy is forgotten with the rest."""
    row = lab.scheduled()
    restored(lab)
    batch = Batch.objects.get(pk=row.batch_id)
    assert (batch.state, batch.paused_reason) == (BatchState.PAUSED, PauseReason.MAY_BE_CALLED)
    to_the_end(lab)
    assert lab.calls_of(row) == 0
    actions.start_batch(batch=batch, by=None)
    lab.run(5)
    assert lab.calls_of(row) == 1


def office_saved(row):
    values = {"closed_dates": ["2030-01-01"]}
    actions.save_office(office=again(row.entity), values=values, by=None)


def hold_released(row):
    actions.release_hold(row=again(row), by=None)


def block_lifted(row):
    phone = BlockedPhone.objects.create(phone=row.outbound_phone_number, row=row)
    actions.lift_phone_block(phone=phone, by=None)


def office_asked_again(row):
    actions.ask_about_office(office=again(row.entity), by=None)


@pytest.mark.parametrize(
    ("held", "deed"),
    [
        ("", office_saved),
        (HoldReason.OFFICE_NOT_CALLABLE, hold_released),
        (HoldReason.DO_NOT_CALL, block_lifted),
        (HoldReason.OFFICE_REFUSED, office_asked_again),
    ],
    ids=["office saved", "hold released", "block lifted", "office asked again"],
)
@pytest.mark.fault(
    "People",
    "Click on a row that is asked about after a restore",
    "No click brings its first look forward: a trigger of the lost days must have acted by then.",
)
def test_no_click_shortens_the_wait_before_the_first_look(lab, held, deed):
    row = lab.scheduled()
    CallRow.objects.filter(pk=row.pk).update(hold_reason=held)
    lab.fault("applied_late", "trigger", seconds=100.0)
    with pytest.raises(Exception, match=r"."):
        triggered_since(lab, row)
    restored(lab)
    lab.run(5)
    resumed()
    deed(row)
    to_the_end(lab)
    assert lab.calls_of(row) == 1
    assert len(lab.sent("trigger")) == 1, "the one of the lost days"


def test_a_doubtful_row_that_is_let_go_waits_as_long(lab):
    """A person has let it go in the lost days; its second trigger acts after the restore."""
    lab.rules(retry_trigger=False)
    row = lab.confirming()
    lab.run(400, step=5)
    assert again(row).hold_reason == HoldReason.TRIGGER_UNCONFIRMED
    lab.fault("applied_late", "trigger", seconds=100.0)
    with pytest.raises(Exception, match=r"."):
        triggered_since(lab, row)
    restored(lab)
    resumed()
    lab.run(5)
    hold_released(row)
    to_the_end(lab)
    assert len(lab.sent("trigger")) == 2, "the first one, and that of the lost days"


def test_a_row_that_may_be_ringing_is_not_withdrawn_before_that_is_known(lab):
    ringing, waiting = lab.rows(2, story=80)
    lab.bring_to(Phase.SCHEDULED, ringing)
    triggered_since(lab, again(ringing))
    restored(lab)
    batch = Batch.objects.get(pk=ringing.batch_id)
    actions.withdraw_batch(batch=batch, by=None)
    assert again(ringing).phase == Phase.SCHEDULED
    to_the_end(lab)
    assert (again(ringing).phase, again(waiting).phase) == (Phase.CALLING, Phase.WITHDRAWN)
    assert lab.calls_of(waiting) == 0


def test_a_call_under_way_is_heard_of_before_others_start(lab):
    live = lab.calling(story=80)
    other = lab.scheduled()
    restored(lab)
    resumed()
    lab.fault("lost_before", "poll", times=3)
    CallRow.objects.filter(pk=live.pk).update(next_at=lab.clock() + timedelta(minutes=5))
    lab.run(240, step=5)
    assert not again(other).ask_first, "asked about twice"
    assert reconciling.is_pending(), "not before the live one was"
    to_the_end(lab)
    assert not reconciling.is_pending()
    assert lab.calls_of(other) == 1


def test_an_older_answer_about_a_call_under_way_is_an_answer(lab):
    """It says nothing new, and the others need not wait for a newer one that may never come."""
    live = lab.calling(story=80)
    other = lab.scheduled()
    ahead = lab.clock() + timedelta(days=1)
    CallRow.objects.filter(pk=live.pk).update(upstream_updated_at=ahead)
    restored(lab)
    resumed()
    to_the_end(lab)
    assert not reconciling.is_pending()
    assert lab.calls_of(other) == 1


def test_the_end_of_one_does_not_end_the_next(lab, monkeypatch):
    lab.scheduled()
    Installation.load()
    Installation.objects.update(reconcile_since=lab.clock())

    def meanwhile(since):
        Installation.objects.update(reconcile_since=since + timedelta(seconds=1))
        return False

    monkeypatch.setattr(reconciling, "is_left_to_ask", meanwhile)
    reconciling.ask_first(lab.tools)
    assert reconciling.is_pending()


@pytest.mark.parametrize(
    "forget", [actions.discard_draft, starting.take_back], ids=["discard", "back"]
)
def test_what_may_have_been_called_is_not_forgotten(lab, forget):
    """Its references would be free again, and the same file would be called as if it were new."""
    row = make_row(Phase.READY, batch=make_batch(state=BatchState.DRAFT))
    restored(lab)
    who = {"by": None} if forget is starting.take_back else {}
    with pytest.raises(actions.Refused, match="Withdraw it instead"):
        forget(batch=again(row.batch), **who)
    assert again(row).phase == Phase.READY


def test_a_new_start_time_is_a_person_letting_it_go_on(lab):
    batch = make_batch(state=BatchState.DRAFT)
    make_row(Phase.READY, batch=batch)
    restored(lab)
    starting.start_later(batch=batch, at=lab.clock() + timedelta(minutes=10), by=None)
    to_the_end(lab)
    lab.run(60, step=30)
    batch.refresh_from_db()
    assert batch.state == BatchState.RUNNING


@pytest.mark.fault(
    "People",
    "Take-over of a database without a reason",
    "It is refused; with a reason it is in the record.",
)
def test_it_is_told_in_the_record_with_its_reason_and_needs_one(lab):
    person = make_user()
    actions.reconcile(by=person, reason="  copy of\n Friday ")
    event = CallEvent.objects.get(kind=EventKind.RECONCILED)
    assert (event.actor, event.detail) == (person, "copy of Friday")
    with pytest.raises(actions.Refused, match="reason"):
        actions.reconcile(by=person, reason="  ")


def test_a_row_says_what_it_waits_for_while_it_is_barred(lab):
    row = lab.scheduled()
    restored(lab)
    assert again(row).waiting_for == WaitReason.ASK_FIRST
    to_the_end(lab)
    assert again(row).waiting_for == ""


def test_settled_rows_are_left_alone(lab):
    rows = [make_row(phase) for phase in (Phase.COMPLETED, Phase.FAILED, Phase.WITHDRAWN)]
    before = [row.fence for row in rows]
    assert restored(lab) == 0
    assert [again(row).fence for row in rows] == before
    lab.pulse()
    assert not reconciling.is_pending()


def test_a_row_that_cannot_be_asked_about_stays_barred_but_does_not_bar_the_others(lab):
    stuck, other = lab.rows(2)
    lab.bring_to(Phase.SCHEDULED, stuck)
    stuck, other = again(stuck), again(other)
    restored(lab)
    resumed()
    CallRow.objects.filter(pk=stuck.pk).update(
        failures=reconciling.TRIES, next_at=lab.clock() + timedelta(days=1)
    )
    to_the_end(lab)
    assert again(other).phase == Phase.COMPLETED
    assert (again(stuck).phase, again(stuck).ask_first) == (Phase.SCHEDULED, True)
    assert lab.calls_of(stuck) == 0
