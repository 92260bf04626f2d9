"""What live fragments share: a cheap ETag, the frame around the page, and a plain answer for someone who
opens one as a page."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.db.models import Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseNotFound
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import timezone
from django_htmx.http import trigger_client_event

from calls.models import CallEvent, CallRow
from calls.views.frame import frame_of

View = Callable[..., HttpResponse]


def fragment(view: View) -> View:
    """Answers htmx only: a fragment alone is no page."""

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not getattr(request, "htmx", False):
            return HttpResponseNotFound("This is a part of a page.", content_type="text/plain")
        return view(request, *args, **kwargs)

    return answer


def answer(
    request: HttpRequest, template: str, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    """A live fragment, followed by the notices and badges around it: an open page must not go on saying
    that all is well.

    Whatever brings a new ETag to the page goes this way. Its next polls are 304 and bring no badge.
    """
    response = render(request, template, context, status=status)
    response.write(render_to_string("_frame_live.html", request=request))
    return response


def announce(response: HttpResponse, text: str) -> HttpResponse:
    """Say it aloud once the answer is on the page. It travels in a header: nothing personal."""
    return trigger_client_event(response, "announce", {"value": text}, after="settle")


def etag_of(request: HttpRequest, *marks: object) -> str:
    """`marks` of the fragment itself, and of the frame that comes with it."""
    return '"' + "-".join(plain(mark) for mark in (*marks, *frame_of(request).marks)) + '"'


def activity_etag(request: HttpRequest, *parts: object, seconds: int) -> str:
    """An ETag that holds until anything happens to any call, and for `seconds` at most.

    One query along the newest activity, beside those of the frame. The time limit covers what changes
    without moving a row: why it waits, an office that was saved, a heartbeat.
    """
    newest_event = CallEvent.objects.order_by("-pk").values("pk")[:1]
    newest = (
        CallRow.objects.order_by("-changed_at", "-pk")
        .values_list("changed_at", "pk", Subquery(newest_event))
        .first()
    )
    period = int(timezone.now().timestamp()) // seconds
    return etag_of(request, period, *(newest or ()), *parts)


def plain(mark: object) -> str:
    return "".join(letter for letter in str(mark) if letter.isalnum())
