from collections import Counter
from datetime import timedelta

import pytest

from calls import actions
from calls.engine.claiming import rescue_claims
from calls.engine.scheduling import claim_chunks, record_chunk, schedule_rows
from calls.engine.tools import Answer
from calls.engine.triggering import claim_to_trigger
from calls.evergrove.errors import Rejected
from calls.models import CallEvent, CallRow
from calls.vocabulary import BatchState, EventKind, HoldReason, Phase, RequestStatus, StopReason
from tests.engine.lab import NOT_SENT, STOPS, UNKNOWN, again
from tests.factories import make_batch, make_blocked_phone, make_entity


@pytest.fixture
def office():
    """An office that the stand-in was told about by the engine itself."""
    return make_entity(entity_id=None)


@pytest.fixture
def lab(lab, office):
    """The office is known upstream before a test begins."""
    lab.scheduled(entity=office)
    office.refresh_from_db()
    del lab.wire.sent[:]
    return lab


def calls(lab):
    """The calls of every schedule POST so far."""
    return [body["calls"] for body in lab.sent("schedule")]


def references(lab):
    return [[call["external_reference_id"] for call in chunk] for chunk in calls(lab)]


# --- What is sent ---


def test_it_sends_the_documented_fields_with_notes_at_the_top_level(lab, office):
    row = lab.row(entity=office, notes="Ask for Dana", claim_number="")
    schedule_rows(lab.tools)
    [[call]] = calls(lab)
    details = call.pop("details")
    assert call == {
        "entity_id": str(office.entity_id),
        "external_reference_id": row.external_reference_id,
        "outbound_phone_number": row.outbound_phone_number,
        "objective": "CONFIRM_IE_ATTENDANCE",
        "notes": "Ask for Dana",
    }
    assert "notes" not in details
    assert details["claim_number"] == "Not Available"
    assert details["patient_dob"] == "1967-04-13"
    assert details["expected_appointment_date_time"] == "2026-04-09T11:00:00"


def test_it_omits_what_is_blank(lab, office):
    lab.row(entity=office, patient_phone_number=None, patient_ssn=None, provider_state=None)
    schedule_rows(lab.tools)
    [[call]] = calls(lab)
    assert not {"patient_phone_number", "patient_ssn", "provider_state"} & set(call["details"])
    assert not {"notes", "best_to_make_call_by"} & set(call)


@pytest.mark.parametrize(
    ("policy", "given", "sent"),
    [
        ("as_given", "987657777", "987657777"),
        ("as_given", "7777", "7777"),
        ("last4", "987657777", "7777"),
        ("last4", "7777", "7777"),
        ("none", "987657777", None),
    ],
)
def test_the_ssn_policy_decides_what_leaves_the_house(lab, office, policy, given, sent):
    lab.rules(ssn_policy=policy)
    lab.row(entity=office, patient_ssn=given)
    schedule_rows(lab.tools)
    [[call]] = calls(lab)
    assert call["details"].get("patient_ssn") == sent


@pytest.mark.parametrize(
    ("hours", "sent"),
    [(2, "2026-04-09T17:42:06Z"), (-2, None)],
    ids=["in the future", "past"],
)
def test_the_time_to_call_by_is_sent_in_utc_while_it_lies_ahead(lab, office, hours, sent):
    lab.row(entity=office, best_to_make_call_by=lab.clock() + timedelta(hours=hours))
    schedule_rows(lab.tools)
    [[call]] = calls(lab)
    assert call.get("best_to_make_call_by") == sent


def test_the_rows_to_call_soonest_are_queued_first(lab, office):
    lab.rules(schedule_chunk=1, concurrency=1)
    later, none, soon = lab.rows(3, entity=office)
    for row, hours in ((later, 5), (soon, 1)):
        by = lab.clock() + timedelta(hours=hours)
        CallRow.objects.filter(pk=row.pk).update(best_to_make_call_by=by)
    schedule_rows(lab.tools)
    assert references(lab) == [[row.external_reference_id] for row in (soon, later, none)]


# --- Which rows, and together with which ---


def test_posts_hold_rows_of_one_organization_up_to_the_chunk_size(lab, office):
    lab.rules(schedule_chunk=3)
    lab.rows(4, entity=office)
    lab.rows(2, entity=office, organization_name="SPNet West")
    schedule_rows(lab.tools)
    organizations = [
        {call["details"]["organization_name"] for call in chunk} for chunk in calls(lab)
    ]
    assert sorted(map(len, calls(lab))) == [1, 2, 3]
    assert sorted(map(sorted, organizations)) == [["SPNet"], ["SPNet"], ["SPNet West"]]


@pytest.mark.parametrize(
    "over",
    [
        {"hold_reason": HoldReason.POSSIBLE_DUPLICATE},
        {"next_at": "later"},
        {"outbound_phone_number": "+12125559999"},
    ],
    ids=["held", "not due", "blocked phone"],
)
def test_a_row_that_may_not_go_on_is_not_queued(lab, office, over):
    make_blocked_phone("+12125559999")
    if "next_at" in over:
        over = {"next_at": lab.clock() + timedelta(seconds=1)}
    lab.row(entity=office, **over)
    assert schedule_rows(lab.tools) == 0


@pytest.mark.parametrize(
    "state", [state for state in BatchState if state != BatchState.RUNNING], ids=str
)
def test_only_rows_of_a_running_batch_are_queued(lab, office, state):
    lab.row(entity=office, batch=make_batch(state=state))
    assert schedule_rows(lab.tools) == 0


@pytest.mark.parametrize(
    "over",
    [{"entity_id": None}, {"can_call": False}, {"hold_reason": HoldReason.OFFICE_REFUSED}],
    ids=["without an id", "not callable", "refused"],
)
def test_only_rows_of_an_office_that_may_be_called_are_queued(lab, over):
    lab.row(entity=make_entity(**over))
    assert schedule_rows(lab.tools) == 0


def test_a_row_is_queued_once_and_starts_no_call(lab, office):
    row = lab.row(entity=office)
    for _ in range(3):
        schedule_rows(lab.tools)
    assert lab.sandbox.ledger.requests_by_reference[row.external_reference_id] == 1
    assert lab.sandbox.ledger.calls_started == 0


# --- The answer is mapped by reference ---


def test_everything_that_came_back_is_kept(lab, office):
    row = lab.row(entity=office)
    schedule_rows(lab.tools)
    row = again(row)
    request = lab.sandbox.store.requests[str(row.request_id)]
    assert request.external_reference_id == row.external_reference_id
    assert str(row.call_input_id) == request.call_input_id
    assert (row.phase, row.request_status) == (Phase.SCHEDULED, RequestStatus.QUEUED)
    assert (row.last_workflow_status, row.upstream_updated_at) == ("ENQUEUED", lab.clock())
    assert row.claimed_by == ""


def test_answers_in_another_order_reach_their_own_rows(lab, office):
    rows = lab.rows(4, entity=office)

    def backwards(body):
        answer = lab.sandbox.desk.schedule(body, lab.clock()).value
        return {"scheduled_requests": answer["scheduled_requests"][::-1]}

    lab.wire.instead["schedule"].append(backwards)
    schedule_rows(lab.tools)
    for row in map(again, rows):
        request = lab.sandbox.store.requests[str(row.request_id)]
        assert request.external_reference_id == row.external_reference_id


@pytest.mark.fault(
    "HTTP",
    "Answer that lacks some of the rows",
    "What came is kept in one commit; only the missing rows are sent again, and counted as possible orphans.",
)
def test_a_partial_answer_keeps_what_came_and_repeats_only_the_missing_rows(lab, office):
    rows = lab.rows(5, entity=office)
    lab.fault("partial_schedule", keep=3)
    schedule_rows(lab.tools)
    phases = Counter(again(row).phase for row in rows)
    assert phases == {Phase.SCHEDULED: 3, Phase.READY: 2}
    missing = [row for row in rows if again(row).phase == Phase.READY]
    assert [again(row).possible_orphans for row in missing] == [1, 1]
    lab.clock.advance(5)
    schedule_rows(lab.tools)
    assert references(lab)[1] == [row.external_reference_id for row in missing]
    assert all(again(row).phase == Phase.SCHEDULED for row in rows)


@pytest.mark.fault("HTTP", "Row that is missing in two answers", "It is held for a person.")
def test_a_second_miss_is_shown_to_a_person(lab, office):
    row = lab.row(entity=office)
    lab.fault("partial_schedule", keep=0, times=2)
    for _ in range(3):
        schedule_rows(lab.tools)
        lab.clock.advance(10)
    assert len(references(lab)) == 2
    assert (again(row).phase, again(row).hold_reason) == (
        Phase.READY,
        HoldReason.SCHEDULE_UNANSWERED,
    )
    actions.release_hold(row=again(row), by=None)
    schedule_rows(lab.tools)
    assert again(row).phase == Phase.SCHEDULED


@pytest.mark.fault(
    "HTTP", "Answer with a reference of nobody", "It is noted as an anomaly and stored on no row."
)
def test_an_unknown_reference_is_an_anomaly_and_stays_off_the_rows(lab, office):
    rows = lab.rows(2, entity=office)
    lab.fault("wrong_reference")
    schedule_rows(lab.tools)
    assert sorted(again(row).phase for row in rows) == [Phase.READY, Phase.SCHEDULED]
    assert anomalies() == ["unknown_reference"]


@pytest.mark.fault(
    "HTTP",
    "Reference that is answered twice",
    "Neither answer is given to the row; it is noted as an anomaly.",
)
def test_a_reference_answered_twice_is_given_to_nobody(lab, office):
    rows = lab.rows(3, entity=office)
    lab.fault("duplicate_reference")
    schedule_rows(lab.tools)
    assert [again(row).request_id is None for row in rows] == [True, False, True]
    assert anomalies() == ["reference_answered_twice"] * 2


@pytest.mark.fault(
    "HTTP", "Request id that another row has", "It is not stored; it is noted as an anomaly."
)
def test_an_id_that_another_row_has_is_not_stored(lab, office):
    taken = CallRow.objects.exclude(request_id=None).get()
    row = lab.row(entity=office)
    lab.wire.instead["schedule"].append(answer_with(id=str(taken.request_id)))
    schedule_rows(lab.tools)
    assert again(row).request_id is None
    assert anomalies() == ["request_id_answered_twice"]


@pytest.mark.parametrize(("status", "asked"), [("ENQUEUED", False), ("ACTIVE", True)])
@pytest.mark.fault(
    "HTTP",
    "New request that reads ACTIVE",
    "Somebody has started it: it is asked about, not triggered.",
)
def test_a_request_that_was_started_already_is_asked_about_first(lab, office, status, asked):
    row = lab.row(entity=office)
    lab.wire.instead["schedule"].append(answer_with(workflow_status=status))
    schedule_rows(lab.tools)
    assert again(row).ask_first is asked
    assert (again(row) in claim_to_trigger(5, lab.tools)) is not asked


@pytest.mark.fault(
    "HTTP", "Answer for another office", "It is not stored; it is noted as an anomaly."
)
def test_an_answer_for_another_office_is_not_stored(lab, office):
    row = lab.row(entity=office)
    lab.wire.instead["schedule"].append(answer_with(entity_id=str(row.entity.pk)))
    schedule_rows(lab.tools)
    assert again(row).request_id is None
    assert anomalies() == ["another_entity_id"]


def test_ids_of_another_tenant_are_not_stored_and_stop_everything(lab, office):
    row = lab.row(entity=office)
    lab.fault("tenant", "schedule")
    schedule_rows(lab.tools)
    assert lab.upstream.stop_reason == StopReason.TENANT_CHANGED
    assert (again(row).phase, again(row).request_id) == (Phase.READY, None)
    assert again(row).possible_orphans == 1


def answer_with(**changes):
    """The documented answer for the first call of a body, with something wrong in it."""

    def answer(body):
        call = body["calls"][0]
        fields = {"external_reference_id", "entity_id"}
        request = {name: call[name] for name in fields} | {"id": call["entity_id"]}
        return {"scheduled_requests": [request | changes]}

    return answer


def anomalies():
    return list(CallEvent.objects.filter(kind=EventKind.ANOMALY).values_list("detail", flat=True))


# --- No answer, or another one ---


@pytest.mark.parametrize("fault", NOT_SENT)
def test_what_was_not_sent_is_tried_again_later(lab, office, fault):
    row = lab.row(entity=office)
    lab.fault(endpoint="schedule", **fault)
    schedule_rows(lab.tools)
    row = again(row)
    assert (row.phase, row.failures, row.possible_orphans) == (Phase.READY, 1, 0)
    assert row.next_at > lab.clock()
    lab.clock.advance(3)
    schedule_rows(lab.tools)
    assert again(row).phase == Phase.SCHEDULED


@pytest.mark.parametrize("fault", UNKNOWN)
def test_an_unknown_answer_is_repeated_and_counted_as_a_possible_orphan(lab, office, fault):
    row = lab.row(entity=office)
    lab.fault(endpoint="schedule", **fault)
    schedule_rows(lab.tools)
    assert (again(row).phase, again(row).possible_orphans) == (Phase.READY, 1)
    lab.clock.advance(3)
    schedule_rows(lab.tools)
    assert again(row).phase == Phase.SCHEDULED
    lab.run(60)
    assert lab.calls_of(row) == 1


@pytest.mark.parametrize(("fault", "reason"), STOPS)
def test_a_fault_of_the_key_stops_everything_and_blames_no_row(lab, office, fault, reason):
    row = lab.row(entity=office)
    lab.fault(endpoint="schedule", **fault)
    schedule_rows(lab.tools)
    assert lab.upstream.stop_reason == reason
    assert (again(row).phase, again(row).hold_reason) == (Phase.READY, "")
    assert again(row).possible_orphans == 0
    lab.run(600, step=60)
    assert len(lab.wire.sent) == 1


def test_429_waits_as_long_as_it_is_told(lab, office):
    row = lab.row(entity=office)
    lab.fault("status", "schedule", code=429, retry_after=30)
    lab.dispatch()
    assert again(row).hold_reason == ""
    lab.run(29)
    assert [endpoint for endpoint, _ in lab.wire.sent] == ["schedule"]
    lab.run(3)
    assert again(row).request_id is not None


def test_chunks_behind_a_429_are_not_sent(lab, office):
    lab.rules(schedule_chunk=1)
    rows = lab.rows(3, entity=office)
    lab.fault("status", "schedule", code=429, retry_after=30)
    schedule_rows(lab.tools)
    assert len(lab.sent("schedule")) == 1
    assert {again(row).phase for row in rows} == {Phase.READY}
    assert sorted(again(row).failures for row in rows) == [0, 0, 1]


@pytest.mark.parametrize("code", [400, 413, 415, 422])
@pytest.mark.fault(
    "HTTP",
    "One wrong row among many in a request",
    "It is found by halving and held; all others are queued.",
)
def test_a_refused_chunk_is_halved_down_to_the_row_at_fault(lab, office, code):
    rows = lab.rows(7, entity=office)
    culprit = rows[4]
    refuse_every_post_with(lab, culprit, code)
    schedule_rows(lab.tools)
    assert {row.pk for row in rows if again(row).phase == Phase.SCHEDULED} == {
        row.pk for row in rows if row != culprit
    }
    held = again(culprit)
    assert (held.phase, held.hold_reason) == (Phase.READY, HoldReason.SCHEDULE_REFUSED)
    sent = len(lab.sent("schedule"))
    lab.clock.advance(600)
    schedule_rows(lab.tools)
    assert len(lab.sent("schedule")) == sent


def refuse_every_post_with(lab, row, code):
    """The stand-in refuses each schedule POST that carries this row."""

    def look(endpoint, body):
        if endpoint == "schedule":
            named = [call["external_reference_id"] for call in body["calls"]]
            if row.external_reference_id in named:
                lab.fault("status", "schedule", code=code)

    lab.wire.before = look


def test_the_reason_of_a_refusal_names_the_field_and_no_patient(lab, office):
    row = lab.row(entity=office, patient_name="Amara Delgado", local_timezone="US/Eastern")
    schedule_rows(lab.tools)
    held = again(row)
    assert held.hold_reason == HoldReason.SCHEDULE_REFUSED
    assert "local_timezone" in held.last_error
    assert "US/Eastern" not in held.last_error
    assert "Amara" not in held.last_error


@pytest.mark.fault(
    "HTTP",
    "Organization that Evergrove has not enabled",
    "Its rows are held with that reason, and no others.",
)
def test_a_disabled_organization_holds_its_own_rows_and_no_others(lab, office):
    theirs = lab.rows(2, entity=office, organization_name="Acme Net")
    elsewhere = lab.row(
        entity=office, organization_name="Acme Net", batch=make_batch(state="draft")
    )
    ours = lab.rows(2, entity=office)
    schedule_rows(lab.tools)
    assert {again(row).hold_reason for row in [*theirs, elsewhere]} == {
        HoldReason.ORGANIZATION_DISABLED
    }
    assert {again(row).phase for row in ours} == {Phase.SCHEDULED}
    assert len(lab.sent("schedule")) == 2  # it is not halved

    lab.sandbox.desk.organizations |= {"Acme Net"}
    for row in theirs:
        actions.release_hold(row=again(row), by=None)
    schedule_rows(lab.tools)
    assert {again(row).phase for row in theirs} == {Phase.SCHEDULED}


# --- A worker that is gone, or was ---


@pytest.mark.fault(
    "Processes",
    "Worker killed while it queues rows",
    "They are ready again when the lease is over, and counted as possible orphans.",
)
def test_rows_of_a_worker_that_is_gone_are_ready_again(lab, office):
    row = lab.row(entity=office)
    claim_chunks(1, lab.tools)
    lab.clock.advance(89)
    rescue_claims(now=lab.clock(), confirm_wait=timedelta(0))
    assert again(row).phase == Phase.SCHEDULING
    lab.clock.advance(2)
    rescue_claims(now=lab.clock(), confirm_wait=timedelta(0))
    assert (again(row).phase, again(row).possible_orphans) == (Phase.READY, 1)


@pytest.mark.fault("Processes", "Row that kills its worker three times", "It is held.")
def test_a_row_that_takes_three_workers_with_it_is_held(lab, office):
    row = lab.row(entity=office)
    for _ in range(3):
        assert len(claim_chunks(1, lab.tools)) == 1
        lab.clock.advance(91)
        rescue_claims(now=lab.clock(), confirm_wait=timedelta(0))
    assert again(row).hold_reason == HoldReason.CRASHED_WORKER
    assert claim_chunks(1, lab.tools) == []


@pytest.mark.fault(
    "Processes",
    "Worker frozen until after its lease before it queues",
    "It queues nothing that another worker has queued.",
)
def test_a_frozen_worker_does_not_queue_a_row_that_a_rival_has_queued(lab, office):
    row = lab.row(entity=office)

    def freeze():
        lab.executor.before = lambda: None
        lab.clock.advance(91)
        lab.dispatch()

    lab.executor.before = freeze
    schedule_rows(lab.tools)
    assert lab.sandbox.ledger.requests_by_reference[row.external_reference_id] == 1


@pytest.mark.fault(
    "Processes",
    "Worker frozen until after its lease while it queues",
    "Its late answer changes nothing; the request id of the other worker stays.",
)
def test_a_late_answer_changes_nothing_that_a_rival_has_stored(lab, office):
    row = lab.row(entity=office)

    def freeze(endpoint, body):
        lab.wire.before = lambda endpoint, body: None
        lab.clock.advance(91)
        lab.dispatch()

    lab.wire.before = freeze
    schedule_rows(lab.tools)
    row = again(row)
    first = lab.sandbox.ledger.requests[1]
    assert str(row.request_id) == first.id
    assert row.phase == Phase.CALLING
    assert len(lab.sandbox.ledger.orphans) == 1


def test_halving_leaves_out_rows_that_are_no_longer_ours(lab, office):
    kept, lost = lab.rows(2, entity=office)
    [chunk] = claim_chunks(1, lab.tools)
    CallRow.objects.filter(pk=lost.pk).update(phase=Phase.READY, claimed_by="", fence=9)
    parts = record_chunk(Answer(chunk, Rejected("HTTP 422"), 0.0), lab.tools)
    assert [[row.pk for row in part] for part in parts] == [[kept.pk]]
