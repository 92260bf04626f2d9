"""The System page and the frame: troubles in plain words, never the key."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory
from django.urls import reverse
from django.utils import timezone

from calls.engine.instance import identity
from calls.engine.tools import note_next_key
from calls.models import CallEvent, Installation, Lease, Upstream
from calls.views.frame import frame
from calls.vocabulary import BatchState, EventKind, HoldReason, Phase, StopReason
from tests.factories import make_batch, make_row, make_user

pytestmark = pytest.mark.django_db


def beat(seconds_ago=1):
    for name in ("dispatch", "poll"):
        at = timezone.now() - timedelta(seconds=seconds_ago)
        Lease.objects.update_or_create(name=name, defaults={"beat_at": at})


def frame_of(user):
    request = RequestFactory().get("/")
    request.user = user
    return frame(request)["frame"]


def page_of(client, **over):
    client.force_login(make_user(**over))
    return " ".join(client.get(reverse("system")).content.decode().split())


def test_the_frame_asks_only_for_what_is_rendered(django_assert_num_queries):
    Upstream.load()
    shown = frame_of(make_user())
    with django_assert_num_queries(0):
        assert shown.practice_mode is True
    with django_assert_num_queries(3):
        for _ in range(2):
            assert shown.notices
            assert shown.system_word == "Down"
            assert (shown.running_batches, shown.needs_person) == (0, 0)


def test_a_visitor_learns_nothing_from_the_frame(django_assert_num_queries):
    with django_assert_num_queries(0):
        shown = frame_of(AnonymousUser())
        assert (shown.notices, shown.system_word, shown.needs_person) == ([], "", 0)


def test_the_frame_counts_running_batches_and_held_rows():
    beat()
    make_row(Phase.READY, hold_reason=HoldReason.DO_NOT_CALL)
    make_batch(state=BatchState.PAUSED)
    shown = frame_of(make_user())
    assert (shown.running_batches, shown.needs_person, shown.system_word) == (1, 1, "OK")
    assert shown.notices == []


@pytest.mark.parametrize(
    ("seconds", "word", "said"),
    [(5, "OK", "Everything works."), (90, "Down", "The worker is silent.")],
    ids=["alive", "silent"],
)
def test_the_heartbeat_decides_about_the_worker(client, seconds, word, said):
    beat(seconds)
    assert said in page_of(client)
    assert frame_of(make_user()).system_word == word


def test_a_trouble_is_told_once_on_each_page(client):
    page = page_of(client)
    assert page.count("The worker is silent.") == 1
    assert client.get(reverse("overview")).content.decode().count("The worker is silent") == 2, (
        "the task and its button"
    )
    assert "The worker is silent." in client.get(reverse("batches")).content.decode()


def test_one_silent_half_of_the_worker_is_enough_trouble(client):
    beat()
    Lease.objects.filter(name="poll").update(beat_at=timezone.now() - timedelta(minutes=3))
    assert "The worker is silent." in page_of(client)


def test_a_worker_that_was_never_seen_is_said_so(client):
    assert "It has not been seen here yet." in page_of(client)


def test_an_api_out_of_reach_is_a_warning_that_promises_to_go_on(client):
    beat()
    Upstream.objects.create(pk=1, failures=7, open_until=timezone.now(), last_ok_at=timezone.now())
    page = page_of(client)
    assert "Evergrove has not answered since" in page
    assert "New calls will start when it answers." in page
    assert frame_of(make_user()).system_word == "Check"


@pytest.mark.parametrize("reason", list(StopReason))
def test_each_stop_says_what_to_do(client, reason):
    beat()
    Upstream.objects.create(pk=1, stop_reason=reason, stopped_at=timezone.now())
    page = page_of(client)
    assert f"{reason.label}." in page
    assert "restart" in page


def test_staff_lift_a_stop_and_others_cannot(client):
    Upstream.objects.create(pk=1, stop_reason=StopReason.REDIRECTED, stopped_at=timezone.now())
    assert "Try again</button>" not in page_of(client)
    assert client.post(reverse("system_resume")).status_code == 403
    assert Upstream.objects.get().stop_reason == StopReason.REDIRECTED
    assert "Try again</button>" in page_of(client, is_staff=True)
    assert client.post(reverse("system_resume")).status_code == 302
    assert Upstream.objects.get().stop_reason == ""


@pytest.mark.parametrize(
    ("issued_days_ago", "word", "said"),
    [(10, "OK", "Everything works."), (80, "Check", "due in 10 days"), (95, "Check", "overdue")],
    ids=["young", "due", "overdue"],
)
def test_the_age_of_the_key_is_told_in_time(client, settings, issued_days_ago, word, said):
    beat()
    settings.PRACTICE_MODE = False
    issued = timezone.localdate() - timedelta(days=issued_days_ago)
    settings.API_KEY_ISSUED_ON = issued.isoformat()
    assert said in page_of(client)
    shown = frame_of(make_user())
    assert shown.system_word == word
    assert bool(shown.notices) == (said == "overdue"), "a banner only once it is late"


def test_a_date_that_is_no_date_leaves_the_age_unknown(client, settings):
    settings.PRACTICE_MODE, settings.API_KEY_ISSUED_ON = False, "last spring"
    assert "Set API_KEY_ISSUED_ON" in page_of(client)


def test_the_key_is_never_shown(client, settings):
    settings.API_KEY = "evg-live-0123456789"
    assert settings.API_KEY not in page_of(client, is_staff=True)


def test_late_polling_and_possible_orphans_are_told(client):
    beat()
    make_row(Phase.CALLING, next_at=timezone.now() - timedelta(minutes=7), possible_orphans=2)
    page = page_of(client)
    assert "7 min behind" in page
    assert "<dt>Possible orphans</dt><dd>2<" in page


def test_it_goes_on_looking(client):
    page = page_of(client)
    assert 'hx-trigger="every 15s"' in page
    fragment = client.get(reverse("system_live"), headers={"HX-Request": "true"})
    assert fragment.status_code == 200
    assert settings.API_URL in fragment.content.decode()


def belongs_elsewhere():
    beat()
    Installation.objects.create(pk=1, instance_id="of-another-installation")


@pytest.mark.parametrize("has_spoken", [True, False], ids=["after the first answer", "before it"])
def test_a_copy_says_that_it_calls_nobody(client, has_spoken):
    belongs_elsewhere()
    if has_spoken:
        Upstream.load()
    page = page_of(client)
    assert page.count("This database belongs to another installation.") == 1
    assert "Try again</button>" not in page
    assert "Take this database over" not in page, "staff only"
    assert frame_of(make_user()).system_word == "Down"
    assert "belongs to another installation" in client.get(reverse("batches")).content.decode()


def test_staff_take_a_database_over_with_a_reason(client):
    belongs_elsewhere()
    make_row(Phase.SCHEDULED)
    assert client.post(reverse("system_adopt"), {"reason": "moved"}).status_code == 302
    assert Installation.objects.get().instance_id == "of-another-installation", "not signed in"
    page_of(client)
    assert client.post(reverse("system_adopt"), {"reason": "moved"}).status_code == 403
    assert "Take this database over" in page_of(client, is_staff=True)
    client.post(reverse("system_adopt"), {"reason": " "})
    assert Installation.objects.get().instance_id == "of-another-installation"
    shown = client.post(reverse("system_adopt"), {"reason": "moved"}, follow=True).content.decode()
    assert "Evergrove is asked about 1 open call." in shown
    assert "Take this database over" not in shown
    assert Installation.objects.get().instance_id == identity()
    assert CallEvent.objects.filter(kind=EventKind.ADOPTED, detail="moved").count() == 1


def test_staff_ask_about_every_open_call_and_everybody_sees_it(client):
    beat()
    make_row(Phase.SCHEDULED)
    page_of(client)
    assert client.post(reverse("system_reconcile"), {"reason": "put back"}).status_code == 403
    page_of(client, is_staff=True)
    client.post(reverse("system_reconcile"), {"reason": "put back"})
    page = page_of(client)
    assert "Evergrove is being asked about every open call first." in page
    assert "<dt>To be asked about first</dt><dd>1<" in page
    assert frame_of(make_user()).system_word == "Check"
    event = CallEvent.objects.get(kind=EventKind.RECONCILED)
    assert (event.detail, event.actor.is_staff) == ("put back", True)


@pytest.mark.parametrize(
    ("works", "said"),
    [(True, "Make it API_KEY"), (False, "with the present key"), (None, "Not tried yet")],
    ids=["works", "refused", "untried"],
)
def test_the_next_key_is_told_of_and_never_shown(client, settings, works, said):
    settings.PRACTICE_MODE, settings.API_KEY_NEXT = False, "evg-next-0123456789"
    note_next_key(works)
    page = page_of(client, is_staff=True)
    assert said in page
    assert settings.API_KEY_NEXT not in page


def test_what_was_learnt_about_another_next_key_does_not_count(client, settings):
    settings.PRACTICE_MODE, settings.API_KEY_NEXT = False, "evg-first-0123456789"
    note_next_key(True)
    settings.API_KEY_NEXT = "evg-second-0123456789"
    assert "Not tried yet" in page_of(client)
