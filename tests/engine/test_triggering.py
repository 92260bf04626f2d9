from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from calls import actions
from calls.engine import triggering
from calls.engine.claiming import rescue_claims
from calls.engine.polling import poll_rows
from calls.engine.triggering import claim_to_trigger, trigger_rows
from calls.models import Batch, CallRow, Entity
from calls.vocabulary import LIVE, BatchState, HoldReason, LatencyMode, Phase, WaitReason
from tests.engine.lab import NOT_SENT, ROW_FAULTS, STOPS, UNKNOWN, again
from tests.factories import make_batch, make_blocked_phone, make_entity, make_row

NIGHT = datetime(2026, 4, 10, 2, 0, tzinfo=UTC)  # Thursday, 10 PM in New York
OPENS = datetime(2026, 4, 10, 13, 0, tzinfo=UTC)  # Friday, 9 AM
PHONE = "+12125559960"


def queued(lab, **over):
    """A due row with a request that the stand-in does not need to know."""
    fields = {"entity": make_entity(), "batch": lab.batch, "next_at": lab.clock()}
    return make_row(Phase.SCHEDULED, **fields | over)


def may_start(lab):
    return {row.pk for row in claim_to_trigger(99, lab.tools)}


def look(lab, row):
    """Polls at the moment when the row is due."""
    lab.advance_to_next_step(row)
    poll_rows(lab.tools)
    return again(row)


# --- What is sent ---


@pytest.mark.parametrize("mode", list(LatencyMode), ids=str)
def test_one_id_is_sent_with_the_latency_mode_said_aloud(lab, mode):
    Batch.objects.update(latency_mode=mode)
    rows = [lab.scheduled(), lab.scheduled()]
    trigger_rows(lab.tools)
    assert lab.sent("trigger") == [
        {"scheduled_request_ids": [str(row.request_id)], "latency_mode": mode} for row in rows
    ]
    assert again(rows[0]).trigger_latency_mode == mode


def test_an_accepted_trigger_is_kept_apart_from_the_request_status(lab):
    row = lab.scheduled()
    trigger_rows(lab.tools)
    row = again(row)
    assert (row.phase, row.request_status, row.last_workflow_status) == (
        Phase.CALLING,
        "queued",
        "ENQUEUED",
    )
    assert row.trigger_workflow_id.endswith(str(row.request_id))
    assert row.trigger_message == "Triggered 1 scheduled request"
    assert (row.trigger_sent_at, row.trigger_count) == (lab.clock(), 1)
    trigger_rows(lab.tools)
    assert lab.calls_of(row) == 1


@pytest.mark.django_db(transaction=True)
def test_the_intent_is_committed_before_anything_leaves(lab):
    row = lab.scheduled()
    seen = []

    def witness(endpoint, body):
        stored = again(row)
        seen.append((connection.in_atomic_block, stored.phase, stored.trigger_sent_at))

    lab.wire.before = witness
    trigger_rows(lab.tools)
    assert seen == [(False, Phase.TRIGGERING, lab.clock())]


def test_nothing_leaves_when_the_intent_cannot_be_written(lab, monkeypatch):
    lab.scheduled()

    def full_disk(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(triggering, "claim_rows", full_disk)
    with pytest.raises(OSError, match="disk full"):
        trigger_rows(lab.tools)
    assert lab.sent("trigger") == []


# --- The gate ---


def test_an_open_gate_lets_a_row_start(lab):
    row = queued(lab)
    assert may_start(lab) == {row.pk}


@pytest.mark.parametrize(
    "phase", [phase for phase in Phase if phase != Phase.SCHEDULED], ids=lambda phase: phase.value
)
def test_a_row_in_any_other_phase_is_never_triggered(lab, phase):
    make_row(phase, batch=lab.batch, next_at=lab.clock())
    assert may_start(lab) == set()


@pytest.mark.parametrize("reason", list(HoldReason), ids=lambda reason: reason.value)
def test_a_held_row_is_never_triggered(lab, reason):
    queued(lab, hold_reason=reason)
    assert may_start(lab) == set()


@pytest.mark.parametrize(
    "state", [state for state in BatchState if state != BatchState.RUNNING], ids=str
)
def test_only_rows_of_a_running_batch_are_triggered(lab, state):
    queued(lab, batch=make_batch(state=state))
    assert may_start(lab) == set()


@pytest.mark.parametrize(
    "office",
    [{"can_call": False}, {"hold_reason": HoldReason.OFFICE_REFUSED}],
    ids=["not callable", "refused"],
)
def test_rows_of_an_office_that_may_not_be_called_are_not_triggered(lab, office):
    queued(lab, entity=make_entity(**office))
    assert may_start(lab) == set()


def test_a_blocked_phone_is_not_called(lab):
    queued(lab, outbound_phone_number=make_blocked_phone().phone)
    assert may_start(lab) == set()


@pytest.mark.parametrize("phase", LIVE, ids=lambda phase: phase.value)
def test_a_busy_phone_is_not_called(lab, phase):
    live = make_row(phase, outbound_phone_number=PHONE)
    row, free = queued(lab, outbound_phone_number=PHONE), queued(lab)
    assert may_start(lab) == {free.pk}
    lab.dispatch()
    assert again(row).waiting_for == WaitReason.PHONE_BUSY
    CallRow.objects.filter(pk=live.pk).update(phase=Phase.FAILED, settled_at=lab.clock())
    assert may_start(lab) == {row.pk}
    assert again(row).waiting_for == ""


def test_of_two_rows_to_one_phone_one_starts(lab):
    first, second = (queued(lab, outbound_phone_number=PHONE) for _ in range(2))
    assert may_start(lab) == {first.pk}
    assert may_start(lab) == set()
    assert again(second).phase == Phase.SCHEDULED


def test_outside_its_windows_an_office_is_not_called_until_it_opens(lab):
    row = queued(lab)
    lab.clock.now = NIGHT
    assert may_start(lab) == set()
    assert (again(row).waiting_for, again(row).next_at) == (WaitReason.HOURS, OPENS)
    lab.clock.now = OPENS - timedelta(seconds=1)
    assert may_start(lab) == set()
    lab.clock.now = OPENS
    assert may_start(lab) == {row.pk}


def test_on_a_local_holiday_an_office_is_not_called(lab):
    row = queued(lab, entity=make_entity(closed_dates=["2026-04-09"]))
    assert may_start(lab) == set()
    assert (again(row).waiting_for, again(row).next_at) == (WaitReason.HOLIDAY, OPENS)


@pytest.mark.fault(
    "Clock",
    "An office whose zone or hours cannot be read",
    "Its own rows wait; every other office is called.",
)
@pytest.mark.parametrize(
    "broken",
    [
        {"timezone": "Nowhere/Gone"},
        {"timezone": "../etc"},
        {"working_hours": {"thursday": {"windows": [{"start": "nine", "end": "17:00"}]}}},
        {"working_hours": {"thursday": {"windows": [{"end": "17:00"}]}}},
        {"working_hours": {"thursday": "closed"}},
        {"closed_dates": ["soon"]},
    ],
    ids=str,
)
def test_an_office_that_cannot_be_read_stops_no_other(lab, broken, caplog):
    stuck, fine = queued(lab, entity=make_entity()), queued(lab)
    Entity.objects.filter(pk=stuck.entity_id).update(**broken)
    assert may_start(lab) == {fine.pk}
    assert again(stuck).waiting_for == WaitReason.HOURS
    assert f"office {stuck.entity_id} cannot be read" in caplog.text


@pytest.mark.parametrize("how", ["batch", "setting"])
def test_calling_hours_can_be_set_aside(lab, how):
    row = queued(lab)
    lab.clock.now = NIGHT
    if how == "batch":
        Batch.objects.update(ignore_calling_hours=True)
    else:
        lab.rules(respect_calling_hours=False)
    assert may_start(lab) == {row.pk}


def test_a_row_waits_for_its_appointment_unless_its_batch_does_not(lab):
    visit = lab.clock() + timedelta(hours=1)
    row = queued(lab, appointment_at=visit)
    assert may_start(lab) == set()
    assert (again(row).waiting_for, again(row).next_at) == (WaitReason.APPOINTMENT, visit)
    lab.clock.now = visit
    assert may_start(lab) == {row.pk}

    early = queued(lab, appointment_at=lab.clock() + timedelta(hours=1))
    Batch.objects.update(wait_for_appointment=False)
    assert may_start(lab) == {early.pk}


def test_new_hours_let_waiting_rows_look_at_their_gate_again(lab):
    row = queued(lab)
    lab.clock.now = NIGHT
    assert may_start(lab) == set()
    late = {
        "thursday": {"default_call_time": "09:00", "windows": [{"start": "09:00", "end": "23:00"}]}
    }
    actions.save_office(office=again(row.entity), values={"working_hours": late}, by=None)
    assert may_start(lab) == {row.pk}


@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda row: Batch.objects.update(state=BatchState.PAUSED),
        lambda row: CallRow.objects.filter(pk=row.pk).update(hold_reason=HoldReason.DO_NOT_CALL),
        lambda row: make_blocked_phone(row.outbound_phone_number),
        lambda row: make_row(Phase.CALLING, outbound_phone_number=row.outbound_phone_number),
        lambda row: type(row.entity).objects.update(can_call=False),
    ],
    ids=["paused", "held", "phone blocked", "phone busy", "not callable"],
)
def test_the_claim_itself_reads_the_gate_again(lab, monkeypatch, meanwhile):
    """R62: what changes between the look and the claim is seen by the claiming UPDATE."""
    row = queued(lab)
    keep = triggering.rows_with_open_gate

    def then_it_changes(*args, **kwargs):
        found = keep(*args, **kwargs)
        meanwhile(row)
        return found

    monkeypatch.setattr(triggering, "rows_with_open_gate", then_it_changes)
    assert may_start(lab) == set()
    assert again(row).phase == Phase.SCHEDULED


@pytest.mark.fault(
    "Database",
    "Two workers that start calls to one phone at once",
    "The table lets one of them: a second live call to a phone cannot be written.",
)
def test_a_rival_call_to_the_phone_makes_the_claim_return_nothing(lab, monkeypatch):
    """I13: the table refuses what two workers believed at the same time."""
    monkeypatch.setattr(triggering, "startable", lambda: ())
    make_row(Phase.CALLING, outbound_phone_number=PHONE)
    row = queued(lab, outbound_phone_number=PHONE)
    assert claim_to_trigger(9, lab.tools) == []
    assert (again(row).phase, again(row).trigger_count) == (Phase.SCHEDULED, 0)


def test_the_rows_to_call_soonest_start_first(lab):
    by = lab.clock() + timedelta(hours=3)
    last, first = queued(lab), queued(lab, best_to_make_call_by=by)
    assert [row.pk for row in claim_to_trigger(1, lab.tools)] == [first.pk]
    assert [row.pk for row in claim_to_trigger(1, lab.tools)] == [last.pk]


def test_rows_behind_closed_gates_do_not_keep_others_from_starting(lab):
    closed = make_entity(closed_dates=["2026-04-09"])
    for _ in range(20):
        queued(lab, entity=closed)
    row = queued(lab)
    assert [found.pk for found in claim_to_trigger(1, lab.tools)] == [row.pk]


@pytest.mark.parametrize("number", [2, 20])
def test_a_claim_takes_as_many_queries_for_many_rows_as_for_few(
    lab, number, django_assert_max_num_queries
):
    for _ in range(number):
        queued(lab)
    with django_assert_max_num_queries(7):
        assert len(claim_to_trigger(99, lab.tools)) == number


# --- What an answer means ---


@pytest.mark.parametrize("fault", NOT_SENT)
def test_what_was_not_sent_goes_back_to_the_queue(lab, fault):
    row = lab.scheduled()
    lab.fault(endpoint="trigger", **fault)
    trigger_rows(lab.tools)
    row = again(row)
    assert (row.phase, row.failures, row.waiting_for) == (Phase.SCHEDULED, 1, WaitReason.BACKOFF)
    assert row.next_at > lab.clock()
    lab.run(3)
    assert lab.calls_of(row) == 1


ERRORS = [
    pytest.param({"kind": "errors_200"}, id="200 with errors"),
    pytest.param({"kind": "errors_200", "applied": True}, id="200 with errors, applied"),
]


@pytest.mark.parametrize("fault", [*UNKNOWN, *ERRORS])
def test_without_a_clear_answer_the_call_is_looked_for_and_not_sent_again(lab, fault):
    row = lab.scheduled()
    lab.fault(endpoint="trigger", **fault)
    trigger_rows(lab.tools)
    row = again(row)
    assert row.phase == Phase.CONFIRMING
    assert row.next_at == lab.clock() + timedelta(seconds=120)
    assert row.last_error
    lab.run(119)
    assert len(lab.sent("trigger")) == 1
    assert lab.sent("poll") == []


@pytest.mark.parametrize(
    "answer",
    [
        {"triggered": [], "message": "Triggered 0 scheduled requests"},
        {},
        {"triggered": ["22222222-2222-4222-8222-222222222222"]},
        lambda body: {"triggered": body["scheduled_request_ids"], "errors": ["late"]},
    ],
    ids=["nothing triggered", "empty", "another id", "our id beside errors"],
)
@pytest.mark.fault(
    "HTTP",
    "Trigger's answer that names another id",
    "It is not taken as a yes: the call is looked for.",
)
def test_a_2xx_that_does_not_name_our_id_alone_is_not_taken_as_a_yes(lab, answer):
    row = lab.scheduled()
    lab.wire.instead["trigger"].append(answer)
    trigger_rows(lab.tools)
    assert again(row).phase == Phase.CONFIRMING


@pytest.mark.parametrize("fault", ROW_FAULTS)
def test_a_refused_trigger_is_held_with_its_reason_and_not_retried(lab, fault):
    row = lab.scheduled()
    lab.fault(endpoint="trigger", **fault)
    trigger_rows(lab.tools)
    lab.run(600, step=60)
    row = again(row)
    assert (row.phase, row.hold_reason) == (Phase.SCHEDULED, HoldReason.TRIGGER_REFUSED)
    assert str(fault["code"]) in row.last_error
    assert len(lab.sent("trigger")) == 1
    actions.release_hold(row=row, by=None)
    lab.run(60, step=5)
    sent = [endpoint for endpoint, _ in lab.wire.sent]
    assert sent[sent.index("trigger") :][:4] == ["trigger", "poll", "poll", "trigger"]
    assert lab.calls_of(row) == 1


@pytest.mark.fault(
    "HTTP",
    "Trigger that was applied and answered with a refusal",
    "When a person lets the row go on, Evergrove is asked first, and the call is found.",
)
def test_a_refused_trigger_that_was_applied_after_all_is_found_and_not_sent_again(lab):
    row = lab.scheduled()
    lab.fault("status", "trigger", code=400, applied=True)
    trigger_rows(lab.tools)
    assert (again(row).hold_reason, lab.calls_of(row)) == (HoldReason.TRIGGER_REFUSED, 1)
    actions.release_hold(row=again(row), by=None)
    lab.run(600, step=5)
    assert (again(row).phase, lab.calls_of(row)) == (Phase.COMPLETED, 1)
    assert len(lab.sent("trigger")) == 1


@pytest.mark.parametrize("fault", [{"code": 401}, {"code": 403}], ids=["401", "403"])
def test_a_refused_key_stops_everything_and_the_row_waits_in_the_queue(lab, fault):
    row, other = lab.scheduled(), lab.scheduled()
    lab.fault("status", "trigger", **fault)
    trigger_rows(lab.tools)
    lab.run(600, step=60)
    assert lab.upstream.stop_reason == "key_refused"
    assert len(lab.sent("trigger")) == 1
    assert {again(row).phase, again(other).phase} == {Phase.SCHEDULED}
    assert again(row).hold_reason == ""
    actions.resume_upstream(by=None)
    lab.pulse()
    assert lab.calls_of(row) == lab.calls_of(other) == 1


@pytest.mark.fault(
    "Network",
    "Redirect",
    "It is not followed, for the trigger may have acted already; everything stops until a person has looked.",
)
def test_a_redirect_stops_everything_and_leaves_doubt(lab):
    """A 303 is also how a server says that it has acted."""
    row = lab.scheduled()
    lab.fault("redirect", "trigger")
    trigger_rows(lab.tools)
    assert lab.upstream.stop_reason == STOPS[-1].values[1]
    assert again(row).phase == Phase.CONFIRMING


@pytest.mark.parametrize("retry", [True, False], ids=["auto", "hold"])
@pytest.mark.fault(
    "HTTP",
    "HTTP 429 on a trigger",
    "It was refused for certain: after the wait and one look the call starts, whatever `TRIGGER_RETRY` says.",
)
def test_429_costs_the_wait_and_one_look_and_then_the_call_starts(lab, retry):
    """A refusal for certain is no doubt, so `TRIGGER_RETRY=hold` does not concern it."""
    lab.rules(retry_trigger=retry)
    row = lab.scheduled()
    lab.fault("status", "trigger", code=429, retry_after=30)
    trigger_rows(lab.tools)
    lab.run(29)
    assert lab.sent("poll") == []
    lab.run(10)
    assert len(lab.sent("trigger")) == 2
    assert len([a for a in lab.sent("poll") if "include_call_attempts" in a]) == 1
    assert lab.calls_of(row) == 1
    assert again(row).trigger_retries_left == 1


def test_a_trigger_behind_a_429_is_held_back_and_sent_later(lab):
    rows = [lab.scheduled() for _ in range(3)]
    lab.fault("status", "trigger", code=429, retry_after=30)
    trigger_rows(lab.tools)
    assert len(lab.sent("trigger")) == 1
    assert sorted(again(row).phase for row in rows) == ["confirming", "scheduled", "scheduled"]
    lab.run(60)
    assert [lab.calls_of(row) for row in rows] == [1, 1, 1]


# --- After doubt: look, look again, and only then ---


@pytest.mark.parametrize("kind", ["lost_after", "applied_late"])
def test_a_call_that_was_started_is_adopted(lab, kind):
    row = lab.scheduled(story=80)
    lab.fault(kind, "trigger", **({"seconds": 60.0} if kind == "applied_late" else {}))
    trigger_rows(lab.tools)
    row = look(lab, row)
    assert (row.phase, row.request_status) == (Phase.CALLING, "calling")
    lab.run(600, step=10)
    assert len(lab.sent("trigger")) == 1
    assert lab.calls_of(row) == 1


def test_a_call_that_has_ended_before_the_look_is_adopted_with_its_outcome(lab):
    row = look(lab, lab.confirming(kind="lost_after", story=60))
    assert row.phase == Phase.COMPLETED
    assert row.outcome.appointment_attendance_status == "attended"
    assert row.attempts.count() == 1


@pytest.mark.fault(
    "HTTP",
    "Started call that still reads ENQUEUED",
    "Any attempt is proof of a call: it is followed, not triggered again.",
)
def test_an_attempt_is_proof_enough_while_the_request_reads_enqueued(lab):
    row = lab.confirming(kind="lost_after", story=67)
    lab.clock.now = row.trigger_sent_at + timedelta(seconds=7)  # between two attempts
    CallRow.objects.filter(pk=row.pk).update(next_at=lab.clock())
    row = look(lab, row)
    assert (row.last_workflow_status, row.phase) == ("ENQUEUED", Phase.CALLING)


def test_two_clean_looks_thirty_seconds_apart_allow_the_one_retry(lab):
    row = lab.confirming()
    row = look(lab, row)
    assert (row.phase, row.clean_looks) == (Phase.CONFIRMING, 1)
    assert lab.clock() == row.trigger_sent_at + timedelta(seconds=120)
    lab.clock.advance(29)
    poll_rows(lab.tools)
    assert again(row).clean_looks == 1
    row = look(lab, row)
    assert (row.phase, row.trigger_retries_left) == (Phase.SCHEDULED, 0)
    trigger_rows(lab.tools)
    assert lab.calls_of(row) == 1
    looks = [a for a in lab.sent("poll") if "include_call_attempts=true" in a]
    assert len(looks) == 2


def test_a_second_doubt_is_left_to_a_person(lab):
    row = lab.confirming()
    lab.fault("lost_before", "trigger")
    lab.run(400, step=10)
    row = again(row)
    assert (row.phase, row.hold_reason) == (Phase.CONFIRMING, HoldReason.TRIGGER_UNCONFIRMED)
    assert len(lab.sent("trigger")) == 2
    lab.run(3600, step=60)
    assert len(lab.sent("trigger")) == 2

    actions.release_hold(row=again(row), by=None)
    lab.run(60, step=5)
    assert len(lab.sent("trigger")) == 3
    assert lab.calls_of(row) == 1


def test_with_hold_a_person_decides_at_once_and_the_decision_counts(lab):
    lab.rules(retry_trigger=False)
    row = lab.confirming()
    lab.run(200, step=10)
    row = again(row)
    assert (row.phase, row.hold_reason) == (Phase.CONFIRMING, HoldReason.TRIGGER_UNCONFIRMED)
    assert len(lab.sent("trigger")) == 1
    actions.release_hold(row=row, by=None)
    looked = len(lab.sent("poll"))
    lab.run(60, step=5)
    assert lab.calls_of(row) == 1
    assert len(lab.sent("poll")) >= looked + 2


def test_a_held_doubt_is_adopted_when_the_call_shows_up_after_all(lab):
    lab.rules(retry_trigger=False)
    row = lab.confirming(story=80)
    lab.run(200, step=10)
    assert again(row).hold_reason == HoldReason.TRIGGER_UNCONFIRMED
    lab.sandbox.store.requests[str(row.request_id)].starts.append(lab.clock())
    lab.clock.advance(660)
    poll_rows(lab.tools)
    assert (again(row).phase, again(row).hold_reason) == (Phase.CALLING, "")


@pytest.mark.fault("HTTP", "Request that changes between two looks", "The looks begin anew.")
def test_a_change_upstream_between_the_looks_starts_them_again(lab):
    row = look(lab, lab.confirming())
    moved = (lab.clock() + timedelta(seconds=5)).isoformat()
    lab.wire.instead["poll"].append(enqueued(row, updated_at=moved, call_attempts=[]))
    row = look(lab, row)
    assert (row.phase, row.clean_looks) == (Phase.CONFIRMING, 1)
    lab.wire.instead["poll"].append(enqueued(row, updated_at=moved, call_attempts=[]))
    assert look(lab, row).phase == Phase.SCHEDULED


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"call_attempts": None},
        {"call_attempts": [], "updated_at": None},
        {"call_attempts": [], "updated_at": "2026-01-01T00:00:00Z"},
    ],
    ids=["no attempts told", "null attempts", "no updated_at", "stale"],
)
@pytest.mark.fault(
    "HTTP",
    "Look whose answer lacks the attempts",
    "It does not count: no second trigger rests on it.",
)
def test_an_answer_that_proves_nothing_is_no_look(lab, more):
    row = lab.confirming()
    told = {"updated_at": lab.clock().isoformat()} | more
    for _ in range(3):
        lab.wire.instead["poll"].append(enqueued(row, **told))
        row = look(lab, row)
    assert (row.phase, row.clean_looks) == (Phase.CONFIRMING, 0)


def test_an_attempt_that_cannot_be_read_still_counts_as_one(lab):
    row = lab.confirming()
    told = {"updated_at": lab.clock().isoformat(), "call_attempts": ["?"]}
    lab.wire.instead["poll"].append(enqueued(row, **told))
    assert look(lab, row).phase == Phase.CALLING


def enqueued(row, **more):
    return {"id": str(row.request_id), "workflow_status": "ENQUEUED"} | more


def test_a_look_that_fails_does_not_count(lab):
    row = look(lab, lab.confirming())
    lab.fault("status", "poll", code=503)
    row = look(lab, row)
    assert (row.phase, row.clean_looks) == (Phase.CONFIRMING, 1)
    assert look(lab, row).phase == Phase.SCHEDULED


def test_the_wait_before_the_first_look_is_a_setting(lab):
    lab.rules(confirm_wait=timedelta(seconds=300))
    row = lab.confirming()
    assert row.next_at == lab.clock() + timedelta(seconds=300)


# --- A worker that is gone, or was ---


@pytest.mark.fault(
    "Processes",
    "Worker killed between intent and trigger",
    "The row is looked for when its lease is over, and not simply sent.",
)
def test_an_abandoned_intent_is_looked_for_and_not_sent(lab):
    row = lab.scheduled()
    claim_to_trigger(1, lab.tools)
    lab.clock.advance(89)
    rescue_claims(now=lab.clock(), confirm_wait=lab.tools.rules.confirm_wait)
    assert again(row).phase == Phase.TRIGGERING
    lab.clock.advance(2)
    lab.dispatch()
    row = again(row)
    assert (row.phase, row.clean_looks) == (Phase.CONFIRMING, 0)
    assert row.next_at >= row.trigger_sent_at + timedelta(seconds=120)
    assert lab.sent("trigger") == []
    lab.run(90)
    assert lab.calls_of(row) == 1


@pytest.mark.fault(
    "Processes",
    "Worker frozen between intent and trigger",
    "An intent older than five seconds is not sent.",
)
def test_an_intent_that_grew_old_before_it_was_sent_is_not_sent(lab):
    row = lab.scheduled()

    def freeze():
        lab.executor.before = lambda: None
        lab.clock.advance(6)

    lab.executor.before = freeze
    trigger_rows(lab.tools)
    assert lab.sent("trigger") == []
    assert (again(row).phase, again(row).failures) == (Phase.SCHEDULED, 0)
    assert lab.upstream.failures == 0
    lab.run(3)
    assert lab.calls_of(row) == 1


@pytest.mark.fault(
    "Processes",
    "Worker frozen while it connects for a trigger",
    "The intent is looked at again when the connection stands; an old one is not sent.",
)
def test_an_intent_that_grew_old_on_the_way_to_the_api_is_not_sent(lab):
    row = lab.scheduled()

    def freeze(endpoint, body):
        lab.wire.before = lambda endpoint, body: None
        lab.clock.advance(6)

    lab.wire.before = freeze
    trigger_rows(lab.tools)
    assert lab.calls_of(row) == 0
    assert (again(row).phase, again(row).failures) == (Phase.SCHEDULED, 0)
    assert row.events.latest("pk").detail == "IntentTooOld"
    lab.run(3)
    assert lab.calls_of(row) == 1


@pytest.mark.fault(
    "Processes",
    "Worker frozen until after its lease in the middle of a trigger",
    "Its late answer changes nothing; another worker has begun to ask.",
)
def test_a_late_yes_changes_nothing_once_a_rival_looks_after_the_row(lab):
    row = lab.scheduled(story=80)

    def freeze(endpoint):
        lab.wire.after = lambda endpoint: None
        lab.clock.advance(91)
        lab.dispatch()

    lab.wire.after = freeze
    trigger_rows(lab.tools)
    assert again(row).phase == Phase.CONFIRMING
    lab.run(120, step=5)
    assert again(row).phase == Phase.CALLING
    assert len(lab.sent("trigger")) == 1


# --- People ---


def test_after_a_pause_nothing_more_is_started_and_calls_under_way_finish(lab):
    live, waiting = lab.calling(), lab.scheduled()
    actions.pause_batch(batch=lab.batch, by=None)
    lab.run(30)
    assert again(live).phase == Phase.COMPLETED
    assert again(waiting).phase == Phase.SCHEDULED
    actions.start_batch(batch=again(lab.batch), by=None)
    lab.run(30)
    assert again(waiting).phase == Phase.COMPLETED


def test_a_withdrawn_row_is_never_started(lab):
    row = lab.scheduled()
    assert actions.withdraw_rows(rows=CallRow.objects.filter(pk=row.pk), by=None) == 1
    lab.run(30)
    assert lab.calls_of(row) == 0
    assert again(row).phase == Phase.WITHDRAWN
