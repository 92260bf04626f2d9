"""An upload's last step: what a start would do, when and how, and the start itself."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from calls import actions, starting
from calls.actions import StartRules
from calls.attention import counted, hold_words, listed
from calls.evergrove.schemas import WorkingHoursPolicy
from calls.forecast import Forecast, forecast
from calls.models import Batch, Entity
from calls.templatetags.formats import moment_text, zone_word
from calls.views.finding import number_or_none
from calls.views.people import person
from calls.views.week import week_words
from calls.vocabulary import BatchState, HoldReason, LatencyMode, WaitReason

NOW, LATER, QUEUE = "now", "at", "queue"
OPENINGS_SHOWN = 6
LATEST_START = timedelta(days=366)


class StartTimeField(forms.DateTimeField):
    """Django says in its own words that summer time skips or repeats a moment."""

    def to_python(self, value: Any) -> datetime | None:
        try:
            return super().to_python(value)
        except ValidationError as refusal:
            if getattr(refusal, "code", "") != "ambiguous_timezone":
                raise
            said = "Start time must not be in the hour when the clocks change"
            raise ValidationError(said, code="clocks_change") from None


class StartForm(forms.Form):
    """When and how a batch is called. Only staff may call outside of an office's hours.

    `chosen`: what a person had chosen on the page before something else was settled there.
    """

    when = forms.ChoiceField(
        label="When",
        choices=[
            (NOW, "Start now. Each call waits until its office is open"),
            (LATER, "Start at a time"),
            (QUEUE, "Queue at Evergrove only. No phone rings until you start calling"),
        ],
        widget=forms.RadioSelect,
        required=False,
    )
    start_at = StartTimeField(
        label="Start time",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        input_formats=["%Y-%m-%dT%H:%M"],
        error_messages={"invalid": "Start time must be a date and time, like 2026-04-09 09:00"},
    )
    call_early = forms.BooleanField(
        label="Do not wait for the appointment to pass",
        help_text="The office may not know yet whether the patient came.",
        required=False,
    )
    high_latency = forms.BooleanField(
        label="Use Evergrove’s high latency mode",  # noqa: RUF001
        help_text="Slower answers on the phone. Only when Evergrove asked you to.",
        required=False,
    )
    ignore_calling_hours = forms.BooleanField(
        label="Ignore calling hours for this batch", required=False
    )

    def __init__(
        self, data: Any = None, *, batch: Batch, is_staff: bool, chosen: Mapping[str, str]
    ) -> None:
        super().__init__(
            data,
            initial={
                "when": LATER if batch.start_at else NOW,
                "start_at": batch.start_at,
                "call_early": not batch.wait_for_appointment,
                "high_latency": batch.latency_mode == LatencyMode.HIGH,
                "ignore_calling_hours": batch.ignore_calling_hours,
                **{name: chosen[name] for name in self.base_fields if name in chosen},
            },
        )
        if not (is_staff and settings.RESPECT_CALLING_HOURS):
            del self.fields["ignore_calling_hours"]

    def clean(self) -> dict[str, Any]:
        values = dict(self.cleaned_data)
        if values.get("when") == LATER and "start_at" not in self.errors:
            at = values.get("start_at")
            if at is None:
                self.add_error("start_at", "Enter a start time")
            elif at <= (now := timezone.now()):
                self.add_error("start_at", "Start time must be in the future")
            elif at > now + LATEST_START:
                self.add_error("start_at", "Start time must be within a year. Check the year")
        return values

    def rules(self) -> StartRules:
        values = self.cleaned_data
        return StartRules(
            wait_for_appointment=not values["call_early"],
            latency_mode=LatencyMode.HIGH if values["high_latency"] else LatencyMode.LOW,
            queue_only=values["when"] == QUEUE,
            ignore_calling_hours=values.get("ignore_calling_hours", False),
        )


@require_http_methods(["GET", "POST"])
def upload_confirm(request: HttpRequest, pk: int) -> HttpResponse:
    batch = get_object_or_404(Batch, pk=pk)
    if batch.state != BatchState.DRAFT:
        return redirect("batch", pk)
    form = StartForm(
        request.POST or None, batch=batch, is_staff=person(request).is_staff, chosen=request.GET
    )
    if request.method == "GET" or (request.POST and not form.is_valid()):
        return show_confirm(request, batch, form, status=422 if form.errors else 200)
    return start(request, batch, form)


def start(request: HttpRequest, batch: Batch, form: StartForm) -> HttpResponse:
    try:
        said = begin(batch, form, by=person(request))
    except actions.Refused as refusal:
        if Batch.objects.filter(pk=batch.pk, state=BatchState.RUNNING).exists():
            return redirect("batch", batch.pk)  # a double click
        return show_confirm(request, batch, form, refusal=str(refusal), status=409)
    messages.success(request, said)
    return redirect("batch", batch.pk)


def begin(batch: Batch, form: StartForm, *, by: actions.User) -> str:
    """Do what was chosen; returns what to say. Raises Refused."""
    if not form.is_bound:  # an empty post: start as the batch stands
        actions.start_batch(batch=batch, by=by, ignore_calling_hours=False)
        return "The batch is running."
    rules, at = form.rules(), form.cleaned_data["start_at"]
    if form.cleaned_data["when"] == LATER:
        starting.start_later(batch=batch, at=at, by=by, **rules)
        return f"The batch starts {moment_text(timezone.localtime(at), 'short')}."
    actions.start_batch(batch=batch, by=by, **rules)
    return (
        "The calls are queued, none is started." if rules["queue_only"] else "The batch is running."
    )


@require_POST
def confirm_hours(request: HttpRequest, pk: int) -> HttpResponse:
    """Settle whose hours count for one office: `take` Evergrove's, or `send` ours again."""
    chosen = {name: request.POST[name] for name in StartForm.base_fields if request.POST.get(name)}
    confirm = f"{reverse('upload_confirm', args=[pk])}?{urlencode(chosen)}"
    take, send = (number_or_none(request.POST.get(name)) for name in ("take", "send"))
    office = get_object_or_404(Entity, pk=take or send, upstream_hours__isnull=False)
    if send:
        actions.ask_about_office(office=office, by=person(request))
        messages.success(request, f"{office.upstream_name}: our hours are sent to Evergrove.")
        return redirect(confirm)
    try:
        theirs = WorkingHoursPolicy.model_validate(office.upstream_hours)
    except ValueError:
        messages.error(request, "Evergrove’s hours cannot be read. Enter them on the office page.")  # noqa: RUF001
        return redirect("office", office.pk)
    values = {"working_hours": theirs.model_dump(mode="json", exclude_none=True)}
    actions.save_office(office=office, values=values, by=person(request))
    messages.success(request, f"{office.upstream_name}: Evergrove’s hours are ours now.")  # noqa: RUF001
    return redirect(confirm)


def show_confirm(
    request: HttpRequest, batch: Batch, form: StartForm, *, refusal: str = "", status: int = 200
) -> HttpResponse:
    plan = forecast(batch, now=timezone.now())
    context = {
        "batch": batch,
        "form": form,
        "plan": plan,
        "bar": plan.parts(),
        "left": batch.to_fix,
        "waits": list(waits_of(plan)),
        "held": held_of(batch, plan),
        "refusal": refusal,
        "respects_hours": settings.RESPECT_CALLING_HOURS,
        "start_hint": f"Only to start at a time. Time zone: {zone_word(timezone.localtime())}",
        **offices_of(plan),
    }
    return render(request, "calls/upload_confirm.html", context, status=status)


def waits_of(plan: Forecast) -> Iterator[str]:
    """What is called when, on the clock of each office."""
    if plan.starts_at:
        starts = moment_text(timezone.localtime(plan.starts_at), "full")
        yield f"The batch starts {starts}. Counted from then."
    openings = sorted(plan.openings.items(), key=lambda pair: (pair[0].at, pair[0].zone))
    for opening, number in openings[:OPENINGS_SHOWN]:
        whose = "its office opens" if number == 1 else "their offices open"
        if opening.reason == WaitReason.HOLIDAY:
            whose += " again after a closed day"
        when = moment_text(opening.at, "full")
        yield f"{counted(number, 'call waits', 'calls wait')} until {when}, when {whose}."
    if later := sum(number for _, number in openings[OPENINGS_SHOWN:]):
        yield f"{counted(later, 'more call waits', 'more calls wait')} until later openings."
    if plan.first_appointment:
        first = moment_text(plan.first_appointment, "full")
        calls = counted(plan.too_early, "call waits", "calls wait")
        whose = "its appointment has" if plan.too_early == 1 else "their appointments have"
        yield f"{calls} until {whose} passed. The first can be made {first}."
    if plan.not_callable:
        yield f"{plan.not_callable:,} will be held: {hold_words(HoldReason.OFFICE_NOT_CALLABLE)}"


def held_of(batch: Batch, plan: Forecast) -> list[tuple[int, str, str]]:
    """(number, why, address of the list) of what is held already."""
    return [
        (number, hold_words(reason), listed(batch=str(batch.pk), held=reason))
        for reason, number in plan.held.items()
    ]


def offices_of(plan: Forecast) -> dict[str, Any]:
    return {
        "new_offices": [(office, week_words(office.working_hours)) for office in plan.new_offices],
        "more_offices": plan.new_office_count - len(plan.new_offices),
        "replaced": [
            (office, week_words(office.working_hours), week_words(office.upstream_hours or {}))
            for office in plan.replaced
        ],
    }
