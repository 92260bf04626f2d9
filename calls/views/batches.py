"""Batches: the list, one batch live, and what people do with it."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import condition, require_GET, require_POST

from calls import actions, starting
from calls.attention import counted
from calls.engine.claiming import may_ring
from calls.exports import outcome_lines as export_lines
from calls.exports import reject_lines
from calls.models import Batch
from calls.reports import BatchCounts, batch_counts, counts_of
from calls.views import batch_state
from calls.views.downloads import csv_response
from calls.views.finding import number_or_none
from calls.views.live import activity_etag, announce, answer, fragment
from calls.views.people import person
from calls.vocabulary import BatchState, Phase

PAGE_SIZE = 25
SECONDS_RUNNING = 4
SECONDS_WAITING = 20
ETAG_SECONDS = 10
UNDER_WAY = (BatchState.RUNNING, BatchState.PAUSED)
LIVE = (*UNDER_WAY, BatchState.LOADING)

Counted = list[tuple[Batch, BatchCounts]]


# --- The list -------------------------------------------------------------------------------------
@require_GET
def batches(request: HttpRequest) -> HttpResponse:
    before = number_or_none(request.GET.get("before"))
    page = others(before)
    context = {
        **under_way_part(request),
        "page": with_counts(page[:PAGE_SIZE]),
        "older": page[PAGE_SIZE - 1].pk if len(page) > PAGE_SIZE else None,
        "is_first_page": before is None,
    }
    return render(request, "calls/batches.html", context)


def list_etag(request: HttpRequest) -> str:
    return activity_etag(request, "batches", seconds=ETAG_SECONDS)


@require_GET
@fragment
@condition(etag_func=list_etag)
def batches_live(request: HttpRequest) -> HttpResponse:
    return answer(request, "calls/_batches_live.html", under_way_part(request))


def under_way_part(request: HttpRequest) -> dict[str, Any]:
    etag = list_etag(request)
    found = Batch.objects.filter(state__in=UNDER_WAY).order_by("-pk")
    running = sorted(found, key=lambda batch: batch.state == BatchState.PAUSED)
    is_running = any(batch.state == BatchState.RUNNING for batch in running)
    seconds = SECONDS_RUNNING if is_running else SECONDS_WAITING if running else 0
    return {"etag": etag, "seconds": seconds, "under_way": with_counts(running)}


def others(before: int | None) -> list[Batch]:
    """A page and one more of the batches that are not under way, the newest first."""
    found = Batch.objects.exclude(state__in=UNDER_WAY).select_related("created_by")
    if before is not None:
        found = found.filter(pk__lt=before)
    return list(found.order_by("-pk")[: PAGE_SIZE + 1])


def with_counts(found: list[Batch]) -> Counted:
    counts = counts_of(found)
    return [(batch, counts[batch.pk]) for batch in found]


# --- One batch ------------------------------------------------------------------------------------
def find(pk: int) -> Batch:
    return get_object_or_404(Batch.objects.select_related("created_by"), pk=pk)


@require_GET
def batch(request: HttpRequest, pk: int) -> HttpResponse:
    return render(request, "calls/batch.html", whole(request, find(pk)))


def batch_etag(request: HttpRequest, pk: int) -> str:
    state = Batch.objects.filter(pk=pk).values_list("state", flat=True).first()
    return activity_etag(request, pk, state, seconds=ETAG_SECONDS)


@require_GET
@fragment
@condition(etag_func=batch_etag)
def batch_live(request: HttpRequest, pk: int) -> HttpResponse:
    """The moving part. The buttons come along only when other ones are needed."""
    context = whole(request, find(pk)) | {"buttons_shown": request.GET.get("buttons", "")}
    response, counts = answer(request, "calls/_batch_answer.html", context), context["counts"]
    told = number_or_none(request.GET.get("quarters"))
    if told is not None and counts.quarters > told:
        return announce(response, f"{25 * counts.quarters} percent: {context['headline']}")
    return response


def whole(request: HttpRequest, found: Batch) -> dict[str, Any]:
    etag = activity_etag(request, found.pk, found.state, seconds=ETAG_SECONDS)
    counts = batch_counts(found)
    under_way = found.state in UNDER_WAY
    can_take_back = under_way and counts.by_phase[Phase.READY] == counts.rows
    can_withdraw = under_way and counts.not_started > 0
    return {
        "batch": found,
        "etag": etag,
        "seconds": seconds_of(found, counts),
        "counts": counts,
        "headline": batch_state.headline(found, counts),
        "says": batch_state.says(counts),
        "waits": batch_state.reasons_to_wait(found, counts),
        "stages": batch_state.stages(found, counts),
        "phases": batch_state.phase_lines(found, counts),
        "outcomes": batch_state.outcome_lines(found, counts),
        "held": batch_state.held_lines(found, counts),
        "events": batch_state.timeline(found),
        "asks_name": counts.not_started >= batch_state.TYPE_NAME_FROM,
        "can_take_back": can_take_back,
        "can_withdraw": can_withdraw,
        "buttons": "-".join([found.state, *["back"] * can_take_back, *["withdraw"] * can_withdraw]),
    }


def seconds_of(found: Batch, counts: BatchCounts) -> int:
    """How often to look again; 0 when nothing will change by itself."""
    if found.state == BatchState.RUNNING:
        busy = counts.rows - counts.settled - counts.held_rows - sum(counts.waiting.values())
        return SECONDS_RUNNING if busy else SECONDS_WAITING
    still_ringing = counts.rows > counts.settled and found.state != BatchState.DRAFT
    return SECONDS_WAITING if found.state in LIVE or still_ringing else 0


# --- What people do -------------------------------------------------------------------------------
def act(request: HttpRequest, found: Batch, action: Callable[[], str]) -> HttpResponse:
    """Do it and show the batch again: the changed part for htmx, a redirect without."""
    refusal = ""
    try:
        said = action()
    except actions.Refused as refused:
        said = refusal = str(refused)
    if not getattr(request, "htmx", False):
        (messages.error if refusal else messages.success)(request, said)
        return redirect("batch", found.pk)
    context = whole(request, find(found.pk)) | {"said": said, "refusal": refusal}
    response = answer(request, "calls/_batch.html", context, status=409 if refusal else 200)
    return announce(response, f"Not done. {refusal}" if refusal else said)


@require_POST
def batch_start(request: HttpRequest, pk: int) -> HttpResponse:
    """Resume a paused batch, or start a draft with the rules it has."""
    found = find(pk)

    def start() -> str:
        actions.start_batch(batch=found, by=person(request))
        return "The batch is running."

    return act(request, found, start)


@require_POST
def batch_pause(request: HttpRequest, pk: int) -> HttpResponse:
    found = find(pk)

    def pause() -> str:
        actions.pause_batch(batch=found, by=person(request))
        return f"Paused. {batch_state.says(batch_counts(found)).pause}"

    return act(request, found, pause)


@require_POST
def batch_withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    """A large batch is withdrawn only with its name typed, so that a slip of the hand costs nothing."""
    found = find(pk)

    def withdraw() -> str:
        large = batch_counts(found).not_started >= batch_state.TYPE_NAME_FROM
        if large and request.POST.get("typed", "").strip() != found.name.strip():
            raise actions.Refused("The name did not match, so nothing was withdrawn.")
        number = actions.withdraw_batch(batch=found, by=person(request))
        left = found.rows.filter(may_ring(), phase=Phase.SCHEDULED).count()
        asked = f" {left:,} may have been made: each is asked about first." if left else ""
        return f"{number:,} withdrawn. They will never start.{asked}"

    return act(request, found, withdraw)


@require_POST
def batch_discard(request: HttpRequest, pk: int) -> HttpResponse:
    found = find(pk)
    try:
        returned = actions.discard_draft(batch=found, by=person(request))
    except actions.Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("batch", pk)
    messages.success(request, f"The upload is discarded. {given_back(returned)}Nothing was called.")
    return redirect("batches")


@require_POST
def batch_take_back(request: HttpRequest, pk: int) -> HttpResponse:
    """Forget a batch of which Evergrove has not heard; otherwise say what is left to do."""
    found = find(pk)
    try:
        returned = starting.take_back(batch=found, by=person(request))
    except actions.Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("batch", pk)
    messages.success(request, f"The batch is taken back. {given_back(returned)}Nothing was called.")
    return redirect("batches")


def given_back(rows: int) -> str:
    """Of rows that a later upload had changed (R33)."""
    if not rows:
        return ""
    went = "went back to its" if rows == 1 else "went back to their"
    return f"{counted(rows, 'row', 'rows')} {went} earlier batch as before. "


@require_POST
def batch_call(request: HttpRequest, pk: int) -> HttpResponse:
    """Let a batch call that was only queued."""
    found = find(pk)

    def call() -> str:
        starting.start_calling(batch=found, by=person(request))
        return "Its calls are being made."

    return act(request, found, call)


@require_POST
def batch_wait(request: HttpRequest, pk: int) -> HttpResponse:
    """A draft that would start by itself stays a draft."""
    found = find(pk)

    def wait() -> str:
        starting.do_not_start(batch=found, by=person(request))
        return "The batch stays a draft until you start it."

    return act(request, found, wait)


# --- Downloads ------------------------------------------------------------------------------------
@require_GET
def batch_export(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    found = find(pk)
    actions.note_export(batch=found, by=person(request), rows=found.rows.count())
    return csv_response(export_lines(found.rows.all()), f"batch-{pk}-outcomes.csv")


@require_GET
def batch_rejects(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    found = find(pk)
    actions.note_export(batch=found, by=person(request), rows=found.rejected)
    return csv_response(reject_lines(found), f"batch-{pk}-rejected.csv")
