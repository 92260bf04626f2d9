"""What the database says between two turns, read in two statements: who has work, and when the next is due."""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from django.db import connection

from calls.models import CallRow, Entity, Installation
from calls.vocabulary import LIVE, POLLED, SETTLED, BatchState, Phase

CLAIMABLE = (Phase.READY, Phase.SCHEDULED)
CLAIMED = (Phase.SCHEDULING, Phase.TRIGGERING)


class RowNow(NamedTuple):
    pk: int
    batch_id: int
    batch__state: str
    entity_id: int
    phase: str
    hold_reason: str
    external_reference_id: str
    outbound_phone_number: str
    request_id: UUID | None
    trigger_count: int
    upstream_updated_at: datetime | None
    next_at: datetime
    claimed_until: datetime | None
    ask_first: bool


class OfficeNow(NamedTuple):
    pk: int
    entity_id: UUID | None
    hold_reason: str
    version: int
    synced_version: int
    next_at: datetime | None
    claimed_until: datetime | None


@dataclass(frozen=True)
class Snapshot:
    rows: list[RowNow]
    offices: dict[int, OfficeNow]
    reconciles: bool  # nothing is started before everything open was asked about

    @classmethod
    def now(cls) -> "Snapshot":
        """Read anew only where something was written since: most looks follow a turn that found nothing."""
        return cls.after(id(connection.connection), connection.connection.total_changes)

    @classmethod
    @lru_cache(maxsize=1)
    def after(cls, database: int, changes: int) -> "Snapshot":
        rows = CallRow.objects.order_by("pk").values_list(*RowNow._fields)
        offices = Entity.objects.order_by("pk").values_list(*OfficeNow._fields)
        return cls(
            [RowNow(*row) for row in rows],
            {office[0]: OfficeNow(*office) for office in offices},
            Installation.objects.filter(reconcile_since__isnull=False).exists(),
        )

    def has_due(self, pulse: str, now: datetime) -> bool:
        """Whether this pulse has anything to do; spares the simulation idle ones."""
        if pulse == "poll":
            return self.reconciles or any(
                ((row.phase in POLLED or row.ask_first) and row.next_at <= now)
                or (row.phase in CLAIMABLE and row.batch__state == BatchState.CANCELLED)
                for row in self.rows
            )
        return any(self.can_be_sent(office, now) for office in self.offices.values()) or any(
            self.can_be_claimed(row, now) for row in self.rows if not row.hold_reason
        )

    def can_be_sent(self, office: OfficeNow, now: datetime) -> bool:
        return not any(moment and moment > now for moment in (office.next_at, office.claimed_until)) and (
            office.synced_version < office.version and not office.hold_reason
        )  # fmt: skip

    def can_be_claimed(self, row: RowNow, now: datetime) -> bool:
        if row.phase in CLAIMED:
            return row.claimed_until is not None and row.claimed_until < now
        if row.next_at > now or row.ask_first or row.batch__state != BatchState.RUNNING:
            return False
        if row.phase == Phase.READY:
            return self.offices[row.entity_id].entity_id is not None
        return row.phase == Phase.SCHEDULED and not self.others_live(row)

    def others_live(self, row: RowNow) -> list[RowNow]:
        return [
            other
            for other in self.rows
            if other.outbound_phone_number == row.outbound_phone_number
            and other.phase in LIVE
            and other.pk != row.pk
        ]

    def waits_for_a_person(self, row: RowNow) -> bool:
        behind = [other for other in self.others_live(row) if other.hold_reason]
        return bool(row.hold_reason) or (row.phase in CLAIMABLE and bool(behind))

    def is_at_work(self) -> bool:
        """Whether an open row goes on by itself, or an office has an edit to send."""
        edited = any(
            office.entity_id and office.synced_version < office.version and not office.hold_reason
            for office in self.offices.values()
        )
        return (
            edited
            or self.reconciles
            or any(
                row.phase not in SETTLED and not self.waits_for_a_person(row) for row in self.rows
            )
        )

    def has_doubtful(self) -> bool:
        return any(row.phase in (Phase.TRIGGERING, Phase.CONFIRMING) for row in self.rows)

    def next_moment(self, now: datetime) -> datetime | None:
        """The first one after `now` at which something is due."""
        things = [row for row in self.rows if row.phase not in SETTLED and not row.hold_reason]
        moments = [moment for thing in (*things, *self.offices.values())
                   for moment in (thing.next_at, thing.claimed_until)]  # fmt: skip
        return min((moment for moment in moments if moment and moment > now), default=None)
