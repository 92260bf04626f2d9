from datetime import timedelta
from uuid import uuid4

import pytest

from calls import actions
from calls.engine.entities import claim_entities, record_entity, send_entities
from calls.engine.tools import Answer
from calls.evergrove.errors import Rejected
from calls.models import CallEvent, Entity
from calls.models.entity import default_working_hours
from calls.vocabulary import BatchState, EventKind, HoldReason, Phase, StopReason
from tests.engine.lab import NOT_SENT, ROW_FAULTS, STOPS, UNKNOWN, again

CLINIC = "Do Not Call Office of Queens"


# --- What is sent, and when ---


def test_it_sends_the_whole_office_and_nothing_else(lab):
    office = lab.office(name="PT East", upstream_name="PT East (Albany, NY)", ivr_guide="Press 2")
    lab.row(entity=office)
    send_entities(lab.tools)
    assert lab.sent("entities") == [
        {
            "name": "PT East (Albany, NY)",
            "location_name": "PT East",
            "location_timezone": "America/New_York",
            "working_hours_policy": default_working_hours(),
            "ivr_answer_key_guide": "Press 2",
        }
    ]


def test_rows_of_one_office_cause_one_upsert(lab):
    lab.rows(5)
    lab.rows(2)
    send_entities(lab.tools)
    send_entities(lab.tools)
    assert list(lab.sandbox.ledger.entity_upserts.values()) == [1, 1]


def test_it_keeps_the_id_and_what_evergrove_says_of_the_office(lab):
    office = lab.row().entity
    send_entities(lab.tools)
    office.refresh_from_db()
    assert str(office.entity_id) == lab.sandbox.store.entity_ids[office.upstream_name]
    assert (office.can_call, office.is_synced, office.claimed_by) == (True, True, "")
    assert office.working_hours_source == "api"
    assert office.working_hours_updated_at == lab.clock()
    assert office.upstream_hours == office.working_hours
    assert lab.upstream.tenant_id == "tenant_practice"


def test_a_row_of_a_known_office_causes_no_other_upsert(lab):
    office = lab.scheduled().entity
    lab.row(entity=office)
    lab.pulse()
    assert len(lab.sent("entities")) == 1


@pytest.mark.parametrize(
    ("batch", "row"),
    [
        ({"state": BatchState.DRAFT}, {}),
        ({"state": BatchState.PAUSED}, {}),
        ({}, {"hold_reason": HoldReason.POSSIBLE_DUPLICATE}),
    ],
    ids=["draft", "paused", "held"],
)
def test_an_office_without_work_is_not_sent(lab, batch, row):
    lab.batch.__class__.objects.filter(pk=lab.batch.pk).update(**batch)
    lab.row(**row)
    assert send_entities(lab.tools) == 0


def test_an_edited_office_is_sent_again_in_its_newest_state(lab):
    office = lab.scheduled().entity
    for guide in ("Press 1", "Press 3"):
        actions.save_office(office=again(office), values={"ivr_guide": guide}, by=None)
    lab.pulse()
    assert guides(lab) == [None, "Press 3"]


@pytest.mark.fault(
    "People", "Office edited while its older state is being sent", "The newest state is sent next."
)
def test_an_edit_made_while_the_upsert_is_out_is_sent_next(lab):
    office = lab.row().entity

    def edit(endpoint, body):
        lab.wire.before = lambda endpoint, body: None
        actions.save_office(office=again(office), values={"ivr_guide": "Press 9"}, by=None)

    lab.wire.before = edit
    send_entities(lab.tools)
    assert guides(lab) == [None, "Press 9"]
    assert again(office).is_synced


def test_one_upsert_of_an_office_is_in_flight_at_a_time(lab):
    lab.row()
    first = claim_entities(8, now=lab.clock())
    assert len(first) == 1
    assert claim_entities(8, now=lab.clock()) == []
    lab.clock.advance(91)
    assert len(claim_entities(8, now=lab.clock())) == 1


@pytest.mark.fault(
    "Processes",
    "Worker frozen before it sends an office",
    "It sends nothing that is older than what another worker has sent.",
)
def test_a_worker_that_was_frozen_does_not_send_an_office_late(lab):
    office = lab.row().entity
    lab.executor.before = lambda: rival_sends_a_newer_state(lab, office)
    send_entities(lab.tools)
    assert guides(lab) == ["Press 4"]
    assert again(office).is_synced


def test_an_older_state_that_may_have_come_last_is_followed_by_the_newest(lab):
    office = lab.row().entity
    lab.wire.before = lambda endpoint, body: rival_sends_a_newer_state(lab, office)
    send_entities(lab.tools)
    lab.dispatch()
    assert guides(lab)[-1] == "Press 4"
    assert lab.sandbox.store.entity_named(office.upstream_name).ivr_answer_key_guide == "Press 4"


def rival_sends_a_newer_state(lab, office):
    """The process stands still for longer than its claim lasts."""
    lab.executor.before = lambda: None
    lab.wire.before = lambda endpoint, body: None
    lab.clock.advance(91)
    actions.save_office(office=again(office), values={"ivr_guide": "Press 4"}, by=None)
    send_entities(lab.tools)


def guides(lab):
    return [body["ivr_answer_key_guide"] for body in lab.sent("entities")]


# --- What an answer means ---


@pytest.mark.parametrize("fault", [*NOT_SENT, *UNKNOWN])
def test_without_an_answer_the_newest_state_is_sent_again(lab, fault):
    row = lab.row()
    lab.fault(endpoint="entities", **fault)
    send_entities(lab.tools)
    office = again(row.entity)
    assert (office.entity_id, office.failures, office.hold_reason) == (None, 1, "")
    assert office.next_at > lab.clock()
    lab.run(5)
    assert again(row.entity).is_synced
    assert again(row).phase not in (Phase.READY, Phase.FAILED)


@pytest.mark.parametrize("fault", ROW_FAULTS)
def test_a_refused_office_holds_its_rows_and_no_others(lab, fault):
    refused, fine = lab.row(), lab.row()
    lab.fault(endpoint="entities", **fault)
    lab.dispatch()
    lab.dispatch()
    assert again(refused.entity).hold_reason == HoldReason.OFFICE_REFUSED
    assert again(refused).hold_reason == HoldReason.OFFICE_REFUSED
    assert again(fine).hold_reason == ""
    lab.run(600, step=60)
    assert len(lab.sent("entities")) == 2


def test_a_refusal_of_an_older_state_does_not_hold_the_corrected_office(lab):
    office = lab.row().entity
    [claimed] = claim_entities(1, now=lab.clock())
    actions.save_office(office=again(office), values={"ivr_guide": "Press 1"}, by=None)
    record_entity(Answer(claimed, Rejected("HTTP 422", status=422), 0.0), lab.tools)
    assert again(office).hold_reason == ""
    send_entities(lab.tools)
    assert again(office).is_synced


@pytest.mark.parametrize(("fault", "reason"), STOPS)
def test_a_fault_of_the_key_stops_everything_and_blames_no_row(lab, fault, reason):
    row = lab.row()
    lab.fault(endpoint="entities", **fault)
    send_entities(lab.tools)
    assert lab.upstream.stop_reason == reason
    lab.run(600, step=60)
    assert len(lab.wire.sent) == 1
    assert (again(row).phase, again(row).hold_reason) == (Phase.READY, "")
    actions.resume_upstream(by=None)
    lab.pulse()
    assert again(row).phase == Phase.CALLING


def test_429_slows_the_whole_key_down(lab):
    row, queued = lab.row(), lab.scheduled(story=61)
    del lab.wire.sent[:]
    actions.ask_about_office(office=row.entity, by=None)
    lab.fault("status", "entities", code=429, retry_after=30)
    lab.dispatch()
    assert [endpoint for endpoint, _ in lab.wire.sent] == ["entities"]
    lab.clock.advance(29)
    lab.pulse()
    assert len(lab.wire.sent) == 1
    lab.clock.advance(2)
    lab.pulse()
    assert again(queued).phase == Phase.CALLING
    assert again(row.entity).is_synced


def test_hours_that_the_api_would_refuse_hold_the_office_unsent(lab):
    row = lab.row(entity=lab.office(working_hours={"monday": {"default_call_time": "09:00"}}))
    lab.dispatch()
    lab.dispatch()
    assert lab.wire.sent == []
    assert again(row).hold_reason == HoldReason.OFFICE_REFUSED
    actions.save_office(
        office=again(row.entity), values={"working_hours": default_working_hours()}, by=None
    )
    lab.dispatch()
    assert again(row).phase == Phase.CALLING


# --- May it be called? ---


def test_rows_of_an_office_that_may_not_be_called_are_held_until_it_may(lab):
    row = lab.row(entity=lab.office(name=CLINIC))
    other = lab.row()
    lab.run(3)
    assert again(row).hold_reason == HoldReason.OFFICE_NOT_CALLABLE
    assert again(row).request_id is None
    assert again(other).trigger_sent_at is not None

    lab.sandbox.store.entity_named(CLINIC).can_call = True
    actions.ask_about_office(office=again(row.entity), by=None)
    lab.run(3)
    assert again(row).hold_reason == ""
    assert again(row).trigger_sent_at is not None


def test_a_queued_row_is_held_when_its_office_may_no_longer_be_called(lab):
    row = lab.scheduled()
    lab.sandbox.store.entity_named(row.entity.upstream_name).can_call = False
    actions.ask_about_office(office=again(row.entity), by=None)
    lab.dispatch()
    assert lab.sent("trigger") == []
    lab.dispatch()
    assert again(row).hold_reason == HoldReason.OFFICE_NOT_CALLABLE


# --- Odd answers ---


@pytest.mark.fault(
    "HTTP",
    "Answer of another tenant",
    "Its ids are not stored and everything stops: it is the wrong key.",
)
def test_another_tenant_stops_everything(lab):
    lab.scheduled()
    row = lab.row()
    others = [lab.row() for _ in range(12)]
    lab.fault("tenant", "entities")
    lab.pulse()
    assert again(others[-1].entity).entity_id is None
    assert lab.upstream.stop_reason == StopReason.TENANT_CHANGED
    assert lab.upstream.tenant_id == "tenant_practice"
    assert again(row.entity).entity_id is None
    before = len(lab.wire.sent)
    lab.run(600, step=60)
    assert len(lab.wire.sent) == before


def test_another_id_for_a_known_office_is_kept_and_noted(lab):
    office = lab.scheduled().entity
    Entity.objects.filter(pk=office.pk).update(entity_id=uuid4(), version=2)
    send_entities(lab.tools)
    assert str(again(office).entity_id) == lab.sandbox.store.entity_ids[office.upstream_name]
    assert CallEvent.objects.filter(entity=office, kind=EventKind.ANOMALY).count() == 1


@pytest.mark.fault(
    "HTTP",
    "Two offices under one id",
    "The second is held: each upsert would overwrite the other's hours.",
)
def test_an_office_that_is_given_the_id_of_another_one_is_held(lab):
    """Upstream would have taken two names for one: each upsert would overwrite the other's hours."""
    first = lab.scheduled().entity
    row = lab.row(entity=lab.office(name="Second"))
    lab.wire.instead["entities"].append(
        {"id": str(again(first).entity_id), "tenant_id": "tenant_practice", "can_call": True}
    )
    lab.dispatch()
    lab.dispatch()
    assert again(row).hold_reason == HoldReason.OFFICE_REFUSED
    assert CallEvent.objects.filter(entity=row.entity, kind=EventKind.ANOMALY).exists()


def test_a_lapsed_claim_is_not_given_back(lab):
    lab.row()
    [first] = claim_entities(1, now=lab.clock())
    lab.clock.advance(91)
    [second] = claim_entities(1, now=lab.clock())
    record_entity(Answer(first, Rejected("HTTP 422"), 0.0), lab.tools)
    office = again(second)
    assert (office.claimed_by, office.hold_reason) == (second.claimed_by, "")
    assert office.claimed_until - lab.clock() == timedelta(seconds=90)
