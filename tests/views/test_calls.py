from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from django.urls import reverse
from django.utils import timezone

from calls.models import CallRow
from calls.views.finding import HELD, Cursor
from calls.vocabulary import Attendance, BatchState, HoldReason, Phase, WaitReason
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(client):
    client.force_login(factories.make_user())
    return client


def names(response):
    return [row.external_reference_id for row in response.context["page"].rows]


def test_it_shows_the_newest_activity_first_and_no_ssn(page):
    now = timezone.now()
    batch = factories.make_batch()
    older = factories.make_row(batch=batch, changed_at=now - timedelta(hours=1))
    newer = factories.make_row(Phase.CALLING, batch=batch, changed_at=now)
    response = page.get(reverse("calls"))
    assert names(response) == [newer.external_reference_id, older.external_reference_id]
    text = response.content.decode()
    assert "Calling" in text
    assert "987657777" not in text
    assert "7777" not in text
    assert "<title>Calls · Evergrove Dash</title>" in text


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("status=calling", {"calling"}),
        ("status=queued", {"queued"}),
        ("phase=withdrawn", {"withdrawn"}),
        ("held=any", {"held"}),
        ("held=possible_duplicate", {"held"}),
        ("held=do_not_call", set()),
        ("waiting=hours", {"queued"}),
        ("outcome=no_show&outcome=attended", {"done"}),
        ("review=any", {"done"}),
        ("papers=not_discussed", {"done"}),
        ("papers=not_confirmed", set()),
        ("ended=today", {"withdrawn", "done"}),
        ("ended=ever", {"calling", "queued", "withdrawn", "held", "done"}),
        ("status=nonsense&phase=%00&batch=x", {"calling", "queued", "withdrawn", "held", "done"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_filter_finds_its_calls(page, query, expected):
    batch = factories.make_batch()

    def make(reference, phase, **over):
        return factories.make_row(phase, batch=batch, external_reference_id=reference, **over)

    make("calling", Phase.CALLING)
    make("queued", Phase.SCHEDULED, waiting_for=WaitReason.HOURS)
    make("withdrawn", Phase.WITHDRAWN, request_id="6f1c1c5e-28a4-4bd8-a7d4-0f1d52f0d111")
    make("held", Phase.READY, hold_reason=HoldReason.POSSIBLE_DUPLICATE)
    done = make("done", Phase.COMPLETED)
    factories.make_outcome(done, attendance=Attendance.NO_SHOW, review_reasons=["not_called"])
    response = page.get(f"{reverse('calls')}?{query}")
    assert set(names(response)) == expected


def test_a_list_of_what_ended_says_so_and_keeps_to_it_when_filtered_further(page):
    text = page.get(reverse("calls"), {"ended": "week"}).content.decode()
    assert "Ended <b>in the last 7 days</b>" in text
    assert '<input type="hidden" name="ended" value="week">' in text


def test_pages_follow_one_another_without_gap_or_repeat_even_at_equal_times(page):
    now, batch, office = timezone.now(), factories.make_batch(), factories.make_entity()
    for number in range(120):
        factories.make_row(
            batch=batch, entity=office, changed_at=now - timedelta(seconds=number // 70)
        )
    first = page.get(reverse("calls"))
    second = page.get(reverse("calls"), {"after": first.context["page"].older})
    third = page.get(reverse("calls"), {"after": second.context["page"].older})
    assert [len(names(p)) for p in (first, second, third)] == [50, 50, 20]
    assert len({*names(first), *names(second), *names(third)}) == 120
    assert third.context["page"].older == ""
    back = page.get(reverse("calls"), {"before": third.context["page"].newer})
    assert names(back) == names(second)
    assert "120 calls match" in first.content.decode()


def test_a_full_page_costs_at_most_five_queries_beside_its_frame(
    page, django_assert_max_num_queries
):
    batch, office = factories.make_batch(), factories.make_entity()
    for _ in range(60):
        factories.make_outcome(factories.make_row(Phase.COMPLETED, batch=batch, entity=office))
    page.get(reverse("calls"))
    with django_assert_max_num_queries(5 + 4) as asked:
        page.get(reverse("calls"))
    assert not any("patient_ssn" in query["sql"] for query in asked.captured_queries)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("amara  DELGADO", True),
        ("row-find", True),
        ("wc-find", True),
        ("eoc-find", True),
        ("select physical", True),
        ("(646) 555-0123", True),
        ("+1 646 555 0123", True),
        ("6465550124", False),
        ("nobody", False),
    ],
)
def test_a_search_finds_by_its_shape_and_never_stands_in_an_address(page, text, found):
    factories.make_row(
        patient_name="Amara Delgado",
        external_reference_id="row-find",
        claim_number="WC-FIND",
        eoc_number="EOC-FIND",
        outbound_phone_number="+16465550123",
    )
    response = page.post(reverse("search"), {"q": text})
    assert response.status_code == 302
    assert text.split()[0] not in response.url
    assert names(page.get(response.url)) == (["row-find"] if found else [])


def test_a_search_under_a_lost_key_is_no_longer_kept(page, settings):
    kept = page.post(reverse("search"), {"q": "Delgado"}).url
    assert b"Delgado" in page.get(kept).content
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    text = page.get(kept).content.decode()
    assert "Delgado" not in text
    assert "no longer kept" in text


def test_a_search_of_another_session_is_not_shown(page, client):
    kept = page.post(reverse("search"), {"q": "Delgado"}).url
    client.logout()
    client.force_login(factories.make_user())
    assert b"Delgado" not in client.get(kept).content


def live(page, response):
    return f"{reverse('calls_live')}?{response.context['poller']['query']}"


def test_the_poller_answers_304_until_something_changes_then_sends_only_changed_rows(page):
    past = timezone.now() - timedelta(hours=1)
    row, still = (
        factories.make_row(Phase.CALLING, changed_at=past + timedelta(minutes=20 * n))
        for n in (0, 1)
    )
    response = page.get(reverse("calls"))
    etag, address = response.context["poller"]["etag"], live(page, response)
    headers = {"HX-Request": "true", "If-None-Match": etag}
    assert page.get(address, headers=headers).status_code == 304
    CallRow.objects.filter(pk=row.pk).update(
        hold_reason=HoldReason.REQUEST_NOT_FOUND, changed_at=timezone.now()
    )
    answer = page.get(address, headers=headers)
    text = answer.content.decode()
    assert f'id="st-{row.pk}" hx-swap-oob="true"' in text
    assert "Held" in text
    assert f'id="st-{still.pk}"' in text  # within the overlap of its own last change
    assert "newer" not in text


def test_the_poller_offers_newer_calls_and_never_inserts_them(page):
    factories.make_row(Phase.CALLING, changed_at=timezone.now() - timedelta(hours=1))
    response = page.get(reverse("calls"))
    for _ in range(3):
        factories.make_row()
    text = page.get(live(page, response), headers={"HX-Request": "true"}).content.decode()
    assert "Show 3 newer calls" in text
    assert "<tr" not in text


@pytest.mark.parametrize(
    ("phase", "over", "state", "seconds"),
    [
        (Phase.CALLING, {}, BatchState.PAUSED, 5),
        (Phase.SCHEDULED, {}, BatchState.RUNNING, 5),
        (Phase.SCHEDULED, {}, BatchState.PAUSED, 30),
        (Phase.SCHEDULED, {"waiting_for": WaitReason.HOURS}, BatchState.RUNNING, 30),
        (Phase.READY, {"hold_reason": HoldReason.SCHEDULE_REFUSED}, BatchState.RUNNING, 30),
        (Phase.COMPLETED, {}, BatchState.RUNNING, 30),
    ],
)
def test_the_poller_hurries_only_while_a_visible_call_is_active(page, phase, over, state, seconds):
    factories.make_row(phase, batch=factories.make_batch(state=state), **over)
    assert f'hx-trigger="every {seconds}s"' in page.get(reverse("calls")).content.decode()


def test_a_fragment_alone_is_no_page(page):
    assert page.get(reverse("calls_live")).status_code == 404


def test_withdrawing_several_skips_the_started_ones_and_says_so(page):
    waiting, calling = factories.make_row(Phase.SCHEDULED), factories.make_row(Phase.CALLING)
    response = page.post(
        reverse("calls_withdraw"), {"id": [waiting.pk, calling.pk], "status": "queued"}, follow=True
    )
    waiting.refresh_from_db()
    calling.refresh_from_db()
    assert (waiting.phase, calling.phase) == (Phase.WITHDRAWN, Phase.CALLING)
    assert response.redirect_chain[0][0] == f"{reverse('calls')}?status=queued"
    assert "1 call withdrawn. 1 was skipped" in response.content.decode()


def test_the_first_page_ever_says_what_to_do(page):
    text = page.get(reverse("calls")).content.decode()
    assert "No calls yet" in text
    assert "No calls match" in page.get(reverse("calls") + "?status=failed").content.decode()


@pytest.mark.parametrize(
    "text", ["", "x", "====", "MTIz", "LTk5OTk5OTk5OTk5OTk5OTk5OTk5LjE=", None]
)
def test_a_broken_cursor_is_no_cursor(text):
    assert Cursor.of(text) is None


def test_a_cursor_survives_its_text():
    cursor = Cursor(factories.NOW, 17)
    assert Cursor.of(str(cursor)) == cursor


def test_every_hold_reason_can_be_filtered_for():
    assert set(HELD) == set(HoldReason.values)
