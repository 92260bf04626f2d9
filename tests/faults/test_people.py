"""People"""

from datetime import UTC, datetime

import pytest

from calls import actions
from calls.engine.scheduling import schedule_rows
from calls.engine.triggering import trigger_rows
from calls.intake import receiving
from calls.models import CallRow
from calls.vocabulary import BatchState, EventKind, Phase, WaitReason
from tests.engine.lab import again
from tests.factories import make_batch
from tests.faults.life import LONG_ENOUGH, made_once, new_row
from tests.intake.test_receiving import file_of, received


def meanwhile(lab, endpoint, act):
    """`act` happens once, while a request to `endpoint` is out."""
    results = []

    def before(at, body):
        if at == endpoint:
            lab.wire.before = lambda at, body: None
            results.append(act())

    lab.wire.before = before
    return results


def withdraw(row):
    return actions.withdraw_rows(rows=CallRow.objects.filter(pk=row.pk), by=None)


def test_batch_paused_while_a_trigger_is_out(lab):
    """That call is followed to its end; no other one is started until the batch goes on."""
    lab.rules(concurrency=1)
    rows = lab.rows(4)
    lab.bring_to(Phase.SCHEDULED, rows[0])
    meanwhile(lab, "trigger", lambda: actions.pause_batch(batch=lab.batch, by=None))
    lab.run(60, step=5)
    assert [lab.calls_of(row) for row in rows] == [1, 0, 0, 0]
    assert made_once(lab, rows[0])
    actions.start_batch(batch=again(lab.batch), by=None)
    lab.run(LONG_ENOUGH, step=5)
    assert all(made_once(lab, row) for row in rows)


def test_row_withdrawn_while_its_trigger_is_out(lab):
    """The person is told that it was too late; the call is made once and followed to its end."""
    row = lab.scheduled()
    taken_out = meanwhile(lab, "trigger", lambda: withdraw(row))
    lab.run(LONG_ENOUGH, step=5)
    assert taken_out == [0]
    assert made_once(lab, row)


def test_row_withdrawn_while_it_is_being_queued(lab):
    """The person is told that it was not taken out; a second try takes it out, and nobody is called."""
    row = new_row(lab, entity=again(lab.scheduled().entity))
    taken_out = meanwhile(lab, "schedule", lambda: withdraw(row))
    schedule_rows(lab.tools)
    assert (taken_out, withdraw(row)) == ([0], 1)
    lab.run(LONG_ENOUGH, step=5)
    assert (again(row).phase, lab.calls_of(row)) == (Phase.WITHDRAWN, 0)


def test_batch_withdrawn_while_a_trigger_is_out(lab):
    """That call is followed to its end; the others are taken out."""
    lab.rules(concurrency=1)
    rows = lab.rows(3)
    lab.bring_to(Phase.SCHEDULED, rows[0])
    meanwhile(lab, "trigger", lambda: actions.withdraw_batch(batch=lab.batch, by=None))
    lab.run(LONG_ENOUGH, step=5)
    assert made_once(lab, rows[0])
    assert [again(row).phase for row in rows[1:]] == [Phase.WITHDRAWN] * 2
    assert lab.sandbox.ledger.calls_started == 1


def test_double_click_on_start(lab):
    """The second click is refused with the present state; the batch is started once."""
    batch = make_batch(state=BatchState.DRAFT)
    row = lab.row(batch=batch)
    actions.start_batch(batch=batch, by=None)
    with pytest.raises(actions.Refused, match="running"):
        actions.start_batch(batch=batch, by=None)
    assert batch.events.filter(kind=EventKind.STARTED).count() == 1
    lab.run(LONG_ENOUGH, step=5)
    assert made_once(lab, row)


def test_double_click_on_release(lab):
    """The second click is refused; the row goes on once."""
    row = lab.scheduled()
    lab.fault("status", "trigger", code=422)
    trigger_rows(lab.tools)
    row = again(row)
    actions.release_hold(row=row, by=None)
    with pytest.raises(actions.Refused):
        actions.release_hold(row=row, by=None)
    lab.run(LONG_ENOUGH, step=5)
    assert made_once(lab, row)


def test_release_while_the_row_is_looked_at(lab):
    """Its looks begin anew: no second trigger without two of them after the decision."""
    lab.rules(retry_trigger=False)
    row = lab.confirming()
    lab.run(200, step=10)
    looks = len(lab.sent("poll"))
    meanwhile(lab, "poll", lambda: actions.release_hold(row=again(row), by=None))
    lab.run(2 * LONG_ENOUGH, step=10)
    assert made_once(lab, row)
    assert len([one for one in lab.sent("poll")[looks:] if "call_attempts=true" in one]) >= 3


def test_same_file_uploaded_twice_at_once(lab):
    """Each line becomes one row, whichever upload is stored first; each call is made once."""
    both = [received(file_of({}, {"outbound_phone_number": "+12125553260"})) for _ in range(2)]
    for upload in both:
        receiving.read(upload)
    assert CallRow.objects.count() == 2
    for upload in both:
        if upload.batch.rows.exists():
            actions.start_batch(batch=upload.batch, by=None)
    lab.run(LONG_ENOUGH, step=5)
    assert [lab.calls_of(row) for row in CallRow.objects.all()] == [1, 1]


def test_row_edited_while_it_is_being_queued(lab):
    """The correction is refused, for Evergrove may have the row already; what was sent is what is kept."""
    row = new_row(lab, entity=again(lab.scheduled().entity))

    def edit():
        with pytest.raises(actions.Refused, match="cannot be changed"):
            actions.correct_row(row=row, values={"body_part": "Hip"}, by=None)

    meanwhile(lab, "schedule", edit)
    schedule_rows(lab.tools)
    sent = lab.sent("schedule")[-1]["calls"][0]["details"]["body_part"]
    assert (sent, again(row).body_part) == ("Left shoulder", "Left shoulder")


def test_hours_edited_while_a_row_waits_at_the_gate(lab):
    """The row looks at its gate again at once: it is called in the new hours and in no others."""
    lab.clock.now = datetime(2026, 4, 10, 2, tzinfo=UTC)  # Thursday, 10 PM in New York
    row = lab.scheduled()
    lab.dispatch()
    assert again(row).waiting_for == WaitReason.HOURS
    late = {"default_call_time": "20:00", "windows": [{"start": "20:00", "end": "23:00"}]}
    actions.save_office(
        office=again(row.entity), values={"working_hours": {"thursday": late}}, by=None
    )
    lab.run(60)
    assert made_once(lab, row)


def test_call_made_again_while_it_is_live(lab):
    """It is refused until the call has ended."""
    row = lab.calling(story=80)
    with pytest.raises(actions.Refused, match="still under way"):
        actions.call_again(row=row, by=None)
    assert CallRow.objects.count() == 1
