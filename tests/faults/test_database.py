"""Database"""

import sqlite3
from contextlib import closing, contextmanager, suppress
from unittest.mock import patch

import pytest
from django.db import DatabaseError, OperationalError, connection

from calls.engine.triggering import trigger_rows
from calls.models import CallEvent
from calls.vocabulary import EventKind, Phase
from tests.engine.lab import again
from tests.factories import NOW
from tests.faults.life import LONG_ENOUGH, made_once

pytestmark = pytest.mark.django_db(transaction=True)
sqlite_only = pytest.mark.skipif(
    connection.vendor != "sqlite", reason="SQLite's own lock and its own way to be full"
)


def nothing_leaves(lab, *, because):
    """Triggering fails for this reason, and no trigger is sent."""
    seen = len(lab.wire.sent)
    with pytest.raises(DatabaseError, match=because):
        trigger_rows(lab.tools)
    return len(lab.wire.sent) == seen


def goes_on(lab, row):
    lab.run(LONG_ENOUGH, step=5)
    return made_once(lab, row)


# --- It takes no writes ---


@contextmanager
def locked():
    """Another process holds the one lock for writing."""
    with closing(sqlite3.connect(connection.settings_dict["NAME"], uri=True)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE calls_lease SET token = token")
        yield


@contextmanager
def read_only():
    words = {
        "sqlite": ("PRAGMA query_only = {}", "ON", "OFF"),
        "postgresql": (
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ {}", "ONLY", "WRITE"
        ),
    }  # fmt: skip
    statement, on, off = words[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(statement.format(on))
        try:
            yield
        finally:
            cursor.execute(statement.format(off))


@contextmanager
def full_disk():
    """No page can be added, and none is left that is not full."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA max_page_count")
        (usual,) = cursor.fetchone()
        cursor.execute("PRAGMA page_count")
        cursor.execute(f"PRAGMA max_page_count = {cursor.fetchone()[0]}")
        with suppress(OperationalError):
            while True:
                CallEvent.objects.create(kind=EventKind.ANOMALY, at=NOW)
        yield
        cursor.execute(f"PRAGMA max_page_count = {usual}")


@sqlite_only
def test_database_locked(lab):
    """What cannot be claimed is not sent; everything goes on when the lock is gone."""
    row = lab.scheduled()
    with locked():
        assert nothing_leaves(lab, because="locked")
    assert goes_on(lab, row)


@sqlite_only
def test_database_locked_while_an_answer_is_recorded(lab):
    """The started call is found by asking when the claim has run out; it is not started again."""
    row = lab.scheduled()
    lock = locked()
    lab.wire.after = lambda endpoint: lock.__enter__()
    with pytest.raises(DatabaseError, match="locked"):
        trigger_rows(lab.tools)
    lock.__exit__(None, None, None)
    lab.wire.after = lambda endpoint: None
    assert again(row).phase == Phase.TRIGGERING
    assert goes_on(lab, row)
    assert len(lab.sent("trigger")) == 1


@sqlite_only
def test_disk_full(lab):
    """What cannot be written down is not sent; everything goes on when there is room again."""
    row = lab.scheduled()
    with full_disk():
        assert nothing_leaves(lab, because="full")
    assert goes_on(lab, row)


@sqlite_only
def test_disk_full_while_an_answer_is_recorded(lab):
    """The started call is found by asking when the claim has run out; it is not started again."""
    row = lab.scheduled()
    disk = full_disk()
    lab.wire.after = lambda endpoint: disk.__enter__()
    trigger_rows(lab.tools)
    disk.__exit__(None, None, None)
    lab.wire.after = lambda endpoint: None
    assert again(row).phase == Phase.TRIGGERING
    assert goes_on(lab, row)
    assert len(lab.sent("trigger")) == 1


def test_database_that_can_only_be_read(lab):
    """What cannot be claimed is not sent; everything goes on when it can be written again."""
    row = lab.scheduled()
    with read_only():
        assert nothing_leaves(lab, because="read-?only")
    assert goes_on(lab, row)


# --- It breaks off ---


def hang_up():
    connection.connection.close()


def reconnect():
    """As the worker's next task does."""
    connection.connection = None
    connection.ensure_connection()


@contextmanager
def kept_in_memory():
    """A database in memory lasts as long as somebody has it open."""
    if connection.vendor != "sqlite":
        yield
        return
    with closing(sqlite3.connect(connection.settings_dict["NAME"], uri=True)):
        yield


def test_connection_to_the_database_lost_before_an_intent(lab):
    """Nothing is sent; the next task connects anew and goes on."""
    row = lab.scheduled()
    with kept_in_memory():
        hang_up()
        assert nothing_leaves(lab, because="closed")
        reconnect()
        assert goes_on(lab, row)


def test_connection_to_the_database_lost_during_a_trigger(lab):
    """The started call is found by asking when the claim has run out; it is not started again."""
    row = lab.scheduled()
    lab.wire.after = lambda endpoint: hang_up()
    with kept_in_memory():
        with pytest.raises(DatabaseError, match="closed"):
            trigger_rows(lab.tools)
        lab.wire.after = lambda endpoint: None
        reconnect()
        assert again(row).phase == Phase.TRIGGERING
        assert goes_on(lab, row)
    assert len(lab.sent("trigger")) == 1


# --- It says no, or says it late ---


@contextmanager
def at_the_intent(then):
    """`then` happens once, at the statement that claims a row to be triggered."""
    left = [then]

    def execute(run, sql, params, many, context):
        if left and sql.startswith("UPDATE") and Phase.TRIGGERING in (params or ()):
            left.pop()()
        return run(sql, params, many, context)

    with connection.execute_wrapper(execute):
        yield


def test_deadlock(lab):
    """The database gives up one of the two: nothing of it is sent, and the next pulse claims anew."""
    row = lab.scheduled()

    def give_up():
        raise OperationalError("deadlock detected")

    with at_the_intent(give_up):
        assert nothing_leaves(lab, because="deadlock")
    assert goes_on(lab, row)
    assert again(row).trigger_count == 1


def test_transaction_that_takes_too_long(lab):
    """An intent that was committed more than five seconds late is not sent; the next one is."""
    row = lab.scheduled()
    with at_the_intent(lambda: lab.clock.advance(6)):
        trigger_rows(lab.tools)
    assert (again(row).phase, lab.sent("trigger")) == (Phase.SCHEDULED, [])
    assert goes_on(lab, row)
    assert again(row).trigger_count == 2


@contextmanager
def failing_commit(*, after):
    """The next commit is answered by an error: before anything was kept, or `after`."""
    keep, left = connection.commit, [1]

    def commit():
        if not left:
            return keep()
        left.clear()
        keep() if after else connection.rollback()
        raise OperationalError("server closed the connection unexpectedly")

    with patch.object(connection, "commit", commit), pytest.raises(OperationalError):
        yield


def test_commit_that_fails(lab):
    """The intent is not there, so nothing was sent; the next pulse claims anew."""
    row = lab.scheduled()
    with failing_commit(after=False):
        trigger_rows(lab.tools)
    assert (again(row).phase, lab.sent("trigger")) == (Phase.SCHEDULED, [])
    assert goes_on(lab, row)


def test_commit_whose_answer_is_lost(lab):
    """The intent is there and nothing was sent: the row is asked about, then its call is made once."""
    row = lab.scheduled()
    with failing_commit(after=True):
        trigger_rows(lab.tools)
    assert (again(row).phase, lab.sent("trigger")) == (Phase.TRIGGERING, [])
    assert goes_on(lab, row)
