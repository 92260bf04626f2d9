"""Two people at the same moment on PostgreSQL, where transactions run side by side. SQLite has one writer."""

from datetime import UTC, datetime, timedelta
from threading import Thread
from unittest.mock import patch

import pytest
from django.db import connection, connections
from django.db.models.deletion import Collector
from django.utils import timezone

from calls import actions
from calls.engine import instance
from calls.engine.clock import shared_clock
from calls.engine.tools import tools_from_settings
from calls.models import Batch, CallRow
from calls.vocabulary import BatchState
from tests.factories import make_batch, make_row
from tests.intake.test_loading import load

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer"),
]
NEARLY = timedelta(seconds=1)
LONG_ENOUGH = 2.0  # seconds for somebody who is not held up


@pytest.fixture(autouse=True)
def woken(monkeypatch):
    monkeypatch.setattr(actions, "wake", lambda name: None)


class Rival:
    """Somebody else, with a connection of their own; `told` is what came of it."""

    def __init__(self, deed):
        self.deed, self.told = deed, None
        self.thread = Thread(target=self.act)

    def act(self):
        try:
            self.told = self.deed()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.told = error
        finally:
            connections.close_all()

    def comes(self):
        self.thread.start()
        self.thread.join(LONG_ENOUGH)

    def ends(self):
        self.thread.join(30)
        assert not self.thread.is_alive()
        return self.told


def discard_while(rival, batch):
    """The rival comes when all was looked at, a moment before the first row goes."""
    delete = Collector.delete

    def deleted(collector):
        if not rival.thread.ident:
            rival.comes()
        return delete(collector)

    with patch.object(Collector, "delete", deleted):
        actions.discard_draft(batch=batch)
    return rival.ends()


def test_a_batch_is_not_started_while_it_is_discarded():
    batch = make_batch(state=BatchState.DRAFT)
    make_row(batch=batch)
    rival = Rival(lambda: actions.start_batch(batch=Batch.objects.get(pk=batch.pk), by=None))
    assert isinstance(discard_while(rival, batch), actions.Refused)
    assert not Batch.objects.exists()
    assert not CallRow.objects.exists()


def test_a_row_that_a_later_upload_takes_is_in_it_or_told_as_rejected():
    first = load({})
    rival = Rival(lambda: load({"body_part": "knee"}))
    second = discard_while(rival, first)
    second.refresh_from_db()
    assert second.accepted + second.rejected == 1
    assert (second.rows.count(), second.rejected_lines.count()) == (
        second.accepted,
        second.rejected,
    )


def test_a_second_click_on_call_again_makes_no_second_repeat():
    row = make_row("completed")
    create = Batch.objects.create
    rival = Rival(lambda: actions.call_again(row=row, by=None))

    def created(**fields):
        if not rival.thread.ident:
            rival.comes()
        return create(**fields)

    with patch.object(Batch.objects, "create", created):
        actions.call_again(row=row, by=None)
    assert isinstance(rival.ends(), actions.Refused)
    assert row.repeats.count() == 1


@pytest.mark.fault(
    "Clock",
    "Worker machines whose clocks differ",
    "The engine goes by the clock of the PostgreSQL server.",
)
@pytest.mark.parametrize("minutes", [-2, 2], ids=["behind", "ahead"])
def test_a_machine_with_another_time_goes_by_that_of_the_server(monkeypatch, minutes):
    wrong = timedelta(minutes=minutes)
    monkeypatch.setattr(timezone, "now", lambda: datetime.now(UTC) + wrong)
    assert abs(shared_clock()() - datetime.now(UTC)) < NEARLY
    with tools_from_settings() as tools:
        assert abs(tools.clock() - datetime.now(UTC)) < NEARLY


def test_another_database_of_the_same_server_is_another_installation(settings):
    settings.INSTANCE_ID = "both"
    connection.ensure_connection()
    here = instance.identity()
    with patch.dict(connection.settings_dict, NAME="restored_copy"):
        assert instance.identity() != here
    with patch.dict(connection.settings_dict, HOST="localhost"):
        assert instance.identity() == here
