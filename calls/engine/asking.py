"""Ask many things at once, record each answer as it comes.

Threads only speak HTTP; every claim and every record is made by the calling thread, so one database
connection serves a task and nothing is held open while the network is waited for.
"""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from threading import Event
from typing import Any, TypeVar

from django.db import DatabaseError, transaction
from pydantic import ValidationError

from calls.engine import upstream
from calls.engine.tools import Answer, HeldBack, Tools
from calls.evergrove.errors import EvergroveError, Rejected, Unknown
from calls.models.event import gathered_events

logger = logging.getLogger(__name__)

Job = TypeVar("Job")


def run_jobs(
    tools: Tools,
    *,
    claim: Callable[[int], Sequence[Job]],
    ask: Callable[[Job], Any],
    record: Callable[[Sequence[Answer[Job]]], Iterable[Job]],
    in_flight: int,
) -> int:
    """Claim, ask and record until nothing is due or `tools.keep_going()` says stop; returns answers recorded.

    claim: up to n jobs, already committed as ours. record: a group of answers, in one transaction; may
    return further jobs (halves of a refused chunk). Jobs in flight are always waited for and recorded; those that
    still wait for a thread when the API asks for a pause are not sent.
    """
    pending: dict[Future[Answer[Job]], Job] = {}
    brake = Event()
    recorded, may_claim = 0, upstream.may_send(tools)
    while True:
        free = in_flight - len(pending)
        if may_claim and free >= max(1, in_flight // 4) and tools.keep_going():
            jobs = claim(free)
            may_claim = bool(jobs)
            submit(tools, pending, ask, jobs, brake)
        if not pending:
            return recorded
        done, _ = wait(pending, timeout=1.0, return_when=FIRST_COMPLETED)
        finished = [future for future in pending if future in done]  # in the order of sending
        answers = [future.result() for future in finished]
        for future in finished:
            del pending[future]
        if not answers:
            tools.keep_going()  # beats while a slow answer is waited for
            continue
        follow_ups = record_group(answers, record)
        if not upstream.note(answers, tools):
            brake.set()
        may_claim = may_claim and not brake.is_set()
        submit(tools, pending, ask, follow_ups, brake)
        recorded += len(answers)


def submit(
    tools: Tools,
    pending: dict[Future[Answer[Job]], Job],
    ask: Callable[[Job], Any],
    jobs: Iterable[Job],
    brake: Event,
) -> None:
    for job in jobs:
        pending[tools.executor.submit(answer_unless, brake, ask, job)] = job


def answer_unless(brake: Event, ask: Callable[[Job], Any], job: Job) -> Answer[Job]:
    """The answer, unless an earlier one has asked for a pause; such an answer puts the brake on at once."""
    if brake.is_set():
        return Answer(job, HeldBack("held back, sending was stopped"), 0.0)
    answer = answer_of(ask, job)
    if isinstance(answer.value, EvergroveError) and upstream.asks_for_a_pause(answer.value):
        brake.set()
    return answer


def answer_of(ask: Callable[[Job], Any], job: Job) -> Answer[Job]:
    """Never raises: what is not an EvergroveError is a defect after which nothing is known for certain."""
    started = time.monotonic()
    try:
        value = ask(job)
    except EvergroveError as error:
        value = error
    except ValidationError:  # a body that the API's own contract refuses never left the house
        value = Rejected(reason="not fit to be sent")
    except Exception as error:  # noqa: BLE001
        value = Unknown(reason=type(error).__name__)
    return Answer(job, value, time.monotonic() - started)


def each(
    record: Callable[[Answer[Job]], Iterable[Job] | None],
) -> Callable[[Sequence[Answer[Job]]], Iterable[Job]]:
    """Records a group answer by answer."""
    return lambda answers: [job for answer in answers for job in record(answer) or ()]


def record_group(
    answers: Sequence[Answer[Job]], record: Callable[[Sequence[Answer[Job]]], Iterable[Job]]
) -> list[Job]:
    """Record a group in one transaction; where that fails, one by one, so that one row cannot spoil others.

    An answer that still cannot be recorded stays with its claim: the rescue settles it by asking.
    """
    try:
        with transaction.atomic(), gathered_events():
            return list(record(answers))
    except DatabaseError as error:
        logger.warning(
            "recording %d answers one by one after %s", len(answers), type(error).__name__
        )
    except Exception as error:  # noqa: BLE001
        logger.error("recording %d answers one by one after %s", len(answers), type(error).__name__)
    follow_ups: list[Job] = []
    for answer in answers:
        try:
            with transaction.atomic():
                follow_ups += record([answer])
        except Exception as error:  # noqa: BLE001
            logger.error("an answer could not be recorded: %s", type(error).__name__)
    return follow_ups
