import json
import re
from datetime import timedelta
from uuid import uuid4

import httpx  # noqa: TID251 - to answer in Evergrove's place
import pytest
from django.test import override_settings
from django.urls import reverse
from django.utils import timezone

from calls.engine import attempts as reading
from calls.evergrove.client import Evergrove
from calls.models import CallEvent, CallRow, Upstream
from calls.views import call as call_view
from calls.vocabulary import Attendance, BatchState, EventKind, HoldReason, Phase, StopReason
from tests import factories

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def page(client):
    client.force_login(factories.make_user("maya", first_name="Maya", last_name="Okafor"))
    return client


def text_of(response):
    return response.content.decode()


def test_it_shows_verdict_facts_and_masks_what_is_the_patients(page):
    row = factories.make_row(Phase.COMPLETED, patient_name="Amara Delgado")
    factories.make_outcome(row, review_reasons=["only_voicemail"])
    text = text_of(page.get(row.get_absolute_url()))
    assert "Attended on Thursday, April 9 at 11:00 AM ET." in text
    assert "Attended, but the call reached voicemail" in text
    assert f"<title>Call {row.external_reference_id} · Evergrove Dash</title>" in text
    assert "987657777" not in text
    assert "•••-••-7777" in text
    assert "Apr 13, 1967" not in text
    assert "1967-04-13" not in text
    assert "5550100" not in text
    assert "555-0100" not in text


def test_a_settled_call_is_not_polled_and_an_open_one_is(page):
    settled, open_ = factories.make_row(Phase.COMPLETED), factories.make_row(Phase.CALLING)
    assert 'hx-trigger="every' not in text_of(page.get(settled.get_absolute_url()))
    assert 'hx-trigger="every 4s"' in text_of(page.get(open_.get_absolute_url()))


def test_the_live_part_answers_304_until_something_a_reader_sees_changes(page):
    row = factories.make_row(Phase.CALLING)
    address = reverse("call_live", args=[row.pk])
    etag = page.get(address, headers=HTMX).headers["ETag"]
    headers = HTMX | {"If-None-Match": etag}
    CallRow.objects.filter(pk=row.pk).update(last_polled_at=timezone.now(), next_at=timezone.now())
    assert page.get(address, headers=headers).status_code == 304
    factories.make_event(EventKind.UPSTREAM, row=row, detail="ACTIVE")
    assert page.get(address, headers=headers).status_code == 200
    assert page.get(address).status_code == 404
    assert page.get(reverse("call_live", args=[0]), headers=headers).status_code == 404


def polled(page, address, text):
    """The answer to the poll that the page in `text` makes next."""
    query = re.search(rf'hx-get="({re.escape(address)}[^"]*)"', text)[1]
    return text_of(page.get(query, headers=HTMX))


def test_a_page_opened_before_queueing_gets_what_stands_around_the_live_part(page):
    row = factories.make_row(Phase.READY)
    before = text_of(page.get(row.get_absolute_url()))
    address = reverse("call_live", args=[row.pk])
    assert "Refresh attempts" not in before
    assert "hx-swap-oob" not in polled(page, address, before).partition('id="notices"')[0]
    request_id = uuid4()
    CallRow.objects.filter(pk=row.pk).update(phase=Phase.SCHEDULED, request_id=request_id)
    after = polled(page, address, before)
    assert 'id="attempts"' in after
    assert "Refresh attempts" in after
    assert 'id="h-sent" hx-swap-oob="true">What was sent' in after
    assert "Edit data" not in after
    assert str(request_id) in after.partition('id="call-refs"')[2]
    assert 'id="attempts"' not in polled(page, address, after), "once is enough"


@pytest.mark.parametrize(
    ("phase", "attendance", "said"),
    [
        (Phase.COMPLETED, Attendance.NO_SHOW_RESCHEDULED, "Outcome ready: No-show, rebooked"),
        (Phase.COMPLETED, "", "This call has ended: Completed"),
        (Phase.FAILED, None, "This call has ended: Failed"),
        (Phase.CALLING, None, None),
    ],
)
def test_the_poll_that_finds_the_end_says_it_aloud(page, phase, attendance, said):
    row = factories.make_row(phase)
    if attendance is not None:
        factories.make_outcome(row, attendance=attendance)
    answer = page.get(reverse("call_live", args=[row.pk]), headers=HTMX)
    events = json.loads(answer.headers.get("HX-Trigger-After-Settle", "{}"))
    assert events.get("announce", {}).get("value") == said


def test_attempts_that_are_shown_are_left_alone(page):
    row = factories.make_row(Phase.CALLING)
    factories.make_attempt(row)
    before = text_of(page.get(row.get_absolute_url()))
    row.trigger_workflow_id = "workflow-7"
    row.save(update_fields=["trigger_workflow_id"])
    after = polled(page, reverse("call_live", args=[row.pk]), before)
    assert "workflow-7" in after
    assert 'id="attempts"' not in after


def test_an_action_takes_away_what_may_no_longer_be_edited(page):
    row = factories.make_row()
    answer = page.post(reverse("call_withdraw", args=[row.pk]), headers=HTMX)
    assert 'id="call-tools" hx-swap-oob="true"' in text_of(answer)
    assert "Edit data" not in text_of(answer)


@pytest.mark.parametrize(
    ("phase", "over", "shown", "hidden"),
    [
        (Phase.READY, {}, ["Withdraw", "Edit data"], ["Call again", "Call it anyway"]),
        (Phase.SCHEDULED, {}, ["Withdraw"], ["Edit data", "Call again"]),
        (Phase.CALLING, {}, [], ["Withdraw", "Call again", "Edit data"]),
        (Phase.COMPLETED, {}, ["Call again"], ["Withdraw"]),
        (
            Phase.READY,
            {"hold_reason": HoldReason.POSSIBLE_DUPLICATE},
            ["Call it anyway", "Withdraw"],
            [],
        ),
        (
            Phase.CONFIRMING,
            {"hold_reason": HoldReason.TRIGGER_UNCONFIRMED},
            ["Look again, then start"],
            ["Withdraw", "Call it anyway"],
        ),
        (
            Phase.SCHEDULED,
            {"hold_reason": HoldReason.TRIGGER_REFUSED},
            ["Look, then try again", "asked twice whether the call exists", "Withdraw"],
            ["The call goes on from where it stopped"],
        ),
        (
            Phase.SCHEDULED,
            {"hold_reason": HoldReason.DO_NOT_CALL},
            ["Open the office page"],
            ["call_release"],
        ),
    ],
    ids=lambda value: str(value) if isinstance(value, Phase) else "",
)
def test_it_offers_what_fits_the_state(page, phase, over, shown, hidden):
    row = factories.make_row(phase, **over)
    body = text_of(page.get(row.get_absolute_url())).partition("<main")[2]
    assert [word for word in shown if word not in body] == []
    assert [word for word in hidden if word in body] == []


def test_an_action_works_without_script_and_returns_the_fragment_to_htmx(page):
    plain, live = factories.make_row(), factories.make_row()
    response = page.post(reverse("call_withdraw", args=[plain.pk]))
    assert response.status_code == 302
    fragment = page.post(reverse("call_withdraw", args=[live.pk]), headers=HTMX)
    assert fragment.status_code == 200
    assert "Withdrawn before it was started" in text_of(fragment)
    assert "<html" not in text_of(fragment)
    assert 'hx-trigger="every' not in text_of(fragment)
    assert '"#call-live"' in fragment.headers["HX-Trigger-After-Settle"]


def test_an_action_that_came_too_late_gets_409_and_fresh_controls(page):
    row = factories.make_row(Phase.CALLING)
    response = page.post(reverse("call_withdraw", args=[row.pk]), headers=HTMX)
    assert response.status_code == 409
    assert "cannot be stopped" in response.headers["HX-Trigger-After-Settle"]
    assert "Withdraw this call?" not in text_of(response)


def test_releasing_a_doubtful_trigger_looks_again_and_sends_nothing(page):
    row = factories.make_row(Phase.CONFIRMING, hold_reason=HoldReason.TRIGGER_UNCONFIRMED)
    page.post(reverse("call_release", args=[row.pk]))
    row.refresh_from_db()
    assert (row.phase, row.hold_reason, row.clean_looks) == (Phase.CONFIRMING, "", 0)


def test_a_single_call_is_started_from_its_page_but_not_out_of_a_batch_of_several(page):
    alone = factories.make_row(batch=factories.make_batch(state=BatchState.DRAFT, accepted=1))
    assert "Start this call" in text_of(page.get(alone.get_absolute_url()))
    page.post(reverse("call_start", args=[alone.pk]))
    alone.batch.refresh_from_db()
    assert alone.batch.state == BatchState.RUNNING
    several = factories.make_batch(state=BatchState.DRAFT, accepted=2)
    row, _ = factories.make_row(batch=several), factories.make_row(batch=several)
    answer = page.post(reverse("call_start", args=[row.pk]), headers=HTMX)
    several.refresh_from_db()
    assert (answer.status_code, several.state) == (409, BatchState.DRAFT)


def test_calling_again_makes_a_new_row_that_waits(page):
    row = factories.make_row(Phase.COMPLETED)
    response = page.post(reverse("call_again", args=[row.pk]))
    again = row.repeats.get()
    assert response.url == again.get_absolute_url()
    assert again.batch.state == BatchState.DRAFT
    assert row.external_reference_id in text_of(page.get(again.get_absolute_url()))


@pytest.mark.parametrize("headers", [HTMX, {}], ids=["htmx", "without script"])
def test_a_reveal_shows_the_details_for_a_minute_and_is_kept(page, headers):
    row = factories.make_row()
    text = text_of(page.post(reverse("call_reveal", args=[row.pk]), headers=headers))
    assert "987657777" in text
    assert "Apr 13, 1967" in text
    assert ("delay:60s" if headers else 'http-equiv="refresh" content="60') in text
    assert row.events.get(kind=EventKind.REVEALED).actor.username == "maya"
    assert "987657777" not in text_of(page.get(row.get_absolute_url()))
    masked = page.get(reverse("call_patient", args=[row.pk]), headers=HTMX)
    assert "987657777" not in text_of(masked)


@pytest.mark.parametrize(
    "name", ["call_reveal", "call_release", "call_withdraw", "call_again", "call_attempts"]
)
def test_actions_are_posts(page, name):
    row = factories.make_row()
    assert page.get(reverse(name, args=[row.pk])).status_code == 405


def test_a_late_call_is_said_to_be_unanswered(page):
    row = factories.make_row(
        Phase.CALLING, trigger_sent_at=timezone.now() - timedelta(hours=80, minutes=5)
    )
    assert "Evergrove has not answered yet (called 80 h ago)" in text_of(
        page.get(row.get_absolute_url())
    )


def test_the_timeline_names_who_did_what_in_words(page):
    row = factories.make_row(Phase.SCHEDULED)
    user = factories.make_user("boyle", first_name="R.", last_name="Boyle")
    factories.make_event(EventKind.CORRECTED, row=row, actor=user, detail="body_part, entity")
    factories.make_event(
        EventKind.MOVED, row=row, phase_from=Phase.SCHEDULING, phase_to=Phase.SCHEDULED
    )
    text = text_of(page.get(row.get_absolute_url()))
    assert "By R. Boyle. Body part." in text
    assert "Queued at Evergrove" in text


@override_settings(SSN_POLICY="none")
def test_it_tells_what_is_left_out(page):
    row = factories.make_row(notes="Ask for Alex", claim_number="")
    sent = {field.label: field.value for field in page.get(row.get_absolute_url()).context["sent"]}
    assert sent["SSN"] is None
    assert sent["Claim number"] == "Not Available"
    assert sent["Notes"] == "Ask for Alex"


# --- Attempts -------------------------------------------------------------------------------------
def answer_with(monkeypatch, handler):
    """Let the client's requests end in `handler`; returns the requests it saw."""
    seen = []

    def transport(request):
        seen.append(request)
        return handler(request)

    monkeypatch.setattr(
        "calls.engine.tools.Evergrove",
        lambda **given: Evergrove(**given, transport=httpx.MockTransport(transport)),
    )
    return seen


def told(row, *attempts):
    return httpx.Response(
        200,
        json={
            "id": str(row.request_id),
            "workflow_status": "COMPLETE",
            "generated_outcomes": None,
            "call_attempts": list(attempts),
        },
    )


ATTEMPT = {
    "id": "55555555-5555-4555-8555-555555555555",
    "attempt_number": 1,
    "status": "FAILED",
    "disposition": "RETRYABLE_ERROR",
    "error_detail": "no_answer: rang 45 s",
    "transcript_bucket": "tenant_123",
    "transcript_object_key": "2222/transcript.json",
    "generated_outcomes": {"appointment_attendance_status": "no_show"},
}


def test_refreshing_asks_once_stores_and_shows_the_attempts(page, monkeypatch):
    row = factories.make_row(Phase.COMPLETED)
    factories.make_outcome(row, attendance=Attendance.ATTENDED)
    seen = answer_with(monkeypatch, lambda request: told(row, ATTEMPT))
    text = text_of(page.post(reverse("call_attempts", args=[row.pk]), headers=HTMX))
    assert [request.url.query for request in seen] == [b"include_call_attempts=true"]
    assert "no_answer: rang 45 s" in text
    assert "tenant_123/2222/transcript.json" in text
    assert "Disagrees with the final outcome" in text
    assert row.events.get(kind=EventKind.ATTEMPTS_READ).actor.username == "maya"
    row.refresh_from_db()
    assert row.phase == Phase.COMPLETED


def test_a_failed_refresh_is_said_and_changes_nothing(page, monkeypatch):
    row = factories.make_row(Phase.CALLING)
    factories.make_attempt(row)
    answer_with(monkeypatch, lambda request: httpx.Response(503, json={"detail": "Amara Delgado"}))
    text = text_of(page.post(reverse("call_attempts", args=[row.pk]), headers=HTMX))
    assert "The attempts could not be read: HTTP 503" in text
    assert "Amara" not in text
    assert "Attempt 1" in text
    assert not CallEvent.objects.filter(kind=EventKind.ATTEMPTS_READ).exists()
    assert page.post(reverse("call_attempts", args=[row.pk])).status_code == 302


def test_nothing_is_asked_while_sending_is_stopped(page, monkeypatch):
    Upstream.load()
    Upstream.objects.update(stop_reason=StopReason.TENANT_CHANGED)
    seen = answer_with(monkeypatch, lambda request: httpx.Response(200))
    row = factories.make_row(Phase.CALLING)
    text = text_of(page.post(reverse("call_attempts", args=[row.pk]), headers=HTMX))
    assert seen == []
    assert "requests to Evergrove are stopped" in text


def test_a_refused_key_stops_everything(page, monkeypatch):
    row = factories.make_row(Phase.CALLING)
    answer_with(monkeypatch, lambda request: httpx.Response(401))
    page.post(reverse("call_attempts", args=[row.pk]))
    assert Upstream.load().stop_reason == StopReason.KEY_REFUSED


def test_pages_ask_evergrove_nowhere_else(page, monkeypatch):
    seen = answer_with(monkeypatch, lambda request: httpx.Response(500))
    row = factories.make_row(Phase.CALLING)
    page.get(row.get_absolute_url())
    page.get(reverse("call_live", args=[row.pk]), headers=HTMX)
    assert seen == []
    assert call_view.read_attempts is reading.read_attempts
