"""What starting a batch would do, before anybody starts it: how many calls now, how many later and why."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Count, Min, Q

from calls.engine.policy import OfficeHours, gate
from calls.evergrove.schemas import WorkingHoursPolicy
from calls.models import Batch, Entity
from calls.vocabulary import HoldReason, Phase, WaitReason

OFFICES_SHOWN = 20
CLOSED = (WaitReason.HOURS, WaitReason.HOLIDAY)


class Opening(NamedTuple):
    """A moment at which closed offices open. Those of another zone have a line of their own."""

    at: datetime
    zone: str
    reason: WaitReason


@dataclass
class Forecast:
    """Counts of rows that a start would set going; held rows stay where they are.

    Moments are on the clock of the office they concern. `starts_at`: None when that is now.
    """

    starts_at: datetime | None = None
    rows: int = 0  # that are called, now or later
    offices: int = 0
    now: int = 0  # at the start, when that is later
    waiting: dict[str, int] = field(default_factory=dict)  # by WaitReason
    openings: dict[Opening, int] = field(default_factory=dict)
    first_appointment: datetime | None = None  # when the first of the early ones may be called
    not_callable: int = 0  # of offices that Evergrove says may not be called
    held: dict[str, int] = field(default_factory=dict)  # by HoldReason
    new_offices: list[Entity] = field(default_factory=list)
    new_office_count: int = 0
    replaced: list[Entity] = field(
        default_factory=list
    )  # Evergrove has other hours for these (R15)

    @property
    def closed(self) -> int:
        """Rows whose office is closed at the moment."""
        return sum(self.waiting.get(reason, 0) for reason in CLOSED)

    @property
    def too_early(self) -> int:
        """Rows whose appointment has not passed yet."""
        return self.waiting.get(WaitReason.APPOINTMENT, 0)

    @property
    def duplicates(self) -> int:
        return self.held.get(HoldReason.POSSIBLE_DUPLICATE, 0)

    def parts(self) -> list[tuple[str, int, str]]:
        hours, holiday = (self.waiting.get(reason, 0) for reason in CLOSED)
        held = self.not_callable + sum(self.held.values())
        return [
            ("busy", self.now, "can start then" if self.starts_at else "can start now"),
            ("none", hours, "wait" + "s" * (hours == 1) + " for opening hours"),
            ("none", holiday, "wait" + "s" * (holiday == 1) + " for a holiday to end"),
            ("none", self.too_early, "to be called after the appointment"),
            ("warn", held, "held"),
        ]

    def add(self, number: int, reason: WaitReason | None) -> None:
        if reason is None:
            self.now += number
        else:
            self.waiting[reason] = self.waiting.get(reason, 0) + number


def forecast(batch: Batch, *, now: datetime, ignore_calling_hours: bool = False) -> Forecast:
    """Counted from `now`, or from the later start that was kept for the batch.

    Three queries; the gate is asked once for each office, not for each row.
    """
    found = Forecast()
    if batch.start_at and batch.start_at > now:
        found.starts_at = now = batch.start_at
    count_held(batch, found)
    groups = rows_by_office(batch, now)
    offices = Entity.objects.in_bulk([group["entity"] for group in groups])
    respect_hours = settings.RESPECT_CALLING_HOURS and not ignore_calling_hours
    for group in groups:
        office = offices[group["entity"]]
        add_office(found, office, group, now=now, respect_hours=respect_hours)
    new = [office for office in offices.values() if office.entity_id is None]
    found.new_office_count = len(new)
    found.new_offices = sorted(new, key=lambda office: office.name)[:OFFICES_SHOWN]
    found.replaced = [office for office in offices.values() if hours_differ(office)][:OFFICES_SHOWN]
    return found


def hours_differ(office: Entity) -> bool:
    """Whether Evergrove keeps other hours than ours for this office (R15)."""
    if not office.upstream_hours:
        return False
    try:
        theirs = WorkingHoursPolicy.model_validate(office.upstream_hours)
        return theirs != WorkingHoursPolicy.model_validate(office.working_hours)
    except ValueError:
        return True


def count_held(batch: Batch, found: Forecast) -> None:
    held = batch.rows.exclude(hold_reason="").order_by().values("hold_reason")
    found.held = {group["hold_reason"]: group["all"] for group in held.annotate(all=Count("pk"))}


def rows_by_office(batch: Batch, now: datetime) -> list[Any]:
    """[{entity, rows, early, next}]: rows to start, those of them whose appointment is still to come."""
    early = Q(appointment_at__gt=now) if batch.wait_for_appointment else Q(pk=None)
    return list(
        batch.rows.filter(hold_reason="", phase=Phase.READY)
        .values("entity")
        .annotate(
            rows=Count("pk"),
            early=Count("pk", filter=early),
            next=Min("appointment_at", filter=early),
        )
        .order_by()
    )


def add_office(
    found: Forecast,
    office: Entity,
    group: Mapping[str, Any],
    *,
    now: datetime,
    respect_hours: bool,
) -> None:
    if office.can_call is False:
        found.not_callable += group["rows"]
        return
    found.rows += group["rows"]
    found.offices += 1
    zone = ZoneInfo(office.timezone)
    hours = OfficeHours.of(office.timezone, office.working_hours, office.closed_dates)
    if group["early"]:
        found.add(group["early"], WaitReason.APPOINTMENT)
        at = callable_from(group["next"], hours, respect_hours=respect_hours)
        found.first_appointment = earlier(found.first_appointment, at.astimezone(zone))
    due = group["rows"] - group["early"]
    wait = gate(
        hours=hours,
        respect_hours=respect_hours,
        appointment_at=now,
        wait_for_appointment=False,
        now=now,
    )
    found.add(due, wait.reason if wait else None)
    if wait and due:
        opening = Opening(wait.until.astimezone(zone), office.timezone, wait.reason)
        found.openings[opening] = found.openings.get(opening, 0) + due


def callable_from(at: datetime, hours: OfficeHours, *, respect_hours: bool) -> datetime:
    """The first moment from `at` on at which the office is open."""
    if not respect_hours or hours.is_open(at):
        return at
    return hours.next_opening(at) or at


def earlier(one: datetime | None, other: datetime) -> datetime:
    return other if one is None or other < one else one
