"""One call: the verdict, what the office said, what was sent, its history, and what a person may do."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db.models import Max
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import condition, require_GET, require_POST
from django_htmx.http import trigger_client_event

from calls import actions
from calls.engine.attempts import read_attempts
from calls.engine.policy import OfficeHours
from calls.engine.tools import tools_from_settings
from calls.evergrove.errors import EvergroveError
from calls.models import CallRow, Entity, Outcome
from calls.outcomes.reviewing import REVIEW_REASONS
from calls.outcomes.verdict import Situation, verdict
from calls.templatetags.dash import OUTCOMES, look_of
from calls.views.buttons import CANNOT_STOP, buttons_for
from calls.views.live import announce, answer, etag_of, fragment, plain
from calls.views.sending import sent_fields
from calls.views.signed_in import Request
from calls.views.timeline import entries
from calls.vocabulary import GIVEN_UP, OPEN, SETTLED, Phase

SECONDS = 4
EVENTS_SHOWN = 200


def row_for_page(pk: int) -> CallRow:
    return get_object_or_404(CallRow.objects.select_related("entity", "batch", "outcome"), pk=pk)


# --- The page -------------------------------------------------------------------------------------
@require_GET
def call(request: Request, pk: int) -> HttpResponse:
    return render(request, "calls/call.html", page_context(request, pk))


def page_context(request: Request, pk: int) -> dict[str, Any]:
    now, live = timezone.now(), live_context(request, pk)
    row: CallRow = live["row"]
    return {
        **live,
        **attempts_context(row),
        "office": office_now(row.entity, now),
        "sent": sent_fields(row, ssn_policy=settings.SSN_POLICY),
        "parent": CallRow.objects.only("external_reference_id").filter(pk=row.parent_id).first()
        if row.parent_id
        else None,
        "repeats": list(row.repeats.only("external_reference_id").order_by("pk")),
    }


def office_now(office: Entity, now: datetime) -> dict[str, Any]:
    """Local time and whether the office is open, until when or from when."""
    hours = OfficeHours.of(office.timezone, office.working_hours, office.closed_dates)
    is_open = hours.is_open(now)
    return {
        "now": now,
        "is_open": is_open,
        "closes_at": hours.closes_at(now) if is_open else None,
        "opens_at": None if is_open else hours.next_opening(now),
        "is_holiday": hours.is_holiday(now),
    }


# --- The live part --------------------------------------------------------------------------------
def live_context(request: Request, pk: int) -> dict[str, Any]:
    etag = live_etag(request, pk)  # before the row: a change in between is not missed
    now = timezone.now()
    row = row_for_page(pk)
    outcome: Outcome | None = getattr(row, "outcome", None)
    events = row.events.select_related("actor").order_by("-at", "-pk")[:EVENTS_SHOWN]
    return {
        "row": row,
        "outcome": outcome,
        "verdict": verdict(situation_of(row, outcome, now)),
        "reviews": [REVIEW_REASONS.get(code, code) for code in outcome.review_reasons]
        if outcome
        else [],
        "timeline": entries(events),
        "buttons": buttons_for(row),
        "warnings": row.warnings if row.phase in OPEN else [],
        "etag": etag,
        "around": around(row),
        "seconds": SECONDS if row.phase in OPEN else 0,
    }


def around(row: CallRow) -> str:
    """What the page shows of a call outside its live part: another one must be sent along when it changes."""
    marks = (row.request_id, row.entity.entity_id, row.trigger_workflow_id, row.can_be_corrected)
    return "".join(str(int(bool(mark))) for mark in marks) + plain(row.last_workflow_status)


def live_answer(request: Request, context: dict[str, Any], status: int = 200) -> HttpResponse:
    """The live part, and what stands around it when that is no longer what the page shows.

    The attempts come once, when they can be asked for: later, somebody may be looking into one of them.
    """
    row, shown = context["row"], request.GET.get("around", "")
    around_it = attempts_context(row) | {
        "around_shown": shown,
        "offers_attempts": row.request_id is not None and not shown.startswith("1"),
    }
    return answer(request, "calls/_call_answer.html", context | around_it, status)


def situation_of(row: CallRow, outcome: Outcome | None, now: datetime) -> Situation:
    heard = outcome or Outcome()
    return Situation(
        phase=row.phase,
        batch_state=row.batch.state,
        zone=row.local_timezone,
        expected=row.expected_appointment_date_time,
        now=now,
        late_after=timedelta(hours=settings.CALL_TIMEOUT_HOURS),
        hold_reason=row.hold_reason,
        waiting_for=row.waiting_for,
        workflow_status=row.last_workflow_status,
        last_error=row.last_error,
        opens_at=row.next_at if row.waiting_for else None,
        trigger_sent_at=row.trigger_sent_at,
        first_active_at=row.first_active_at,
        callback_after=row.best_to_callback_after,
        attempts=row.attempts.count() if row.phase == Phase.CALLING else 0,
        has_outcome=outcome is not None,
        attendance=heard.appointment_attendance_status,
        original_date=heard.original_date,
        original_time=heard.original_time,
        rescheduled_date=heard.rescheduled_date,
        rescheduled_time=heard.rescheduled_time,
    )


SEEN = (
    "changed_at",
    "waiting_for",
    "next_at",
    "batch__state",
    "trigger_sent_at",
    "best_to_callback_after",
    "phase",
)


def live_etag(request: Request, pk: int) -> str | None:
    """Everything a reader of the fragment can see, from one query; None when there is no such row."""
    row = CallRow.objects.filter(pk=pk).annotate(event=Max("events__pk")).values(*SEEN, "event")
    if not (seen := row.first()):
        return None
    now, open_ = timezone.now(), seen["phase"] in OPEN
    sent_at, callback_after = seen["trigger_sent_at"], seen["best_to_callback_after"]
    marks = (
        seen["changed_at"].timestamp(),
        seen["event"],
        seen["batch__state"],
        seen["waiting_for"] and f"{seen['waiting_for']}{seen['next_at'].timestamp()}",
        bool(open_ and sent_at and now - sent_at > timedelta(hours=settings.CALL_TIMEOUT_HOURS)),
        bool(callback_after and callback_after > now),
    )
    return etag_of(request, *marks)


@require_GET
@fragment
@condition(etag_func=live_etag)
def call_live(request: Request, pk: int) -> HttpResponse:
    context = live_context(request, pk)
    response, row = live_answer(request, context), context["row"]
    return announce(response, ending(row)) if row.phase in SETTLED else response


def ending(row: CallRow) -> str:
    """What the last poll of a call says aloud; it is the only one that finds the call settled."""
    outcome: Outcome | None = getattr(row, "outcome", None)
    if outcome and (word := outcome.appointment_attendance_status):
        return f"Outcome ready: {look_of(word, OUTCOMES).label}"
    return f"This call has ended: {Phase(row.phase).label}"


# --- Actions --------------------------------------------------------------------------------------
def act(request: Request, pk: int, action: Callable[[CallRow], Any], said: str) -> HttpResponse:
    """Do it and answer with the fresh fragment (409 when refused), or go back to the page."""
    row = row_for_page(pk)
    refusal = ""
    try:
        action(row)
    except actions.Refused as error:
        refusal = str(error)
    if not request.htmx:
        (messages.error if refusal else messages.success)(request, refusal or said)
        return redirect("call", pk)
    status = 409 if refusal else 200
    response = live_answer(request, live_context(request, pk), status)
    if refusal:
        trigger_client_event(response, "toast", {"text": refusal, "tone": "bad"}, after="settle")
    else:
        announce(response, said)
    return trigger_client_event(response, "focus-on", {"value": "#call-live"}, after="settle")


@require_POST
def call_release(request: Request, pk: int) -> HttpResponse:
    return act(
        request, pk, lambda row: actions.release_hold(row=row, by=request.user), "Call released"
    )


@require_POST
def call_start(request: Request, pk: int) -> HttpResponse:
    """Start a batch that holds this one call."""
    return act(request, pk, lambda row: start_alone(row, request.user), "Call started")


def start_alone(row: CallRow, by: Any) -> None:
    if row.batch.rows.count() != 1:
        raise actions.Refused("This call belongs to a batch of several. Start the batch instead.")
    actions.start_batch(batch=row.batch, by=by)


@require_POST
def call_withdraw(request: Request, pk: int) -> HttpResponse:
    return act(request, pk, lambda row: withdraw(row, request.user), "Call withdrawn")


def withdraw(row: CallRow, by: Any) -> None:
    if row.ask_first and row.phase == Phase.SCHEDULED and row.hold_reason not in GIVEN_UP:
        raise actions.Refused(
            "Evergrove is asked first whether this call was made. Withdraw it when that is known."
        )
    if not actions.withdraw_rows(rows=CallRow.objects.filter(pk=row.pk), by=by):
        raise actions.Refused(f"This call was not withdrawn. {CANNOT_STOP}")


@require_POST
def call_again(request: Request, pk: int) -> HttpResponse:
    try:
        again = actions.call_again(row=row_for_page(pk), by=request.user)
    except actions.Refused as error:
        messages.error(request, str(error))
        return redirect("call", pk)
    messages.success(request, f"{again.external_reference_id} is ready. Start it when you like.")
    return redirect("call", again.pk)


# --- Patient details ------------------------------------------------------------------------------
@require_GET
@fragment
def call_patient(request: Request, pk: int) -> HttpResponse:
    """The masked details, to which the page returns a minute after they were revealed."""
    return render(request, "calls/_patient.html", {"row": row_for_page(pk)})


@require_POST
def call_reveal(request: Request, pk: int) -> HttpResponse:
    """Show DOB, SSN and patient phone for a minute; who looked is kept in the timeline."""
    row = row_for_page(pk)
    actions.note_reveal(row=row, by=request.user)
    if request.htmx:
        return render(request, "calls/_patient.html", {"row": row, "revealed": True})
    return render(request, "calls/call.html", page_context(request, pk) | {"revealed": True})


# --- Attempts -------------------------------------------------------------------------------------
def attempts_context(row: CallRow, problem: str = "") -> dict[str, Any]:
    attempts = list(row.attempts.order_by("-attempt_number", "-pk"))
    outcome: Outcome | None = getattr(row, "outcome", None)
    final = outcome.appointment_attendance_status if outcome else ""
    for attempt in attempts:
        own = (attempt.generated_outcomes or {}).get("appointment_attendance_status") or ""
        attempt.attendance = own  # type: ignore[attr-defined]
        attempt.disagrees = bool(own and final and own != final)  # type: ignore[attr-defined]
    return {
        "row": row,
        "attempts": attempts,
        "read_at": max((attempt.fetched_at for attempt in attempts), default=None),
        "problem": problem,
    }


@require_POST
def call_attempts(request: Request, pk: int) -> HttpResponse:
    """Ask Evergrove for the attempts of this call: the only request a page makes (R84)."""
    row, problem = row_for_page(pk), ""
    try:
        with tools_from_settings() as tools:
            read_attempts(row, tools, by=request.user)
    except EvergroveError as error:
        problem = f"The attempts could not be read: {error.reason}. What is shown was read before."
    if request.htmx:
        return render(request, "calls/_attempts.html", attempts_context(row, problem))
    if problem:
        messages.error(request, problem)
    return redirect("call", pk)
