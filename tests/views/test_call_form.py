import pytest
from django.urls import reverse

from calls.models import CallRow
from calls.vocabulary import BatchState, EventKind, HoldReason, Phase
from tests import factories

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
CELLS = {
    "external_reference_id": "row-9001",
    "organization_name": "SPNet",
    "patient_name": "Amara Delgado",
    "patient_ssn": "987-65-7777",
    "patient_dob": "1967-04-13",
    "patient_phone_number": "",
    "date_of_injury": "2026-01-15",
    "expected_appointment_date_time": "2026-04-09 11:00",
    "local_timezone": "America/New_York",
    "service_modality": "Physical Therapy",
    "claim_number": "",
    "insurer_group_name": "Acme Insurer Group",
    "body_part": "Left shoulder",
    "provider_office": "Select Physical Therapy",
    "provider_office_address": "456 Provider Rd, New York, NY 10002",
    "provider_state": "NY",
    "outbound_phone_number": "(212) 555-0199",
    "eoc_number": "EOC-20417",
    "notes": "",
    "objective": "CONFIRM_IE_ATTENDANCE",
    "best_to_make_call_by": "",
}


@pytest.fixture
def page(client):
    client.force_login(factories.make_user())
    return client


def test_a_call_is_saved_as_a_draft_by_the_uploads_own_rules(page):
    response = page.post(reverse("call_new"), CELLS)
    row = CallRow.objects.get()
    assert response.url == row.get_absolute_url()
    assert row.outbound_phone_number == "+12125550199"
    assert row.expected_appointment_date_time == "2026-04-09T11:00:00"
    assert (row.phase, row.batch.state) == (Phase.READY, BatchState.DRAFT)
    assert "Start this call" in page.get(response.url).content.decode()


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("patient_name", "Jane\x00Patient", "Patient name must not have control characters"),
        ("objective", "SELL", "Objective must be CONFIRM_IE_ATTENDANCE or RESCHEDULE"),
    ],
)
def test_what_no_browser_sends_is_refused_in_our_own_words(page, name, text, said):
    errors = page.post(reverse("call_new"), CELLS | {name: text}).context["form"].errors
    assert [error.startswith(said) for error in errors[name]] == [True]


def test_everything_wrong_is_said_at_once_beside_its_field(page):
    wrong = CELLS | {"outbound_phone_number": "212555", "patient_dob": "", "local_timezone": "EST"}
    response = page.post(reverse("call_new"), wrong)
    text = response.content.decode()
    assert set(response.context["form"].errors) == {
        "outbound_phone_number", "patient_dob", "local_timezone",
    }  # fmt: skip
    assert "There is a problem" in text
    assert "<title>Error: New call" in text
    assert page.post(reverse("call_new"), wrong, headers=HTMX).status_code == 422
    assert not CallRow.objects.exists()


def test_problems_are_named_in_the_order_of_the_page(page):
    text = page.post(reverse("call_new"), {"patient_name": ""}).content.decode()
    at = [
        text.index(said)
        for said in ("Enter a provider office", "Enter an EOC", "Enter a patient name")
    ]
    assert at == sorted(at)


# --- Extensions -----------------------------------------------------------------------------------
WITH_EXTENSION = CELLS | {"outbound_phone_number": "212-555-0199 x12"}


def test_an_extension_is_moved_to_the_guide_of_the_office_and_never_dropped(page):
    text = page.post(reverse("call_new"), WITH_EXTENSION).content.decode()
    assert 'name="move_extension" value="outbound_phone_number"' in text
    assert "Use +12125550199" not in text, "that would drop it silently"
    moved = page.post(
        reverse("call_new"), WITH_EXTENSION | {"move_extension": "outbound_phone_number"}
    )
    assert not CallRow.objects.exists()
    assert 'value="+12125550199"' in moved.content.decode()
    assert 'name="ivr_guide" value="Extension 12" checked' in moved.content.decode()
    page.post(reverse("call_new"), CELLS | {"ivr_guide": "Extension 12"})
    assert CallRow.objects.get().entity.ivr_guide == "Extension 12"


def test_the_extension_of_a_patient_goes_to_the_notes(page):
    typed = CELLS | {"patient_phone_number": "212-555-0100 ext. 7", "notes": "Ask for Jo"}
    moved = page.post(reverse("call_new"), typed | {"move_extension": "patient_phone_number"})
    initial = moved.context["form"].initial
    assert initial["patient_phone_number"] == "+12125550100"
    assert initial["notes"] == "Ask for Jo\nPatient phone extension 7"


def test_nothing_but_an_extension_gets_into_the_guide_by_this_form(page):
    page.post(reverse("call_new"), CELLS | {"ivr_guide": "Press 1 for sales"})
    assert CallRow.objects.get().entity.ivr_guide == ""


def test_a_known_reference_is_refused(page):
    factories.make_row(external_reference_id="row-9001")
    text = page.post(reverse("call_new"), CELLS).content.decode()
    assert "Row reference row-9001 is already used" in text


def test_the_same_case_under_another_reference_is_held(page):
    page.post(reverse("call_new"), CELLS)
    response = page.post(
        reverse("call_new"), CELLS | {"external_reference_id": "row-9002"}, follow=True
    )
    assert "saved and held: this case may be here already" in response.content.decode()
    again = CallRow.objects.get(external_reference_id="row-9002")
    assert again.hold_reason == HoldReason.POSSIBLE_DUPLICATE
    assert "Call it anyway" in page.get(again.get_absolute_url()).content.decode()


def test_one_field_is_checked_while_the_others_are_typed(page):
    address = reverse("call_check") + "?field=outbound_phone_number"
    text = page.post(address, {"outbound_phone_number": "212555"}, headers=HTMX).content.decode()
    assert 'id="f-outbound_phone_number"' in text
    assert "Error:" in text
    assert "Enter a patient name" not in text
    assert page.post(reverse("call_check") + "?field=nonsense", {}).status_code == 404


@pytest.fixture
def row(page):
    page.post(reverse("call_new"), CELLS)
    return CallRow.objects.get()


def edited(page, row, **cells):
    blank = dict.fromkeys(("patient_ssn", "patient_dob", "patient_phone_number"), "")
    form = page.get(reverse("call_edit", args=[row.pk])).context["form"]
    return page.post(reverse("call_edit", args=[row.pk]), form.initial | blank | cells)


def test_an_edit_form_holds_nothing_that_pages_mask(page, row):
    text = page.get(reverse("call_edit", args=[row.pk])).content.decode()
    assert "7777" not in text
    assert "1967-04-13" not in text
    assert "Left shoulder" in text


def test_an_edit_form_tells_the_doubts_about_the_row(page, row):
    CallRow.objects.update(local_timezone="America/Los_Angeles", provider_state="NY")
    text = page.get(reverse("call_edit", args=[row.pk])).content.decode()
    assert "Time zone is America/Los_Angeles, which New York does not keep" in text
    assert "Use America/New_York" in text
    assert "There is a problem" not in text


def test_a_correction_changes_only_what_was_typed_and_is_kept(page, row):
    edited(page, row, body_part="Right knee")
    row.refresh_from_db()
    assert (row.body_part, row.patient_ssn) == ("Right knee", "987657777")
    assert row.events.get(kind=EventKind.CORRECTED).detail == "body_part"


def test_saving_without_a_change_notes_nothing(page, row):
    edited(page, row)
    assert not row.events.filter(kind=EventKind.CORRECTED).exists()


def test_another_office_and_another_time_move_what_follows_from_them(page, row):
    edited(page, row, provider_office="Hudson Valley Rehab", patient_ssn="NONE",
           expected_appointment_date_time="2026-04-10 09:30")  # fmt: skip
    row.refresh_from_db()
    assert row.entity.name == "Hudson Valley Rehab"
    assert row.appointment_at.isoformat() == "2026-04-10T13:30:00+00:00"
    assert row.patient_ssn is None


def test_a_correction_that_makes_it_the_same_case_as_another_is_held(page, row):
    other = CELLS | {"external_reference_id": "row-9002", "eoc_number": "EOC-1"}
    page.post(reverse("call_new"), other)
    second = CallRow.objects.get(external_reference_id="row-9002")
    edited(page, second, eoc_number="EOC-20417")
    second.refresh_from_db()
    assert second.hold_reason == HoldReason.POSSIBLE_DUPLICATE


def test_a_correction_may_not_take_the_reference_of_another_call(page, row):
    factories.make_row(external_reference_id="row-taken")
    text = edited(page, row, external_reference_id="row-taken").content.decode()
    assert "row-taken is already used" in text


def test_a_queued_call_cannot_be_edited(page):
    row = factories.make_row(Phase.SCHEDULED)
    response = page.get(reverse("call_edit", args=[row.pk]), follow=True)
    assert "cannot be changed" in response.content.decode()
