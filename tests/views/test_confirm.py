"""The confirmation: when and how the calls are made, whose hours count, and what comes back of it."""

from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from calls.models import Batch, Entity
from calls.models.entity import default_working_hours
from calls.views import confirm as confirm_page
from calls.vocabulary import BatchState, HoldReason, LatencyMode, Phase
from tests.factories import make_batch, make_entity, make_row, make_user
from tests.views.test_uploads import page, user  # noqa: F401 - a fixture

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("user")]


@pytest.fixture
def batch():
    batch = make_batch(state=BatchState.DRAFT)
    make_row(batch=batch)
    return batch


def confirm(client, batch, **data):
    return client.post(reverse("upload_confirm", args=[batch.pk]), {"when": "now", **data})


def fresh(batch):
    return Batch.objects.get(pk=batch.pk)


def test_now_is_the_rule_and_the_options_are_kept(client, batch):
    confirm(client, batch, call_early="on", high_latency="on")
    batch = fresh(batch)
    assert (batch.state, batch.queue_only) == (BatchState.RUNNING, False)
    assert (batch.wait_for_appointment, batch.latency_mode) == (False, LatencyMode.HIGH)


def test_without_options_the_appointment_is_waited_for(client, batch):
    confirm(client, batch)
    assert (fresh(batch).wait_for_appointment, fresh(batch).latency_mode) == (True, LatencyMode.LOW)


def test_queue_only_calls_nobody_until_calling_is_started(client, batch):
    confirm(client, batch, when="queue")
    assert (fresh(batch).state, fresh(batch).queue_only) == (BatchState.RUNNING, True)
    assert "No phone rings until you start calling." in page(client, "batch", batch.pk)
    client.post(reverse("batch_call", args=[batch.pk]))
    assert not fresh(batch).queue_only


def test_a_later_start_leaves_a_draft_that_says_when(client, batch):
    at = timezone.localtime() + timedelta(days=1)
    confirm(client, batch, when="at", start_at=at.strftime("%Y-%m-%dT09:30"))
    found = fresh(batch)
    assert (found.state, timezone.localtime(found.start_at).hour) == (BatchState.DRAFT, 9)
    text = page(client, "batch", batch.pk)
    assert "9:30 AM" in text
    assert "Do not start" in text
    client.post(reverse("batch_wait", args=[batch.pk]))
    assert fresh(batch).start_at is None


@pytest.mark.parametrize(
    ("start_at", "said"),
    [
        ("", "Enter a start time"),
        ("soon", "Start time must be a date and time"),
        ("2020-01-01T09:00", "Start time must be in the future"),
        ("9999-12-31T23:59", "Start time must be within a year. Check the year"),
        ("2062-12-01T09:00", "Start time must be within a year. Check the year"),
        ("2027-03-14T02:30", "Start time must not be in the hour when the clocks change"),
        ("2027-11-07T01:30", "Start time must not be in the hour when the clocks change"),
    ],
)
def test_a_wrong_time_is_explained_and_nothing_starts(client, batch, monkeypatch, start_at, said):
    monkeypatch.setattr(timezone, "now", lambda: SATURDAY)
    response = confirm(client, batch, when="at", start_at=start_at)
    assert response.status_code == 422
    assert said in response.content.decode()
    assert (fresh(batch).state, fresh(batch).start_at) == (BatchState.DRAFT, None)


def test_rows_that_are_left_to_fix_are_said_here_too(client, batch):
    Batch.objects.update(rejected=5, skipped=3)
    assert "2 rows still need a fix and are not called." in page(client, "upload_confirm", batch.pk)


@pytest.fixture
def other_hours():
    """Evergrove opens this office at eight, and is closed on Fridays."""
    theirs = default_working_hours() | {"friday": {}}
    theirs["monday"] = {
        "default_call_time": "08:00",
        "windows": [{"start": "08:00", "end": "16:00"}],
    }
    return make_entity(upstream_hours=theirs)


def test_hours_that_would_be_replaced_can_be_taken_over(client, batch, other_hours):
    make_row(batch=batch, entity=other_hours)
    text = page(client, "upload_confirm", batch.pk)
    assert "Evergrove has other hours for 1 office" in text
    assert "Mon 8:00 AM to 4:00 PM" in text
    client.post(reverse("confirm_hours", args=[batch.pk]), {"take": other_hours.pk})
    office = Entity.objects.get(pk=other_hours.pk)
    assert office.working_hours["monday"]["default_call_time"] == "08:00"
    assert office.working_hours["friday"] == {}
    assert "Evergrove has other hours" not in page(client, "upload_confirm", batch.pk)


def test_keeping_our_hours_sends_them(client, batch, other_hours):
    make_row(batch=batch, entity=other_hours)
    client.post(reverse("confirm_hours", args=[batch.pk]), {"send": other_hours.pk})
    office = Entity.objects.get(pk=other_hours.pk)
    assert office.version == 2
    assert office.working_hours == default_working_hours()


def test_settling_hours_keeps_what_was_chosen(client, batch, other_hours):
    make_row(batch=batch, entity=other_hours)
    chosen = {"when": "queue", "start_at": "2026-12-01T09:30", "high_latency": "on"}
    url = reverse("confirm_hours", args=[batch.pk])
    response = client.post(url, chosen | {"send": other_hours.pk}, follow=True)
    form, text = response.context["form"], response.content.decode()
    assert {name: form[name].value() for name in chosen} == chosen
    assert 'value="queue" id="id_when_2" checked' in text
    assert "<details open>" in text, "an option that counts is not hidden"


# --- What is called when --------------------------------------------------------------------------
SATURDAY = datetime(2026, 11, 21, 13, tzinfo=UTC)


@pytest.fixture
def saturday(settings, monkeypatch):
    settings.RESPECT_CALLING_HOURS = True
    monkeypatch.setattr(timezone, "now", lambda: SATURDAY)


def office_row(batch, *, hours=0, **office):
    """A row of an office of its own, whose appointment is `hours` ahead."""
    return make_row(
        batch=batch, entity=make_entity(**office), appointment_at=SATURDAY + timedelta(hours=hours)
    )


@pytest.mark.usefixtures("saturday")
def test_what_is_called_when_is_said_in_the_time_of_each_office(client):
    batch = make_batch(state=BatchState.DRAFT)
    office_row(batch)
    office_row(batch)
    office_row(batch, timezone="America/Los_Angeles")
    office_row(batch, closed_dates=["2026-11-21", "2026-11-23"])
    office_row(batch, hours=3, timezone="America/Phoenix")
    text = page(client, "upload_confirm", batch.pk)
    assert "2 calls wait until Mon, Nov 23, 2026, 9:00 AM ET, when their offices open." in text
    assert "1 call waits until Mon, Nov 23, 2026, 9:00 AM PT, when its office opens." in text
    assert (
        "until Tue, Nov 24, 2026, 9:00 AM ET, when its office opens again after a closed day"
        in text
    )
    assert "The first can be made Mon, Nov 23, 2026, 9:00 AM MST." in text
    assert "5 calls to 5 offices" in text


@pytest.mark.usefixtures("saturday")
def test_what_is_called_when_counts_from_the_start_that_was_kept(client):
    batch = make_batch(state=BatchState.DRAFT)
    early = {"default_call_time": "08:00", "windows": [{"start": "08:00", "end": "17:00"}]}
    office_row(batch, working_hours=default_working_hours() | {"saturday": early})
    office_row(batch, hours=24)
    Batch.objects.update(start_at=SATURDAY - timedelta(days=1))
    assert "1 can start now" in page(client, "upload_confirm", batch.pk)
    Batch.objects.update(start_at=SATURDAY + timedelta(days=2, hours=8))  # Monday afternoon
    text = page(client, "upload_confirm", batch.pk)
    assert "The batch starts Mon, Nov 23, 2026, 4:00 PM ET. Counted from then." in text
    assert "2 can start then" in text
    assert "can start now" not in text


@pytest.mark.usefixtures("saturday")
def test_a_call_that_will_be_held_is_not_promised(client):
    batch = make_batch(state=BatchState.DRAFT)
    office_row(batch)
    office_row(batch, can_call=False)
    make_row(batch=batch, hold_reason=HoldReason.ORGANIZATION_DISABLED)
    text = page(client, "upload_confirm", batch.pk)
    assert "1 call to 1 office" in text
    assert "1 will be held: Evergrove says this office may not be called." in text
    assert "1 is held and not started. Evergrove has not enabled this organization." in text


@pytest.mark.usefixtures("saturday")
def test_many_openings_are_not_listed_one_by_one(client, monkeypatch):
    monkeypatch.setattr(confirm_page, "OPENINGS_SHOWN", 1)
    batch = make_batch(state=BatchState.DRAFT)
    for zone in ("America/New_York", "America/Chicago", "America/Denver"):
        office_row(batch, timezone=zone)
    text = page(client, "upload_confirm", batch.pk)
    assert "9:00 AM ET" in text
    assert "2 more calls wait until later openings." in text


# --- Having it back -------------------------------------------------------------------------------
def test_a_started_batch_is_taken_back_while_nothing_was_queued(client, batch):
    confirm(client, batch)
    assert "Take this batch back?" in page(client, "batch", batch.pk)
    assert client.post(reverse("batch_take_back", args=[batch.pk])).url == reverse("batches")
    assert not Batch.objects.exists()


def test_a_batch_that_went_on_offers_to_withdraw_instead(client, batch):
    make_row(Phase.SCHEDULED, batch=batch)
    Batch.objects.update(state=BatchState.RUNNING)
    assert "Take this batch back?" not in page(client, "batch", batch.pk)
    response = client.post(reverse("batch_take_back", args=[batch.pk]), follow=True)
    assert "Withdraw what has not started instead." in response.content.decode()
    assert fresh(batch).rows.count() == 2


def test_staff_alone_are_offered_to_ignore_the_hours(client, batch, settings):
    settings.RESPECT_CALLING_HOURS = True
    assert "Ignore calling hours" not in page(client, "upload_confirm", batch.pk)
    client.force_login(make_user(is_staff=True))
    assert "Ignore calling hours" in page(client, "upload_confirm", batch.pk)
