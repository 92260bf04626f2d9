from datetime import timedelta

import pytest

from calls import actions
from calls.engine import polling
from calls.engine.polling import claim_to_poll, poll_rows, record_polls
from calls.engine.triggering import trigger_rows
from calls.models import BlockedPhone, CallEvent, CallRow
from calls.vocabulary import EventKind, HoldReason, Phase, RequestStatus
from tests.engine.lab import NOT_SENT, STOPS, UNKNOWN, again
from tests.factories import make_row


def looks(lab):
    return [address for address in lab.sent("poll") if "include_call_attempts=true" in address]


def poll(lab, row):
    """Polls at the moment when the row is due."""
    lab.advance_to_next_step(row)
    poll_rows(lab.tools)
    return again(row)


# --- A call is followed to its end ---


@pytest.mark.parametrize(
    ("story", "phase", "status", "attendance"),
    [
        (60, Phase.COMPLETED, "COMPLETE", "attended"),
        (61, Phase.COMPLETED, "COMPLETE", "no_show"),
        (67, Phase.COMPLETED, "COMPLETE", "attended"),
        (68, Phase.FAILED, "ERROR", None),
        (69, Phase.FAILED, "ERROR", None),
        (71, Phase.FAILED, "CANCELLED", None),
        (72, Phase.FAILED, "CANCELLED", None),
        (73, Phase.FAILED, "DO_NOT_CALL_BACK", "unable_to_confirm"),
        (74, Phase.FAILED, "DO_NOT_CALL_BACK", None),
        (75, Phase.COMPLETED, "COMPLETE", "attended"),
        (79, Phase.COMPLETED, "COMPLETE", "attended"),
    ],
    ids=lambda value: str(value),
)
def test_a_call_is_polled_until_it_is_terminal(lab, story, phase, status, attendance):
    row = lab.row(story=story)
    lab.run(90)
    row = again(row)
    assert (row.phase, row.last_workflow_status) == (phase, status)
    assert row.settled_at is not None
    outcome = getattr(row, "outcome", None)
    assert (outcome and outcome.appointment_attendance_status) == attendance
    polls = len(lab.sent("poll"))
    lab.run(600, step=60)
    assert len(lab.sent("poll")) == polls
    assert lab.calls_of(row) == 1


def test_a_new_call_reads_queued_until_evergrove_says_active(lab):
    row = lab.calling(story=71)
    row = poll(lab, row)
    assert (row.phase, row.request_status) == (Phase.CALLING, RequestStatus.QUEUED)
    row = lab.calling(story=80)
    row = poll(lab, row)
    assert (row.phase, row.request_status) == (Phase.CALLING, RequestStatus.CALLING)
    assert row.first_active_at == lab.clock()


def test_a_poll_is_slim(lab):
    lab.row(story=67)
    lab.run(60)
    assert lab.sent("poll")
    assert looks(lab) == []


@pytest.mark.fault(
    "HTTP",
    "Live call that reads ENQUEUED again",
    "It waits for its next attempt; it is never triggered again.",
)
def test_enqueued_between_two_attempts_never_arms_the_trigger_again(lab):
    row = lab.row(story=67)
    words = set()
    for _ in range(20):
        lab.run(1)
        words.add((again(row).phase, again(row).last_workflow_status))
    assert (Phase.CALLING, "ENQUEUED") in words
    assert again(row).phase == Phase.COMPLETED
    assert len(lab.sent("trigger")) == 1


def test_the_next_poll_waits_for_the_callback_that_evergrove_names(lab):
    row = lab.calling(story=67)
    lab.rules(concurrency=1)
    while again(row).best_to_callback_after is None:
        poll(lab, row)
    row = again(row)
    assert row.last_workflow_status == "ENQUEUED"
    assert row.best_to_callback_after > lab.clock()
    assert row.next_at == row.best_to_callback_after + timedelta(seconds=5)


def test_an_unchanged_poll_leaves_the_timeline_alone(lab):
    row = poll(lab, lab.calling(story=80))
    before, changed_at = lab.events(row), row.changed_at
    for _ in range(5):
        row = poll(lab, row)
    assert (lab.events(row), row.changed_at) == (before, changed_at)
    assert row.last_polled_at == lab.clock()


def test_polls_grow_rarer_with_the_age_of_the_call(lab):
    row = lab.row(story=80)
    lab.run(60)
    first = len(lab.sent("poll"))
    lab.run(1800, step=5)
    del lab.wire.sent[:]
    lab.run(60)
    assert first >= 12
    assert 1 <= len(lab.sent("poll")) <= 2
    assert again(row).phase == Phase.CALLING


@pytest.mark.fault(
    "HTTP",
    "Call that never ends",
    "After `CALL_TIMEOUT_HOURS` it is polled slowly; it is not failed, for it may still ring.",
)
def test_past_the_timeout_a_call_is_polled_slowly_and_is_not_failed(lab):
    row = lab.calling(story=80)
    lab.clock.advance(73 * 3600)
    poll_rows(lab.tools)
    row = again(row)
    assert row.phase == Phase.CALLING
    assert row.next_at - lab.clock() > timedelta(minutes=25)
    lab.advance_to_next_step(row)
    poll_rows(lab.tools)
    assert again(row).last_polled_at == lab.clock()


def test_a_row_is_polled_by_one_worker_at_a_time(lab):
    row = lab.calling()
    assert [found.pk for found in claim_to_poll(9, now=lab.clock())] == [row.pk]
    assert claim_to_poll(9, now=lab.clock()) == []
    lab.clock.advance(46)
    assert len(claim_to_poll(9, now=lab.clock())) == 1


@pytest.mark.parametrize(
    "phase",
    [phase for phase in Phase if phase not in ("confirming", "calling", "awaiting_outcome")],
)
def test_only_triggered_and_unsettled_rows_are_polled(lab, phase):
    make_row(phase, next_at=lab.clock())
    assert claim_to_poll(9, now=lab.clock()) == []


# --- Odd answers ---


@pytest.mark.fault(
    "HTTP", "Poll that answers an older state", "It says nothing: what is known stays."
)
def test_an_older_answer_is_ignored(lab):
    row = poll(lab, lab.calling(story=80))
    lab.fault("stale", "poll")
    stale = poll(lab, row)
    assert (stale.last_workflow_status, stale.upstream_updated_at) == (
        "ACTIVE",
        row.upstream_updated_at,
    )
    assert stale.next_at > lab.clock()
    assert stale.claimed_by == ""


def says(row, status, **more):
    """An answer in the documented form."""
    return {"id": str(row.request_id), "workflow_status": status, "created_at": None} | more


@pytest.mark.parametrize("known", ["", "ACTIVE"], ids=["before active", "while active"])
@pytest.mark.fault(
    "HTTP",
    "Status word that nobody knows",
    "It is stored and shown as it came, and the call is polled on.",
)
def test_an_unknown_word_is_shown_and_polled_on_and_keeps_the_request_status(lab, known):
    row = lab.calling(story=80 if known else 71)
    row = poll(lab, row)
    status = row.request_status
    lab.wire.instead["poll"].append(says(row, "RINGING"))
    row = poll(lab, row)
    assert (row.phase, row.last_workflow_status) == (Phase.CALLING, "RINGING")
    assert row.request_status == status
    assert CallEvent.objects.filter(row=row, kind=EventKind.UPSTREAM, detail="RINGING").exists()
    assert poll(lab, row).last_workflow_status != "RINGING"


@pytest.mark.fault("HTTP", "Status that goes back after its end", "The end stands.")
def test_a_terminal_word_is_not_taken_back(lab):
    row = lab.calling(story=76)
    while again(row).phase == Phase.CALLING:
        poll(lab, row)
    lab.wire.instead["poll"].append(says(row, "ACTIVE"))
    row = poll(lab, row)
    assert (row.phase, row.last_workflow_status) == (Phase.AWAITING_OUTCOME, "COMPLETE")


@pytest.mark.fault(
    "HTTP",
    "Poll that answers about another request",
    "It says nothing, and the row is asked about again.",
)
def test_an_answer_about_another_request_says_nothing(lab):
    row = lab.calling()
    lab.wire.instead["poll"].append(
        says(row, "COMPLETE", id="0" * 8 + "-0000-4000-8000-" + "0" * 12)
    )
    row = poll(lab, row)
    assert (row.phase, row.failures) == (Phase.CALLING, 1)


# --- Outcomes that come late, or never ---


def test_a_complete_call_waits_for_its_outcome(lab):
    row = lab.row(story=75)
    lab.run(12)
    row = again(row)
    assert (row.phase, row.request_status) == (Phase.AWAITING_OUTCOME, RequestStatus.COMPLETED)
    assert row.settled_at is None
    lab.run(60)
    assert again(row).phase == Phase.COMPLETED
    assert again(row).outcome.appointment_attendance_status == "attended"


@pytest.mark.fault(
    "HTTP",
    "Outcome that never comes",
    "The call is completed after `OUTCOME_GRACE_HOURS`, with the word that there is none.",
)
def test_without_an_outcome_the_call_is_completed_once_the_grace_is_over(lab):
    row = lab.calling(story=76)
    lab.run(12)
    lab.clock.advance(24 * 3600 - 60)
    poll_rows(lab.tools)
    assert again(row).phase == Phase.AWAITING_OUTCOME
    lab.clock.advance(700)
    poll_rows(lab.tools)
    row = again(row)
    assert row.phase == Phase.COMPLETED
    assert not hasattr(row, "outcome")
    assert CallEvent.objects.filter(row=row, detail="without_outcome").exists()


# --- Do not call back ---


@pytest.mark.fault(
    "HTTP",
    "Office that asks not to be called",
    "Its phone is blocked for every row, present and later, until a person lifts the block.",
)
def test_do_not_call_back_blocks_the_phone_for_every_row(lab):
    row = lab.row(story=74)
    other = lab.row(outbound_phone_number=row.outbound_phone_number)
    lab.run(15)
    assert again(row).phase == Phase.FAILED
    assert BlockedPhone.objects.get().phone == row.outbound_phone_number
    assert again(other).hold_reason == HoldReason.DO_NOT_CALL
    assert lab.sandbox.ledger.calls_started == 1

    late = lab.row(outbound_phone_number=row.outbound_phone_number)
    lab.run(600, step=60)
    assert again(late).hold_reason == HoldReason.DO_NOT_CALL
    actions.lift_phone_block(phone=BlockedPhone.objects.get(), by=None)
    lab.run(3)
    assert lab.sandbox.ledger.calls_started == 2


def test_do_not_call_back_is_heeded_after_the_call_has_ended_as_well(lab):
    row = lab.row(story=76)
    lab.run(300, step=5)
    assert again(row).phase == Phase.AWAITING_OUTCOME
    told = {"id": str(again(row).request_id), "workflow_status": "DO_NOT_CALL_BACK",
            "updated_at": (lab.clock() + timedelta(minutes=1)).isoformat()}  # fmt: skip
    lab.wire.instead["poll"].extend([told] * 2)
    lab.run(1300, step=5)
    assert not lab.wire.instead["poll"]
    assert BlockedPhone.objects.get().phone == row.outbound_phone_number


def test_the_old_word_does_not_bring_back_a_block_that_a_person_has_lifted(lab):
    row = lab.row(story=76)
    lab.run(300, step=5)
    told = {"id": str(again(row).request_id), "workflow_status": "DO_NOT_CALL_BACK",
            "updated_at": (lab.clock() + timedelta(minutes=1)).isoformat()}  # fmt: skip
    later = {**told, "best_to_callback_after": (lab.clock() + timedelta(minutes=9)).isoformat()}
    lab.wire.instead["poll"].append(told)
    lab.run(1300, step=5)
    actions.lift_phone_block(phone=BlockedPhone.objects.get(), by=None)
    lab.wire.instead["poll"].append(later)
    lab.run(1300, step=5)
    assert not lab.wire.instead["poll"]
    assert not BlockedPhone.objects.exists()


# --- No answer ---


@pytest.mark.parametrize("fault", [*NOT_SENT, *UNKNOWN])
def test_without_an_answer_the_row_stays_and_is_asked_again(lab, fault):
    row = lab.calling(story=80)
    lab.fault(endpoint="poll", **fault)
    row = poll(lab, row)
    assert (row.phase, row.failures, row.hold_reason) == (Phase.CALLING, 1, "")
    assert row.next_at > lab.clock()
    row = poll(lab, row)
    assert (row.last_workflow_status, row.failures, row.last_error) == ("ACTIVE", 0, "")


@pytest.mark.parametrize(("fault", "reason"), STOPS)
def test_a_fault_of_the_key_stops_polling_and_fails_no_row(lab, fault, reason):
    row = lab.calling(story=60)
    lab.fault(endpoint="poll", **fault)
    poll(lab, row)
    assert lab.upstream.stop_reason == reason
    lab.run(600, step=60)
    assert len(lab.sent("poll")) == 1
    assert (again(row).phase, again(row).hold_reason) == (Phase.CALLING, "")
    actions.resume_upstream(by=None)
    lab.run(60)
    assert again(row).phase == Phase.COMPLETED


def test_polls_behind_a_429_are_not_sent(lab):
    rows = [lab.row(story=80) for _ in range(4)]
    lab.dispatch()
    lab.clock.advance(5)
    lab.fault("status", "poll", code=429, retry_after=40)
    poll_rows(lab.tools)
    assert len(lab.sent("poll")) == 1
    lab.clock.advance(39)
    assert poll_rows(lab.tools) == 0
    lab.clock.advance(2)
    assert poll_rows(lab.tools) == 4
    assert {again(row).last_workflow_status for row in rows} == {"ACTIVE"}


@pytest.mark.fault(
    "HTTP",
    "HTTP 404 on a poll",
    "It is tolerated for ten minutes, then the row is held and looked at slowly.",
)
def test_404_is_tolerated_for_ten_minutes_and_then_held(lab):
    row = lab.calling(story=80)
    began = lab.clock()
    lab.fault("status", "poll", code=404, times=6)
    while not again(row).hold_reason:
        assert len(lab.sent("poll")) < 8
        poll(lab, row)
    assert again(row).hold_reason == HoldReason.REQUEST_NOT_FOUND
    assert again(row).phase == Phase.CALLING
    assert lab.clock() - began >= timedelta(minutes=10)
    assert len(lab.sent("poll")) == 5
    for _ in range(2):
        poll(lab, row)
    assert again(row).hold_reason == "", "Evergrove knows it again"
    assert EventKind.RELEASED in lab.events(row)


def test_one_404_after_a_long_outage_does_not_hold(lab):
    row = lab.calling(story=80)
    lab.fault("status", "poll", code=503, times=5)
    for _ in range(5):
        row = poll(lab, row)
    lab.clock.advance(3600)
    actions.resume_upstream(by=None)
    lab.fault("status", "poll", code=404)
    row = poll(lab, row)
    assert (row.hold_reason, row.failures) == ("", 1)


# --- What polling costs ---


@pytest.mark.parametrize("number", [3, 30])
def test_a_group_of_unchanged_polls_is_written_at_once(
    lab, number, django_assert_num_queries, monkeypatch
):
    rows = [lab.row(story=80) for _ in range(number)]
    lab.rules(concurrency=32)
    lab.dispatch()
    lab.clock.advance(5)
    poll_rows(lab.tools)
    lab.clock.advance(10)
    claimed = claim_to_poll(99, now=lab.clock())
    assert len(claimed) == number
    answers = [polling.Answer(row, polling.ask(row, lab.tools), 0.0) for row in claimed]
    with django_assert_num_queries(1):
        record_polls(answers, lab.tools)
    after = [again(row) for row in rows]
    assert {row.last_polled_at for row in after} == {lab.clock()}
    assert {row.claimed_by for row in after} == {""}
    assert all(row.next_at > lab.clock() for row in after)


@pytest.mark.parametrize("number", [2, 20])
def test_claiming_polls_takes_as_many_queries_for_many_as_for_few(
    lab, number, django_assert_max_num_queries
):
    for _ in range(number):
        lab.row(story=80)
    lab.dispatch()
    lab.clock.advance(5)
    with django_assert_max_num_queries(5):
        assert len(claim_to_poll(99, now=lab.clock())) == number


@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda row: CallRow.objects.filter(pk=row.pk).update(
            phase=Phase.FAILED, settled_at=row.changed_at, claimed_by="", fence=row.fence + 1
        ),
        lambda row: CallRow.objects.filter(pk=row.pk).update(
            claimed_by="a rival", fence=row.fence + 1
        ),
    ],
    ids=["moved", "claimed by a rival"],
)
def test_an_unchanged_answer_leaves_a_row_alone_that_is_no_longer_ours(lab, meanwhile):
    row = poll(lab, lab.calling(story=80))
    lab.advance_to_next_step(row)
    [mine] = claim_to_poll(1, now=lab.clock())
    answer = polling.Answer(mine, polling.ask(mine, lab.tools), 0.0)
    meanwhile(mine)
    before = again(row)
    record_polls([answer], lab.tools)
    after = again(row)
    assert (after.next_at, after.claimed_by) == (before.next_at, before.claimed_by)


@pytest.mark.fault("People", "Look asked for while a poll is out", "The call is looked at at once.")
def test_a_person_who_asks_to_look_now_is_not_put_off_by_a_poll_in_flight(lab):
    row = poll(lab, lab.calling(story=80))
    CallRow.objects.filter(pk=row.pk).update(hold_reason=HoldReason.REQUEST_NOT_FOUND)
    lab.advance_to_next_step(row)
    [mine] = claim_to_poll(1, now=lab.clock())
    answer = polling.Answer(mine, polling.ask(mine, lab.tools), 0.0)
    actions.release_hold(row=again(row), by=None)
    record_polls([answer], lab.tools)
    assert again(row).next_at == lab.clock()


def test_a_triggered_row_is_not_triggered_by_polling(lab):
    lab.calling(story=77)
    lab.run(900, step=30)
    trigger_rows(lab.tools)
    assert len(lab.sent("trigger")) == 1
