"""A batch whose rows are refused one after the other pauses itself before it has used them all up."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

from django.db import transaction
from django.db.models import Count, Max, Q

from calls.engine.tools import Tools
from calls.models import Batch, CallEvent, CallRow
from calls.models.call import NOT_HELD
from calls.models.event import note_event
from calls.vocabulary import ROW_FAULTS, BatchState, EventKind, PauseReason, Phase

logger = logging.getLogger(__name__)

Job = TypeVar("Job")
LOOKED_AT = 50  # rows, the last that moved
ENOUGH = 20  # fewer say nothing
FEWEST_HELD = 5  # more than a fifth of those
LARGEST_SHARE = 0.2


def with_brake(
    claim: Callable[[int], Sequence[Job]], tools: Tools
) -> Callable[[int], Sequence[Job]]:
    """`claim`, with a look at the brakes before each."""

    def braked(limit: int) -> Sequence[Job]:
        brake(now=tools.clock())
        return claim(limit)

    return braked


def brake(*, now: datetime) -> None:
    """Pause each running batch of which more than a fifth of the last rows were held for themselves.

    Rows held with their office, organization or phone do not count: the rest of the batch is well (R31).
    """
    for batch_id in suspects():
        if goes_wrong(holds_of_last_rows(batch_id)):
            pause(batch_id, now=now)


def suspects() -> list[int]:
    """Running batches with so many held rows that they could matter; one query along the held rows."""
    return list(
        CallRow.objects.filter(
            ~NOT_HELD, hold_reason__in=ROW_FAULTS, batch__state=BatchState.RUNNING
        )
        .order_by()
        .values("batch")
        .annotate(number=Count("pk"))
        .filter(number__gte=FEWEST_HELD)
        .values_list("batch", flat=True)
    )


def holds_of_last_rows(batch_id: int) -> list[str]:
    """The hold reason, or none, of the last rows that got past their first step since the last start."""
    started = CallEvent.objects.filter(batch=batch_id, kind=EventKind.STARTED)
    since = started.aggregate(last=Max("at"))["last"]
    untouched = Q(phase__in=(Phase.READY, Phase.SCHEDULING)) & NOT_HELD
    rows = CallRow.objects.filter(~untouched, batch=batch_id)
    if since is not None:
        rows = rows.filter(changed_at__gt=since)
    newest = rows.order_by("-changed_at", "-pk")
    return list(newest.values_list("hold_reason", flat=True)[:LOOKED_AT])


def goes_wrong(holds: Sequence[str]) -> bool:
    at_fault = sum(hold in ROW_FAULTS for hold in holds)
    return len(holds) >= ENOUGH and at_fault > LARGEST_SHARE * len(holds)


def pause(batch_id: int, *, now: datetime) -> None:
    reason = PauseReason.TOO_MANY_HELD
    with transaction.atomic():
        running = Batch.objects.filter(pk=batch_id, state=BatchState.RUNNING)
        if not running.update(state=BatchState.PAUSED, paused_reason=reason):
            return
        note_event(batch_id=batch_id, at=now, kind=EventKind.PAUSED, detail=reason.value)
    logger.warning("batch %s paused itself: %s", batch_id, reason.label.lower())
