"""Withdrawing the calls of a batch whose answer is known already: a file, a preview, a decision."""

import secrets
from typing import Any

from django import forms
from django.contrib import messages
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from calls import actions, sameness
from calls.attention import counted
from calls.intake.reading import FileRefused
from calls.models import Batch
from calls.views.files import small_enough
from calls.views.people import person

PREVIEW_KEPT = 3600  # seconds
SHOWN = 50
ACCEPTED = ".csv,.txt,.tsv,.xlsx"


class EvidenceForm(forms.Form):
    file = forms.FileField(
        label="File of known answers",
        help_text="CSV or XLSX with a column of row references or of claim numbers.",
        validators=[small_enough],
        error_messages={"required": "Select a file", "empty": "The file is empty"},
        widget=forms.ClearableFileInput(attrs={"accept": ACCEPTED}),
    )


@require_http_methods(["GET", "POST"])
def batch_suppress(request: HttpRequest, pk: int) -> HttpResponse:
    """The form and, after a file was sent, what it would withdraw. Nothing is withdrawn here."""
    batch = get_object_or_404(Batch, pk=pk)
    form = EvidenceForm(request.POST or None, request.FILES or None)
    context: dict[str, Any] = {"batch": batch, "form": form}
    if request.method == "POST" and form.is_valid():
        try:
            evidence = sameness.read_evidence(form.cleaned_data["file"].read())
        except FileRefused as refusal:
            form.add_error("file", refusal.message)
        else:
            rows = evidence.rows_of(batch).order_by("line", "pk")
            context |= preview(request, list(rows.values_list("pk", flat=True)))
            context |= {"rows": rows.defer("patient_ssn")[:SHOWN], "cases": evidence.cases}
    status = 422 if form.errors else 200
    return render(request, "calls/suppress.html", context, status=status)


def preview(request: HttpRequest, ids: list[int]) -> dict[str, Any]:
    """Keep which calls the person is shown, so that these and no others are withdrawn."""
    token = secrets.token_urlsafe(12)
    cache.set(cache_key(request, token), ids, PREVIEW_KEPT)
    return {"token": token, "number": len(ids), "more": max(len(ids) - SHOWN, 0), "previewed": True}


def cache_key(request: HttpRequest, token: str) -> str:
    return f"suppress:{request.user.pk}:{token}"


@require_POST
def batch_suppress_now(request: HttpRequest, pk: int) -> HttpResponse:
    batch = get_object_or_404(Batch, pk=pk)
    ids = cache.get(cache_key(request, request.POST.get("token", "")[:40])) or []
    try:
        number = sameness.suppress(rows=batch.rows.filter(pk__in=ids), by=person(request))
    except actions.Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("batch_suppress", pk)
    messages.success(request, f"{counted(number, 'call is', 'calls are')} withdrawn.")
    return redirect("batch", pk)
