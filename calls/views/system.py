"""The System page: how the installation is doing, and what a supervisor can do about it."""

import platform
import tomllib
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import django
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.db.models import Count, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import condition, require_GET, require_POST

from calls import actions
from calls.attention import counted
from calls.engine.claiming import in_running_batch
from calls.engine.reconciling import to_ask
from calls.engine.tools import fingerprint
from calls.health import LAG_IS_TROUBLE, poll_lag, read_vitals
from calls.models import CallRow, Upstream
from calls.templatetags.formats import day_text
from calls.views.live import activity_etag, answer, fragment
from calls.views.people import person
from calls.vocabulary import OPEN, POLLED, Phase

SECONDS = 15


@require_GET
def system(request: HttpRequest) -> HttpResponse:
    return render(request, "calls/system.html", live_part(request))


def live_etag(request: HttpRequest) -> str:
    return activity_etag(request, "system", request.user.is_staff, seconds=SECONDS)


@require_GET
@fragment
@condition(etag_func=live_etag)
def system_live(request: HttpRequest) -> HttpResponse:
    return answer(request, "calls/_system_live.html", live_part(request))


def live_part(request: HttpRequest) -> dict[str, Any]:
    now = timezone.now()
    etag, vitals, lag = live_etag(request), read_vitals(now), poll_lag(now)
    return {
        "etag": etag,
        "seconds": SECONDS,
        "vitals": vitals,
        "days_left": vitals.key.days_left(vitals.today),
        "key_is_near": vitals.key.is_near(vitals.today),
        "due_text": day_text(vitals.key.due) if vitals.key.due else "",
        "lag_text": behind(lag),
        "lags": lag > LAG_IS_TROUBLE,
        "is_well": not vitals.troubles and lag <= LAG_IS_TROUBLE,
        "work": work(now),
        "versions": versions(),
        "next_key": next_key(vitals.upstream),
        "may_resume": request.user.is_staff,
        "practice_mode": settings.PRACTICE_MODE,
        "api_url": settings.API_URL,
        "rotation_days": settings.API_KEY_ROTATION_DAYS,
    }


def behind(lag: timedelta) -> str:
    """`On time`, `11 s behind`, `4 min behind`."""
    seconds = round(lag.total_seconds())
    if seconds < 1:
        return "On time"
    return f"{seconds} s behind" if seconds < 120 else f"{seconds // 60:,} min behind"


def work(now: datetime) -> dict[str, Any]:
    """Open rows by phase, and what is due now."""
    phases = dict(
        CallRow.objects.filter(phase__in=OPEN)
        .values_list("phase")
        .annotate(number=Count("pk"))
        .order_by()
    )
    due = CallRow.objects.filter(next_at__lte=now)
    running = due.filter(in_running_batch(), hold_reason="")
    return {
        "phases": [(phase.label, phases.get(phase, 0)) for phase in OPEN],
        "due_to_queue": running.filter(phase=Phase.READY).count(),
        "due_to_start": running.filter(phase=Phase.SCHEDULED).count(),
        "due_to_poll": due.filter(phase__in=POLLED).count(),
        "to_ask_first": to_ask().count(),
        "orphans": CallRow.objects.aggregate(total=Sum("possible_orphans"))["total"] or 0,
    }


def next_key(upstream: Upstream) -> str:
    """What is known of API_KEY_NEXT: works, refused or untried; empty when there is none (R3)."""
    if not settings.API_KEY_NEXT:
        return ""
    if upstream.next_key_fingerprint != fingerprint(settings.API_KEY_NEXT):
        return "untried"
    return "works" if upstream.next_key_works else "refused"


def versions() -> dict[str, str]:
    return {
        "Evergrove Dash": product_version(),
        "Django": django.get_version(),
        "Python": platform.python_version(),
        "Database": connection.display_name,
    }


@cache
def product_version() -> str:
    project = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())
    return str(project["project"]["version"])


@require_POST
def system_resume(request: HttpRequest) -> HttpResponse:
    """A supervisor says that the key or the address is right again."""
    if not request.user.is_staff:
        raise PermissionDenied
    actions.resume_upstream(by=person(request))
    messages.success(request, "Evergrove is tried again now.")
    return redirect("system")


@require_POST
def system_adopt(request: HttpRequest) -> HttpResponse:
    """A supervisor says that this installation, and no other, calls from this database."""
    return with_reason(request, actions.adopt_database, "This database is taken over.")


@require_POST
def system_reconcile(request: HttpRequest) -> HttpResponse:
    """A supervisor says that Evergrove may know more than this database."""
    return with_reason(request, actions.reconcile, "Nothing is started before that.")


def with_reason(request: HttpRequest, action: Callable[..., int], said: str) -> HttpResponse:
    """For staff, with the reason that the form must give."""
    if not request.user.is_staff:
        raise PermissionDenied
    try:
        count = action(by=person(request), reason=request.POST.get("reason", ""))
    except actions.Refused as refusal:
        messages.error(request, str(refusal))
    else:
        asked = counted(count, "open call", "open calls")
        messages.success(request, f"Evergrove is asked about {asked}. {said}")
    return redirect("system")
