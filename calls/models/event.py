from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.conf import settings
from django.db import models

from calls.models.batch import Batch
from calls.models.call import CallRow
from calls.models.entity import Entity
from calls.vocabulary import EventKind, Phase


class CallEvent(models.Model):
    """One entry of the timeline: what, when, who, from, to. Append only, no patient data (R91)."""

    row = models.ForeignKey(  # timeline_of_row begins with it
        CallRow, models.CASCADE, null=True, related_name="events", db_index=False
    )
    batch = models.ForeignKey(Batch, models.CASCADE, null=True, related_name="events")
    entity = models.ForeignKey(Entity, models.CASCADE, null=True, related_name="events")
    at = models.DateTimeField()
    kind = models.CharField(max_length=16, choices=EventKind)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True
    )  # null: the engine
    phase_from = models.CharField(max_length=16, choices=Phase, blank=True)
    phase_to = models.CharField(max_length=16, choices=Phase, blank=True)
    detail = models.CharField(max_length=255, blank=True)  # codes, counts and field names

    class Meta:
        indexes = [
            models.Index(fields=["row", "-at"], name="timeline_of_row"),
            models.Index(fields=["-at"], name="newest_events"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"


_gathering: ContextVar[list[CallEvent] | None] = ContextVar("gathering", default=None)


def note_event(**fields: Any) -> None:
    """Append one entry to the timeline, in the transaction of what it tells."""
    event, gathering = CallEvent(**fields), _gathering.get()
    if gathering is None:
        event.save()
    else:
        gathering.append(event)


@contextmanager
def gathered_events() -> Iterator[None]:
    """Entries noted inside are written by one INSERT at the end, and not at all when the block fails.

    Belongs inside the transaction of the moves that they tell.
    """
    events: list[CallEvent] = []
    token = _gathering.set(events)
    try:
        yield
    finally:
        _gathering.reset(token)
    CallEvent.objects.bulk_create(events)
