from datetime import UTC, date, datetime, time
from types import SimpleNamespace

import pytest
from django import forms
from django.template import Context, Template

from calls.templatetags import dash, formats
from calls.vocabulary import Attendance, BatchState, Confirmation, Phase, RequestStatus

NOON_UTC = datetime(2026, 4, 9, 15, 42, 6, tzinfo=UTC)


def rendered(source: str, **context: object) -> str:
    return Template("{% load dash %}" + source).render(Context(context))


# --- Numbers and masks
@pytest.mark.parametrize(
    ("number", "text"),
    [
        pytest.param("+12125550199", "(212) 555-0199", id="e164"),
        pytest.param("2125550199", "(212) 555-0199", id="ten digits"),
        pytest.param("+442071234567", "+442071234567", id="abroad, as it came"),
        pytest.param("x1234", "x1234", id="no number, as it came"),
    ],
)
def test_a_phone_is_written_the_american_way(number, text):
    assert formats.phone_text(number) == text


@pytest.mark.parametrize("value", ["123457777", "123-45-7777", "7777"])
def test_a_masked_ssn_shows_the_last_four_and_says_so(value):
    html = rendered("{% mask_ssn value %}", value=value)
    assert "•••-••-7777" in html
    assert "ends in 7777" in html
    assert "12345" not in html
    assert "45" not in html


def test_a_mask_never_shows_a_whole_short_value():
    assert "77" not in rendered("{% mask_ssn '77' %}{% mask_phone '77' %}")


def test_a_masked_birth_date_keeps_only_the_year():
    html = rendered("{% mask_dob day %}", day=date(1967, 4, 13))
    assert "1967" in html
    assert "13" not in html


def test_a_masked_phone_keeps_only_the_last_four():
    html = rendered("{% mask_phone '+12125550100' %}")
    assert "0100" in html
    assert "212" not in html


# --- Times
@pytest.mark.parametrize(
    ("zone", "text"),
    [
        pytest.param("America/New_York", "11:42 AM ET", id="summer"),
        pytest.param("America/Phoenix", "8:42 AM MST", id="no summer time, so not MT"),
        pytest.param("Pacific/Honolulu", "5:42 AM HST", id="Hawaii"),
        pytest.param("America/Puerto_Rico", "11:42 AM AST", id="Puerto Rico"),
        pytest.param("America/Sao_Paulo", "12:42 PM UTC-03", id="a zone without letters"),
        pytest.param("Mars/Olympus", "3:42 PM UTC", id="an unknown zone costs no page"),
        pytest.param("../etc/passwd", "3:42 PM UTC", id="a path is no zone"),
    ],
)
def test_office_time_names_its_zone(zone, text):
    assert f">{text}</time>" in rendered("{% office_time at zone %}", at=NOON_UTC, zone=zone)


@pytest.mark.parametrize(
    ("style", "text"),
    [
        ("seconds", "11:42:06 AM ET"),
        ("date", "Thu, Apr 9"),
        ("day", "Apr 9, 2026"),
        ("short", "Apr 9, 11:42 AM ET"),
        ("full", "Thu, Apr 9, 2026, 11:42 AM ET"),
    ],
)
def test_office_time_has_styles(style, text):
    html = rendered("{% office_time at 'America/New_York' style %}", at=NOON_UTC, style=style)
    assert f">{text}</time>" in html
    assert 'datetime="2026-04-09T11:42:06-04:00"' in html


def test_a_wall_clock_stays_on_its_office_clock():
    html = rendered("{% office_time '2026-01-09T11:00:00' 'America/Chicago' 'full' %}")
    assert html == (
        '<time datetime="2026-01-09T11:00:00-06:00">Fri, Jan 9, 2026, 11:00 AM CT</time>'
    )


def test_an_unreadable_time_is_shown_as_it_came():
    html = rendered("{% office_time at 'America/Chicago' %}", at="<soon>")
    assert html == "&lt;soon&gt;"


def test_no_time_is_a_dash():
    assert "—" in rendered("{% office_time None 'America/Chicago' %}{% local_time None %}")


def test_a_relative_time_is_absolute_on_the_wire():
    html = rendered("{% relative_time at %}", at=NOON_UTC)
    assert "data-relative>Apr 9, 11:42 AM ET<" in html


@pytest.mark.parametrize(
    ("day", "at", "text"),
    [
        pytest.param(date(2026, 4, 13), time(14), "Apr 13, 2026, 2:00 PM", id="values"),
        pytest.param("2026-04-13", "00:05", "Apr 13, 2026, 12:05 AM", id="texts"),
        pytest.param("2026-04-13", None, "Apr 13, 2026", id="no time"),
        pytest.param("2026-04-13", "after lunch", "Apr 13, 2026, after lunch", id="odd time"),
        pytest.param("soon", "14:00", "soon, 2:00 PM", id="odd date"),
        pytest.param(None, None, "None", id="nothing"),
    ],
)
def test_what_an_office_said_is_never_lost(day, at, text):
    assert text in rendered("{% stated_time day at %}", day=day, at=at)


# --- Statuses
@pytest.mark.parametrize(
    ("known", "values"),
    [
        pytest.param(dash.OUTCOMES, Attendance, id="outcomes"),
        pytest.param(dash.STATUSES, RequestStatus, id="request statuses"),
        pytest.param(dash.CONFIRMATIONS, Confirmation, id="confirmations"),
        pytest.param(dash.BATCHES, BatchState, id="batch states"),
    ],
)
def test_every_word_of_the_vocabulary_has_a_look(known, values):
    assert set(known) == set(values)


@pytest.mark.parametrize("value", list(Attendance))
def test_an_outcome_is_told_by_words_and_shape(value):
    html = rendered("{% outcome_pill value %}", value=value.value)
    assert value.label in html
    assert f"#g-{dash.OUTCOMES[value].glyph}" in html


def test_completed_is_never_green():
    assert dash.STATUSES[RequestStatus.COMPLETED].tone == "none"


def test_an_unknown_status_is_shown_raw_and_escaped():
    html = rendered("{% outcome_pill v %}{% call_status v %}{% batch_status v %}", v="<left>")
    assert html.count("is-none") == 3
    assert html.count("&lt;left&gt;") == 3


def test_no_outcome_yet_is_said_to_everyone():
    assert "No outcome yet" in rendered("{% outcome_pill None %}")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(("failed", "DO_NOT_CALL_BACK"), "Do not call", id="do not call"),
        pytest.param(("failed", "CANCELLED"), "Stopped", id="stopped, not Canceled"),
        pytest.param(("failed", "ERROR"), "Failed", id="failed"),
        pytest.param(("queued", "ENQUEUED", Phase.CALLING), "Starting", id="triggered"),
        pytest.param(("calling", "ACTIVE", Phase.CALLING), "Calling", id="calling"),
        pytest.param(("queued", "", Phase.CONFIRMING), "Checking whether", id="in doubt"),
        pytest.param(("completed", "COMPLETE", "awaiting_outcome"), "Waiting for", id="late"),
        pytest.param(("queued", "", "scheduled", "trigger_refused"), "Held", id="held"),
        pytest.param(("queued", "", "scheduled", "trigger_refused"), "refused to", id="why held"),
        pytest.param(("queued", "", "scheduled", "new_reason"), "new_reason", id="unknown hold"),
        pytest.param(("calling", "LIMBO"), "Evergrove says LIMBO", id="unknown word (R87)"),
    ],
)
def test_a_call_shows_its_most_telling_status(arguments, words):
    assert words in dash.call_status(*arguments)


def test_a_detail_replaces_the_line_below_a_status():
    html = dash.call_status("calling", "LIMBO", detail="2 attempts")
    assert "2 attempts" in html
    assert "LIMBO" not in html


@pytest.mark.parametrize(
    ("value", "words"),
    [("confirmed", "confirmed"), ("not_confirmed", "not confirmed"), ("", "not discussed")],
)
def test_a_confirmation_names_its_subject_and_speaks_its_answer(value, words):
    html = rendered("{% confirmation value 'Bill' %}", value=value)
    assert f'Bill<span class="vh"> {words}</span>' in html


# --- Progress
def test_a_bar_lays_its_parts_side_by_side_without_style_attributes():
    html = rendered("{% progress_bar parts %}", parts=[("good", 3, "ready"), ("none", 1, "left")])
    assert '<rect class="f-good" x="0.00%" width="75.00%"/>' in html
    assert "f-none" not in html
    assert 'aria-label="3 ready, 1 left"' in html
    assert "style=" not in html


def test_an_empty_bar_says_so():
    assert 'aria-label="Nothing yet"' in rendered("{% progress_bar parts %}", parts=[])
    large = rendered("{% progress_bar parts %}", parts=[("good", 12000, "ready")])
    assert "<b>12,000</b>" in large


# --- Forms
class OfficeForm(forms.Form):
    phone = forms.CharField(
        label="Provider phone",
        help_text="With area code",
        error_messages={"required": "Enter a provider phone"},
    )
    mode = forms.ChoiceField(
        choices=[("low", "Low"), ("high", "High")],
        widget=forms.RadioSelect,
        error_messages={"required": "Choose a mode"},
    )


def test_a_field_ties_label_hint_and_error_to_its_control():
    html = rendered("{% field form.phone %}", form=OfficeForm({}))
    assert '<label for="id_phone">' in html
    assert 'id="id_phone_helptext"' in html
    assert 'id="id_phone_error"' in html
    assert 'aria-describedby="id_phone_helptext id_phone_error"' in html
    assert 'aria-invalid="true"' in html
    assert "Enter a provider phone" in html


def test_choices_become_a_fieldset_with_its_error():
    html = rendered("{% field form.mode %}", form=OfficeForm({}))
    assert "<fieldset" in html
    assert 'aria-describedby="id_mode_error"' in html
    assert html.count('type="radio"') == 2


def test_the_error_summary_links_every_error_to_something_on_the_page():
    form = OfficeForm({})
    html = rendered(
        "{% error_summary form %}{% field form.phone %}{% field form.mode %}", form=form
    )
    for target in ("id_phone", "id_mode"):
        assert f'href="#{target}"' in html
        assert f'id="{target}"' in html


def test_a_form_not_sent_yet_has_no_summary():
    assert rendered("{% error_summary form %}", form=OfficeForm()).strip() == ""


# --- The rail
@pytest.mark.parametrize(("url_name", "current"), [("call", True), ("calls", True), (None, False)])
def test_a_rail_link_is_current_in_its_whole_section(url_name, current):
    request = SimpleNamespace(resolver_match=SimpleNamespace(url_name=url_name))
    item = dash.nav_item({"request": request}, "calls", "phone", "Calls", section="call")
    assert item["current"] is current


def test_a_page_outside_every_section_marks_nothing():
    item = dash.nav_item({"request": SimpleNamespace(resolver_match=None)}, "calls", "phone", "C")
    assert item["current"] is False


@pytest.mark.parametrize(
    ("name", "letters"), [("Maya Okafor", "MO"), ("m.okafor", "MO"), ("admin", "A"), ("", "")]
)
def test_initials_come_from_any_kind_of_name(name, letters):
    assert formats.initials(name) == letters


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "—"),
        ([], "—"),
        (True, "Yes"),
        (False, "No"),
        ("Alex", "Alex"),
        ({"date": "2026-04-09", "time": None}, "date 2026-04-09, time —"),
        ([{"date": "2026-04-13"}, {"date": "2026-04-16"}], "date 2026-04-13; date 2026-04-16"),
        (3, "3"),
    ],
    ids=repr,
)
def test_a_free_object_is_shown_in_words(value, words):
    assert dash.plainly(value) == words
