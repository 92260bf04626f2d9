"""An upload's review: what is wrong, to be mended on the page, and what is ready."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from calls.intake import summing
from calls.intake.mending import open_lines
from calls.models import Batch, CallRow
from calls.sameness import namesakes
from calls.templatetags.formats import last_digits
from calls.views.batch_state import discarding
from calls.views.finding import number_or_none
from calls.views.rejected import settled_lines, shown_lines
from calls.views.uploads import show_unfinished
from calls.vocabulary import BatchState, HoldReason

PAGE_SIZE = 50
LABELS = {
    "fix": "Must fix",
    "check": "Check",
    "changed": "Changed",
    "ready": "Ready",
    "all": "All",
    "done": "Fixed or skipped",
}
MASKED = {"patient_ssn", "patient_phone_number", "patient_dob"}

Lines = list[dict[str, Any]]


# --- The page -------------------------------------------------------------------------------------
@require_GET
def upload_review(request: HttpRequest, pk: int) -> HttpResponse:
    batch = get_object_or_404(Batch, pk=pk)
    if batch.state in (BatchState.MATCHING, BatchState.LOADING):
        return show_unfinished(request, batch)
    return show_review(request, batch)


@require_POST
def upload_continue(request: HttpRequest, pk: int) -> HttpResponse:
    """On to the confirmation; with rows left to fix the summary says so and offers to skip them."""
    batch = get_object_or_404(Batch, pk=pk)
    if summing.totals(batch).fix:
        return show_review(request, batch, stopped=True, status=422)
    return redirect("upload_confirm", pk)


def show_review(
    request: HttpRequest, batch: Batch, *, stopped: bool = False, status: int = 200
) -> HttpResponse:
    """The whole page. `?tab=` chooses the list, `?kept=` names lines that stay in it although settled."""
    parts = parts_of(batch)
    tab = request.GET.get("tab", "")
    tab = tab if tab in LABELS else first_tab(parts["totals"])
    number = max(number_or_none(request.GET.get("page")) or 1, 1)
    start = (number - 1) * PAGE_SIZE
    lines = lines_of(batch, tab, start, kept=kept_lines(request))
    context = {
        **parts,
        "stopped": stopped,
        "tab": tab,
        "lines": lines[:PAGE_SIZE],
        "first": start + 1,
        "last": start + len(lines[:PAGE_SIZE]),
        "older": number + 1 if len(lines) > PAGE_SIZE else None,
        "newer": number - 1 if number > 1 else None,
        "known": Batch.objects.filter(pk__in=batch.unchanged_in),
        "discarding": discarding(parts["totals"].ready),
        "namesakes": namesakes(batch) if parts["is_draft"] else [],
    }
    return render(request, "calls/upload_review.html", context, status=status)


def parts_of(batch: Batch) -> dict[str, Any]:
    """What every answer of this page shows: the summary, the totals, the tabs and the dock."""
    totals = summing.totals(batch)
    return {
        "batch": batch,
        "totals": totals,
        "groups": summing.problem_groups(batch) if totals.fix else [],
        "walked": summing.WALKED if totals.fix > summing.WALKED else 0,
        "tabs": tabs(totals),
        "is_draft": batch.state == BatchState.DRAFT,
    }


def kept_lines(request: HttpRequest) -> list[int]:
    """Lines that were settled a moment ago: they stay in the list with their Undo."""
    numbers = request.GET.get("kept", "").split(",")
    return [int(number) for number in numbers[:PAGE_SIZE] if number_or_none(number)]


def first_tab(totals: summing.Totals) -> str:
    if totals.fix:
        return "fix"
    return "check" if totals.check or totals.duplicates else "ready"


def tabs(totals: summing.Totals) -> list[tuple[str, str, int]]:
    numbers = {
        "fix": totals.fix,
        "check": totals.check + totals.duplicates,
        "changed": totals.changed,
        "ready": totals.callable,
        "all": totals.ready + totals.fix + totals.skipped,
        "done": totals.fixed + totals.skipped,
    }
    shown = [(key, label, numbers[key]) for key, label in LABELS.items()]
    return shown if numbers["done"] else shown[:-1]


# --- The lists ------------------------------------------------------------------------------------
def lines_of(batch: Batch, tab: str, start: int, *, kept: list[int]) -> Lines:
    """One page of a tab and one line more, which tells that there is another page."""
    part = slice(start, start + PAGE_SIZE + 1)
    match tab:
        case "fix":
            found = open_lines(batch) | batch.rejected_lines.filter(line__in=kept)
            return shown_lines(batch, found.order_by("line")[part])
        case "done":
            return shown_lines(batch, settled_lines(batch).order_by("line")[part])
        case "all":
            return all_lines(batch, part)
        case "check":
            return [checked_line(row) for row in summing.rows_with_warnings(batch)[part]]
        case "changed":
            return [changed_line(row) for row in summing.rows_with_changes(batch)[part]]
    return [ready_line(row) for row in summing.ready_rows(batch)[part]]


def all_lines(batch: Batch, part: slice) -> Lines:
    """Rows and lines without a row in the order of the file: both are read from the start to the page's end."""
    rows = summing.listed_rows(batch).values_list("line", "pk")[: part.stop]
    lines = batch.rejected_lines.filter(row=None).order_by("line")
    places = [(*pair, True) for pair in rows]
    places += [(*pair, False) for pair in lines.values_list("line", "pk")[: part.stop]]
    chosen = sorted(places)[part]
    found = shown_lines(batch, lines.filter(pk__in=[pk for _, pk, is_row in chosen if not is_row]))
    mine = summing.listed_rows(batch).filter(pk__in=[pk for _, pk, is_row in chosen if is_row])
    return sorted([*found, *map(ready_line, mine)], key=lambda line: line["number"])


def ready_line(row: CallRow) -> dict[str, Any]:
    return {
        "number": row.line,
        "patient": row.patient_name,
        "office": row.provider_office,
        "row": row,
    }


def checked_line(row: CallRow) -> dict[str, Any]:
    is_held = row.hold_reason == HoldReason.POSSIBLE_DUPLICATE
    return ready_line(row) | {"problems": list(summing.told(row.warnings)), "is_duplicate": is_held}


def changed_line(row: CallRow) -> dict[str, Any]:
    changes = [masked_change(change) for change in summing.labelled(row.changes)]
    return ready_line(row) | {"changes": changes}


def masked_change(change: dict[str, Any]) -> dict[str, Any]:
    """What identifies a patient is said to have changed, and not shown."""
    if change["column"] not in MASKED:
        return change
    end = last_digits(change["after"])
    return change | {"before": "", "after": f"ends in {end}" if end else "", "hidden": True}
