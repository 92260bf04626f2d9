"""Batches: true numbers, honest consequences, buttons that work with and without script."""

import csv
import io
import json
from datetime import UTC, datetime
from html import unescape
from uuid import uuid4

import pytest
from django.urls import reverse
from django.utils import timezone

from calls.models import Batch, CallEvent, CallRow
from calls.views import batch_state
from calls.vocabulary import (
    Attendance,
    BatchState,
    EventKind,
    HoldReason,
    PauseReason,
    Phase,
    WaitReason,
)
from tests.factories import (
    make_batch,
    make_entity,
    make_event,
    make_outcome,
    make_rejected_line,
    make_row,
    make_user,
)

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def user(client):
    user = make_user()
    client.force_login(user)
    return user


@pytest.fixture
def running(user):
    """2 calls in progress, 3 not started (1 of them held), 1 attended."""
    batch, office = make_batch(), make_entity()
    make_row(Phase.CALLING, batch=batch, entity=office)
    make_row(Phase.CONFIRMING, batch=batch, entity=office)
    make_row(Phase.SCHEDULED, batch=batch, entity=office)
    make_row(Phase.READY, batch=batch, entity=office)
    make_row(Phase.READY, batch=batch, entity=office, hold_reason=HoldReason.SCHEDULE_REFUSED)
    make_outcome(make_row(Phase.COMPLETED, batch=batch, entity=office))
    return batch


def page(client, name, *args, **headers):
    response = client.get(reverse(name, args=args), headers=headers)
    return " ".join(response.content.decode().split())


# --- The list -------------------------------------------------------------------------------------
def test_running_batches_come_first_then_the_newest(client, user):
    names = {}
    for state in (BatchState.PAUSED, BatchState.RUNNING, BatchState.FINISHED, BatchState.DRAFT):
        names[state] = make_batch(name=f"the {state} one", state=state).name
    text = page(client, "batches")
    order = [BatchState.RUNNING, BatchState.PAUSED, BatchState.DRAFT, BatchState.FINISHED]
    places = [text.index(names[state]) for state in order]
    assert places == sorted(places)
    assert 'hx-trigger="every 4s"' in text


def test_older_batches_are_a_page_away(client, user, monkeypatch):
    monkeypatch.setattr("calls.views.batches.PAGE_SIZE", 2)
    oldest, second, _ = (make_batch(state=BatchState.FINISHED) for _ in range(3))
    assert f"?before={second.pk}" in page(client, "batches")
    text = client.get(reverse("batches"), {"before": second.pk}).content.decode()
    assert f"Batch {oldest.pk}," in text
    assert f"Batch {second.pk}," not in text


def test_the_list_costs_the_same_for_many_batches(client, user, django_assert_max_num_queries):
    for state in (BatchState.RUNNING, BatchState.FINISHED):
        for _ in range(5):
            make_row(batch=make_batch(state=state))
    with django_assert_max_num_queries(13):
        client.get(reverse("batches"))


def test_a_list_at_rest_does_not_poll(client, user):
    make_batch(state=BatchState.FINISHED)
    assert "hx-trigger" not in page(client, "batches")


# --- One batch ------------------------------------------------------------------------------------
def test_the_page_tells_where_the_calls_stand(client, running):
    text = page(client, "batch", running.pk)
    assert "1 of 6 calls have ended" in text
    assert "2 calls in progress will finish. 3 calls will not start until you resume." in text
    assert "2 calls in progress cannot be stopped and will still report an outcome." in text
    assert HoldReason.SCHEDULE_REFUSED.label in text
    assert f"/calls/?batch={running.pk}&amp;held=schedule_refused" in text
    assert f"/calls/?batch={running.pk}&amp;outcome=attended" in text
    assert "Calls queued" in text
    assert "4 of 6" in text


def test_the_title_names_no_patient_and_the_page_no_ssn(client, running):
    text = page(client, "batch", running.pk)
    row = running.rows.first()
    assert f"<title>Batch {running.pk} · " in text
    assert row.patient_name not in text
    assert row.patient_ssn not in text


def test_it_says_when_the_first_office_opens_on_that_offices_clock(client, user):
    batch = make_batch()
    make_row(
        Phase.SCHEDULED,
        batch=batch,
        local_timezone="America/Los_Angeles",
        waiting_for=WaitReason.HOURS,
        next_at=datetime(2026, 4, 9, 16, 0, tzinfo=UTC),
    )
    text = page(client, "batch", batch.pk)
    assert "1 call waits for opening hours. The first office opens Apr 9, 9:00 AM PT." in text
    assert 'hx-trigger="every 20s"' in text, "nothing happens for hours"


@pytest.mark.parametrize(
    ("state", "phase", "trigger"),
    [
        (BatchState.RUNNING, Phase.CALLING, "every 4s"),
        (BatchState.PAUSED, Phase.CALLING, "every 20s"),
        (BatchState.CANCELLED, Phase.CALLING, "every 20s"),
        (BatchState.CANCELLED, Phase.COMPLETED, ""),
        (BatchState.FINISHED, Phase.COMPLETED, ""),
        (BatchState.DRAFT, Phase.READY, ""),
    ],
)
def test_it_polls_only_while_there_is_something_to_wait_for(client, user, state, phase, trigger):
    batch = make_batch(state=state)
    make_row(phase, batch=batch)
    text = page(client, "batch_live", batch.pk, **HTMX)
    assert (f'hx-trigger="{trigger}"' in text) if trigger else ("hx-trigger" not in text)


def test_an_unchanged_fragment_is_304_and_a_pause_by_somebody_else_is_not(
    client, running, monkeypatch
):
    monkeypatch.setattr("calls.views.batches.ETAG_SECONDS", 10**9)
    etag = client.get(reverse("batch", args=[running.pk])).context["etag"]
    url, headers = reverse("batch_live", args=[running.pk]), HTMX | {"If-None-Match": etag}
    assert client.get(url, headers=headers).status_code == 304
    Batch.objects.filter(pk=running.pk).update(state=BatchState.PAUSED)
    assert client.get(url, headers=headers).status_code == 200


def test_the_buttons_come_along_only_when_other_ones_are_needed(client, running):
    url = reverse("batch_live", args=[running.pk])
    same = client.get(url, {"buttons": "running-withdraw"}, headers=HTMX).content.decode()
    other = client.get(url, {"buttons": "paused"}, headers=HTMX).content.decode()
    assert 'id="batch-actions"' not in same
    assert 'id="pause-says" hx-swap-oob="true"' in same
    assert 'id="withdraw-says" hx-swap-oob="true"' in same
    assert 'id="batch-actions" hx-swap-oob="true"' in other


def test_the_button_to_take_it_back_goes_once_a_call_was_queued(client, user):
    batch = make_row(Phase.READY, batch=make_batch(state=BatchState.RUNNING)).batch
    before = client.get(reverse("batch", args=[batch.pk])).content.decode()
    assert "Take back" in before
    assert "?buttons=running-back-withdraw" in before
    batch.rows.update(phase=Phase.SCHEDULED, request_id=uuid4())
    url = reverse("batch_live", args=[batch.pk])
    after = client.get(url, {"buttons": "running-back-withdraw"}, headers=HTMX).content.decode()
    assert 'id="batch-actions" hx-swap-oob="true"' in after
    assert "Take back" not in after


def test_the_button_to_withdraw_goes_with_the_last_call_that_had_not_started(client, user):
    row = make_row(Phase.READY)
    before = client.get(reverse("batch", args=[row.batch_id]))
    CallRow.objects.filter(pk=row.pk).update(
        phase=Phase.CALLING, request_id=uuid4(), trigger_sent_at=timezone.now()
    )
    url, asked = reverse("batch_live", args=[row.batch_id]), before.context["buttons"]
    after = client.get(url, {"buttons": asked}, headers=HTMX)
    assert 'id="batch-actions" hx-swap-oob="true"' in after.content.decode()
    again = client.get(url, {"buttons": after.context["buttons"]}, headers=HTMX).content.decode()
    assert 'id="pause-says"' in again
    assert "withdraw-says" not in again, "there is no dialog that could take it"


@pytest.mark.parametrize(
    ("skipped", "said"),
    [(0, "2 rows of the file are not in this batch."), (2, "2 rows of the file were skipped")],
)
def test_skipped_rows_are_not_said_to_need_a_fix(client, user, skipped, said):
    batch = make_batch(state=BatchState.DRAFT, rejected=2, skipped=skipped)
    text = client.get(reverse("batch", args=[batch.pk])).content.decode()
    assert said in text
    assert ("must be fixed" in text) == (skipped == 0)


@pytest.mark.parametrize("state", [BatchState.RUNNING, BatchState.FINISHED])
def test_rows_that_can_no_longer_be_mended_here_are_offered_as_a_file(client, user, state):
    batch = make_batch(state=state, rejected=2)
    make_row(batch=batch)
    text = page(client, "batch", batch.pk)
    assert "2 rows of the file are not in this batch." in text
    assert "They are not called. Download them, fix them and upload that file." in text
    assert reverse("batch_rejects", args=[batch.pk]) in text
    assert "must be fixed" not in text
    assert reverse("upload_review", args=[batch.pk]) not in text


def test_a_call_that_never_began_has_not_ended(client, user):
    batch, office = make_batch(), make_entity()
    make_row(Phase.CALLING, batch=batch, entity=office)
    for _ in range(2):
        make_row(Phase.WITHDRAWN, batch=batch, entity=office)
    assert "0 of 1 call has ended, 2 withdrawn" in page(client, "batch", batch.pk)
    assert "0 of 1 call ended" in page(client, "batches")
    batch.rows.exclude(phase=Phase.WITHDRAWN).delete()
    assert "2 calls were withdrawn" in page(client, "batch", batch.pk)


def test_the_first_visit_tells_of_every_kind_of_file(client, user):
    assert "Upload a CSV or Excel file." in page(client, "batches")
    assert "Upload a CSV or Excel file." in page(client, "overview")


def test_outcomes_of_an_unknown_word_are_shown_as_they_came(client, user):
    row = make_row(Phase.COMPLETED)
    make_outcome(row, attendance="left_the_country")
    assert "left_the_country" in page(client, "batch", row.batch_id)


# --- What people do -------------------------------------------------------------------------------
def test_pausing_without_script_leads_back_and_says_what_goes_on(client, running):
    response = client.post(reverse("batch_pause", args=[running.pk]), follow=True)
    running.refresh_from_db()
    assert running.state == BatchState.PAUSED
    assert response.redirect_chain == [(f"/batches/{running.pk}/", 302)]
    assert "2 calls in progress will finish." in response.content.decode()


def test_pausing_with_script_returns_the_changed_part(client, running):
    answer = client.post(reverse("batch_pause", args=[running.pk]), headers=HTMX)
    text = answer.content.decode()
    assert answer.status_code == 200
    assert text.lstrip().startswith('<div id="batch"')
    assert "Resume</button>" in text


def said_aloud(answer):
    events = json.loads(answer.headers.get("HX-Trigger-After-Settle", "{}"))
    return events.get("announce", {}).get("value")


def test_what_was_done_and_what_was_not_is_said_aloud(client, running):
    url = reverse("batch_pause", args=[running.pk])
    done, refused = client.post(url, headers=HTMX), client.post(url, headers=HTMX)
    assert said_aloud(done).startswith("Paused. 2 calls in progress will finish.")
    assert said_aloud(refused).startswith("Not done. This batch is paused.")


@pytest.mark.parametrize(
    ("ended", "told", "said"),
    [
        (1, 0, "25 percent: 1 of 4 calls have ended"),
        (1, 1, None),
        (3, 1, "75 percent: 3 of 4 calls have ended"),
        (4, 3, "100 percent: 4 of 4 calls have ended"),
        (0, 0, None),
        (4, "x", None),
    ],
)
def test_each_quarter_of_a_batch_is_said_aloud_once(client, user, ended, told, said):
    batch, office = make_batch(), make_entity()
    for number in range(4):
        phase = Phase.COMPLETED if number < ended else Phase.CALLING
        make_row(phase, batch=batch, entity=office)
    make_row(Phase.WITHDRAWN, batch=batch, entity=office)
    asked = {"buttons": "running", "quarters": told}
    answer = client.get(reverse("batch_live", args=[batch.pk]), asked, headers=HTMX)
    assert said_aloud(answer) == (said and f"{said}, 1 withdrawn")
    assert f"quarters={ended}" in answer.content.decode()


def test_what_no_longer_fits_is_409_with_fresh_buttons(client, running):
    Batch.objects.filter(pk=running.pk).update(state=BatchState.PAUSED)
    answer = client.post(reverse("batch_pause", args=[running.pk]), headers=HTMX)
    text = answer.content.decode()
    assert answer.status_code == 409
    assert "This batch is paused. Only a running batch can be paused." in text
    assert "Resume</button>" in text


def test_resuming_goes_on(client, running):
    Batch.objects.filter(pk=running.pk).update(state=BatchState.PAUSED)
    client.post(reverse("batch_start", args=[running.pk]))
    running.refresh_from_db()
    assert running.state == BatchState.RUNNING


def test_withdrawing_takes_out_what_was_not_started(client, running):
    response = client.post(reverse("batch_withdraw", args=[running.pk]), follow=True)
    assert "3 withdrawn. They will never start." in response.content.decode()
    assert running.rows.filter(phase=Phase.WITHDRAWN).count() == 3
    assert running.rows.filter(phase=Phase.CALLING).count() == 1


def test_withdrawing_says_what_may_have_been_called_and_is_asked_about(client, running):
    queued = running.rows.filter(phase=Phase.SCHEDULED)
    number = queued.update(ask_first=True)
    assert number
    answer = client.post(reverse("batch_withdraw", args=[running.pk]), follow=True).content.decode()
    assert f"{3 - number} withdrawn. They will never start. {number} may have been made" in answer
    row = queued.first()
    refused = client.post(reverse("call_withdraw", args=[row.pk]), headers=HTMX)
    assert refused.status_code == 409
    assert "asked first whether this call was made" in refused.headers["HX-Trigger-After-Settle"]


def test_a_large_batch_is_withdrawn_only_by_its_name(client, running, monkeypatch):
    monkeypatch.setattr("calls.views.batch_state.TYPE_NAME_FROM", 3)
    url = reverse("batch_withdraw", args=[running.pk])
    assert client.post(url, {"typed": "yes"}, headers=HTMX).status_code == 409
    assert not CallRow.objects.filter(phase=Phase.WITHDRAWN).exists()
    assert client.post(url, {"typed": running.name}, headers=HTMX).status_code == 200
    assert CallRow.objects.filter(phase=Phase.WITHDRAWN).count() == 3


def test_a_draft_is_discarded_and_a_running_batch_is_not(client, running):
    draft = make_row(batch=make_batch(state=BatchState.DRAFT)).batch
    assert client.post(reverse("batch_discard", args=[draft.pk])).url == reverse("batches")
    client.post(reverse("batch_discard", args=[running.pk]))
    assert list(Batch.objects.all()) == [running]


@pytest.mark.parametrize("name", ["batch_start", "batch_pause", "batch_withdraw", "batch_discard"])
def test_nothing_is_done_by_a_link(client, running, name):
    assert client.get(reverse(name, args=[running.pk])).status_code == 405


def test_a_batch_that_is_not_there_is_404(client, user):
    assert client.get(reverse("batch", args=[4711])).status_code == 404


# --- Downloads ------------------------------------------------------------------------------------
def test_the_export_is_streamed_and_noted(client, running, user):
    response = client.get(reverse("batch_export", args=[running.pk]))
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    assert len(list(csv.DictReader(io.StringIO(text)))) == 6
    assert f"batch-{running.pk}-outcomes.csv" in response.headers["Content-Disposition"]
    event = CallEvent.objects.get(kind=EventKind.EXPORTED)
    assert (event.batch, event.actor, event.detail) == (running, user, "6")


def test_an_export_that_breaks_says_so_in_the_file(client, running, monkeypatch):
    def breaking(rows):
        yield "reference\r\n"
        raise RuntimeError("the disk is gone")

    monkeypatch.setattr("calls.views.batches.export_lines", breaking)
    response = client.get(reverse("batch_export", args=[running.pk]))
    assert "broke off here" in b"".join(response.streaming_content).decode()


def test_rejected_rows_can_be_taken_away(client, user):
    batch = make_batch(headers=["Ref", "Name", "Phone"], rejected=1)
    make_rejected_line(batch)
    response = client.get(reverse("batch_rejects", args=[batch.pk]))
    assert "Benjamin Achterberg" in b"".join(response.streaming_content).decode()


def test_the_history_names_who_did_it(client, running, user):
    client.post(reverse("batch_pause", args=[running.pk]))
    entries = client.get(reverse("batch", args=[running.pk])).context["events"]
    assert (entries[0].title, entries[0].actor) == ("Paused", user.get_username())


def test_every_attendance_has_a_place_in_the_bar(client, user):
    batch, office = make_batch(), make_entity()
    for attendance in Attendance:
        row = make_row(Phase.COMPLETED, batch=batch, entity=office, changed_at=timezone.now())
        make_outcome(row, attendance=attendance)
    parts = client.get(reverse("batch", args=[batch.pk])).context["counts"].parts()
    assert sum(number for _, number, _ in parts) == len(Attendance)


@pytest.mark.parametrize("reason", list(PauseReason))
@pytest.mark.parametrize("state", [BatchState.PAUSED, BatchState.DRAFT], ids=["paused", "draft"])
def test_a_batch_that_nobody_paused_says_why_and_what_to_do(client, user, reason, state):
    batch = make_batch(state=state, paused_reason=reason)
    make_row(batch=batch)
    make_event(EventKind.PAUSED, batch=batch, detail=reason)
    shown = client.get(reverse("batch", args=[batch.pk])).content.decode()
    assert batch_state.PAUSES[reason] in unescape(shown)
    assert f"{reason.label}." in shown
    assert "batch waits for a decision" in client.get(reverse("overview")).content.decode()
