from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from calls.models import BlockedPhone
from calls.models.entity import default_working_hours
from calls.vocabulary import EventKind, HoldReason, Phase
from tests import factories

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def page(client):
    client.force_login(factories.make_user())
    return client


def week(**over):
    """The form of an office that is open Monday to Friday, 9 to 5."""
    days = ("monday", "tuesday", "wednesday", "thursday", "friday")
    form = {"closed": "", "guide": ""}
    for day in days:
        form |= {f"{day}-start-0": "09:00", f"{day}-end-0": "17:00", f"{day}-first": "09:00"}
    return form | {name.replace("_", "-"): value for name, value in over.items()}


def post(page, office, **over):
    return page.post(reverse("office", args=[office.pk]), week(**over))


def test_the_list_shows_the_state_of_each_office_with_few_queries(
    page, django_assert_max_num_queries
):
    callable_ = factories.make_entity()
    factories.make_row(Phase.CALLING, entity=callable_)
    factories.make_entity(can_call=False)
    factories.make_entity(entity_id=None)
    page.get(reverse("offices"))
    with django_assert_max_num_queries(6 + 4):
        text = page.get(reverse("offices")).content.decode()
    for words in ("Callable", "May not be called", "Not asked yet", "Not sent yet", "Sent "):
        assert words in text
    assert f"?office={callable_.pk}" in text
    only = page.get(reverse("offices"), {"show": "refused"}).context["lines"]
    assert [line["office"].can_call for line in only] == [False]


def test_saving_stores_the_week_the_holidays_and_the_guide_and_marks_it_to_be_sent(page):
    office = factories.make_entity()
    factories.make_row(Phase.SCHEDULED, entity=office, next_at=timezone.now() + timedelta(days=1))
    response = post(
        page, office, monday_end_0="12:00", monday_start_1="13:00", monday_end_1="17:00",
        monday_first="09:15", closed="2026-12-25\n\n2026-07-03", guide="Press 2\r\nPress 1",
    )  # fmt: skip
    assert response.status_code == 302
    office.refresh_from_db()
    assert office.working_hours["monday"] == {
        "default_call_time": "09:15",
        "windows": [{"start": "09:00", "end": "12:00"}, {"start": "13:00", "end": "17:00"}],
    }
    assert office.working_hours["saturday"] == {}
    assert office.closed_dates == ["2026-07-03", "2026-12-25"]
    assert office.ivr_guide == "Press 2\nPress 1"
    assert (office.version, office.is_synced) == (2, False)
    assert office.rows.get().next_at <= timezone.now()


@pytest.mark.parametrize(
    ("known", "over", "said"),
    [
        (True, {"guide": "Press 2"}, "Saved. It is on its way to Evergrove."),
        (True, {"closed": "2026-12-25"}, "Saved. Closed dates stay here: Evergrove is not told."),
        (False, {"guide": "Press 2"}, "Saved. It is sent to Evergrove before its first call."),
        (True, {}, "Nothing changed."),
    ],
    ids=["known", "closed dates alone", "new", "unchanged"],
)
def test_saving_says_when_evergrove_hears_of_it(page, known, over, said):
    office = factories.make_entity() if known else factories.make_entity(entity_id=None)
    post(page, office, **over)
    shown = page.get(office.get_absolute_url()).content.decode()
    assert f"<div data-toast-text>{said}</div>" in shown


def test_saving_what_is_there_changes_nothing(page):
    office = factories.make_entity()
    post(page, office)
    office.refresh_from_db()
    assert (office.version, office.working_hours) == (1, default_working_hours())


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ({"wednesday_first": "08:30"},
         "Wednesday: first call at 8:30 AM is outside the opening hours. "
         "Choose a time from 9:00 AM to 5:00 PM."),
        ({"tuesday_first": ""}, "Tuesday: enter when the first call may be made."),
        ({"monday_end_0": "08:00"}, "Monday: a window must open before it closes."),
        ({"monday_end_0": ""}, "Monday: enter when this window opens and closes"),
        ({"friday_start_1": "16:00", "friday_end_1": "18:00"},
         "Friday: windows must be in order and must not overlap."),
        ({f"{day}_{part}_0": "" for day in ("monday", "tuesday", "wednesday", "thursday", "friday")
          for part in ("start", "end")}, "At least one day must be open."),
        ({"closed": "12/25/2026"}, "Closed dates must look like 2026-12-25. Found 12/25/2026"),
        ({"guide": "1" * 10_001}, "10,000 characters or fewer"),
        ({"monday_first": "9am"}, "Monday: the first call must be a time"),
    ],
)  # fmt: skip
def test_a_wrong_week_is_said_in_plain_words_and_not_stored(page, over, said):
    office = factories.make_entity()
    response = post(page, office, **over)
    assert response.status_code == 200
    assert said in response.content.decode().replace("&#x27;", "'")
    assert (
        page.post(reverse("office", args=[office.pk]), week(**over), headers=HTMX).status_code
        == 422
    )
    office.refresh_from_db()
    assert office.version == 1


@pytest.mark.parametrize("headers", [HTMX, {}], ids=["htmx", "without script"])
def test_windows_come_and_go_without_saving(page, headers):
    office = factories.make_entity()
    address = reverse("office", args=[office.pk])

    def monday(command, **over):
        answer = page.post(address, week(edit=command, **over), headers=headers)
        return answer.context["draft"].day("monday").windows

    assert monday("add:monday") == [("09:00", "17:00"), ("", "")]
    assert monday("remove:monday:0") == []
    assert monday("weekdays", monday_end_0="12:00") == [("09:00", "17:00")]
    copied = page.post(address, week(edit="copy", monday_end_0="12:00"), headers=headers)
    assert copied.context["draft"].day("friday").windows == [("09:00", "12:00")]
    office.refresh_from_db()
    assert office.version == 1


def test_it_says_when_evergrove_keeps_other_hours(page):
    theirs = default_working_hours() | {"friday": {}}
    office = factories.make_entity(upstream_hours=theirs, working_hours_source="tenant")
    address = office.get_absolute_url()
    assert "Evergrove keeps other hours" in page.get(address).content.decode()
    office.upstream_hours = default_working_hours()
    office.save(update_fields=["upstream_hours"])
    assert "Evergrove keeps other hours" not in page.get(address).content.decode()


def test_a_qualified_name_is_explained(page):
    office = factories.make_entity(name="Select", upstream_name="Select (Newark, NJ)")
    text = page.get(office.get_absolute_url()).content.decode()
    assert "Known at Evergrove as “Select (Newark, NJ)”" in text
    assert f"<title>Office {office.pk} ·" in text


def test_asking_again_sends_the_office_anew(page):
    office = factories.make_entity(can_call=False)
    assert "may not be called" in page.get(office.get_absolute_url()).content.decode()
    page.post(reverse("office_recheck", args=[office.pk]))
    office.refresh_from_db()
    assert not office.is_synced


def test_a_refused_office_is_sent_again_as_it_is(page):
    office = factories.make_entity(
        entity_id=None, hold_reason=HoldReason.OFFICE_REFUSED, last_error="422 timezone"
    )
    row = factories.make_row(entity=office, hold_reason=HoldReason.OFFICE_REFUSED)
    text = page.get(office.get_absolute_url()).content.decode()
    assert "Send again</button>" in text
    assert "the name" not in text.partition("422 timezone")[2].partition("</form>")[0]
    page.post(reverse("office_recheck", args=[office.pk]))
    office.refresh_from_db()
    row.refresh_from_db()
    assert (office.hold_reason, row.hold_reason) == ("", "")
    assert "Send again</button>" not in page.get(office.get_absolute_url()).content.decode()


def test_lifting_a_block_lets_held_calls_go_on(page):
    office = factories.make_entity()
    row = factories.make_row(
        Phase.SCHEDULED, entity=office, hold_reason=HoldReason.DO_NOT_CALL,
        outbound_phone_number="+12125550199",
    )  # fmt: skip
    blocked = factories.make_blocked_phone("+12125550199")
    assert "asked not to be called" in page.get(office.get_absolute_url()).content.decode()
    response = page.post(reverse("phone_unblock", args=[blocked.pk]))
    row.refresh_from_db()
    assert (row.hold_reason, BlockedPhone.objects.count()) == ("", 0)
    assert response.url == office.get_absolute_url()
    assert row.events.filter(kind=EventKind.RELEASED).exists()


@pytest.mark.parametrize("command", ["remove:monday:²", "remove:monday:9", "add:someday", ":::"])
def test_a_command_that_does_not_exist_saves_like_enter(page, command):
    office = factories.make_entity()
    assert post(page, office, edit=command).status_code == 302
