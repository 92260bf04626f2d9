"""The overview: true numbers, what needs a person, and polling that costs little."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from calls.models import Lease, Upstream
from calls.vocabulary import Attendance, BatchState, HoldReason, Phase, StopReason, WaitReason
from tests.factories import make_batch, make_entity, make_outcome, make_row, make_user

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def signed_in(client):
    client.force_login(make_user())
    return client


@pytest.fixture
def worker_alive():
    for name in ("dispatch", "poll"):
        Lease.objects.create(name=name, beat_at=timezone.now())


def text_of(response):
    return " ".join(response.content.decode().split())


def test_the_first_visit_says_how_to_begin(signed_in, worker_alive):
    page = text_of(signed_in.get("/"))
    assert "No calls yet" in page
    assert "Nothing needs you right now." in page


def test_the_counters_count_what_their_links_list(signed_in, worker_alive):
    batch, office = make_batch(), make_entity()
    make_row(Phase.CALLING, batch=batch, entity=office)
    make_row(Phase.SCHEDULED, batch=batch, entity=office, waiting_for=WaitReason.HOURS)
    make_row(Phase.SCHEDULED, batch=batch, entity=office)
    make_outcome(make_row(Phase.COMPLETED, batch=batch, entity=office))
    yesterday = timezone.now() - timedelta(days=2)
    make_outcome(make_row(Phase.COMPLETED, batch=batch, entity=office, changed_at=yesterday))
    make_row(Phase.FAILED, batch=batch, last_workflow_status="DO_NOT_CALL_BACK")
    make_row(Phase.READY, batch=batch, hold_reason=HoldReason.SCHEDULE_REFUSED)
    counters = signed_in.get("/").context["counters"]
    assert {counter.label: counter.number for counter in counters} == {
        "Calling now": 1,
        "Queued": 2,
        "Attended today": 1,
        "Need a person": 1,
        "Failed today": 1,
    }
    assert counters[1].detail == "1 wait for opening hours"
    assert counters[2].detail == "100% of 1 completed"
    assert counters[4].detail == "1 do not call"
    assert counters[0].href == "/calls/?status=calling"


@pytest.fixture
def busy_week(worker_alive):
    """Of each kind that is counted one from today, one of three days ago and one of long ago, and some
    that are nearly of that kind."""
    batch, office, now = make_batch(), make_entity(), timezone.now()
    for days in (0, 3, 30):
        at = {"changed_at": now - timedelta(days=days)}
        common = at | {"batch": batch, "entity": office}
        for word in (Attendance.ATTENDED, Attendance.NO_SHOW, Attendance.UNABLE_TO_CONFIRM):
            for paper in ("confirmed", "not_confirmed"):
                row = make_row(Phase.COMPLETED, **common)
                make_outcome(row, attendance=word, report_sending_confirmation=paper)
        make_outcome(make_row(Phase.COMPLETED, **common), review_reasons=["only_voicemail"])
        make_outcome(make_row(Phase.FAILED, **common))
        make_row(Phase.FAILED, **common)
        make_row(Phase.SCHEDULED, **common)
        make_row(Phase.CALLING, **common)
        make_row(Phase.READY, **common, hold_reason=HoldReason.SCHEDULE_REFUSED)
        make_row(Phase.READY, **common, hold_reason=HoldReason.DO_NOT_CALL)
    # Ended long ago, and changed today by something else.
    row = make_row(Phase.COMPLETED, batch=batch, entity=office)
    make_outcome(row)
    type(row).objects.filter(pk=row.pk).update(settled_at=now - timedelta(days=30))


def test_every_number_is_the_length_of_the_list_it_opens(signed_in, busy_week):
    context = signed_in.get("/").context
    numbers = [(counter.label, counter.number, counter.href) for counter in context["counters"]]
    numbers += [
        (task.title, int(task.title.split()[0]), task.href)
        for task in context["tasks"]
        if task.href.startswith("/calls/")
    ]
    lengths = [
        (label, int(signed_in.get(href).context["total"]), href) for label, _, href in numbers
    ]
    assert numbers == lengths
    assert all(number for _, number, _ in numbers)
    assert len(numbers) == 5 + 2 + 4


def test_the_list_names_each_kind_of_work_and_where_it_is(signed_in, worker_alive):
    held = HoldReason.OFFICE_NOT_CALLABLE
    make_row(Phase.READY, hold_reason=held)
    make_outcome(make_row(Phase.COMPLETED), attendance=Attendance.NO_SHOW)
    make_outcome(make_row(Phase.COMPLETED), review_reasons=["only_voicemail"])
    make_outcome(make_row(Phase.COMPLETED), report_sending_confirmation="not_confirmed")
    make_row(batch=make_batch(state=BatchState.DRAFT))
    tasks = signed_in.get("/").context["tasks"]
    assert [task.title for task in tasks] == [
        "1 call is held",
        "1 no-show without a new date in the last 7 days",
        "1 outcome to check in the last 7 days",
        "1 bill or report not confirmed in the last 7 days",
        "1 batch is not started",
    ]
    assert held.label in tasks[0].text
    assert tasks[0].href == "/calls/?held=office_not_callable"
    assert tasks[2].href == "/calls/?review=any&ended=week"


@pytest.mark.parametrize(
    ("rows", "rejected", "skipped", "waits"),
    [(0, 0, 0, False), (0, 2, 2, False), (0, 2, 1, True), (1, 0, 0, True)],
    ids=["empty", "all skipped", "to mend", "ready"],
)
def test_a_draft_of_nothing_waits_for_nobody(
    signed_in, worker_alive, rows, rejected, skipped, waits
):
    draft = make_batch(state=BatchState.DRAFT, rejected=rejected, skipped=skipped)
    for _ in range(rows):
        make_row(batch=draft)
    titles = [task.title for task in signed_in.get("/").context["tasks"]]
    assert ("1 batch is not started" in titles) == waits


def test_a_silent_worker_and_a_refused_key_come_first(signed_in):
    Upstream.objects.create(pk=1, stop_reason=StopReason.KEY_REFUSED, stopped_at=timezone.now())
    make_row(Phase.READY, hold_reason=HoldReason.SCHEDULE_REFUSED)
    titles = [task.title for task in signed_in.get("/").context["tasks"]]
    assert titles[:2] == ["Evergrove refused the API key", "The worker is silent"]


def test_no_ssn_and_no_patient_is_on_the_page(signed_in):
    row = make_row(Phase.CALLING)
    page = text_of(signed_in.get("/"))
    assert row.patient_name not in page
    assert row.patient_ssn not in page


@pytest.mark.parametrize(("phase", "seconds"), [(Phase.CALLING, 5), (Phase.COMPLETED, 30)])
def test_it_looks_more_often_while_something_happens(signed_in, phase, seconds):
    make_row(phase, batch=make_batch(state=BatchState.FINISHED))
    assert f'hx-trigger="every {seconds}s"' in text_of(signed_in.get("/"))


def test_an_unchanged_fragment_costs_few_queries_and_no_body(
    signed_in, django_assert_num_queries, monkeypatch
):
    monkeypatch.setattr("calls.views.overview.ETAG_SECONDS", 10**9)
    Upstream.load()
    row = make_row(Phase.CALLING)
    etag = signed_in.get("/").context["etag"]
    url, headers = reverse("overview_live"), HTMX | {"If-None-Match": etag}
    with django_assert_num_queries(6):  # session, user, newest activity, three of the frame
        assert signed_in.get(url, headers=headers).status_code == 304
    type(row).objects.update(changed_at=timezone.now())
    answer = signed_in.get(url, headers=headers)
    assert answer.status_code == 200
    assert text_of(answer).startswith('<div id="overview-live"')


def test_the_page_costs_the_same_for_many_calls(signed_in, django_assert_max_num_queries):
    Upstream.load()
    batch, office = make_batch(), make_entity()
    for _ in range(12):
        make_outcome(make_row(Phase.COMPLETED, batch=batch, entity=office))
    with django_assert_max_num_queries(18):
        signed_in.get("/")


def test_a_fragment_alone_is_no_page(signed_in):
    assert signed_in.get(reverse("overview_live")).status_code == 404
