"""Keeps one slice of a kind running at a time, and beats while it runs. Two at once would be harmless."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import uuid4

from django.db.models import Q
from django.utils import timezone

from calls.models import Lease

TIME_TO_LIVE = timedelta(seconds=10)
BEAT_EVERY = 2.0  # seconds
SLICE_SECONDS = 20.0  # below the queue's task timeout


@dataclass
class Slice:
    """A bounded stretch of work under a lease. `keep_going` is asked between two claims and beats."""

    name: str
    token: str = field(default_factory=lambda: uuid4().hex)
    clock: Callable[[], datetime] = timezone.now
    ends_at: float = 0.0
    beats_at: float = 0.0
    is_lost: bool = False

    def acquire(self) -> bool:
        """False: another process runs this kind of slice."""
        now = self.clock()
        Lease.objects.get_or_create(name=self.name)
        free = Lease.objects.filter(Q(until=None) | Q(until__lt=now), name=self.name)
        self.ends_at = time.monotonic() + SLICE_SECONDS
        return bool(free.update(token=self.token, until=now + TIME_TO_LIVE, beat_at=now))

    def keep_going(self) -> bool:
        if time.monotonic() >= self.beats_at:
            self.beat()
        return not self.is_lost and time.monotonic() < self.ends_at

    def beat(self) -> None:
        now = self.clock()
        mine = Lease.objects.filter(name=self.name, token=self.token)
        self.is_lost = not mine.update(until=now + TIME_TO_LIVE, beat_at=now)
        self.beats_at = time.monotonic() + BEAT_EVERY

    def release(self) -> None:
        Lease.objects.filter(name=self.name, token=self.token).update(until=None, token="")


def revoke_all() -> None:
    """Ask every running slice to end after what it has in flight (used when the worker stops)."""
    Lease.objects.update(token="", until=None)
