"""An open page hears of what changes around it: no banner and no badge waits for a reload."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from calls.models import CallRow, Lease, Upstream
from calls.vocabulary import HoldReason, Phase, StopReason
from tests.factories import make_row, make_user

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
POLLS = ("batch_live", "batches_live", "call_live", "calls_live", "overview_live", "system_live")


@pytest.fixture
def row(client, monkeypatch):
    for module in ("batches.ETAG_SECONDS", "overview.ETAG_SECONDS", "system.SECONDS"):
        monkeypatch.setattr(f"calls.views.{module}", 10**9)
    client.force_login(make_user())
    Upstream.load()
    for name in ("dispatch", "poll"):
        Lease.objects.create(name=name, beat_at=timezone.now())
    return make_row(Phase.CALLING)


def address(name, row):
    args = {"batch_live": [row.batch_id], "call_live": [row.pk]}.get(name, [])
    return reverse(name, args=args)


def refuse_the_key():
    Upstream.objects.update(stop_reason=StopReason.KEY_REFUSED, stopped_at=timezone.now())


def silence_the_worker():
    Lease.objects.update(beat_at=timezone.now() - timedelta(minutes=3))


@pytest.mark.parametrize("trouble", [refuse_the_key, silence_the_worker])
@pytest.mark.parametrize("name", POLLS)
def test_a_poll_tells_that_nothing_works_any_more(client, row, name, trouble):
    etag = client.get(address(name, row), headers=HTMX).headers["ETag"]
    asked = HTMX | {"If-None-Match": etag}
    assert client.get(address(name, row), headers=asked).status_code == 304
    trouble()
    answer = client.get(address(name, row), headers=asked)
    text = answer.content.decode()
    assert answer.status_code == 200
    assert 'id="badge-system" hx-swap-oob="true">Down' in text
    told_elsewhere = name in ("overview_live", "system_live")
    assert ('<div class="note is-bad">' in text.partition('id="notices"')[2]) != told_elsewhere


@pytest.mark.parametrize("name", POLLS)
def test_a_poll_brings_the_counts_of_the_rail(client, row, name):
    etag = client.get(address(name, row), headers=HTMX).headers["ETag"]
    make_row(Phase.READY)
    CallRow.objects.exclude(pk=row.pk).update(hold_reason=HoldReason.SCHEDULE_REFUSED)
    text = client.get(address(name, row), headers=HTMX | {"If-None-Match": etag}).content.decode()
    assert 'id="badge-calls" hx-swap-oob="true">1<' in text
    assert 'id="badge-batches" hx-swap-oob="true">2<' in text


@pytest.mark.parametrize("name", ["batch_live", "call_live"])
def test_an_unchanged_poll_costs_few_queries(client, row, name, django_assert_max_num_queries):
    asked = HTMX | {"If-None-Match": client.get(address(name, row), headers=HTMX).headers["ETag"]}
    with django_assert_max_num_queries(7):  # session, user, its own, three of the frame
        assert client.get(address(name, row), headers=asked).status_code == 304


def test_an_action_brings_the_badges_along_with_the_new_etag(client, row):
    answer = client.post(reverse("batch_pause", args=[row.batch_id]), headers=HTMX)
    assert 'id="badge-batches" hx-swap-oob="true" hidden>0<' in answer.content.decode()
    held = make_row(Phase.READY, hold_reason=HoldReason.SCHEDULE_REFUSED)
    answer = client.post(reverse("call_withdraw", args=[held.pk]), headers=HTMX)
    assert 'id="badge-calls" hx-swap-oob="true" hidden>0<' in answer.content.decode()


def test_a_page_has_a_place_for_each_part_that_a_poll_brings(client, row):
    page = client.get(reverse("offices")).content.decode()
    for name in ("notices", "badge-calls", "badge-batches", "badge-system"):
        assert page.count(f'id="{name}"') == 1
    assert 'id="badge-calls" hidden' in page
