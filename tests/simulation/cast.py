"""Who takes part in a seed: offices with their hours, batches, rows that share a few phones."""

import random
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from calls.models import (
    Batch,
    BlockedPhone,
    CallAttempt,
    CallEvent,
    CallRow,
    Entity,
    Installation,
    Lease,
    Outcome,
    Upstream,
)
from calls.models.entity import default_working_hours, office_identity
from calls.vocabulary import BatchState

START = datetime.fromisoformat("2026-11-23T15:00:00+00:00")  # Monday, 10:00 in New York
ZONES = ("America/New_York", "America/New_York", "America/Los_Angeles")
HOURS = (("09:00", "17:00"), ("09:00", "10:05"), ("10:04", "17:00"), ("06:00", "22:00"))


def clear_tables() -> None:
    """Everything that a seed writes; `SET_NULL` and cascades need not be worked out one by one."""
    with transaction.atomic():
        for model in (
            CallEvent, CallAttempt, Outcome, BlockedPhone, CallRow, Entity, Batch, Upstream, Lease, Installation,
        ):  # fmt: skip
            queryset = model.objects.all()
            queryset._raw_delete(queryset.db)


def populate(rng: random.Random, *, offices: int, rows: int, phones: int) -> None:
    """Two batches of up to `rows` calls each, over up to `offices` offices and `phones` phones."""
    clear_tables()
    Upstream.objects.create(pk=Upstream.SINGLETON, tenant_id="tenant")
    houses = [make_office(rng, number) for number in range(rng.randint(1, offices))]
    for name in ("first", "second"):
        batch = Batch.objects.create(
            name=name, state=BatchState.RUNNING, ignore_calling_hours=rng.random() < 0.2
        )
        count = rng.randint(1, rows)
        CallRow.objects.bulk_create(
            make_row(rng, batch, rng.choice(houses), line, phones) for line in range(count)
        )


def make_rows(count: int) -> None:
    """One running batch, one office that is always open, a phone for each row."""
    rng = random.Random(0)
    Upstream.objects.create(pk=Upstream.SINGLETON, tenant_id="tenant")
    batch = Batch.objects.create(name="batch", state=BatchState.RUNNING)
    office = make_office(rng, 0)
    rows = [make_row(rng, batch, office, line, phones=1) for line in range(count)]
    for number, row in enumerate(rows):
        row.outbound_phone_number = f"+1212555010{number}"
        row.appointment_at = START - timedelta(days=3)
        row.organization_name = "SPNet"
    CallRow.objects.bulk_create(rows)


def make_office(rng: random.Random, number: int) -> Entity:
    name = f"Office {number}"
    zone = rng.choice(ZONES)
    return Entity.objects.create(
        identity=office_identity(name, "", ""),
        name=name,
        upstream_name=name,
        address="1 Main St",
        timezone=zone,
        working_hours=hours(*rng.choice(HOURS)),
        closed_dates=["2026-11-23"] if rng.random() < 0.1 else [],
    )


def hours(start: str, end: str) -> dict[str, Any]:
    """The same window on each working day."""
    window = {"default_call_time": start, "windows": [{"start": start, "end": end}]}
    return {day: window if open_ else {} for day, open_ in default_working_hours().items()}


def make_row(
    rng: random.Random, batch: Batch, office: Entity, line: int, phones: int
) -> CallRow:  # fmt: skip
    appointment = START + timedelta(minutes=rng.choice([-4320, -4320, -4320, 3]))
    return CallRow(
        batch=batch,
        entity=office,
        line=line,
        external_reference_id=f"{batch.name}-{line}",
        organization_name=rng.choice(["SPNet", "SPNet West"]),
        patient_name="Jane Patient",
        patient_dob="1967-04-13",
        date_of_injury="2026-01-15",
        expected_appointment_date_time="2026-11-20T11:00:00",
        appointment_at=appointment,
        local_timezone="America/New_York",
        service_modality="PT",
        insurer_group_name="Acme",
        body_part="knee",
        provider_office=office.name,
        provider_office_address=office.address,
        outbound_phone_number=f"+1212555010{rng.randrange(phones)}",
        eoc_number="EOC-1",
        next_at=START,
        changed_at=START,
    )
