"""Numbers for people: where the rows of a batch stand, what needs a person, what happened today."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Count, Min

from calls.models import Batch, CallRow, Outcome
from calls.models.call import NOT_HELD
from calls.vocabulary import (
    FINAL,
    LIVE,
    RESCHEDULED,
    SETTLED,
    UNTRIGGERED,
    Attendance,
    HoldReason,
    Phase,
    RequestStatus,
    WaitReason,
    WorkflowStatus,
)

NO_ANSWER = "none"  # an outcome without an attendance status
MISSED = (Attendance.NO_SHOW, Attendance.CANCELED)

Part = tuple[str, int, str]  # (tone, number, label) of a progress bar


def zeros(words: Iterable[Any]) -> dict[str, int]:
    return {str(word): 0 for word in words}


@dataclass
class BatchCounts:
    """The rows of one batch, counted. Every known word is a key; other outcomes appear as they came."""

    batch: int
    state: str
    by_phase: dict[str, int] = field(default_factory=lambda: zeros(Phase))
    by_request_status: dict[str, int] = field(default_factory=lambda: zeros(RequestStatus))
    held: dict[str, int] = field(default_factory=lambda: zeros(HoldReason))
    waiting: dict[str, int] = field(default_factory=lambda: zeros(WaitReason))
    outcomes: dict[str, int] = field(default_factory=lambda: zeros((*Attendance, NO_ANSWER)))
    held_in: dict[str, int] = field(default_factory=lambda: zeros(Phase))
    completed_as: dict[str, int] = field(default_factory=lambda: zeros(Attendance))

    @property
    def rows(self) -> int:
        return sum(self.by_phase.values())

    @property
    def held_rows(self) -> int:
        return sum(self.held.values())

    @property
    def in_progress(self) -> int:
        """Calls that were started, or may have been, and have not ended."""
        return self.count(*LIVE)

    @property
    def not_started(self) -> int:
        """Rows that a pause keeps from being started, held ones included."""
        return self.count(*UNTRIGGERED)

    @property
    def settled(self) -> int:
        return self.count(*SETTLED)

    @property
    def ended(self) -> int:
        """Calls that came to an end, out of `to_end`: one that was withdrawn never began."""
        return self.count(*FINAL)

    @property
    def to_end(self) -> int:
        return self.rows - self.count(Phase.WITHDRAWN)

    @property
    def quarters(self) -> int:
        """How many quarters of the calls have ended: 0 to 4."""
        return 4 * self.ended // self.to_end if self.to_end else 0

    @property
    def queued(self) -> int:
        """Rows that got their request at Evergrove, whatever became of them since."""
        not_queued = self.count(Phase.READY, Phase.SCHEDULING)
        return self.rows - not_queued - self.withdrawn_unqueued

    @property
    def still_to_queue(self) -> int:
        """Rows that the engine is about to send to Evergrove's queue; held ones are not."""
        return self.count(Phase.READY, Phase.SCHEDULING) - self.held_in[Phase.READY]

    @property
    def withdrawn_unqueued(self) -> int:
        unqueued = self.by_request_status[RequestStatus.NOT_SCHEDULED]
        return unqueued - self.count(Phase.READY, Phase.SCHEDULING)

    @property
    def started(self) -> int:
        return self.rows - self.not_started - self.count(Phase.WITHDRAWN)

    def count(self, *phases: Phase) -> int:
        return sum(self.by_phase[phase] for phase in phases)

    def parts(self) -> list[Part]:
        """The stretches of the progress bar: what is known, what is happening, what is left."""
        free = {phase: self.by_phase[phase] - self.held_in[phase] for phase in Phase}
        attended = self.completed_as[Attendance.ATTENDED]
        rebooked = sum(self.completed_as[word] for word in RESCHEDULED)
        missed = sum(self.completed_as[word] for word in MISSED)
        return [
            ("good", attended, "attended"),
            ("move", rebooked, "rebooked"),
            ("warn", free[Phase.COMPLETED] - attended - rebooked - missed, "unclear"),
            ("warn", self.held_rows, "held"),
            ("bad", missed, "no-show or canceled"),
            ("bad", free[Phase.FAILED], "failed"),
            ("busy", sum(free[phase] for phase in LIVE), "calling"),
            ("busy", free[Phase.AWAITING_OUTCOME], "waiting for the outcome"),
            ("none", sum(free[phase] for phase in UNTRIGGERED), "not started"),
            ("none", free[Phase.WITHDRAWN], "withdrawn"),
        ]

    def as_json(self) -> dict[str, Any]:
        """The contract of `batch_status --json`."""
        return {
            "batch": self.batch,
            "state": self.state,
            "rows": self.rows,
            "by_request_status": self.by_request_status,
            "by_phase": self.by_phase,
            "held": self.held,
            "outcomes": self.outcomes,
        }


def batch_counts(batch: Batch) -> BatchCounts:
    """Two queries, both along the index of the batch's rows."""
    return counts_of([batch])[batch.pk]


def counts_of(batches: Iterable[Batch]) -> dict[int, BatchCounts]:
    """The counts of several batches by their id; two queries in all."""
    counts = {batch.pk: BatchCounts(batch.pk, batch.state) for batch in batches}
    if counts:
        add_rows(counts)
        add_outcomes(counts)
    return counts


def add_rows(counts: dict[int, BatchCounts]) -> None:
    groups = (
        CallRow.objects.filter(batch__in=counts)
        .values_list("batch_id", "phase", "hold_reason", "request_status", "waiting_for")
        .annotate(number=Count("pk"))
        .order_by()
    )
    for batch_id, phase, hold, status, wait, number in groups:
        found = counts[batch_id]
        found.by_phase[phase] += number
        found.by_request_status[status] += number
        if hold:
            found.held[hold] = found.held.get(hold, 0) + number
            found.held_in[phase] += number
        elif wait and phase == Phase.SCHEDULED:
            found.waiting[wait] = found.waiting.get(wait, 0) + number


def add_outcomes(counts: dict[int, BatchCounts]) -> None:
    groups = (
        Outcome.objects.filter(row__batch__in=counts)
        .values_list("row__batch_id", "row__phase", "appointment_attendance_status")
        .annotate(number=Count("pk"))
        .order_by()
    )
    for batch_id, phase, attendance, number in groups:
        word, found = attendance or NO_ANSWER, counts[batch_id]
        found.outcomes[word] = found.outcomes.get(word, 0) + number
        if phase == Phase.COMPLETED:  # an outcome may come with a failed call as well (R86)
            found.completed_as[word] = found.completed_as.get(word, 0) + number


@dataclass
class Today:
    """What happens now and what has ended since midnight on the viewers' clock."""

    calling: int = 0
    calling_since: datetime | None = None  # the longest call
    queued: int = 0
    waiting_for_hours: int = 0
    completed: int = 0
    attended: int = 0
    failed: int = 0
    do_not_call: int = 0

    @property
    def attended_share(self) -> int:
        """Of the completed calls, in per cent."""
        return round(100 * self.attended / self.completed) if self.completed else 0


def today_so_far(midnight: datetime) -> Today:
    """Two queries, along the index of statuses."""
    today = Today()
    add_open_calls(today)
    add_ended_calls(today, midnight)
    return today


def add_open_calls(today: Today) -> None:
    groups = (
        CallRow.objects.filter(request_status__in=[RequestStatus.CALLING, RequestStatus.QUEUED])
        .exclude(phase=Phase.WITHDRAWN)
        .values_list("request_status", "waiting_for")
        .annotate(number=Count("pk"), since=Min("first_active_at"))
        .order_by()
    )
    for status, wait, number, since in groups:
        if status == RequestStatus.CALLING:
            today.calling += number
            today.calling_since = min(filter(None, (today.calling_since, since)), default=None)
            continue
        today.queued += number
        if wait in (WaitReason.HOURS, WaitReason.HOLIDAY):
            today.waiting_for_hours += number


def add_ended_calls(today: Today, midnight: datetime) -> None:
    """A row that ended today also changed today: the second condition is exact, the first has an index."""
    groups = (
        CallRow.objects.filter(
            request_status__in=[RequestStatus.COMPLETED, RequestStatus.FAILED],
            changed_at__gte=midnight,
            settled_at__gte=midnight,
        )
        .values_list("phase", "last_workflow_status", "outcome__appointment_attendance_status")
        .annotate(number=Count("pk"))
        .order_by()
    )
    for phase, workflow_status, attendance, number in groups:
        if phase == Phase.FAILED:
            today.failed += number
            today.do_not_call += number * (workflow_status == WorkflowStatus.DO_NOT_CALL_BACK)
        else:
            today.completed += number
            today.attended += number * (attendance == Attendance.ATTENDED)


def rows_needing_a_person() -> int:
    """Held rows, in all batches; along the index of held rows."""
    return CallRow.objects.filter(~NOT_HELD).count()
