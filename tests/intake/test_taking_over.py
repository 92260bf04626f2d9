"""A later upload of rows that were not queued yet takes them over (R33); discarded, it gives them back."""

import pytest
from django.urls import reverse

from calls import actions, starting
from calls.models import Batch, CallEvent, CallRow
from calls.vocabulary import BatchState, EventKind, HoldReason, Phase
from tests.factories import make_user
from tests.intake.test_loading import load

pytestmark = pytest.mark.django_db
CASE = {"eoc_number": "EOC-1"}


@pytest.fixture(autouse=True)
def woken(monkeypatch):
    monkeypatch.setattr(actions, "wake", lambda name: None)


def row(number):
    return CallRow.objects.get(external_reference_id=f"row-{number:04}")


def kinds(of):
    return list(CallEvent.objects.filter(row=of).order_by("pk").values_list("kind", flat=True))


# --- The same case (R54) ---


@pytest.mark.parametrize("spelt", ["EOC-1", "eoc-1"], ids=["same", "small letters"])
def test_a_row_that_becomes_the_case_of_another_waits_for_a_person(spelt):
    load({}, {})
    load({}, {"eoc_number": spelt})
    second = row(2)
    assert second.hold_reason == HoldReason.POSSIBLE_DUPLICATE
    assert [w["code"] for w in second.warnings] == ["possible_duplicate"]
    assert kinds(second)[-2:] == [EventKind.UPDATED, EventKind.HELD]


def test_two_changed_rows_that_become_one_case_are_compared_with_each_other():
    load({}, {})
    load({"eoc_number": "EOC-9"}, {"eoc_number": "EOC-9"})
    assert (row(1).hold_reason, row(2).hold_reason) == ("", HoldReason.POSSIBLE_DUPLICATE)


def test_rows_that_swap_their_cases_are_no_duplicates():
    load({}, {})
    load({"eoc_number": "EOC-2"}, {"eoc_number": "EOC-1"})
    assert (row(1).hold_reason, row(2).hold_reason) == ("", "")


def test_a_duplicate_that_is_none_any_more_goes_on():
    load(CASE, CASE)
    load(CASE, {})
    second = row(2)
    assert (second.hold_reason, second.warnings) == ("", [])
    assert kinds(second)[-1] == EventKind.RELEASED


@pytest.mark.parametrize("decided", [False, True], ids=["undecided", "accepted"])
def test_another_change_leaves_the_decision_about_a_duplicate_as_it_was(decided):
    load(CASE, CASE)
    if decided:
        CallRow.objects.update(hold_reason="")
    load(CASE, CASE | {"body_part": "right knee"})
    second = row(2)
    assert second.body_part == "right knee"
    assert second.hold_reason == ("" if decided else HoldReason.POSSIBLE_DUPLICATE)
    assert [w["code"] for w in second.warnings] == ["possible_duplicate"]


# --- Giving back ---


def discarded(batch):
    return actions.discard_draft(batch=batch)


def taken_back(batch):
    actions.start_batch(batch=batch, by=None)
    return starting.take_back(batch=batch, by=None)


@pytest.mark.parametrize("forget", [discarded, taken_back])
def test_rows_of_an_earlier_batch_go_back_to_it_as_they_were(forget):
    first = load({}, {}, name="first.csv")
    before = CallRow.objects.values().get(pk=row(1).pk)
    second = load(
        {"body_part": "right knee", "patient_ssn": "", "patient_dob": "1970-01-02"}, {}, {}
    )
    assert forget(second) == 1
    after = CallRow.objects.values().get(pk=before["id"])
    engine = {"fence", "next_at", "changed_at"}
    assert {k: v for k, v in after.items() if k not in engine} == {
        k: v for k, v in before.items() if k not in engine
    }
    first.refresh_from_db()
    assert (first.accepted, first.rows.count()) == (2, 2)
    assert CallRow.objects.count() == 2, "the row that was new is forgotten"
    assert kinds(row(1))[-1] == EventKind.UPDATED


def test_what_was_taken_over_twice_goes_back_step_by_step():
    load({})
    second, third = load({"body_part": "knee"}), load({"body_part": "hip"})
    discarded(third)
    assert (row(1).body_part, row(1).batch_id) == ("knee", second.pk)
    discarded(second)
    assert row(1).body_part == "left shoulder"
    assert row(1).replaced is None


def test_rows_whose_earlier_batch_is_forgotten_are_forgotten_too():
    first, second = load({}), load({"body_part": "knee"})
    discarded(first)
    assert discarded(second) == 0
    assert not CallRow.objects.exists()


@pytest.mark.parametrize(
    ("state", "after"),
    [
        (BatchState.RUNNING, BatchState.RUNNING),
        (BatchState.FINISHED, BatchState.PAUSED),
        (BatchState.CANCELLED, BatchState.CANCELLED),
    ],
    ids=["running", "finished", "withdrawn"],
)
def test_an_earlier_batch_that_has_ended_does_not_call_them_by_itself(state, after, django_now):
    first, second = load({}), load({"body_part": "knee"})
    ended = None if state == BatchState.RUNNING else django_now
    Batch.objects.filter(pk=first.pk).update(state=state, finished_at=ended)
    discarded(second)
    first.refresh_from_db()
    assert (first.state, first.finished_at) == (after, None)
    assert row(1).phase == Phase.READY


@pytest.fixture
def django_now():
    from django.utils import timezone

    return timezone.now()


def test_what_was_replaced_is_not_readable_in_the_database():
    from tests.intake.test_loading import raw_column

    load({})
    load({"body_part": "knee"})
    assert "Jane" not in raw_column(CallRow, "replaced")


def test_the_page_says_that_rows_went_back(client):
    client.force_login(make_user())
    load({}, {})
    second = load({"body_part": "knee"}, {})
    page = client.post(reverse("batch_discard", args=[second.pk]), follow=True).content.decode()
    assert "1 row went back to its earlier batch as before. Nothing was called." in page
    event = CallEvent.objects.filter(row=row(1)).latest("pk")
    assert event.actor is not None
