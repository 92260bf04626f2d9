"""What people do on the review page: mend a row or all rows alike, skip, undo."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from calls import actions, sameness
from calls.attention import counted
from calls.intake import mending
from calls.intake.fields import FIELD
from calls.intake.mending import CannotMend
from calls.intake.reading import Limits
from calls.intake.settling import Mended
from calls.models import Batch, RejectedLine
from calls.views.finding import number_or_none
from calls.views.people import person
from calls.views.rejected import SECRET, shown_lines
from calls.views.review import PAGE_SIZE, parts_of

LONGEST = Limits().max_cell


# --- One line -------------------------------------------------------------------------------------
@require_POST
def line_save(request: HttpRequest, pk: int, line: int) -> HttpResponse:
    """Check the row again with what was typed; once it is clean it is part of the batch."""
    found = find(pk, line)

    def save() -> str:
        done = save_line(request, found)
        if done.fixed:
            return f"Row {found.line:,} fixed."
        if done.unchanged:
            return f"Row {found.line:,} is already here as it is now, and is skipped."
        return f"Row {found.line:,} is saved and still needs a fix."

    return act(request, found, save)


def save_line(request: HttpRequest, line: RejectedLine) -> Mended:
    if column := request.POST.get("move_extension"):
        lines = line.batch.rejected_lines.filter(pk=line.pk)
        return mending.mend_alike(
            lines=lines, batch=line.batch, column=column, code="extension", by=person(request)
        )
    if line.row_id is not None:
        return Mended(fixed=[line.line])  # the second of two clicks
    typed = typed_in(request)
    if "drop_extra" in request.POST:
        typed[mending.EXTRA] = ""
    return mending.mend_lines(batch=line.batch, typed={line.pk: typed}, by=person(request))


def typed_in(request: HttpRequest) -> dict[str, str]:
    """The fields that were sent. What is never written into the page stays as it is when left empty."""
    sent = {name: request.POST[name][:LONGEST] for name in FIELD if name in request.POST}
    return {name: text for name, text in sent.items() if text.strip() or name not in SECRET}


@require_POST
def line_undo(request: HttpRequest, pk: int, line: int) -> HttpResponse:
    found = find(pk, line)

    def undo() -> str:
        mending.undo(line=found, by=person(request))
        return f"Row {found.line:,} is as it was in your file."

    return act(request, found, undo)


@require_POST
def line_skip(request: HttpRequest, pk: int, line: int) -> HttpResponse:
    """Skip the row, or take it back with `back`."""
    found = find(pk, line)

    def skip() -> str:
        if "back" in request.POST:
            mending.take_back(line=found)
            return f"Row {found.line:,} is back."
        lines = RejectedLine.objects.filter(pk=found.pk)
        mending.skip(lines=lines, batch=found.batch)
        return f"Row {found.line:,} skipped."

    return act(request, found, skip)


def find(pk: int, line: int) -> RejectedLine:
    return get_object_or_404(RejectedLine.objects.select_related("batch"), pk=line, batch=pk)


def act(request: HttpRequest, line: RejectedLine, action: Callable[[], str]) -> HttpResponse:
    """Do it and show the row again with everything that counts rows; without htmx, the page at this row."""
    refusal = ""
    try:
        said = action()
    except CannotMend as refused:
        said = refusal = str(refused)
    if not getattr(request, "htmx", False):
        (messages.error if refusal else messages.success)(request, said)
        return redirect(f"{review_url(request, line.batch, [line.line])}#row-{line.line}")
    line = find(line.batch_id, line.pk)
    parts = parts_of(line.batch)
    context = parts | {"line": shown_lines(line.batch, [line])[0], "tab": tab_of(request)}
    status = 409 if refusal else 200
    response = render(request, "calls/_review_answer.html", context, status=status)
    left = parts["totals"].fix
    return announced(response, said if refusal else f"{said} {left:,} left", refusal)


def announced(response: HttpResponse, said: str, refusal: str) -> HttpResponse:
    toast = {"toast": {"text": said, "tone": "bad"}} if refusal else {}
    response["HX-Trigger-After-Settle"] = json.dumps({"announce": said} | toast)
    return response


# --- Many lines -----------------------------------------------------------------------------------
@require_POST
def upload_fix(request: HttpRequest, pk: int) -> HttpResponse:
    """One click for every row that breaks the same rule."""
    batch = get_object_or_404(Batch, pk=pk)
    names = ("column", "code", "value")
    rule = {name: request.POST.get(name, "") for name in names}
    try:
        lines = mending.open_lines(batch)
        done = mending.mend_alike(lines=lines, batch=batch, by=person(request), **rule)
    except CannotMend as refusal:
        messages.error(request, str(refusal))
        return redirect("upload_review", pk)
    messages.success(request, said_of(done))
    return redirect(review_url(request, batch, sorted([*done.fixed, *done.left, *done.unchanged])))


def said_of(done: Mended) -> str:
    said = f"{counted(len(done.fixed), 'row', 'rows')} fixed."
    if done.unchanged:
        said += f" {counted(len(done.unchanged), 'row is', 'rows are')} already here and skipped."
    if done.left:
        said += f" {counted(len(done.left), 'row needs', 'rows need')} another fix."
    return said


@require_POST
def upload_skip(request: HttpRequest, pk: int) -> HttpResponse:
    """Skip every row that still needs a fix, if they are as many as the person was told; then go on."""
    batch = get_object_or_404(Batch, pk=pk)
    open_lines = mending.open_lines(batch)
    told, number = number_or_none(request.POST.get("number")), open_lines.count()
    if told != number:
        messages.error(request, f"Nothing was skipped: {number:,} rows need a fix by now.")
        return redirect("upload_review", pk)
    try:
        mending.skip(lines=open_lines, batch=batch)
    except CannotMend as refusal:
        messages.error(request, str(refusal))
        return redirect("upload_review", pk)
    messages.success(request, f"{counted(number, 'row', 'rows')} skipped. They stay downloadable.")
    return redirect("upload_confirm" if batch.accepted else "upload_review", pk)


@require_POST
def upload_accept(request: HttpRequest, pk: int) -> HttpResponse:
    """Possible duplicates are to be called after all: one `row`, or all of the batch (R54)."""
    batch = get_object_or_404(Batch, pk=pk)
    rows = batch.rows.all()
    if "row" in request.POST:
        rows = rows.filter(pk=number_or_none(request.POST["row"]) or 0)
    number = sameness.accept_duplicates(rows=rows, by=person(request))
    messages.success(request, f"{counted(number, 'row', 'rows')} accepted.")
    return redirect(review_url(request, batch, []))


@require_POST
def upload_join(request: HttpRequest, pk: int) -> HttpResponse:
    """A new office is the one that is known under its name (R13)."""
    batch = get_object_or_404(Batch, pk=pk)
    chosen = number_or_none(request.POST.get("office"))
    pairs = [pair for pair in sameness.namesakes(batch) if pair[0].pk == chosen]
    try:
        for office, into in pairs:
            number = sameness.join_offices(
                batch=batch, office=office, into=into, by=person(request)
            )
            said = f"{counted(number, 'row belongs', 'rows belong')} to {into.upstream_name} now."
            messages.success(request, said)
    except actions.Refused as refusal:
        messages.error(request, str(refusal))
    return redirect(review_url(request, batch, []))


def tab_of(request: HttpRequest) -> str:
    return request.POST.get("tab", "fix")


def review_url(request: HttpRequest, batch: Batch, kept: list[int]) -> str:
    query: dict[str, Any] = {"tab": tab_of(request)}
    if page := number_or_none(request.POST.get("page")):
        query["page"] = page
    if kept:
        query["kept"] = ",".join(map(str, kept[:PAGE_SIZE]))
    return f"{reverse('upload_review', args=[batch.pk])}?{urlencode(query)}"
