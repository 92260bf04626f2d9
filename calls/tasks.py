"""What django-q2 wakes. The tasks carry no data: they ask the database what is due."""

import logging
import time

from django.contrib.sessions.backends.db import SessionStore
from django_q.tasks import async_task

from calls.engine.leasing import SLICE_SECONDS
from calls.engine.pulse import Pulse, dispatch_pulse, poll_pulse, run_slice
from calls.intake import receiving

logger = logging.getLogger(__name__)

PAUSE_AFTER_FAULT = 2.0  # seconds
OPTIONS = {"save": False, "ack_failure": True}


class SliceFailed(Exception):
    """Carries the type of what went wrong and nothing else: queue tables keep exception texts."""


def dispatch() -> None:
    """Offices, requests and triggers."""
    run_and_chain("dispatch", dispatch_pulse)


def poll() -> None:
    """Live calls and doubtful ones."""
    run_and_chain("poll", poll_pulse)


def run_and_chain(name: str, pulse: Pulse) -> None:
    try:
        goes_on = run_slice(name, pulse)
    except Exception as error:  # noqa: BLE001
        logger.error("the %s slice ended with %s", name, type(error).__name__)
        time.sleep(PAUSE_AFTER_FAULT)
        wake(name)
        raise SliceFailed(type(error).__name__) from None
    if goes_on:
        wake(name)


def wake(name: str) -> None:
    """Enqueue a slice; harmless while one is running. In a transaction it is sent with the commit."""
    async_task(f"calls.tasks.{name}", q_options=dict(OPTIONS))


def read_upload(pk: int) -> None:
    """Store the lines of an upload for one slice, and go on with another one."""
    try:
        goes_on = receiving.read_for(pk, seconds=SLICE_SECONDS)
    except Exception as error:  # noqa: BLE001
        logger.error("reading upload %s ended with %s", pk, type(error).__name__)
        raise SliceFailed(type(error).__name__) from None
    if goes_on:
        wake_reading(pk)


def wake_reading(pk: int) -> None:
    """Enqueue the reading of an upload; harmless while it is being read. The task carries its key alone."""
    async_task("calls.tasks.read_upload", pk, q_options=dict(OPTIONS))


def forget_old_files() -> None:
    """Daily: uploaded files that were never read are not kept for longer than a week."""
    receiving.forget_old_files()


def forget_old_sessions() -> None:
    """Daily: a session that is over still says who signed in, and what was searched for."""
    SessionStore.clear_expired()
