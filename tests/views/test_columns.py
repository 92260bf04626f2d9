"""What is asked about an upload before its rows are checked."""

from uuid import uuid4

import pytest
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django_q.models import OrmQ

from calls.intake import receiving
from calls.intake.fields import FIELDS
from calls.models import Batch, CallRow, Upload
from calls.vocabulary import BatchState
from tests.factories import make_user
from tests.intake.samples import SAMPLE
from tests.intake.test_receiving import file_of
from tests.intake.workbooks import workbook

pytestmark = pytest.mark.django_db

AMBIGUOUS = {"patient_dob": "04/05/1967"}


@pytest.fixture(autouse=True)
def user(client):
    cache.clear()
    user = make_user("r.boyle", first_name="R.", last_name="Boyle")
    client.force_login(user)
    return user


def send(client, data, name="calls.csv", **fields):
    file = SimpleUploadedFile(name, data)
    return client.post(reverse("upload"), {"file": file, "token": uuid4().hex, **fields})


def address():
    return reverse("upload_columns", args=[Batch.objects.latest("pk").pk])


def page(client):
    return " ".join(client.get(address()).content.decode().split())


def as_shown(client, **changes):
    """What the page would post as it stands."""
    rows = client.get(address()).context["rows"]
    columns = {f"column-{r.name}": "" if r.column is None else r.column for r in rows}
    return columns | changes


def test_a_clear_file_is_asked_nothing(client):
    assert send(client, file_of()).url == reverse("upload_review", args=[Batch.objects.get().pk])
    assert Batch.objects.get().state == BatchState.DRAFT
    assert client.get(address()).status_code == 302


def test_unmatched_fields_come_first_and_patients_are_masked(client):
    response = send(client, file_of(headers={"provider_office": "Zzz"}))
    assert response.url == address()
    text = page(client)
    assert text.index("Provider office") < text.index("Row reference")
    for secret in ("Jane", "999-88-7777", "1967-04-13"):
        assert secret not in text
    assert "•••-••-••••" in text
    assert "SPNet" in text


def test_a_matched_column_is_all_it_needs(client):
    send(client, file_of(headers={"provider_office": "Zzz"}))
    at = list(SAMPLE).index("provider_office")
    client.post(address(), as_shown(client, **{"column-provider_office": at}))
    assert CallRow.objects.get().provider_office == SAMPLE["provider_office"]


def test_what_is_missing_or_twice_is_said(client):
    send(client, file_of(headers={"provider_office": "Zzz"}))
    at = list(SAMPLE).index("organization_name")
    response = client.post(address(), as_shown(client, **{"column-body_part": at}))
    text = response.content.decode()
    assert response.status_code == 422
    assert "Match a column to Provider office" in text
    assert "“organization_name” is matched to two fields" in text
    assert not CallRow.objects.exists()


def test_one_value_for_every_row_is_never_a_patients(client):
    send(client, file_of(headers={"service_modality": "Zzz"}))
    assert 'name="constant-patient_name"' not in page(client)
    client.post(address(), as_shown(client, **{"constant-service_modality": "Chiropractic"}))
    assert CallRow.objects.get().service_modality == "Chiropractic"


@pytest.mark.parametrize(
    ("answer", "born"), [("month_first", "1967-04-05"), ("day_first", "1967-05-04")]
)
def test_dates_that_could_be_either_are_asked_about_once(client, answer, born):
    send(client, file_of(AMBIGUOUS))
    assert "could be month first or day first" in page(client)
    unanswered = client.post(address(), as_shown(client))
    assert unanswered.status_code == 422
    assert 'href="#format-patient_dob-month_first"' in unanswered.content.decode()
    client.post(address(), as_shown(client, **{"format-patient_dob": answer}))
    assert str(CallRow.objects.get().patient_dob) == born
    send(client, file_of(AMBIGUOUS | {"external_reference_id": "x", "eoc_number": "y"}))
    assert str(CallRow.objects.get(external_reference_id="x").patient_dob) == born


def test_zones_in_other_words_are_converted_when_confirmed(client):
    send(client, file_of({"local_timezone": "US/Eastern"}))
    assert "Convert US/Eastern and the like for this file" in page(client)
    client.post(address(), as_shown(client, convert_zones="on"))
    assert CallRow.objects.get().local_timezone == "America/New_York"


def test_references_are_made_when_a_person_says_so(client):
    send(client, file_of(headers={"external_reference_id": "Zzz"}))
    client.post(address(), as_shown(client, **{"column-external_reference_id": "derived"}))
    assert CallRow.objects.get().external_reference_id.startswith("row-")


def test_the_same_file_again_names_who_and_when(client):
    send(client, file_of(), name="spnet.csv")
    assert send(client, file_of()).url == address()
    text = page(client)
    assert "R. Boyle uploaded this file on" in text
    assert "Continue only if these calls should be made twice." in text
    client.post(address(), {"again": "1"})
    assert Batch.objects.latest("pk").unchanged == 1


def test_a_sheet_is_chosen(client):
    sheet = [list(SAMPLE), list(SAMPLE.values())]
    send(client, workbook({"March": sheet, "April": sheet}), name="calls.xlsx")
    assert "Which sheet has the calls?" in page(client)
    assert client.post(address(), {"sheet": "May"}).status_code == 422
    client.post(address(), {"sheet": "April"})
    assert CallRow.objects.count() == 1


def test_a_sheet_that_cannot_be_it_is_refused_and_another_one_chosen(client):
    sheet = [list(SAMPLE), list(SAMPLE.values())]
    send(
        client, workbook({"Read me": [["Use the other sheet"]], "Calls": sheet}), name="calls.xlsx"
    )
    refused = client.post(address(), {"sheet": "Read me"})
    assert refused.status_code == 422
    assert "“Read me” cannot be the sheet with the calls" in refused.content.decode()
    client.post(address(), {"sheet": "Calls"})
    assert CallRow.objects.count() == 1


def test_another_sheet_can_be_chosen_while_the_columns_are_asked_about(client):
    sheets = {
        month: [["Zzz", *list(SAMPLE)[1:]], list(SAMPLE.values())] for month in ("May", "June")
    }
    send(client, workbook(sheets), name="calls.xlsx")
    client.post(address(), {"sheet": "May"})
    assert "Choose another sheet" in page(client)
    assert 'value="May" checked' in client.get(f"{address()}?sheet").content.decode()
    client.post(address(), {"sheet": "June"})
    assert Upload.objects.get().sheet == "June"


def test_only_what_is_not_clear_stands_open(client):
    send(client, file_of(AMBIGUOUS))
    settled = client.get(address()).context["settled"]
    assert [row.name for row in client.get(address()).context["rows"][:1]] == ["patient_dob"]
    assert len(settled) == len(FIELDS) - 1
    assert "20 fields that are clear" in page(client)


def test_the_question_about_zones_comes_before_the_columns(client):
    send(client, file_of({"local_timezone": "US/Eastern"}))
    text = page(client)
    assert text.index("Convert US/Eastern") < text.index("21 fields that are clear")
    assert "1 row names the time zone in other words" in text


def test_the_samples_show_what_could_be_read_in_two_ways(client):
    when = "expected_appointment_date_time"
    clear = [{when: f"2026-04-0{day} 11:00"} for day in range(1, 6)]
    send(client, file_of(*clear, {when: "4/9/2026 11:00"}))
    row = next(row for row in client.get(address()).context["rows"] if row.name == when)
    assert row.samples[0] == "4/9/2026"


def test_a_large_file_is_read_by_the_worker_and_may_be_left(client, monkeypatch):
    monkeypatch.setattr(receiving, "AT_ONCE", 1)
    review = send(client, file_of({}, {})).url
    assert OrmQ.objects.count() == 1
    text = client.get(review).content.decode()
    assert "0 of 2 rows read" in text
    assert 'hx-trigger="every 1s"' in text
    live = reverse("upload_live", args=[Batch.objects.get().pk])
    assert client.get(live, HTTP_HX_REQUEST="true").status_code == 200
    receiving.read_for(Upload.objects.get().pk, seconds=20)
    assert client.get(live, HTTP_HX_REQUEST="true").headers["HX-Redirect"] == review
    assert "2 of 2 rows are ready" in client.get(review).content.decode()


def test_the_task_carries_a_key_and_nothing_else(client, monkeypatch):
    monkeypatch.setattr(receiving, "AT_ONCE", 0)
    send(client, file_of())
    task = OrmQ.objects.get().task
    assert (task["func"], task["args"]) == ("calls.tasks.read_upload", (Upload.objects.get().pk,))


def test_a_file_that_is_gone_is_said(client):
    send(client, file_of(headers={"provider_office": "Zzz"}))
    Upload.objects.update(content=None)
    assert "deleted after 7 days" in page(client)


def test_the_columns_are_shown_when_asked_for(client):
    assert send(client, file_of(), look="on").url == address()
    assert len(client.get(address()).context["rows"]) == len(FIELDS)
    client.post(address(), as_shown(client))
    assert CallRow.objects.count() == 1
