"""Where the rows of a batch stand, in numbers."""

import pytest

from calls.reports import batch_counts, counts_of
from calls.vocabulary import Attendance, HoldReason, Phase, WaitReason
from tests.factories import make_batch, make_entity, make_outcome, make_row

pytestmark = pytest.mark.django_db


@pytest.fixture
def mixed_batch():
    """One row in every phase, plus a held one, a waiting one, and an outcome on a failed call."""
    batch, office = make_batch(), make_entity()
    for phase in Phase:
        row = make_row(phase, batch=batch, entity=office)
        if phase in (Phase.COMPLETED, Phase.FAILED):
            make_outcome(row, attendance=Attendance.ATTENDED)
    make_row(Phase.READY, batch=batch, entity=office, hold_reason=HoldReason.POSSIBLE_DUPLICATE)
    make_row(Phase.SCHEDULED, batch=batch, entity=office, waiting_for=WaitReason.HOURS)
    make_row(Phase.READY)  # another batch
    return batch


def test_each_row_is_counted_once_in_each_view(mixed_batch):
    status = batch_counts(mixed_batch).as_json()
    assert status["rows"] == len(Phase) + 2
    assert sum(status["by_phase"].values()) == status["rows"]
    assert sum(status["by_request_status"].values()) == status["rows"]
    assert status["held"]["possible_duplicate"] == sum(status["held"].values()) == 1
    assert status["outcomes"]["attended"] == sum(status["outcomes"].values()) == 2
    assert status["by_phase"]["ready"] == 2


def test_the_bar_shows_each_row_in_one_stretch(mixed_batch):
    counts = batch_counts(mixed_batch)
    parts = {label: number for _, number, label in counts.parts()}
    assert sum(parts.values()) == counts.rows
    assert parts["attended"] == 1, "the outcome of a failed call does not make it attended"
    assert parts["failed"] == parts["held"] == 1
    assert min(parts.values()) >= 0


def test_the_stages_follow_from_the_phases(mixed_batch):
    counts = batch_counts(mixed_batch)
    assert counts.not_started == 5
    assert counts.in_progress == 3
    assert counts.started == 6
    assert counts.waiting["hours"] == 1


def test_an_unknown_outcome_is_counted_under_its_own_word(mixed_batch):
    make_outcome(make_row(Phase.COMPLETED, batch=mixed_batch), attendance="left_the_country")
    make_outcome(make_row(Phase.COMPLETED, batch=mixed_batch), attendance="")
    outcomes = batch_counts(mixed_batch).as_json()["outcomes"]
    assert outcomes["left_the_country"] == 1
    assert outcomes["none"] == 1


def test_several_batches_cost_no_more_queries_than_one(mixed_batch, django_assert_num_queries):
    other = make_row(Phase.READY).batch
    with django_assert_num_queries(2):
        counts = counts_of([mixed_batch, other])
    assert counts[other.pk].rows == 1
