"""The page for a fault of ours. It must not need what may just have failed: no database, no session."""

import logging
import secrets

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseServerError
from django.template.loader import render_to_string

log = logging.getLogger("calls.errors")


def server_error(request: HttpRequest) -> HttpResponse:
    """Show a reference that stands in the log beside the traceback; the page itself tells nothing else."""
    reference = secrets.token_hex(4)
    log.error("A page failed, reference %s", reference)
    frame = {"practice_mode": settings.PRACTICE_MODE, "support_contact": settings.SUPPORT_CONTACT}
    context = {"reference": reference, "request": request, "frame": frame}
    return HttpResponseServerError(render_to_string("500.html", context))
