"""An upload's first step: the file is received, and its lines are read."""

import secrets
from datetime import timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRedirect

from calls.exports import csv_lines
from calls.intake import receiving
from calls.intake.reading import FileRefused
from calls.intake.validating import FIELD_LABELS, REQUIRED_FIELDS
from calls.models import Batch, Upload
from calls.tasks import wake_reading
from calls.views.batch_state import discarding
from calls.views.downloads import csv_response
from calls.views.files import small_enough
from calls.views.live import answer, fragment
from calls.views.people import person
from calls.vocabulary import BatchState

TOKEN_KEPT = 24 * 3600  # seconds
LOADING = "loading"
STANDS_STILL = timedelta(seconds=90)


class UploadForm(forms.Form):
    file = forms.FileField(
        label="Calls file",
        validators=[small_enough],
        error_messages={
            "required": "Select a calls file",
            "empty": "The calls file is empty",
            "max_length": "The calls file must have a shorter name",
        },
    )
    name = forms.CharField(
        label="Name of this batch",
        required=False,
        max_length=120,
        help_text="Without one the name of the file is used. Do not put a patient's name here.",
    )
    derive_reference = forms.BooleanField(
        label="The file has no row references: make them from claim, EOC, appointment and phone",
        required=False,
        help_text="The same row gets the same reference again, so a repeated upload calls nobody twice.",
    )
    look = forms.BooleanField(
        label="Show me how the columns are read before the rows are checked", required=False
    )
    token = forms.CharField(widget=forms.HiddenInput, max_length=64)


@require_http_methods(["GET", "POST"])
def upload(request: HttpRequest) -> HttpResponse:
    if request.method == "GET":
        return show_upload(request, UploadForm(initial={"token": secrets.token_urlsafe(16)}))
    form = UploadForm(request.POST, request.FILES)
    if not form.is_valid():
        return show_upload(request, form, status=422)
    key = f"upload:{request.user.pk}:{form.cleaned_data['token']}"
    if not cache.add(key, LOADING, TOKEN_KEPT):
        return already_sent(request, cache.get(key))
    try:
        kept = receive(form, by=person(request))
    except FileRefused as refusal:
        cache.delete(key)
        form.add_error("file", refusal.message)
        return show_upload(request, form, status=422)
    except BaseException:
        cache.delete(key)
        raise
    cache.set(key, kept.batch_id, TOKEN_KEPT)
    return go_on(kept)


def receive(form: UploadForm, *, by: Any) -> Upload:
    """Raises FileRefused."""
    file = form.cleaned_data["file"]
    return receiving.receive(
        file.read(),
        file_name=file.name,
        name=form.cleaned_data["name"],
        by=by,
        derive_reference=form.cleaned_data["derive_reference"],
        look=form.cleaned_data["look"],
    )


def go_on(kept: Upload) -> HttpResponse:
    """To the questions that are open; else read the lines, a few at once and many by the worker."""
    if kept.batch.state == BatchState.MATCHING:
        return redirect("upload_columns", kept.batch_id)
    if receiving.is_small(kept):
        receiving.read(kept)
    else:
        wake_reading(kept.pk)
    return redirect("upload_review", kept.batch_id)


# --- While its lines are read ---------------------------------------------------------------------
def show_unfinished(request: HttpRequest, batch: Batch) -> HttpResponse:
    """What stands in for the review until there is one."""
    if batch.state == BatchState.MATCHING:
        return redirect("upload_columns", batch.pk)
    return render(request, "calls/upload_reading.html", progress(batch))


@require_GET
@fragment
def upload_live(request: HttpRequest, pk: int) -> HttpResponse:
    batch = get_object_or_404(Batch, pk=pk)
    if batch.state != BatchState.LOADING:
        return HttpResponseClientRedirect(reverse("upload_review", args=[pk]))
    return answer(request, "calls/_upload_progress.html", progress(batch))


@require_POST
def upload_read(request: HttpRequest, pk: int) -> HttpResponse:
    """Go on with a reading that stands still. The lines that are stored already are not stored again."""
    kept = get_object_or_404(Upload, batch=pk)
    wake_reading(kept.pk)
    messages.info(request, "The file is being read again from where it stopped.")
    return redirect("upload_review", pk)


def progress(batch: Batch) -> dict[str, Any]:
    kept = Upload.objects.filter(batch=batch).defer("content").first()
    last = (kept.beat_at or kept.received_at) if kept else batch.created_at
    is_kept = Upload.objects.filter(batch=batch, content__isnull=False).exists()
    return {
        "batch": batch,
        "kept": kept,
        "is_kept": is_kept,
        "stands_still": timezone.now() - last > STANDS_STILL,
        "discarding": discarding(batch.accepted),
    }


def already_sent(request: HttpRequest, batch: Any) -> HttpResponse:
    """The same form a second time: a double click, or a reload of the answer."""
    if isinstance(batch, int) and not Batch.objects.filter(pk=batch).exists():
        return redirect("upload")  # discarded since: a fresh form
    if isinstance(batch, int):
        return redirect("upload_review", batch)
    messages.info(request, "This file is being stored already. It appears here when it is done.")
    return redirect("batches")


def show_upload(request: HttpRequest, form: UploadForm, *, status: int = 200) -> HttpResponse:
    context = {
        "form": form,
        "max_mb": settings.UPLOAD_MAX_MB,
        "max_rows": settings.UPLOAD_MAX_ROWS,
        "required": [FIELD_LABELS[name] for name in REQUIRED_FIELDS],
        "optional": [label for name, label in FIELD_LABELS.items() if name not in REQUIRED_FIELDS],
    }
    return render(request, "calls/upload.html", context, status=status)


@require_GET
def upload_template(request: HttpRequest) -> StreamingHttpResponse:
    """An empty file with every column under its own name."""
    return csv_response(csv_lines([list(FIELD_LABELS)]), "calls.csv")
