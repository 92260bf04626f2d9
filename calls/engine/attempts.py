"""A person asks for the attempts of one call: the only request to Evergrove that a page makes (R76, R84)."""

from typing import Any
from uuid import UUID

from django.db import transaction

from calls.engine import upstream
from calls.engine.asking import answer_of
from calls.engine.tools import Tools
from calls.evergrove.errors import EvergroveError, NotSent, Unknown
from calls.evergrove.schemas import CallAttempt, RequestStatus
from calls.models import CallEvent, CallRow
from calls.outcomes.recording import record_attempts
from calls.vocabulary import EventKind


def read_attempts(row: CallRow, tools: Tools, *, by: Any = None) -> int:
    """Ask, store what came, note who asked; returns how many attempts are known now.

    Nothing else of the answer is applied: moving the row is the poll's business. Raises
    EvergroveError, NotSent when sending is stopped or slowed down, or there is no request yet.
    """
    if row.request_id is None:
        raise NotSent("this call was not queued yet")
    if not upstream.may_send(tools):
        raise NotSent("requests to Evergrove are stopped")
    attempts = ask_for_attempts(row.request_id, tools)
    now = tools.clock()
    with transaction.atomic():
        count = record_attempts(row, attempts, now=now)
        CallEvent.objects.create(
            row=row, at=now, kind=EventKind.ATTEMPTS_READ, actor=by, detail=str(count)
        )
    return count


def ask_for_attempts(request_id: UUID, tools: Tools) -> tuple[CallAttempt, ...]:
    """The answer's attempts; a refused key stops everything here as anywhere else (R4)."""
    answer = answer_of(
        lambda asked: tools.client.poll(asked, include_call_attempts=True), request_id
    )
    upstream.note([answer], tools)
    if isinstance(answer.value, EvergroveError):
        raise answer.value
    told: RequestStatus = answer.value
    if told.call_attempts is None:
        raise Unknown("the answer did not carry the attempts")
    return told.call_attempts
