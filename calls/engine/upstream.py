"""How the API behaves towards our key: stopped, slowed down, out of reach, or fine (R4, R5, R8)."""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.db.models import F, Q

from calls.engine import instance
from calls.engine.policy import backoff
from calls.engine.tools import Answer, HeldBack, Tools
from calls.evergrove.errors import (
    EvergroveError,
    KeyRefused,
    Misconfigured,
    NotFound,
    NotSent,
    SlowDown,
    Unknown,
)
from calls.models import Upstream
from calls.vocabulary import StopReason

logger = logging.getLogger(__name__)

BREAKER_THRESHOLD = 5
DEFAULT_SLOW_DOWN = 5.0  # seconds, for a 429 that names no time


def reason_to_stand_still(tools: Tools) -> str:
    """The StopReason that holds for this installation; empty while it may work."""
    if instance.owner() != tools.instance_id:
        return StopReason.ANOTHER_INSTANCE
    return Upstream.load().stop_reason


def may_send(tools: Tools) -> bool:
    """Whether requests may go out now. An open breaker is probed with a GET, never with a trigger."""
    if instance.owner() != tools.instance_id:
        return False
    upstream, now = Upstream.load(), tools.clock()
    if upstream.stop_reason:
        return resumes_with_new_key(upstream, tools)
    if upstream.slow_until and now < upstream.slow_until:
        return False
    if upstream.failures < BREAKER_THRESHOLD:
        return True
    if upstream.open_until and now < upstream.open_until:
        return False
    return probe(tools)


def resumes_with_new_key(upstream: Upstream, tools: Tools) -> bool:
    """A refused key stays refused until it is another one; other stops wait for a person."""
    if upstream.stop_reason != StopReason.KEY_REFUSED:
        return False
    if upstream.key_fingerprint in ("", tools.key_fingerprint):
        return False
    logger.warning("a new API key is in place, trying again")
    return bool(
        Upstream.objects.filter(pk=upstream.pk, key_fingerprint=upstream.key_fingerprint).update(
            stop_reason="", stopped_at=None, key_fingerprint="", failures=0
        )
    )


def probe(tools: Tools) -> bool:
    """Ask for a request that cannot exist: any HTTP answer that is not a 5xx says the API is back."""
    now = tools.clock()
    # Whoever pushes the time forward does the probing; a rival finds the breaker still open.
    opened = Upstream.objects.filter(pk=Upstream.SINGLETON, failures__gte=BREAKER_THRESHOLD)
    if not opened.exclude(open_until__gt=now).update(open_until=now + timedelta(seconds=30)):
        return False
    try:
        tools.client.poll(uuid4())
    except NotFound:
        pass
    except EvergroveError as error:
        note([Answer(None, error, 0.0)], tools)
        return False
    Upstream.objects.update(failures=0, open_until=None, last_ok_at=tools.clock())
    return True


def note(answers: Iterable[Answer[Any]], tools: Tools) -> bool:
    """Keep what a group of answers says about the API itself; False: send nothing more for now.

    Row faults (4xx) say that the API is well.
    """
    answers = list(answers)
    errors = [answer.value for answer in answers if isinstance(answer.value, EvergroveError)]
    for error in errors:
        if isinstance(error, KeyRefused | Misconfigured):
            stop(reason_to_stop(error), tools)
            return False
    note_health(answers, tools)
    slow = [error for error in errors if asks_for_a_pause(error)]
    if slow:
        slow_down(max(error.retry_after or DEFAULT_SLOW_DOWN for error in slow), tools.clock())
    return not is_closed(tools.clock())


def asks_for_a_pause(error: EvergroveError) -> bool:
    """The whole key waits: nothing more is sent, not even what is waiting for a thread (R4, R5)."""
    return isinstance(error, SlowDown | KeyRefused | Misconfigured) or bool(error.retry_after)


def is_closed(now: datetime) -> bool:
    """Whether anybody, another process too, has stopped or slowed down sending."""
    return Upstream.objects.filter(
        ~Q(stop_reason="") | Q(slow_until__gt=now) | Q(failures__gte=BREAKER_THRESHOLD)
    ).exists()


def reason_to_stop(error: EvergroveError) -> StopReason:
    return StopReason.KEY_REFUSED if isinstance(error, KeyRefused) else StopReason.REDIRECTED


def stop(reason: StopReason, tools: Tools) -> None:
    """Everything stands still, rows keep their phases, one banner tells why (R4)."""
    logger.error("triggering and polling are stopped: %s", reason)
    Upstream.load()
    Upstream.objects.filter(stop_reason="").update(
        stop_reason=reason, stopped_at=tools.clock(), key_fingerprint=tools.key_fingerprint
    )


def slow_down(seconds: float, now: datetime) -> None:
    """A later answer never shortens the wait that an earlier one asked for."""
    Upstream.load()
    until = now + timedelta(seconds=seconds)
    Upstream.objects.filter(Q(slow_until=None) | Q(slow_until__lt=until)).update(slow_until=until)


def note_health(answers: list[Answer[Any]], tools: Tools) -> None:
    """The last thing seen decides: an answer closes the breaker, a fault counts towards it."""
    told = [answer for answer in answers if not isinstance(answer.value, HeldBack)]
    failed = [answer for answer in told if isinstance(answer.value, NotSent | Unknown)]
    healthy = [answer for answer in told if not isinstance(answer.value, NotSent | Unknown)]
    now = tools.clock()
    Upstream.load()
    if healthy:
        Upstream.objects.update(
            failures=0,
            open_until=None,
            last_ok_at=now,
            last_ok_ms=round(healthy[-1].seconds * 1000),
        )
    elif failed:
        Upstream.objects.update(
            failures=F("failures") + min(len(failed), 1000),
            open_until=now + backoff(8, tools.rng),
            last_failure_at=now,
            last_failure=failed[-1].value.reason[:255],
        )


def note_tenant(tenant_id: str, tools: Tools) -> bool:
    """Remember the tenant; another one later means a wrong key and stops everything (R8)."""
    upstream = Upstream.load()
    if not upstream.tenant_id:
        Upstream.objects.filter(pk=upstream.pk, tenant_id="").update(tenant_id=tenant_id)
    elif upstream.tenant_id != tenant_id:
        stop(StopReason.TENANT_CHANGED, tools)
        return False
    return True
