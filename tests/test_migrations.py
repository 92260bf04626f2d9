"""A database of the first version, with rows in every phase and every table, is brought up to date."""

import json
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from calls.models import BlockedPhone, CallRow, Lease, RejectedLine, Upload, Upstream
from calls.models.encrypted import PREFIX
from calls.vocabulary import BatchState, HoldReason, Phase
from tests.factories import (
    make_attempt,
    make_batch,
    make_blocked_phone,
    make_event,
    make_outcome,
    make_rejected_line,
    make_row,
    make_user,
)


@pytest.fixture
def first_version(transactional_db):
    """Undoes every later migration; they are made again even where a test fails."""
    yield lambda: call_command("migrate", "calls", "0001", verbosity=0)
    call_command("migrate", verbosity=0)


def fill():
    """A row in every phase, claimed or not, held for every reason, in batches of every state."""
    now, person = timezone.now(), make_user()
    rows = [make_row(phase, batch=make_batch(created_by=person)) for phase in Phase]
    for phase in (Phase.SCHEDULING, Phase.TRIGGERING):
        make_row(phase, claimed_by="a worker", claimed_until=now + timedelta(seconds=90), fence=7)
    for reason in HoldReason:
        make_row(Phase.READY, hold_reason=reason, last_error="HTTP 422")
    for state in BatchState:
        make_rejected_line(make_batch(state=state))
    for row in rows:
        make_event(row=row, actor=person)
        make_attempt(row)
    make_outcome(rows[-3], raw={"called": True})
    make_blocked_phone()
    Lease.objects.create(name="dispatch", token="mine", until=now)
    Upstream.objects.create(pk=1, tenant_id="tenant", failures=3)
    Upload.objects.create(batch=make_batch(state=BatchState.LOADING), content="a,b")


def columns_of(table):
    with connection.cursor() as cursor:
        return [
            column.name for column in connection.introspection.get_table_description(cursor, table)
        ]


def everything(columns):
    """{table: its rows}, each with the columns named."""
    found = {}
    for table, names in columns.items():
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {', '.join(names)} FROM {table}")  # noqa: S608 - our own names
            found[table] = sorted(map(repr, cursor.fetchall()))
    return found


def stored_problems():
    with connection.cursor() as cursor:
        cursor.execute("SELECT problems FROM calls_rejectedline ORDER BY id")
        return [row[0] for row in cursor.fetchall()]


def problems_of_the_first_version():
    """In the clear, as JSON."""
    return [json.loads(found) for found in stored_problems()]


@pytest.mark.fault(
    "Database",
    "Upgrade of a database with rows in every phase",
    "Every row of every table is kept as it was, and the table's own guards are laid anew.",
)
def test_an_upgrade_keeps_every_row_as_it_is(first_version):
    fill()
    first_version()
    tables = [name for name in connection.introspection.table_names() if name.startswith("calls_")]
    columns = {table: columns_of(table) for table in tables}
    columns["calls_rejectedline"].remove("problems")  # encrypted since
    before, problems = everything(columns), problems_of_the_first_version()
    assert [table for table in tables if not before[table]] == []
    assert "ask_first" not in columns["calls_callrow"]

    call_command("migrate", verbosity=0)
    assert everything(columns) == before
    assert list(RejectedLine.objects.order_by("pk").values_list("problems", flat=True)) == problems
    assert all(text.startswith(PREFIX) for text in stored_problems())
    assert set(CallRow.objects.values_list("phase", flat=True)) == set(Phase)
    assert not CallRow.objects.filter(ask_first=True).exists()
    assert BlockedPhone.objects.count() == 1
    row = CallRow.objects.filter(phase=Phase.COMPLETED).get()
    with pytest.raises(IntegrityError), transaction.atomic():
        CallRow.objects.filter(pk=row.pk).update(phase=Phase.READY, settled_at=None)
    with pytest.raises(IntegrityError), transaction.atomic():
        CallRow.objects.filter(pk=row.pk).update(request_id=None)
