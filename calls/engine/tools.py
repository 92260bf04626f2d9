"""What the engine works with: client, clock, chance, threads and rules; tests hand in their own."""

import hashlib
import random
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from calls.engine import instance
from calls.engine.clock import shared_clock
from calls.evergrove.client import Evergrove
from calls.evergrove.errors import NotSent
from calls.evergrove.rotating import RotatingEvergrove
from calls.models import CallRow, Upstream

Job = TypeVar("Job")


@dataclass(frozen=True)
class Rules:
    """The engine's settings; README lists the environment variable of each."""

    respect_calling_hours: bool = True
    confirm_wait: timedelta = timedelta(seconds=120)
    retry_trigger: bool = True
    schedule_chunk: int = 50
    concurrency: int = 32
    call_timeout: timedelta = timedelta(hours=72)
    outcome_grace: timedelta = timedelta(hours=24)
    ssn_policy: str = "as_given"

    @property
    def retries_kept_back(self) -> int:
        """A row starts with one retry. `hold` keeps that one back, so that only a person's decision, or a
        trigger that was refused for certain (429), adds one that may be used (R71)."""
        return 0 if self.retry_trigger else 1

    @classmethod
    def from_settings(cls) -> "Rules":
        return cls(
            respect_calling_hours=settings.RESPECT_CALLING_HOURS,
            confirm_wait=timedelta(seconds=settings.TRIGGER_CONFIRM_WAIT),
            retry_trigger=settings.TRIGGER_RETRY == "auto",
            schedule_chunk=settings.SCHEDULE_CHUNK,
            concurrency=settings.API_CONCURRENCY,
            call_timeout=timedelta(hours=settings.CALL_TIMEOUT_HOURS),
            outcome_grace=timedelta(hours=settings.OUTCOME_GRACE_HOURS),
            ssn_policy=settings.SSN_POLICY,
        )


@dataclass(frozen=True)
class Tools:
    """`keep_going` answers, between two claims, whether this process may take more work."""

    client: Evergrove
    executor: Executor
    rules: Rules = field(default_factory=Rules)
    clock: Callable[[], datetime] = timezone.now
    rng: random.Random = field(default_factory=random.Random)
    keep_going: Callable[[], bool] = lambda: True
    key_fingerprint: str = ""
    instance_id: str = ""  # of this installation; a database of another one is left alone


@dataclass(frozen=True)
class Answer(Generic[Job]):
    """What came back for one job: a schema object, or the EvergroveError that tells what is known."""

    job: Job
    value: Any
    seconds: float


class HeldBack(NotSent):
    """We did not send, because sending was stopped or slowed down meanwhile. Says nothing about the API."""


class IntentTooOld(HeldBack):
    """We did not send, because what was claimed is no longer surely ours (the process was frozen)."""


def require_claim(claimed_until: datetime | None, tools: Tools) -> None:
    """Raises IntentTooOld once the claim's lease is over: another worker may have taken the job."""
    if claimed_until is None or tools.clock() >= claimed_until:
        raise IntentTooOld("held back, the claim is too old")


def fingerprint(api_key: str) -> str:
    """Tells two keys apart without telling anything about either (R3)."""
    return hashlib.blake2b(
        api_key.encode(), key=settings.SECRET_KEY.encode()[:64], digest_size=8
    ).hexdigest()


def keys_from_settings() -> list[str]:
    """The present key, and the next one during a rotation (R3)."""
    return [key for key in (settings.API_KEY, settings.API_KEY_NEXT) if key]


@contextmanager
def client_from_settings() -> Iterator[Evergrove]:
    """During a rotation, what was learnt about the next key is kept at the end."""
    where = settings.API_URL
    if not settings.API_KEY_NEXT:
        with Evergrove(base_url=where, api_key=settings.API_KEY) as client:
            yield client
        return
    with RotatingEvergrove(
        base_url=where,
        api_key=settings.API_KEY,
        next_key=settings.API_KEY_NEXT,
        known_request=newest_request(),
    ) as rotating:
        try:
            yield rotating
        finally:
            note_next_key(rotating.next_key_works)


def newest_request() -> UUID | None:
    """One that Evergrove should know: the newest call that it has told us something of."""
    known = CallRow.objects.filter(request_id__isnull=False, last_polled_at__isnull=False)
    return known.order_by("-pk").values_list("request_id", flat=True).first()


def note_next_key(works: bool | None) -> None:
    """Written only when it differs: a slice ends every few seconds."""
    if works is None:
        return
    known = {
        "next_key_fingerprint": fingerprint(settings.API_KEY_NEXT),
        "next_key_works": works,
    }
    Upstream.load()
    Upstream.objects.exclude(**known).update(**known)


@contextmanager
def tools_from_settings(keep_going: Callable[[], bool] = lambda: True) -> Iterator[Tools]:
    """The engine's tools for this process; threads and connections are closed at the end."""
    rules = Rules.from_settings()
    with (
        client_from_settings() as client,
        ThreadPoolExecutor(rules.concurrency, thread_name_prefix="evergrove") as executor,
    ):
        yield Tools(
            client=client,
            executor=executor,
            rules=rules,
            clock=shared_clock(),
            keep_going=keep_going,
            key_fingerprint=fingerprint("\n".join(keys_from_settings())),
            instance_id=instance.moved_in(now=timezone.now()),
        )
