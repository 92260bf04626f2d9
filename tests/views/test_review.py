"""Mending on the review page: every row shows what is wrong, one click helps, nobody has to start over."""

import json

import pytest
from django.urls import reverse

from calls.intake.loading import load_file
from calls.models import Batch, CallRow, RejectedLine
from calls.vocabulary import BatchState
from tests.factories import make_batch, make_rejected_line
from tests.intake.test_loading import as_csv, lines, load
from tests.views.test_uploads import page, user  # noqa: F401 - a fixture

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("user")]

HTMX = {"HX-Request": "true"}


@pytest.fixture
def batch():
    """1 clean row, 2 with the same fault, 1 of them with another."""
    return load(
        {},
        {"local_timezone": "Eastern"},
        {"local_timezone": "Eastern", "patient_ssn": "98765432"},
    )


def line_of(batch, number):
    return batch.rejected_lines.get(line=number)


def post(client, name, batch, number=None, data=None, **headers):
    args = [batch.pk] if number is None else [batch.pk, line_of(batch, number).pk]
    return client.post(reverse(name, args=args), data or {}, headers=headers)


def text_of(response):
    return " ".join(response.content.decode().split())


def announced(response):
    return json.loads(response["HX-Trigger-After-Settle"])["announce"]


# --- What is shown --------------------------------------------------------------------------------
def test_a_row_shows_only_the_fields_that_are_wrong(client, batch):
    text = page(client, "upload_review", batch.pk, tab="fix")
    assert 'id="f-3-local_timezone" name="local_timezone" type="text" value="Eastern"' in text
    assert 'id="f-3-patient_ssn"' not in text
    assert "Use America/New_York for both" in text


def test_a_wrong_ssn_is_typed_again_and_never_shown(client, batch):
    text = page(client, "upload_review", batch.pk, tab="fix")
    assert 'id="f-4-patient_ssn" name="patient_ssn" type="text" value=""' in text
    assert "98765432" not in text


def test_the_summary_leads_to_the_field(client, batch):
    assert 'href="#f-3-local_timezone"' in page(client, "upload_review", batch.pk, tab="fix")
    assert 'href="?tab=fix#f-3-local_timezone"' in page(
        client, "upload_review", batch.pk, tab="all"
    )


def test_the_tab_of_all_keeps_the_order_of_the_file(client, batch):
    text = page(client, "upload_review", batch.pk, tab="all")
    places = [text.index(f'id="row-{number}"') for number in (2, 3, 4)]
    assert places == sorted(places)


def test_a_conflict_leads_to_the_earlier_call(client):
    load({})
    CallRow.objects.update(phase="scheduled", request_id="22222222-2222-4222-8222-222222222222")
    again = load({"body_part": "knee"})
    text = page(client, "upload_review", again.pk)
    assert reverse("call", args=[CallRow.objects.get().pk]) in text


# --- Mending --------------------------------------------------------------------------------------
def test_a_saved_field_answers_with_the_row_and_everything_that_counts(client, batch):
    typed = {"local_timezone": "America/New_York"}
    response = post(client, "line_save", batch, 3, typed, **HTMX)
    text = text_of(response)
    assert (response.status_code, announced(response)) == (200, "Row 3 fixed. 1 left")
    assert '<tr role="row" id="row-3" data-sev="ok" hx-swap-oob="true">' in text
    for part in ("review-summary", "review-totals", "review-tabs", "review-dock"):
        assert f'id="{part}" hx-swap-oob="true"' in text
    assert "2 of 3 rows are ready. 1 must be fixed." in text
    assert "in your file <s>Eastern</s>" in text


def test_a_row_that_is_still_wrong_comes_back_with_its_message(client, batch):
    response = post(client, "line_save", batch, 4, {"local_timezone": "Amerika"}, **HTMX)
    assert announced(response) == "Row 4 is saved and still needs a fix. 2 left"
    assert 'value="Amerika"' in text_of(response)


def test_an_empty_ssn_field_keeps_the_present_one_and_none_removes_it(client, batch):
    typed = {"local_timezone": "America/New_York", "patient_ssn": ""}
    post(client, "line_save", batch, 4, typed)
    assert line_of(batch, 4).problems[0]["column"] == "patient_ssn"
    post(client, "line_save", batch, 4, {"patient_ssn": "NONE"})
    assert CallRow.objects.get(line=4).patient_ssn is None


def test_without_htmx_the_page_comes_back_at_the_row_with_its_undo(client, batch):
    response = post(client, "line_save", batch, 3, {"local_timezone": "America/New_York"})
    assert response.url.endswith("?tab=fix&kept=3#row-3")
    text = text_of(client.get(response.url))
    assert "Row 3 fixed." in text
    assert reverse("line_undo", args=[batch.pk, line_of(batch, 3).pk]) in text


def test_undo_brings_the_row_back_as_it_was(client, batch):
    post(client, "line_save", batch, 3, {"local_timezone": "America/New_York"})
    response = post(client, "line_undo", batch, 3, **HTMX)
    assert announced(response) == "Row 3 is as it was in your file. 2 left"
    assert 'value="Eastern"' in text_of(response)


def test_a_second_click_changes_nothing(client, batch):
    for _ in range(2):
        typed = {"local_timezone": "America/New_York"}
        response = post(client, "line_save", batch, 3, typed, **HTMX)
    assert announced(response) == "Row 3 fixed. 1 left"
    assert CallRow.objects.filter(line=3).count() == 1


def test_a_row_of_a_started_batch_is_refused_with_the_way_out(client, batch):
    Batch.objects.update(state=BatchState.RUNNING)
    response = post(client, "line_save", batch, 3, {"local_timezone": "UTC"}, **HTMX)
    assert response.status_code == 409
    assert "until the batch is started" in announced(response)
    assert "<form id" not in text_of(response)
    assert "no longer mended here" in page(client, "upload_review", batch.pk)


def test_a_line_of_another_batch_is_not_found(client, batch):
    other = make_rejected_line(make_batch(state=BatchState.DRAFT))
    url = reverse("line_save", args=[batch.pk, other.pk])
    assert client.post(url).status_code == 404


def test_one_click_fixes_both_rows(client, batch):
    rule = {"column": "local_timezone", "code": "zone", "value": "America/New_York"}
    response = post(client, "upload_fix", batch, data=rule)
    text = text_of(client.get(response.url))
    assert "1 row fixed. 1 row needs another fix." in text
    assert 'id="row-3" data-sev="ok"' in text


def test_what_stands_beside_the_table_is_dropped_by_its_own_button(client):
    first, *rest = as_csv(lines({}, {"patient_dob": "soon"})).decode().splitlines()
    data = "\n".join([first, *(f"{line},,see Jo" for line in rest)])
    batch = load_file(data.encode(), name="calls.csv")
    text = page(client, "upload_review", batch.pk, tab="fix")
    assert "see Jo" in text
    assert "Drop the extra cells" in text
    assert "In a CSV file" in text
    post(client, "line_save", batch, 2, {"drop_extra": "1"})
    post(client, "line_save", batch, 3, {"drop_extra": "1", "patient_dob": "1967-04-13"})
    assert CallRow.objects.count() == 2
    text = page(client, "upload_review", batch.pk, tab="done")
    assert "Extra cells: empty, in your file <s>see Jo</s>" in text


def test_a_row_that_is_here_already_says_so_and_leads_there(client):
    load({})
    batch = load({"local_timezone": "EST"})
    mended = {"local_timezone": "America/New_York"}
    response = post(client, "line_save", batch, 2, mended, **HTMX)
    assert announced(response).startswith("Row 2 is already here as it is now, and is skipped.")
    text = text_of(response)
    assert "The same row is already here" in text
    assert "See the earlier call" in text


def test_the_extension_of_one_row_moves_by_its_own_button(client):
    batch = load({"outbound_phone_number": "212-555-0199 x12"})
    assert "Move the extension to the office" in page(client, "upload_review", batch.pk)
    post(client, "line_save", batch, 2, {"move_extension": "outbound_phone_number"})
    assert CallRow.objects.get().entity.ivr_guide == "Extension 12"


# --- Going on -------------------------------------------------------------------------------------
def test_continue_with_rows_to_fix_shows_the_summary_and_offers_to_skip_them(client, batch):
    response = post(client, "upload_continue", batch)
    text = text_of(response)
    assert response.status_code == 422
    assert 'id="errsum" data-focus' in text
    assert "Skip 2 rows and continue" in text
    assert "<title>Error: Review batch" in text


def test_skipping_the_rest_asks_for_the_number_that_was_shown(client, batch):
    assert post(client, "upload_skip", batch, data={"number": 7}).url.endswith("/review/")
    assert not RejectedLine.objects.filter(is_skipped=True).exists()
    response = post(client, "upload_skip", batch, data={"number": 2})
    assert response.url == reverse("upload_confirm", args=[batch.pk])
    assert "1 of 3 rows is ready." in page(client, "upload_review", batch.pk)


def test_continue_leads_on_once_nothing_is_left(client, batch):
    post(client, "upload_skip", batch, data={"number": 2})
    assert post(client, "upload_continue", batch).url == reverse("upload_confirm", args=[batch.pk])


def test_a_skipped_row_can_be_taken_back(client, batch):
    assert announced(post(client, "line_skip", batch, 3, **HTMX)) == "Row 3 skipped. 1 left"
    assert (
        announced(post(client, "line_skip", batch, 3, {"back": 1}, **HTMX))
        == "Row 3 is back. 2 left"
    )


def test_a_page_of_lines_to_mend_does_not_ask_line_by_line(client, django_assert_max_num_queries):
    batch = load(*[{"local_timezone": "Eastern"}] * 9)
    with django_assert_max_num_queries(15):
        assert page(client, "upload_review", batch.pk).count('id="row-') == 9
