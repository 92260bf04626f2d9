"""A batch of which too much is refused pauses itself, says why, and goes on when a person lets it."""

import pytest

from calls import actions
from calls.engine.braking import brake
from calls.models import CallEvent
from calls.vocabulary import ROW_FAULTS, BatchState, EventKind, HoldReason, PauseReason, Phase
from tests.factories import make_batch, make_entity, make_row

pytestmark = pytest.mark.django_db
OFFICE_HOLDS = [reason for reason in HoldReason if reason not in ROW_FAULTS]


@pytest.fixture
def batch(lab):
    batch = make_batch(state=BatchState.DRAFT)
    batch.office = make_entity()
    make_row(batch=batch, entity=batch.office)
    actions.start_batch(batch=batch, by=None)
    lab.clock.advance(1)
    return batch


def rows(batch, lab, *, held=0, well=0, reason=HoldReason.TRIGGER_REFUSED):
    for number in range(held + well):
        hold = reason if number < held else ""
        make_row(
            Phase.SCHEDULED,
            batch=batch,
            entity=batch.office,
            hold_reason=hold,
            changed_at=lab.clock(),
        )


def braked(batch, lab):
    brake(now=lab.clock())
    batch.refresh_from_db()
    return batch.state == BatchState.PAUSED


@pytest.mark.parametrize(
    ("held", "well", "pauses"),
    [(4, 16, False), (5, 15, True), (19, 0, False), (20, 0, True), (10, 40, False), (11, 39, True)],
    ids=[
        "a fifth of 20",
        "more of 20",
        "19 say nothing",
        "all of 20",
        "a fifth of 50",
        "more of 50",
    ],
)
def test_more_than_a_fifth_of_at_least_twenty_rows_pauses_it(batch, lab, held, well, pauses):
    rows(batch, lab, held=held, well=well)
    assert braked(batch, lab) is pauses
    assert batch.paused_reason == (PauseReason.TOO_MANY_HELD if pauses else "")


def test_only_the_last_fifty_rows_count(batch, lab):
    rows(batch, lab, held=30)
    lab.clock.advance(1)
    rows(batch, lab, well=50)
    assert not braked(batch, lab)


def test_rows_that_have_not_begun_do_not_water_it_down(batch, lab):
    rows(batch, lab, held=20)
    for _ in range(100):
        make_row(Phase.READY, batch=batch, entity=batch.office, changed_at=lab.clock())
    assert braked(batch, lab)


@pytest.mark.parametrize("reason", OFFICE_HOLDS)
def test_what_concerns_an_office_an_organization_or_a_phone_does_not_stop_the_rest(
    batch, lab, reason
):
    rows(batch, lab, held=50, reason=reason)
    assert not braked(batch, lab)


def test_it_says_so_in_the_record_and_other_batches_go_on(batch, lab):
    other = make_batch()
    rows(batch, lab, held=20)
    assert braked(batch, lab)
    event = CallEvent.objects.get(batch=batch, kind=EventKind.PAUSED)
    assert (event.detail, event.actor) == (PauseReason.TOO_MANY_HELD, None)
    other.refresh_from_db()
    assert other.state == BatchState.RUNNING


def test_after_a_person_has_let_it_go_on_only_new_rows_count(batch, lab):
    rows(batch, lab, held=20)
    assert braked(batch, lab)
    lab.clock.advance(1)
    actions.start_batch(batch=batch, by=None)
    lab.clock.advance(1)
    assert not braked(batch, lab)
    assert batch.paused_reason == ""
    rows(batch, lab, held=20)
    assert braked(batch, lab)


@pytest.mark.parametrize("endpoint", ["schedule", "trigger"])
@pytest.mark.fault(
    "HTTP",
    "File whose rows are refused one after the other",
    "The batch pauses itself before it is used up.",
)
def test_the_engine_brakes_before_it_has_used_up_the_batch(lab, endpoint):
    lab.rules(concurrency=4, schedule_chunk=1)
    rows = lab.rows(120)
    if endpoint == "trigger":
        lab.bring_to(Phase.SCHEDULED, rows[0])
    lab.fault("status", endpoint, code=422, times=None)
    lab.run(3)
    lab.batch.refresh_from_db()
    assert lab.batch.state == BatchState.PAUSED
    assert 5 <= lab.batch.rows.exclude(hold_reason="").count() <= 40


def test_looking_at_a_batch_that_is_well_costs_one_query(batch, lab, django_assert_num_queries):
    rows(batch, lab, well=30)
    with django_assert_num_queries(1):
        brake(now=lab.clock())
