"""Possible duplicates are called when a person says so; calls whose answer is known are withdrawn."""

from io import StringIO

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.urls import reverse

from calls import sameness
from calls.actions import Refused
from calls.intake.reading import FileRefused
from calls.models import CallRow, Entity
from calls.vocabulary import BatchState, EventKind, HoldReason, Phase
from tests.factories import make_batch, make_row
from tests.intake.test_loading import load
from tests.intake.workbooks import workbook
from tests.views.test_uploads import user  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db


@pytest.fixture
def batch():
    """One call in each phase that matters, with the references a, b, c and d."""
    batch = make_batch()
    phases = (Phase.READY, Phase.SCHEDULED, Phase.CALLING, Phase.SCHEDULING)
    for reference, phase in zip("abcd", phases, strict=True):
        make_row(
            phase, batch=batch, external_reference_id=reference, claim_number=f"WC-{reference}"
        )
    return batch


def phases():
    return dict(CallRow.objects.values_list("external_reference_id", "phase"))


def csv_file(*lines):
    return "\n".join(lines).encode()


# --- Evidence -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "data",
    [
        csv_file("Row reference", "a", "b", "c", "d"),
        csv_file("Claim #", "WC-a", "WC-b", "WC-c", "WC-d"),
        csv_file("external_reference_id,claim_number", "a,", ",WC-b", "c,WC-a", "d,"),
    ],
    ids=["references", "claims", "both"],
)
def test_only_calls_that_were_not_started_are_withdrawn(batch, data):
    rows = sameness.read_evidence(data).rows_of(batch)
    assert sameness.suppress(rows=rows, by=None) == 2
    assert phases() == {"a": "withdrawn", "b": "withdrawn", "c": "calling", "d": "scheduling"}
    events = CallRow.objects.get(external_reference_id="a").events
    assert events.get(kind=EventKind.WITHDRAWN).detail == "evidence"


def test_a_blank_cell_is_no_evidence(batch):
    make_row(batch=batch, claim_number="")
    data = csv_file("Claim number,Amount", ",12", "WC-a,13")
    assert sameness.read_evidence(data).rows_of(batch).count() == 1


@pytest.mark.parametrize("word", ["Not Available", "not available", "N/A", "none"])
def test_a_word_for_no_claim_is_no_evidence(batch, word):
    make_row(batch=batch, claim_number=word)
    data = csv_file("Claim number,Amount", f"{word},8", "WC-a,13")
    rows = sameness.read_evidence(data).rows_of(batch)
    assert [row.external_reference_id for row in rows] == ["a"]


@pytest.mark.parametrize("lines", [("Claim number", "wc-A"), ("Row reference", "A")])
def test_references_and_claims_are_the_same_in_whatever_case(batch, lines):
    rows = sameness.read_evidence(csv_file(*lines)).rows_of(batch)
    assert [row.external_reference_id for row in rows] == ["a"]


def test_the_claim_counts_where_the_reference_is_another_systems(batch):
    data = csv_file("Reference,Claim", "OTHER-1,WC-a", "c,WC-b")
    rows = sameness.read_evidence(data).rows_of(batch)
    assert [row.external_reference_id for row in rows] == ["a"]


def test_of_several_sheets_the_one_with_cases_is_read(batch):
    notes, bills = [["Legend"], ["paid"]], [["Claim number"], ["WC-a"]]
    data = workbook({"Notes": notes, "Bills": bills, "Header alone": [["Claim number"]]})
    assert sameness.read_evidence(data).rows_of(batch).count() == 1
    with pytest.raises(FileRefused, match="Leave one sheet in the file"):
        sameness.read_evidence(workbook({"March": bills, "April": bills}))
    with pytest.raises(FileRefused, match="row references or of claim numbers"):
        sameness.read_evidence(workbook({"Notes": notes, "More": notes}))


def test_rows_of_another_batch_are_left_alone(batch):
    make_row(external_reference_id="e", claim_number="WC-a")
    rows = sameness.read_evidence(csv_file("Claim number", "WC-a")).rows_of(batch)
    assert [row.external_reference_id for row in rows] == ["a"]


def test_a_file_without_either_column_is_refused():
    with pytest.raises(FileRefused, match="row references or of claim numbers"):
        sameness.read_evidence(csv_file("Colour,Shape", "blue,round"))


def test_the_page_shows_what_matches_and_withdraws_just_that(client, user, batch):  # noqa: F811
    file = SimpleUploadedFile("bills.csv", csv_file("Row reference", "a", "c", "zzz"))
    response = client.post(reverse("batch_suppress", args=[batch.pk]), {"file": file})
    text = response.content.decode()
    assert "1 call matches" in text
    assert "The file names 3 cases" in text
    assert phases()["a"] == "ready", "nothing is withdrawn by looking"
    url = reverse("batch_suppress_now", args=[batch.pk])
    client.post(url, {"token": response.context["token"]})
    assert phases() == {"a": "withdrawn", "b": "scheduled", "c": "calling", "d": "scheduling"}
    assert batch.events.get(kind=EventKind.WITHDRAWN).detail == "1"
    withdrawn = CallRow.objects.get(external_reference_id="a")
    shown = client.get(reverse("call", args=[withdrawn.pk])).content.decode()
    assert "Its answer was known already." in shown
    client.post(url, {"token": "another"})
    assert phases()["b"] == "scheduled"


def test_a_wrong_file_is_explained_on_the_page(client, user, batch):  # noqa: F811
    file = SimpleUploadedFile("x.csv", b"Colour\nblue\n")
    response = client.post(reverse("batch_suppress", args=[batch.pk]), {"file": file})
    assert response.status_code == 422
    assert "row references or of claim numbers" in response.content.decode()


def test_the_command_says_what_matches_first(batch, tmp_path):
    path, out = tmp_path / "bills.csv", StringIO()
    path.write_bytes(csv_file("Row reference", "a", "b"))
    call_command("suppress_calls", batch.pk, path, "--dry-run", stdout=out)
    assert out.getvalue().splitlines() == ["a", "b", "2 calls match. None was withdrawn."]
    assert phases()["a"] == "ready"
    call_command("suppress_calls", batch.pk, path, stdout=out)
    assert phases()["a"] == "withdrawn"
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("suppress_calls", batch.pk, tmp_path / "none.csv")


# --- Possible duplicates --------------------------------------------------------------------------
@pytest.mark.parametrize("alone", [True, False], ids=["one by one", "all at once"])
def test_possible_duplicates_are_accepted_on_the_review_page(client, user, alone):  # noqa: F811
    batch = make_batch(state=BatchState.DRAFT)
    held = {"batch": batch, "hold_reason": HoldReason.POSSIBLE_DUPLICATE}
    first, second = make_row(**held), make_row(**held)
    refused = make_row(batch=batch, hold_reason=HoldReason.OFFICE_REFUSED)
    data = {"row": first.pk} if alone else {}
    client.post(reverse("upload_accept", args=[batch.pk]), data)
    reasons = dict(CallRow.objects.values_list("pk", "hold_reason"))
    assert reasons[first.pk] == ""
    assert reasons[second.pk] == (HoldReason.POSSIBLE_DUPLICATE if alone else "")
    assert reasons[refused.pk] == HoldReason.OFFICE_REFUSED
    assert first.events.get(kind=EventKind.RELEASED).actor == user


# --- Two offices of one name ----------------------------------------------------------------------
@pytest.fixture
def two_clinics():
    """A draft with a row of each of two offices of one name."""
    return load({}, {"provider_office_address": "9 Other St, Albany, NY 12207"})


def test_a_new_office_of_a_known_name_may_be_the_same(client, user, two_clinics):  # noqa: F811
    review = reverse("upload_review", args=[two_clinics.pk])
    assert "The same office, or another one?" in client.get(review).content.decode()
    ((office, known),) = sameness.namesakes(two_clinics)
    assert f"Evergrove will know this one as {office.upstream_name}" in two_clinics.notices[0]
    client.post(reverse("upload_join", args=[two_clinics.pk]), {"office": office.pk})
    assert set(two_clinics.rows.values_list("entity", flat=True)) == {known.pk}
    assert not Entity.objects.filter(pk=office.pk).exists()
    assert "The same office, or another one?" not in client.get(review).content.decode()
    two_clinics.refresh_from_db()
    assert two_clinics.notices == [], "it is no longer true"


@pytest.mark.parametrize("name", ["HARBOR PT", "harbor pt"])
def test_a_known_name_in_another_case_may_be_the_same_office(name):
    load({"provider_office": "Harbor PT"})
    other = {"provider_office": name, "provider_office_address": "9 Other St, Albany, NY 12207"}
    batch = load(other | {"external_reference_id": "elsewhere"})
    ((office, known),) = sameness.namesakes(batch)
    assert (office.name, known.upstream_name) == (name, "Harbor PT")


def test_an_office_that_other_rows_name_stays(two_clinics):
    ((office, known),) = sameness.namesakes(two_clinics)
    make_row(entity=office)
    assert sameness.join_offices(batch=two_clinics, office=office, into=known, by=None) == 1
    assert Entity.objects.filter(pk=office.pk).exists()


def test_offices_of_a_started_batch_are_not_joined(two_clinics):
    ((office, known),) = sameness.namesakes(two_clinics)
    type(two_clinics).objects.update(state=BatchState.RUNNING)
    with pytest.raises(Refused):
        sameness.join_offices(batch=two_clinics, office=office, into=known, by=None)
    assert two_clinics.rows.filter(entity=office).exists()
