"""An upload from the file to the start: nothing is lost, hidden or called unasked."""

import csv
import io
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from calls.forecast import forecast
from calls.models import Batch, CallRow, Entity
from calls.vocabulary import BatchState, HoldReason, Phase
from tests.factories import NOW, make_batch, make_entity, make_rejected_line, make_row, make_user

pytestmark = pytest.mark.django_db

GOOD = {
    "external_reference_id": "row-0018",
    "organization_name": "SPNet",
    "patient_name": "Benjamin Achterberg",
    "patient_ssn": "987-65-4321",
    "patient_dob": "1967-04-13",
    "patient_phone_number": "(212) 555-0147",
    "date_of_injury": "2026-01-15",
    "expected_appointment_date_time": "2026-04-09 11:00",
    "local_timezone": "America/New_York",
    "service_modality": "Physical Therapy",
    "claim_number": "WC-448291",
    "insurer_group_name": "Acme Insurer Group",
    "body_part": "Left shoulder",
    "provider_office": "Hudson Valley Rehab",
    "provider_office_address": "456 Provider Rd, New York, NY 10002",
    "provider_state": "NY",
    "outbound_phone_number": "(212) 555-0199",
    "eoc_number": "EOC-20931",
}


@pytest.fixture(autouse=True)
def no_form_was_sent_before():
    cache.clear()


@pytest.fixture
def user(client):
    user = make_user()
    client.force_login(user)
    return user


def file_of(*lines, name="spnet-0409.csv"):
    """A CSV file of GOOD with what each line changes."""
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(GOOD))
    writer.writeheader()
    writer.writerows(GOOD | line for line in lines)
    return SimpleUploadedFile(name, out.getvalue().encode(), content_type="text/csv")


def send(client, file, *, form=""):
    """Post the file with the token of a fresh form, unless `form` names one that was used before."""
    return client.post(reverse("upload"), {"file": file, "token": form or uuid4().hex})


def page(client, name, *args, **query):
    return " ".join(client.get(reverse(name, args=args), query).content.decode().split())


# --- The file -------------------------------------------------------------------------------------
def test_a_good_file_becomes_a_draft_and_leads_to_its_review(client, user):
    response = send(client, file_of({}))
    batch = Batch.objects.get()
    assert response.url == reverse("upload_review", args=[batch.pk])
    assert (batch.name, batch.state, batch.created_by) == ("spnet-0409.csv", "draft", user)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "The calls file is empty"),
        (b"PK\x03\x04 xl/workbook", "The calls file is damaged"),
        (b"Colour,Shape\nblue,round\n", "patient name"),
    ],
    ids=["empty", "broken workbook", "other columns"],
)
def test_a_refused_file_is_explained_and_nothing_is_stored(client, user, data, said):
    response = send(client, SimpleUploadedFile("calls.csv", data))
    text = response.content.decode()
    assert response.status_code == 422
    assert "There is a problem" in text
    assert said.lower() in text.lower()
    assert "<title>Error: Upload calls" in text
    assert not Batch.objects.exists()


def test_no_file_is_asked_for(client, user):
    response = client.post(reverse("upload"), {"token": "one"})
    assert response.status_code == 422
    assert "Select a calls file" in response.content.decode()


def test_a_double_click_loads_the_file_once(client, user):
    first, second = (send(client, file_of({}), form="same") for _ in range(2))
    assert first.url == second.url
    assert Batch.objects.count() == 1


def test_the_form_of_a_discarded_upload_is_not_a_dead_end(client, user):
    send(client, file_of({}), form="discarded")
    client.post(reverse("batch_discard", args=[Batch.objects.get().pk]))
    assert send(client, file_of({}), form="discarded").url == reverse("upload")


def test_a_refused_file_does_not_use_up_the_form(client, user):
    assert send(client, SimpleUploadedFile("a.csv", b"x"), form="again").status_code == 422
    assert send(client, file_of({}), form="again").status_code == 302


def test_the_empty_file_has_every_column(client, user):
    text = b"".join(client.get(reverse("upload_template")).streaming_content).decode()
    assert set(GOOD) < set(text.strip().lstrip("\ufeff").split(","))


# --- The review -----------------------------------------------------------------------------------
@pytest.fixture
def reviewed(client, user):
    """1 clean row, 1 with its appointment to come, 1 possible duplicate, 2 with the same fault."""
    later = (timezone.now() + timedelta(days=30)).strftime("%Y-%m-%d 11:00")
    send(
        client,
        file_of(
            {},
            {
                "external_reference_id": "row-2",
                "expected_appointment_date_time": later,
                "eoc_number": "EOC-2",
                "outbound_phone_number": "2125550198",
            },
            {"external_reference_id": "row-3"},
            {"external_reference_id": "row-4", "local_timezone": "Eastern"},
            {"external_reference_id": "row-5", "local_timezone": "Eastern", "eoc_number": ""},
        ),
    )
    return Batch.objects.get()


def test_the_totals_stand_in_one_sentence(client, reviewed):
    text = page(client, "upload_review", reviewed.pk)
    assert "2 of 5 rows are ready. 2 must be fixed. 1 to check." in text
    assert "1 row is a possible duplicate and is held until a person accepts it." in text
    assert [number for key, _, number in tabs_of(client, reviewed) if key == "ready"] == [2]
    assert "2 rows will be called." in text


def tabs_of(client, batch):
    return client.get(reverse("upload_review", args=[batch.pk])).context["tabs"]


def test_a_held_row_is_not_listed_as_ready(client, reviewed):
    text = page(client, "upload_review", reviewed.pk, tab="ready")
    assert text.count('id="row-') == 2
    assert ">Held<" not in text


def test_a_file_of_known_rows_says_so(client, user):
    for _ in range(2):
        send(client, file_of({}))
    batch = Batch.objects.latest("pk")
    client.post(reverse("upload_columns", args=[batch.pk]), {"again": "1"})
    text = page(client, "upload_review", batch.pk)
    assert "0 of 1 row is ready." in text
    assert "Every row of this file is here already." in text


def test_rows_that_replace_earlier_ones_are_told(client, user):
    send(client, file_of({}))
    first = Batch.objects.get()
    send(client, file_of({"body_part": "right knee"}))
    text = page(client, "upload_review", Batch.objects.latest("pk").pk)
    assert "1 row takes the place of what an earlier file said, before it was sent" in text
    assert f"batch {first.pk}" in text


def test_what_was_confirmed_for_an_earlier_file_is_told_only_where_it_is_met(client, user):
    send(client, file_of({"patient_dob": "04/13/1967", "local_timezone": "EST"}))
    first = Batch.objects.get()
    answers = client.get(reverse("upload_columns", args=[first.pk])).context["rows"]
    columns = {f"column-{row.name}": row.column for row in answers if row.column is not None}
    formats = {f"format-{row.name}": row.format for row in answers if row.format}
    client.post(
        reverse("upload_columns", args=[first.pk]), columns | formats | {"convert_zones": "on"}
    )
    told = page(client, "upload_review", first.pk)
    assert "were read month first" in told
    assert "Time zones like US/Eastern were converted" in told
    send(client, file_of({"external_reference_id": "another", "eoc_number": "EOC-2"}))
    text = page(client, "upload_review", Batch.objects.latest("pk").pk)
    assert "were read month first" not in text
    assert "were converted" not in text


def test_problems_are_grouped_by_rule_with_their_rows(client, reviewed):
    groups = client.get(reverse("upload_review", args=[reviewed.pk])).context["groups"]
    assert [(group.message, group.rows) for group in groups] == [
        ("Time zone must be a region name, like America/New_York", "rows 5 and 6 say “Eastern”"),
        ("Enter an EOC number", "row 6"),
    ]


@pytest.mark.parametrize(
    ("tab", "shown"),
    [
        ("fix", "This one says “Eastern”."),
        ("check", "Appointment is in the future."),
        ("changed", "(212) 555-0199</s></span> → +12125550199"),
        ("ready", "Thu, Apr 9, 2026, 11:00 AM ET"),
    ],
)
def test_each_tab_lists_its_rows(client, reviewed, tab, shown):
    text = page(client, "upload_review", reviewed.pk, tab=tab)
    assert shown in text
    assert "Benjamin Achterberg" in text


def test_what_identifies_a_patient_stays_masked_in_every_tab(client, reviewed):
    for tab in ("fix", "check", "changed", "ready"):
        text = page(client, "upload_review", reviewed.pk, tab=tab)
        for secret in ("987-65-4321", "987654321", "1967-04-13<", "555-0147", "5550147"):
            assert secret not in text


def test_the_corrected_file_skips_what_is_already_here(client, user):
    send(client, file_of({}, {"external_reference_id": "row-4", "local_timezone": "Eastern"}))
    send(client, file_of({}, {"external_reference_id": "row-4", "eoc_number": "E4"}))
    first, second = Batch.objects.order_by("pk")
    text = page(client, "upload_review", second.pk)
    assert "1 of 2 rows is ready." in text
    assert "1 row was skipped: unchanged and already in" in text
    assert reverse("batch", args=[first.pk]) in text


def test_the_downloaded_rejects_are_taken_back_once_they_are_mended(client, reviewed):
    response = client.get(reverse("batch_rejects", args=[reviewed.pk]))
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    mended = text.replace("Eastern", "America/New_York")
    send(client, SimpleUploadedFile("mended.csv", mended.encode()))
    again = Batch.objects.latest("pk")
    assert (again.accepted, again.rejected) == (1, 1), "the EOC number is still missing"
    assert CallRow.objects.get(external_reference_id="row-4").batch == again


def test_a_page_of_rejects_does_not_read_the_others(
    client, user, django_assert_max_num_queries, monkeypatch
):
    monkeypatch.setattr("calls.views.review.PAGE_SIZE", 3)
    batch = make_batch(state=BatchState.DRAFT, rejected=7, headers=["Ref", "Name", "Phone"])
    for line in range(2, 9):
        make_rejected_line(batch, line)
    with django_assert_max_num_queries(14):
        text = page(client, "upload_review", batch.pk, tab="fix", page=2)
    assert 'id="row-5"' in text
    assert 'id="row-2"' not in text
    assert "page=3" in text


@pytest.mark.parametrize("tab", ["check", "changed", "ready"])
def test_a_page_of_rows_does_not_ask_row_by_row(client, user, django_assert_max_num_queries, tab):
    batch, office = make_batch(state=BatchState.DRAFT), make_entity()
    note = {"column": "notes", "code": "x", "message": "Look. At it", "before": "a", "after": "b"}
    for _ in range(9):
        make_row(batch=batch, entity=office, warnings=[note], changes=[note])
    with django_assert_max_num_queries(12):
        assert page(client, "upload_review", batch.pk, tab=tab).count('id="row-') == 9


# --- The confirmation -----------------------------------------------------------------------------
def test_the_plan_counts_what_starts_now_and_what_waits(settings, user):
    settings.RESPECT_CALLING_HOURS = True
    batch = make_batch(state=BatchState.DRAFT)
    east, west = make_entity(), make_entity(timezone="America/Los_Angeles")
    now = datetime(2026, 4, 9, 15, 42, tzinfo=UTC)  # 11:42 AM in New York, 8:42 AM in Los Angeles
    past = {"batch": batch, "appointment_at": NOW - timedelta(days=1)}
    make_row(entity=east, **past)
    make_row(entity=east, **past)
    make_row(entity=west, **past)
    make_row(entity=east, batch=batch, appointment_at=NOW + timedelta(days=1))
    make_row(entity=east, hold_reason=HoldReason.POSSIBLE_DUPLICATE, **past)
    make_row(entity=make_entity(can_call=False), **past)
    plan = forecast(batch, now=now)
    assert (plan.rows, plan.offices, plan.now) == (4, 2, 2)
    assert (plan.closed, plan.too_early, plan.not_callable, plan.duplicates) == (1, 1, 1, 1)
    assert [o.at.isoformat() for o in plan.openings] == ["2026-04-09T09:00:00-07:00"]
    assert forecast(batch, now=now, ignore_calling_hours=True).now == 3


def test_new_offices_are_shown_with_the_hours_they_get(client, reviewed):
    text = page(client, "upload_confirm", reviewed.pk)
    assert Entity.objects.get().upstream_name in text
    assert "Mon to Fri 9:00 AM to 5:00 PM" in text
    assert "Start 2 calls" in text
    assert "Practice mode: opening hours are not waited for" in text


def test_starting_sets_the_batch_going_and_a_second_click_changes_nothing(client, reviewed):
    url = reverse("upload_confirm", args=[reviewed.pk])
    for _ in range(2):
        assert client.post(url).url == reverse("batch", args=[reviewed.pk])
    reviewed.refresh_from_db()
    assert reviewed.state == BatchState.RUNNING
    assert reviewed.events.filter(kind="started").count() == 1
    assert client.get(url).url == reverse("batch", args=[reviewed.pk])


@pytest.mark.parametrize(("is_staff", "ignored"), [(True, True), (False, False)])
def test_only_staff_may_call_outside_of_the_hours(client, reviewed, settings, is_staff, ignored):
    settings.RESPECT_CALLING_HOURS = True
    client.force_login(make_user(is_staff=is_staff))
    client.post(reverse("upload_confirm", args=[reviewed.pk]), {"ignore_calling_hours": "on"})
    reviewed.refresh_from_db()
    assert reviewed.ignore_calling_hours is ignored


def test_an_empty_batch_cannot_start(client, user):
    batch = make_batch(state=BatchState.DRAFT)
    assert "No call of this batch can start." in page(client, "upload_confirm", batch.pk)
    response = client.post(reverse("upload_confirm", args=[batch.pk]))
    assert response.status_code == 409
    assert "This batch has no calls to start." in response.content.decode()


def test_the_plan_costs_the_same_for_many_rows(user, django_assert_num_queries):
    batch = make_batch(state=BatchState.DRAFT)
    for _ in range(4):
        make_row(Phase.READY, batch=batch)
    with django_assert_num_queries(3):
        assert forecast(batch, now=timezone.now()).rows == 4
