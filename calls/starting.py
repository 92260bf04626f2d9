"""When a batch starts, and what can be had back of it. Keyword-only, one transaction each."""

from datetime import datetime
from typing import Unpack

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from calls.actions import Refused, StartRules, User, forget, given, locked, note_batch, state_now
from calls.engine.triggering import wake_rows
from calls.models import Batch, CallEvent
from calls.tasks import wake
from calls.templatetags.formats import moment_text
from calls.vocabulary import BatchState, EventKind, Phase

UNDER_WAY = (BatchState.RUNNING, BatchState.PAUSED)


@transaction.atomic
def start_later(*, batch: Batch, at: datetime, by: User, **rules: Unpack[StartRules]) -> None:
    """The draft starts by itself at that time; until then it can be mended. Raises Refused."""
    now = timezone.now()
    if at <= now:
        raise Refused("Start time must be in the future.")
    if not batch.rows.exists():
        raise Refused("This batch has no calls to start.")
    draft = Batch.objects.filter(pk=batch.pk, state=BatchState.DRAFT)
    if not draft.update(start_at=at, paused_reason="", **given(rules)):
        raise Refused(f"{state_now(batch)} Only a draft can be started later.")
    until = moment_text(timezone.localtime(at), "short")
    note_batch(batch, EventKind.WAITING, by=by, now=now, detail=f"until {until}")


@transaction.atomic
def do_not_start(*, batch: Batch, by: User) -> None:
    """The draft no longer starts by itself. Raises Refused."""
    waiting = Batch.objects.filter(pk=batch.pk, state=BatchState.DRAFT, start_at__isnull=False)
    if not waiting.update(start_at=None):
        raise Refused(f"{state_now(batch)} It was not waiting to be started.")
    note_batch(
        batch, EventKind.PAUSED, by=by, now=timezone.now(), detail="no longer starts by itself"
    )


@transaction.atomic
def start_calling(*, batch: Batch, by: User) -> None:
    """What was only queued may be called from now on. Raises Refused."""
    now = timezone.now()
    queued = Batch.objects.filter(pk=batch.pk, state__in=UNDER_WAY, queue_only=True)
    if not queued.update(queue_only=False):
        raise Refused(f"{state_now(batch)} Its calls are not held back.")
    note_batch(batch, EventKind.STARTED, by=by, now=now, detail="calling")
    wake_rows(Q(batch=batch), now=now)
    wake("dispatch")


@transaction.atomic
def take_back(*, batch: Batch, by: User) -> int:
    """Forget a batch of which Evergrove has not heard yet, started or not. Raises Refused.

    Returns how many rows it had taken from earlier batches: they go back as they were (R33).
    """
    found = locked(batch)
    heard_of = batch.rows.filter(
        ~Q(phase=Phase.READY) | Q(request_id__isnull=False) | Q(possible_orphans__gt=0)
    )
    if number := heard_of.count():
        raise Refused(
            f"Evergrove has {number:,} of these calls already, or may have them. "
            "Withdraw what has not started instead."
        )
    detail = f"batch {batch.pk} taken back, {batch.rows.count()} rows"
    CallEvent.objects.create(at=timezone.now(), kind=EventKind.WITHDRAWN, actor=by, detail=detail)
    return forget(found, by=by)
