"""The calls list: saved views, filters, search, rows that update in place, withdrawing several at once."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import condition, require_GET, require_POST

from calls import actions
from calls.models import Batch, CallRow, Entity
from calls.views.finding import (
    FACETS,
    Cursor,
    Filters,
    Page,
    keep_search,
    kept_search,
    number_or_none,
    page_of,
    place_of,
    total,
)
from calls.views.live import activity_etag, answer, fragment
from calls.views.signed_in import Request
from calls.vocabulary import SETTLED, Attendance, BatchState, Phase, RequestStatus, WaitReason

VIEWS = (  # label, query string
    ("All", ""),
    ("Calling now", f"status={RequestStatus.CALLING}"),
    ("Queued", f"status={RequestStatus.QUEUED}"),
    ("Need a person", "held=any"),
    ("No-shows", f"outcome={Attendance.NO_SHOW}"),
    (
        "Rebooked",
        f"outcome={Attendance.NO_SHOW_RESCHEDULED}&outcome={Attendance.CANCELED_RESCHEDULED}",
    ),
    ("Completed", f"status={RequestStatus.COMPLETED}"),
    ("Failed", f"status={RequestStatus.FAILED}"),
)
SHOWN_FACETS = ("status", "outcome", "papers", "held", "waiting")
AT_REST = {WaitReason.HOURS, WaitReason.HOLIDAY, WaitReason.APPOINTMENT}
SECONDS_WHILE_ACTIVE = 5
SECONDS_AT_REST = 30
OVERLAP = timedelta(seconds=15)  # a change may be committed later than one with a younger time
OFFERED_AT_MOST = 100


@require_GET
def calls(request: Request) -> HttpResponse:
    filters, etag = (
        Filters.of(request.GET),
        live_etag(request),
    )  # before the rows: no change is missed
    text = kept_search(request, filters.search)
    rows = filters.apply(CallRow.objects.all(), text=text, now=timezone.now())
    page = page_of(rows, request.GET)
    context = {
        "filters": filters,
        "page": page,
        "total": total(rows, page),
        "views": saved_views(filters),
        "facets": facets_of(filters),
        "applied": sum(len(filters.chosen.get(name, ())) for name in SHOWN_FACETS),
        "carried": filters.kept_beside(*SHOWN_FACETS),
        "chips": list(filters.chips(text=text, **names_of(filters))),
        "query": filters.query(),
        "poller": poller(filters, page.rows, etag, top=None if page.newer else place_of_top(page)),
    }
    return render(request, "calls/calls.html", context)


def saved_views(filters: Filters) -> list[dict[str, Any]]:
    present = filters.query()
    return [{"label": label, "query": q, "current": q == present} for label, q in VIEWS]


def facets_of(filters: Filters) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "label": FACETS[name].label,
            "choices": FACETS[name].choices.items(),
            "chosen": filters.chosen.get(name, ()),
            "any": name == "held",
            "is_any": name == "held" and filters.any_held,
        }
        for name in SHOWN_FACETS
    ]


def names_of(filters: Filters) -> dict[str, str]:
    """The names behind the numbers of a batch and an office filter; asked for only when filtered."""
    batch = Batch.objects.filter(pk=filters.batch) if filters.batch is not None else None
    office = Entity.objects.filter(pk=filters.office) if filters.office is not None else None
    return {
        "batch_name": (batch.values_list("name", flat=True).first() or "") if batch else "",
        "office_name": (office.values_list("name", flat=True).first() or "") if office else "",
    }


def place_of_top(page: Page) -> Cursor | None:
    return place_of(page.rows[0]) if page.rows else None


# --- Live -----------------------------------------------------------------------------------------
def poller(
    filters: Filters, rows: Sequence[CallRow], etag: str, *, top: Cursor | None, newer: int = 0
) -> dict[str, Any]:
    """What the empty element that keeps the visible rows up to date needs.

    `top` is the newest place of a first page: what appears above it is offered and never inserted.
    """
    ids = ",".join(str(row.pk) for row in rows)
    more = {"ids": ids, "since": str(max((place_of(row) for row in rows), default=""))}
    if top:
        more["top"] = str(top)
    return {
        "query": urlencode([*filters.pairs(), *more.items()]),
        "etag": etag,
        "seconds": SECONDS_WHILE_ACTIVE if any(map(is_active, rows)) else SECONDS_AT_REST,
        "newer": min(newer, OFFERED_AT_MOST),
        "capped": newer > OFFERED_AT_MOST,
    }


def is_active(row: CallRow) -> bool:
    """Something may happen to this row within seconds."""
    if row.hold_reason or row.phase in SETTLED or row.waiting_for in AT_REST:
        return False
    not_sent = row.phase in (Phase.READY, Phase.SCHEDULED)
    return row.batch.state == BatchState.RUNNING or not not_sent


def visible_ids(request: Request) -> list[int]:
    ids = (number_or_none(text) for text in request.GET.get("ids", "").split(",")[:50])
    return [pk for pk in ids if pk is not None]


def live_etag(request: Request) -> str:
    return activity_etag(request, Filters.of(request.GET).query(), seconds=60)


@require_GET
@fragment
@condition(etag_func=live_etag)
def calls_live(request: Request) -> HttpResponse:
    """The poller itself and the leaf spans of the rows that changed since it was rendered last."""
    filters, etag, ids = Filters.of(request.GET), live_etag(request), visible_ids(request)
    since, top = Cursor.of(request.GET.get("since")), Cursor.of(request.GET.get("top"))
    rows = page_of(CallRow.objects.filter(pk__in=ids), request.GET).rows
    changed = [row for row in rows if since is None or row.changed_at > since.at - OVERLAP]
    text = kept_search(request, filters.search)
    newer = count_newer(filters, ids, top, text=text, now=timezone.now())
    context = {
        "changed": changed,
        "list_query": filters.query(),
        "poller": poller(filters, rows, etag, top=top, newer=newer),
    }
    return answer(request, "calls/_calls_live.html", context)


def count_newer(
    filters: Filters, ids: list[int], top: Cursor | None, *, text: str, now: datetime
) -> int:
    """Calls that would stand above the first visible one, those on the page not counted."""
    if top is None:
        return 0
    newer = CallRow.objects.filter(top.newer())
    rows = filters.apply(newer, text=text, now=now).exclude(pk__in=ids)
    return rows.order_by().values("pk")[: OFFERED_AT_MOST + 1].count()


# --- Search and bulk ------------------------------------------------------------------------------
@require_POST
def search(request: Request) -> HttpResponse:
    """Keep the text in the session and show the list under its id."""
    text = request.POST.get("q", "").replace("\x00", "").strip()
    if not text:
        return redirect("calls")
    return HttpResponseRedirect(f"{reverse('calls')}?v={keep_search(request, text)}")


@require_POST
def calls_withdraw(request: Request) -> HttpResponse:
    """Take the ticked calls out; those that were started already are skipped and said."""
    ids = [pk for text in request.POST.getlist("id")[:50] if (pk := number_or_none(text))]
    chosen = CallRow.objects.filter(pk__in=ids)
    if not ids:
        messages.warning(request, "Tick the calls to withdraw first.")
    else:
        count = actions.withdraw_rows(rows=chosen, by=request.user)
        tell_withdrawn(request, chosen, count=count)
    back = Filters.of(request.POST).query()
    return HttpResponseRedirect(f"{reverse('calls')}?{back}" if back else reverse("calls"))


def tell_withdrawn(request: Request, chosen: QuerySet[CallRow], *, count: int) -> None:
    skipped = chosen.count() - count
    said = f"{count} {plural(count, 'call')} withdrawn. "
    if skipped:
        said += (
            f"{skipped} {plural(skipped, 'was', 'were')} skipped: a call that was started or has "
            "ended cannot be withdrawn."
        )
    tell = messages.warning if skipped else messages.success
    tell(request, said.strip())


def plural(count: int, one: str, many: str = "") -> str:
    return one if count == 1 else many or f"{one}s"
