from datetime import timedelta

import pytest
from django.db import connection

from calls.engine import claiming
from calls.engine.braking import brake
from calls.engine.claiming import claim_rows, move, rescue_claims
from calls.engine.machine import IllegalStep, Step
from calls.engine.polling import claim_to_poll
from calls.engine.reconciling import claim_to_ask
from calls.engine.scheduling import claim_chunks
from calls.engine.triggering import claim_to_trigger
from calls.models import CallEvent, CallRow
from calls.vocabulary import EventKind, HoldReason, Phase
from tests.engine.lab import again
from tests.factories import make_batch, make_blocked_phone, make_entity, make_row, make_user

WAIT = timedelta(seconds=120)


@pytest.fixture
def now(db, clock):
    return clock()


def claim(row, now, step=Step.CLAIM_TO_TRIGGER):
    return claim_rows([row], step, now=now, trigger_sent_at=now)


# --- "This row is mine now" ---


def test_a_claim_is_taken_once(now):
    row = make_row(Phase.SCHEDULED)
    [mine] = claim(row, now)
    assert (mine.phase, mine.fence) == (Phase.TRIGGERING, row.fence + 1)
    assert mine.claimed_until == now + claiming.LEASE
    assert claim(row, now) == []


def test_a_claim_keeps_only_the_rows_that_are_still_free(now):
    free, gone = make_row(Phase.SCHEDULED), make_row(Phase.SCHEDULED)
    CallRow.objects.filter(pk=gone.pk).update(phase=Phase.WITHDRAWN, settled_at=now)
    assert [
        row.pk
        for row in claim_rows([free, gone], Step.CLAIM_TO_TRIGGER, now=now, trigger_sent_at=now)
    ] == [free.pk]


def test_a_claim_keeps_the_order_in_which_rows_are_to_be_sent(now):
    rows = [make_row(Phase.SCHEDULED) for _ in range(3)][::-1]
    mine = claim_rows(rows, Step.CLAIM_TO_TRIGGER, now=now, trigger_sent_at=now)
    assert [row.pk for row in mine] == [row.pk for row in rows]


def test_a_move_needs_the_fence_of_its_claim(now):
    [mine] = claim(make_row(Phase.SCHEDULED), now)
    assert move(mine, Step.TRIGGER_ACCEPTED, now=now)
    assert not move(mine, Step.TRIGGER_UNCERTAIN, now=now)
    assert again(mine).phase == Phase.CALLING
    assert CallEvent.objects.filter(row=mine).count() == 2


def test_a_move_that_the_table_does_not_know_changes_nothing(now):
    row = make_row(Phase.CALLING)
    with pytest.raises(IllegalStep):
        move(row, Step.NEVER_STARTED, now=now)
    assert again(row).phase == Phase.CALLING


def test_every_move_is_told_in_the_timeline(now):
    [mine] = claim(make_row(Phase.SCHEDULED), now)
    move(mine, Step.TRIGGER_NOT_APPLIED, now=now, hold=HoldReason.TRIGGER_REFUSED)
    told = CallEvent.objects.filter(row=mine).order_by("pk")
    assert [(e.kind, e.phase_from, e.phase_to, e.detail, e.at) for e in told] == [
        (EventKind.MOVED, "scheduled", "triggering", "", now),
        (EventKind.HELD, "triggering", "scheduled", HoldReason.TRIGGER_REFUSED, now),
    ]


# --- Rescue ---


@pytest.mark.parametrize(
    "phase", [p for p in Phase if p not in (Phase.SCHEDULING, Phase.TRIGGERING)], ids=str
)
def test_only_claims_of_the_two_sending_phases_are_rescued(now, phase):
    row = make_row(phase, claimed_until=now - timedelta(hours=1))
    assert rescue_claims(now=now, confirm_wait=WAIT) == 0
    assert again(row).phase == phase


def test_a_rescue_and_a_late_answer_cannot_both_win(now):
    [mine] = claim(make_row(Phase.SCHEDULED), now)
    later = now + timedelta(seconds=91)
    assert rescue_claims(now=later, confirm_wait=WAIT) == 1
    assert not move(mine, Step.TRIGGER_ACCEPTED, now=later)
    assert again(mine).phase == Phase.CONFIRMING


# --- Holds and withdrawals ---


@pytest.mark.parametrize("phase", list(Phase), ids=lambda phase: phase.value)
def test_only_untriggered_and_unclaimed_rows_are_held_by_a_sweep(now, phase):
    row = make_row(phase, outbound_phone_number=make_blocked_phone().phone)
    claiming.hold_uncallable(now=now)
    held = phase in (Phase.READY, Phase.SCHEDULED)
    assert again(row).hold_reason == (HoldReason.DO_NOT_CALL if held else "")


def test_a_sweep_leaves_an_earlier_reason_in_place(now):
    office = make_entity(can_call=False)
    row = make_row(entity=office, hold_reason=HoldReason.POSSIBLE_DUPLICATE)
    claiming.hold_uncallable(now=now)
    assert again(row).hold_reason == HoldReason.POSSIBLE_DUPLICATE


@pytest.mark.parametrize("phase", list(Phase), ids=lambda phase: phase.value)
def test_a_row_is_withdrawn_only_before_its_trigger(now, phase):
    person, row = make_user(), make_row(phase)
    claiming.withdraw(CallRow.objects.all(), now=now, by=person)
    if phase in (Phase.READY, Phase.SCHEDULED):
        assert again(row).phase == Phase.WITHDRAWN
        assert again(row).request_status == row.request_status
        assert row.events.get().actor == person
    else:
        assert again(row).phase == phase


def test_the_claim_of_a_withdrawn_row_comes_to_nothing(now):
    row = make_row(Phase.SCHEDULED)
    claiming.withdraw(CallRow.objects.all(), now=now)
    assert claim(row, now) == []


def test_a_paused_batch_is_seen_by_the_claim_itself(now):
    row = make_row(Phase.SCHEDULED, batch=make_batch(state="paused"))
    assert claim(row, now) == []


# --- The indexes that the engine asks by ---


ASKED = {
    "due_to_schedule": lambda lab: claim_chunks(8, lab.tools),
    "due_to_trigger": lambda lab: claim_to_trigger(8, lab.tools),
    "due_to_poll": lambda lab: claim_to_poll(8, now=lab.clock()),
    "due_to_ask_first": lambda lab: claim_to_ask(8, now=lab.clock()),
    "rows_held": lambda lab: brake(now=lab.clock()),
    "claims_to_rescue": lambda lab: rescue_claims(now=lab.clock(), confirm_wait=WAIT),
}


@pytest.mark.skipif(connection.vendor != "sqlite", reason="the plans are those of SQLite")
@pytest.mark.parametrize("index", ASKED)
def test_what_is_due_is_found_by_its_partial_index(lab, index):
    """As the statement is sent, with parameters: constants would make any plan look good."""
    plans = []

    def explain(execute, sql, params, many, context):
        if sql.startswith("SELECT") and "calls_callrow" in sql:
            plans.append(execute(f"EXPLAIN QUERY PLAN {sql}", params, many, context).fetchall())
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        ASKED[index](lab)
    assert f"USING INDEX {index} " in str(plans[0]) + " "
