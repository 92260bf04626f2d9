"""Drafts that were told to start at a time start by themselves when it has come."""

from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef

from calls.models import Batch, CallRow
from calls.models.event import note_event
from calls.vocabulary import BatchState, EventKind


def start_due_batches(*, now: datetime) -> int:
    """Set going every draft whose time has come; returns how many. A draft without rows stays one."""
    rows = CallRow.objects.filter(batch=OuterRef("pk"))
    # One that must not simply go on (paused_reason) waits for a person.
    due = Batch.objects.filter(
        Exists(rows), state=BatchState.DRAFT, start_at__lte=now, paused_reason=""
    )
    return sum(start(batch, now=now) for batch in due)


@transaction.atomic
def start(batch: Batch, *, now: datetime) -> bool:
    """False: a person has started it, put it off or discarded it since."""
    still_due = Batch.objects.filter(pk=batch.pk, state=BatchState.DRAFT, start_at=batch.start_at)
    if not still_due.update(state=BatchState.RUNNING, started_at=now, start_at=None):
        return False
    note_event(batch=batch, at=now, kind=EventKind.STARTED, detail="at the time that was set")
    return True
