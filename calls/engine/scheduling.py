"""POST /scheduler/requests: rows become queued requests, in chunks of one organization (R21-R35)."""

import logging
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from uuid import UUID

from django.db.models import F

from calls.engine import upstream
from calls.engine.asking import each, run_jobs
from calls.engine.braking import with_brake
from calls.engine.claiming import (
    LEASE,
    claim_rows,
    clipped,
    hold_rows,
    in_running_batch,
    move,
    of_callable_office,
    phone_is_blocked,
)
from calls.engine.machine import Step
from calls.engine.policy import backoff
from calls.engine.tools import Answer, HeldBack, Tools, require_claim
from calls.evergrove.errors import (
    EvergroveError,
    KeyRefused,
    Misconfigured,
    NotSent,
    Rejected,
    SlowDown,
    Unknown,
)
from calls.evergrove.schemas import CallDetails, CallInput, ScheduleAnswer, ScheduledRequest
from calls.models import CallRow
from calls.models.event import note_event
from calls.vocabulary import EventKind, HoldReason, Objective, Phase, WorkflowStatus

logger = logging.getLogger(__name__)

Chunk = list[CallRow]
MISSES_BEFORE_HOLD = 2  # R29


def schedule_rows(tools: Tools) -> int:
    """Queue what is due; returns how many answers were recorded."""
    return run_jobs(
        tools,
        claim=with_brake(lambda limit: claim_chunks(limit, tools), tools),
        ask=lambda chunk: send(chunk, tools),
        record=each(lambda answer: record_chunk(answer, tools)),
        in_flight=tools.rules.concurrency,
    )


def claim_chunks(limit: int, tools: Tools) -> Sequence[Chunk]:
    """Up to `limit` chunks, each of rows of one organization: its 422 then concerns no other (R31)."""
    now, size = tools.clock(), tools.rules.schedule_chunk
    conditions = (of_callable_office(), ~phone_is_blocked())
    due = list(
        CallRow.objects.filter(
            in_running_batch(), *conditions, phase=Phase.READY, hold_reason="", next_at__lte=now
        ).order_by(F("best_to_make_call_by").asc(nulls_last=True), "id")[: limit * size]
    )
    mine = claim_rows(due, Step.CLAIM_TO_SCHEDULE, now=now, conditions=conditions)
    return [
        rows[start : start + size]
        for rows in by_organization(mine)
        for start in range(0, len(rows), size)
    ]


def by_organization(rows: Chunk) -> list[Chunk]:
    ordered = sorted(rows, key=lambda row: row.organization_name)
    return [list(group) for _, group in groupby(ordered, key=lambda row: row.organization_name)]


def send(chunk: Chunk, tools: Tools) -> ScheduleAnswer:
    """Raises IntentTooOld instead of queueing rows that a rival may have queued meanwhile (R29)."""
    require_claim(chunk[0].claimed_until, tools)
    return tools.client.schedule([call_input(row, tools) for row in chunk])


def call_input(row: CallRow, tools: Tools) -> CallInput:
    """The row as Evergrove wants it (R21-R26, R43); notes go to the top level (R24)."""
    assert row.entity.entity_id is not None  # noqa: S101 - part of the claim
    by = row.best_to_make_call_by
    return CallInput(
        entity_id=row.entity.entity_id,
        external_reference_id=row.external_reference_id,
        outbound_phone_number=row.outbound_phone_number,
        objective=Objective(row.objective),
        notes=row.notes or None,
        best_to_make_call_by=by if by and by > tools.clock() else None,  # only a future one (R25)
        details=call_details(row, ssn=ssn_to_send(row.patient_ssn, tools.rules.ssn_policy)),
    )


def call_details(row: CallRow, *, ssn: str | None) -> CallDetails:
    return CallDetails(
        organization_name=row.organization_name,
        patient_name=row.patient_name,
        patient_ssn=ssn,
        patient_dob=row.patient_dob,
        patient_phone_number=row.patient_phone_number,
        date_of_injury=row.date_of_injury,
        expected_appointment_date_time=row.expected_appointment_date_time,
        local_timezone=row.local_timezone,
        service_modality=row.service_modality,
        claim_number=row.claim_number or "Not Available",
        insurer_group_name=row.insurer_group_name,
        body_part=row.body_part,
        provider_office=row.provider_office,
        provider_office_address=row.provider_office_address,
        provider_state=row.provider_state,
        eoc_number=row.eoc_number,
    )


def ssn_to_send(ssn: str | None, policy: str) -> str | None:
    """What SSN_POLICY lets out of the house (R43)."""
    if not ssn or policy == "none":
        return None
    return ssn[-4:] if policy == "last4" else ssn


def record_chunk(answer: Answer[Chunk], tools: Tools) -> Sequence[Chunk]:
    """Store what an answer means for its rows; a refused chunk comes back as two halves (R32)."""
    chunk, now = answer.job, tools.clock()
    match answer.value:
        case ScheduleAnswer() as told if is_of_our_tenant(told, tools):
            record_mapping(chunk, told, tools)
        case ScheduleAnswer():
            put_back(chunk, Unknown("another tenant answered"), tools, orphans=1)
        case SlowDown() | KeyRefused() | Misconfigured() as error:
            put_back(chunk, error, tools)
        case Rejected() as error if error.organization_disabled:
            hold_organization(chunk, error, now=now)
        case Rejected() if len(chunk) > 1:
            return halves(chunk, now=now)
        case Rejected() as error:
            hold_refused(chunk[0], error, now=now)
        case EvergroveError() as error:
            put_back(chunk, error, tools, orphans=0 if isinstance(error, NotSent) else 1)
    return ()


def is_of_our_tenant(told: ScheduleAnswer, tools: Tools) -> bool:
    """False stops everything: these requests are beyond the reach of the right key (R8)."""
    tenants = {request.tenant_id for request in told.scheduled_requests if request.tenant_id}
    return all(upstream.note_tenant(tenant, tools) for tenant in tenants)


def record_mapping(chunk: Chunk, told: ScheduleAnswer, tools: Tools) -> None:
    """Save every id that came back, then look at what is missing (R27-R29)."""
    now = tools.clock()
    requests = requests_by_reference(chunk, told, now=now)
    for row in chunk:
        if request := requests.get(row.external_reference_id):
            move(
                row,
                Step.REQUEST_MAPPED,
                now=now,
                request_id=request.id,
                call_input_id=request.call_input_id,
                last_workflow_status=(request.workflow_status or "")[:64],
                # A request that does not read ENQUEUED was started by somebody: ask, do not start (R62).
                ask_first=request.workflow_status not in (None, WorkflowStatus.ENQUEUED),
                best_to_callback_after=request.best_to_callback_after,
                upstream_updated_at=request.updated_at,
                next_at=now,
                failures=0,
                crashes=0,
                missed_answers=0,
                last_error="",
            )
    for row in chunk:
        if row.external_reference_id not in requests:
            record_missing(row, tools)


def requests_by_reference(
    chunk: Chunk, told: ScheduleAnswer, *, now: datetime
) -> dict[str, ScheduledRequest]:
    """The answers that are ours beyond doubt; the rest is an anomaly and stays off the rows (R27)."""
    rows = {row.external_reference_id: row for row in chunk}
    times = Counter(request.external_reference_id for request in told.scheduled_requests)
    ids = Counter(request.id for request in told.scheduled_requests)
    known = set(CallRow.objects.filter(request_id__in=ids).values_list("request_id", flat=True))
    mapped: dict[str, ScheduledRequest] = {}
    for request in told.scheduled_requests:
        row = rows.get(request.external_reference_id or "")
        if problem := mapping_problem(request, row, times, ids, known):
            note_anomaly(row, problem, now=now)
        elif row is not None:
            mapped[row.external_reference_id] = request
    return mapped


def mapping_problem(
    request: ScheduledRequest,
    row: CallRow | None,
    times: Counter[str | None],
    ids: Counter[UUID],
    known: set[UUID | None],
) -> str:
    """Why an answered request cannot be given to a row; empty when it can."""
    if row is None:
        return "unknown_reference"
    if times[request.external_reference_id] > 1:
        return "reference_answered_twice"
    if ids[request.id] > 1 or request.id in known:
        return "request_id_answered_twice"
    if request.entity_id != row.entity.entity_id:
        return "another_entity_id"
    return ""


def note_anomaly(row: CallRow | None, problem: str, *, now: datetime) -> None:
    logger.warning("schedule answer: %s (call %s)", problem, row.pk if row else "none")
    note_event(row_id=row.pk if row else None, at=now, kind=EventKind.ANOMALY, detail=problem)


def record_missing(row: CallRow, tools: Tools) -> None:
    """Only this row is tried again; a second miss is shown to a person (R29)."""
    now, misses = tools.clock(), row.missed_answers + 1
    move(
        row,
        Step.SCHEDULE_UNSETTLED,
        now=now,
        hold=HoldReason.SCHEDULE_UNANSWERED if misses >= MISSES_BEFORE_HOLD else "",
        detail="missing_in_answer",
        missed_answers=misses,
        possible_orphans=row.possible_orphans + 1,
        next_at=now + backoff(misses, tools.rng),
    )


def put_back(chunk: Chunk, error: EvergroveError, tools: Tools, *, orphans: int = 0) -> None:
    """Try again later; after an unknown answer the requests may exist, untriggered for ever (R30)."""
    now = tools.clock()
    for row in chunk:
        failures = row.failures + (0 if isinstance(error, HeldBack) else 1)
        move(
            row,
            Step.SCHEDULE_UNSETTLED,
            now=now,
            detail=type(error).__name__,
            failures=failures,
            possible_orphans=row.possible_orphans + orphans,
            last_error=clipped(error.reason),
            next_at=now + backoff(failures, tools.rng, retry_after=error.retry_after),
        )


def halves(chunk: Chunk, *, now: datetime) -> Sequence[Chunk]:
    """What is still ours of the chunk, in two parts, its lease renewed."""
    claim = CallRow.objects.filter(
        pk__in=[row.pk for row in chunk], claimed_by=chunk[0].claimed_by, phase=Phase.SCHEDULING
    )
    claim.update(claimed_until=now + LEASE)
    mine = list(claim.select_related("entity", "batch").order_by("pk"))
    middle = (len(mine) + 1) // 2
    return [half for half in (mine[:middle], mine[middle:]) if half]


def hold_refused(row: CallRow, error: Rejected, *, now: datetime) -> None:
    fields = ", ".join(error.fields)
    move(
        row,
        Step.SCHEDULE_UNSETTLED,
        now=now,
        hold=HoldReason.SCHEDULE_REFUSED,
        last_error=clipped(f"{error.reason} {fields}".strip()),
        next_at=now,
    )


def hold_organization(chunk: Chunk, error: Rejected, *, now: datetime) -> None:
    """Every waiting row of this organization, in this batch or another, waits for a person (R31)."""
    for row in chunk:
        move(
            row,
            Step.SCHEDULE_UNSETTLED,
            now=now,
            hold=HoldReason.ORGANIZATION_DISABLED,
            last_error=clipped(error.reason),
            next_at=now,
        )
    others = CallRow.objects.filter(
        organization_name=chunk[0].organization_name, phase=Phase.READY, hold_reason=""
    )
    hold_rows(others, HoldReason.ORGANIZATION_DISABLED, now=now)
