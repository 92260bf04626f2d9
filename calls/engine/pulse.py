"""One pulse: everything that is due now, once. A slice is pulses until its time is over."""

import time
from collections.abc import Callable
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef

from calls.engine import instance, reconciling
from calls.engine.claiming import hold_uncallable, rescue_claims, withdraw
from calls.engine.entities import send_entities
from calls.engine.leasing import Slice
from calls.engine.polling import poll_rows
from calls.engine.scheduling import schedule_rows
from calls.engine.starting import start_due_batches
from calls.engine.tools import Tools, tools_from_settings
from calls.engine.triggering import mark_busy_phones, trigger_rows
from calls.models import Batch, CallRow
from calls.models.event import note_event
from calls.vocabulary import OPEN, BatchState, EventKind

IDLE_SECONDS = 0.5

Pulse = Callable[[Tools], int]


def dispatch_pulse(tools: Tools) -> int:
    """Offices, requests, triggers, in the order in which one makes the next possible.

    None of them before everything open was asked about, when the database comes from a copy.
    """
    done = rescue_claims(now=tools.clock(), confirm_wait=tools.rules.confirm_wait)
    hold_uncallable(now=tools.clock())
    if reconciling.is_pending():
        return done
    done += send_entities(tools)
    done += schedule_rows(tools)
    done += trigger_rows(tools)
    mark_busy_phones(now=tools.clock())
    return done


def poll_pulse(tools: Tools) -> int:
    done = poll_rows(tools) + reconciling.ask_first(tools)
    done += start_due_batches(now=tools.clock())
    finish_batches(now=tools.clock())
    close_cancelled_batches(now=tools.clock())
    return done


def whole_pulse(tools: Tools) -> int:
    return dispatch_pulse(tools) + poll_pulse(tools)


def finish_batches(*, now: datetime) -> None:
    """A running batch none of whose rows is open any more is finished; held rows keep it running."""
    open_rows = CallRow.objects.filter(batch=OuterRef("pk"), phase__in=OPEN)
    done = Batch.objects.filter(~Exists(open_rows), state=BatchState.RUNNING)
    for batch in done:
        if done.filter(pk=batch.pk).update(state=BatchState.FINISHED, finished_at=now):
            note_event(batch=batch, at=now, kind=EventKind.FINISHED)


def close_cancelled_batches(*, now: datetime) -> None:
    """Withdraw what came back to a cancelled batch (its answer was out), close the batch with its last call."""
    for batch in Batch.objects.filter(state=BatchState.CANCELLED, finished_at=None):
        with transaction.atomic():
            withdraw(batch.rows.all(), now=now)
            if not batch.rows.filter(phase__in=OPEN).exists():
                Batch.objects.filter(pk=batch.pk).update(finished_at=now)


def run_slice(name: str, pulse: Pulse) -> bool:
    """Pulses under the lease `name` until the slice is over; False when it should not be chained."""
    turn = Slice(name)
    if not turn.acquire():
        return False
    try:
        with tools_from_settings(turn.keep_going) as tools:
            while turn.keep_going():
                if not pulse(tools):
                    time.sleep(IDLE_SECONDS)
                    if instance.owner() != tools.instance_id:
                        break  # it may send nothing: leave the lease to the installation that may
    finally:
        turn.release()
    return not turn.is_lost
