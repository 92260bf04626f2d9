"""Provider offices: the list, and one office with its hours, holidays, phone menu and blocked phones."""

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, F, Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from calls import actions
from calls.forecast import hours_differ
from calls.models import BlockedPhone, CallRow, Entity
from calls.views.call import office_now
from calls.views.hours import Draft, draft_from, draft_of, edit
from calls.views.signed_in import Request
from calls.views.timeline import entries
from calls.vocabulary import OPEN

PAGE_SIZE = 50
EVENTS_SHOWN = 30
UNSENT = Q(entity_id=None) | Q(synced_version__lt=F("version"))
VIEWS: dict[str, tuple[str, Q]] = {
    "": ("All", Q()),
    "refused": ("Not callable", Q(can_call=False) | ~Q(hold_reason="")),
    "unsent": ("Not sent yet", UNSENT),
}


@require_GET
def offices(request: Request) -> HttpResponse:
    show = request.GET.get("show", "")
    show = show if show in VIEWS else ""
    found = Entity.objects.filter(VIEWS[show][1]).order_by("name", "pk")
    page = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
    now = timezone.now()
    return render(
        request,
        "calls/offices.html",
        {
            "page": page,
            "lines": lines_of(list(page.object_list), now),
            "views": [(key, label, key == show) for key, (label, _) in VIEWS.items()],
            "show": show,
        },
    )


def lines_of(found: list[Entity], now: datetime) -> list[dict[str, Any]]:
    """Each office with its clock, its open calls and its blocked phones; two queries for all."""
    ids = [office.pk for office in found]
    rows = CallRow.objects.filter(entity_id__in=ids).order_by().values_list("entity_id")
    open_calls = dict(rows.filter(phase__in=OPEN).annotate(number=Count("pk")))
    blocked = dict(
        rows.filter(outbound_phone_number__in=BlockedPhone.objects.values("phone")).annotate(
            number=Count("outbound_phone_number", distinct=True)
        )
    )
    return [
        {
            "office": office,
            "clock": office_now(office, now),
            "open_calls": open_calls.get(office.pk, 0),
            "blocked": blocked.get(office.pk, 0),
        }
        for office in found
    ]


# --- One office -----------------------------------------------------------------------------------
@require_http_methods(["GET", "POST"])
def office(request: Request, pk: int) -> HttpResponse:
    """The page and its form. A button named `edit` changes the form only; nothing is stored by it."""
    found = get_object_or_404(Entity, pk=pk)
    if request.method == "GET":
        return show_office(request, found, present_draft(found))
    draft = draft_from(request.POST)
    if edit(draft, request.POST.get("edit", "")):
        return show_office(request, found, draft)
    values = draft.values()
    if values is None:
        return show_office(request, found, draft, status=422 if request.htmx else 200)
    saved = actions.save_office(office=found, values=values, by=request.user)
    found.refresh_from_db()
    messages.success(request, saved_words(found) if saved else "Nothing changed.")
    return redirect("office", pk)


def saved_words(office: Entity) -> str:
    """When Evergrove hears of what was saved just now."""
    if office.is_synced:
        return "Saved. Closed dates stay here: Evergrove is not told."
    if office.entity_id is None:
        return "Saved. It is sent to Evergrove before its first call."
    return "Saved. It is on its way to Evergrove."


def present_draft(office: Entity) -> Draft:
    return draft_of(office.working_hours, office.closed_dates, office.ivr_guide)


def show_office(
    request: Request, office: Entity, draft: Draft, *, status: int = 200
) -> HttpResponse:
    if request.htmx:
        context: dict[str, Any] = {"office": office, "draft": draft}
        return render(request, "calls/_office_form.html", context, status=status)
    now = timezone.now()
    context = {
        "office": office,
        "draft": draft,
        "clock": office_now(office, now),
        "open_calls": office.rows.filter(phase__in=OPEN).count(),
        "blocked": blocked_phones(office),
        "hours_differ": office.is_synced and hours_differ(office),
        "timeline": entries(
            office.events.select_related("actor").order_by("-at", "-pk")[:EVENTS_SHOWN]
        ),
    }
    return render(request, "calls/office.html", context, status=status)


def blocked_phones(office: Entity) -> list[BlockedPhone]:
    return list(
        BlockedPhone.objects.filter(phone__in=office.rows.values("outbound_phone_number")).order_by(
            "phone"
        )
    )


@require_POST
def office_recheck(request: Request, pk: int) -> HttpResponse:
    """Send the office again to learn whether it may be called now (R15)."""
    actions.ask_about_office(office=get_object_or_404(Entity, pk=pk), by=request.user)
    messages.success(request, "Evergrove is asked about this office again.")
    return redirect("office", pk)


@require_POST
def phone_unblock(request: Request, pk: int) -> HttpResponse:
    """Allow calls to a phone that asked not to be called (R86); back to the office that asked."""
    phone = get_object_or_404(BlockedPhone, pk=pk)
    office = Entity.objects.filter(rows__outbound_phone_number=phone.phone).first()
    count = actions.lift_phone_block(phone=phone, by=request.user)
    messages.success(request, f"The block is lifted. Calls that go on now: {count}.")
    return redirect("office", office.pk) if office else redirect("offices")
