"""Is this process alive, and may it be sent visitors? For load balancers: without sign-in, without detail."""

from functools import cache

from django.contrib.auth.decorators import login_not_required
from django.db import Error, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

Migration = tuple[str, str]  # application, name


@login_not_required
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers. The database is not asked: its absence is not mended by a restart."""
    return plain("ok")


@login_not_required
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """The database answers, and has the tables of this version."""
    try:
        is_ready = migrations_of_code() <= set(MigrationRecorder(connection).applied_migrations())
    except Error:
        is_ready = False
    return plain("ok") if is_ready else plain("not ready", status=503)


def plain(text: str, *, status: int = 200) -> HttpResponse:
    return HttpResponse(text, content_type="text/plain", status=status)


@cache
def migrations_of_code() -> frozenset[Migration]:
    loader = MigrationLoader(None, ignore_no_migrations=True)
    return frozenset(loader.disk_migrations or ())
