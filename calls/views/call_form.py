"""Entering one call by hand and correcting one: the upload's validator, field by field."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from calls import actions
from calls.forms import MOVE, CallForm, without_extension
from calls.intake import storing
from calls.intake.guiding import guide_office
from calls.models import CallRow
from calls.views.finding import number_or_none
from calls.views.signed_in import Request

US_ZONES = (
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Phoenix",
    "America/Los_Angeles",
    "America/Anchorage",
    "Pacific/Honolulu",
    "America/Puerto_Rico",
)


@require_http_methods(["GET", "POST"])
def call_new(request: Request) -> HttpResponse:
    if MOVE in request.POST:
        return show(request, CallForm(typed=without_extension(request.POST)))
    form = CallForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            row = storing.load_form(form.accepted(), by=request.user, batch_name="Single call")
        except storing.NotLoaded as refusal:
            for problem in refusal.problems:
                form.add_error(problem.column, problem.message)
        else:
            guide_office(row.entity, form.guide, by=request.user, now=timezone.now())
            messages.success(request, saved_words(row))
            return redirect("call", row.pk)
    return show(request, form)


def saved_words(row: CallRow) -> str:
    if row.hold_reason:
        return f"{row.external_reference_id} is saved and held: this case may be here already."
    return f"{row.external_reference_id} is saved. It is not started."


@require_http_methods(["GET", "POST"])
def call_edit(request: Request, pk: int) -> HttpResponse:
    row = get_object_or_404(CallRow.objects.select_related("batch", "entity"), pk=pk)
    if not row.can_be_corrected:
        messages.error(request, "This call is at Evergrove already and cannot be changed.")
        return redirect("call", pk)
    if MOVE in request.POST:
        return show(request, CallForm(row=row, typed=without_extension(request.POST)), row=row)
    form = CallForm(request.POST or None, row=row)
    if request.method == "POST" and form.is_valid():
        try:
            changed = actions.correct_checked(row=row, checked=form.accepted(), by=request.user)
        except actions.Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            office = CallRow.objects.select_related("entity").get(pk=pk).entity
            guide_office(office, form.guide, by=request.user, now=timezone.now())
            messages.success(request, "The correction is saved." if changed else "Nothing changed.")
            return redirect("call", pk)
    return show(request, form, row=row)


def show(request: Request, form: CallForm, row: CallRow | None = None) -> HttpResponse:
    context: dict[str, Any] = {
        "form": form,
        "row": row,
        "zones": US_ZONES,
    }
    status = 422 if form.errors and request.htmx else 200
    return render(request, "calls/call_form.html", context, status=status)


@require_POST
def call_check(request: Request) -> HttpResponse:
    """One field of the form with what the validator says of it, while the others are being typed."""
    name = request.GET.get("field", "")
    form = CallForm(request.POST, row=row_being_edited(request))
    if name not in form.fields:
        return HttpResponse(status=404)
    form.is_valid()
    return render(request, "calls/_call_field.html", {"shown": form.shown(name), "form": form})


def row_being_edited(request: Request) -> CallRow | None:
    pk = number_or_none(request.GET.get("row"))
    return CallRow.objects.filter(pk=pk).first() if pk is not None else None
