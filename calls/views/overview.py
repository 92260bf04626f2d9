"""The overview: what happens now, what needs a person, which batches run, whether the system is well."""

from datetime import datetime
from typing import Any, NamedTuple

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import condition, require_GET

from calls.attention import listed, tasks
from calls.health import LAG_IS_TROUBLE, poll_lag, read_vitals
from calls.models import Batch
from calls.periods import Period, start_of
from calls.reports import BatchCounts, Today, counts_of, rows_needing_a_person, today_so_far
from calls.templatetags.formats import day_text
from calls.views.live import activity_etag, answer, fragment
from calls.views.system import behind
from calls.vocabulary import Attendance, BatchState, RequestStatus

SECONDS_WHILE_ACTIVE = 5
SECONDS_AT_REST = 30
ETAG_SECONDS = 10
BATCHES_SHOWN = 8


class Counter(NamedTuple):
    tone: str
    glyph: str
    label: str
    number: int
    detail: str
    href: str
    since: datetime | None = None


@require_GET
def overview(request: HttpRequest) -> HttpResponse:
    return render(request, "calls/overview.html", live_part(request))


def live_etag(request: HttpRequest) -> str:
    return activity_etag(request, "overview", seconds=ETAG_SECONDS)


@require_GET
@fragment
@condition(etag_func=live_etag)
def overview_live(request: HttpRequest) -> HttpResponse:
    return answer(request, "calls/_overview_live.html", live_part(request))


def live_part(request: HttpRequest) -> dict[str, Any]:
    etag, vitals = live_etag(request), read_vitals(timezone.now())
    midnight = start_of(Period.TODAY, vitals.now)
    today, held, running = today_so_far(midnight), rows_needing_a_person(), batches_under_way()
    lag = poll_lag(vitals.now)
    return {
        "etag": etag,
        "seconds": SECONDS_WHILE_ACTIVE if is_active(today, running) else SECONDS_AT_REST,
        "counters": counters(today, held),
        "tasks": tasks(vitals),
        "running": running,
        "is_first_use": not running and not Batch.objects.exists(),
        "in_progress": today.calling,
        "vitals": vitals,
        "lag_text": behind(lag),
        "lags": lag > LAG_IS_TROUBLE,
        "due_text": day_text(vitals.key.due) if vitals.key.due else "",
        "key_is_near": vitals.key.is_near(vitals.today),
    }


def counters(today: Today, held: int) -> list[Counter]:
    status = RequestStatus
    hours = f"{today.waiting_for_hours:,} wait for opening hours" if today.waiting_for_hours else ""
    attended = (
        f"{today.attended_share}% of {today.completed:,} completed" if today.completed else ""
    )
    blocked = f"{today.do_not_call:,} do not call" if today.do_not_call else ""
    return [
        Counter(
            "busy",
            "calling" if today.calling else "queued",
            "Calling now",
            today.calling,
            "",
            listed(status=status.CALLING),
            today.calling_since,
        ),
        Counter("none", "queued", "Queued", today.queued, hours, listed(status=status.QUEUED)),
        Counter(
            "good",
            "attended",
            "Attended today",
            today.attended,
            attended,
            listed(status=status.COMPLETED, outcome=Attendance.ATTENDED, ended=Period.TODAY),
        ),
        Counter("warn", "held", "Need a person", held, "", listed(held="any")),
        Counter(
            "bad",
            "failed",
            "Failed today",
            today.failed,
            blocked,
            listed(status=status.FAILED, ended=Period.TODAY),
        ),
    ]


def batches_under_way() -> list[tuple[Batch, BatchCounts]]:
    """Running batches before paused ones, the newest first."""
    shown = Batch.objects.filter(state__in=[BatchState.RUNNING, BatchState.PAUSED])
    batches = sorted(shown.order_by("-pk")[:BATCHES_SHOWN], key=is_paused)
    counts = counts_of(batches)
    return [(batch, counts[batch.pk]) for batch in batches]


def is_paused(batch: Batch) -> bool:
    return batch.state == BatchState.PAUSED


def is_active(today: Today, running: list[tuple[Batch, BatchCounts]]) -> bool:
    return bool(today.calling) or any(batch.state == BatchState.RUNNING for batch, _ in running)
