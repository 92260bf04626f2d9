"""What live fragments share: a cheap ETag, and a plain answer for someone who opens one as a page."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.db.models import Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseNotFound
from django.utils import timezone

from calls.models import CallEvent, CallRow

View = Callable[..., HttpResponse]


def fragment(view: View) -> View:
    """Answers htmx only: a fragment alone is no page."""

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not getattr(request, "htmx", False):
            return HttpResponseNotFound("This is a part of a page.", content_type="text/plain")
        return view(request, *args, **kwargs)

    return answer


def activity_etag(*parts: object, seconds: int) -> str:
    """An ETag that holds until anything happens to any call, and for `seconds` at most.

    One query along the newest activity. The time limit covers what changes without moving a row: why it
    waits, an office that was saved, a heartbeat.
    """
    newest_event = CallEvent.objects.order_by("-pk").values("pk")[:1]
    newest = (
        CallRow.objects.order_by("-changed_at", "-pk")
        .values_list("changed_at", "pk", Subquery(newest_event))
        .first()
    )
    marks = (int(timezone.now().timestamp()) // seconds, *(newest or ()), *parts)
    return '"' + "-".join(plain(mark) for mark in marks) + '"'


def plain(mark: object) -> str:
    return "".join(letter for letter in str(mark) if letter.isalnum())
