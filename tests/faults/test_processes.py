"""Processes"""

from contextlib import contextmanager

import pytest

from calls.engine import asking
from tests.engine.lab import again
from tests.faults.life import LONG_ENOUGH, made_once, new_row


class Killed(BaseException):
    """The process is gone; nothing may catch it."""


def killed(lab, endpoint, moment):
    """A row's life in which a worker dies once, and another goes on from the database alone."""
    row = new_row(lab)
    with dying(lab, endpoint, moment), pytest.raises(Killed):
        lab.run(400, step=5)
    lab.run(LONG_ENOUGH, step=5)
    return again(row)


@contextmanager
def dying(lab, endpoint, moment):
    """`moment`: claimed (and committed), sent (and acted upon), recorded (and committed)."""
    keep, reached = asking.record_group, []

    def die(at, *body):
        reached.append(at)
        if at == endpoint:
            raise Killed

    def record_and_die(answers, record):
        follow_ups = keep(answers, record)
        die(reached[-1])
        return follow_ups

    with pytest.MonkeyPatch.context() as patch:
        if moment == "recorded":
            patch.setattr(lab.wire, "before", lambda at, body: reached.append(at))
            patch.setattr(asking, "record_group", record_and_die)
        else:
            patch.setattr(lab.wire, "before" if moment == "claimed" else "after", die)
        yield


def test_worker_killed_before_an_office_is_sent(lab):
    """The office is sent when the claim has run out."""
    row = killed(lab, "entities", "claimed")
    assert made_once(lab, row)


def test_worker_killed_after_an_office_was_sent(lab):
    """The office is sent again and keeps its id at Evergrove."""
    row = killed(lab, "entities", "sent")
    assert lab.sandbox.ledger.entity_upserts[row.entity.upstream_name] == 2
    assert made_once(lab, row)


def test_worker_killed_after_an_office_was_recorded(lab):
    """The office is not sent again."""
    row = killed(lab, "entities", "recorded")
    assert lab.sandbox.ledger.entity_upserts[row.entity.upstream_name] == 1
    assert made_once(lab, row)


def test_worker_killed_before_a_row_is_queued(lab):
    """The row is queued when the claim has run out."""
    row = killed(lab, "schedule", "claimed")
    assert lab.sandbox.ledger.requests_by_reference[row.external_reference_id] == 1
    assert made_once(lab, row)


def test_worker_killed_after_a_row_was_queued(lab):
    """It is queued a second time; the first request is counted as a possible orphan, which nobody starts."""
    row = killed(lab, "schedule", "sent")
    assert lab.sandbox.ledger.requests_by_reference[row.external_reference_id] == 2
    assert row.possible_orphans == 1
    assert made_once(lab, row)


def test_worker_killed_after_a_request_id_was_recorded(lab):
    """The row is not queued again."""
    row = killed(lab, "schedule", "recorded")
    assert lab.sandbox.ledger.requests_by_reference[row.external_reference_id] == 1
    assert made_once(lab, row)


def test_worker_killed_before_a_trigger_leaves(lab):
    """Nobody can know that it did not leave: the row is asked about, and triggered after two clean looks."""
    row = killed(lab, "trigger", "claimed")
    assert (row.trigger_count, row.trigger_retries_left) == (2, 0)
    assert made_once(lab, row)


def test_worker_killed_after_a_trigger_acted(lab):
    """The started call is found by asking and followed; it is not started a second time."""
    row = killed(lab, "trigger", "sent")
    assert row.trigger_count == 1
    assert made_once(lab, row)


def test_worker_killed_after_a_trigger_was_recorded(lab):
    """The call is followed at once."""
    row = killed(lab, "trigger", "recorded")
    assert row.trigger_count == 1
    assert made_once(lab, row)


def test_worker_killed_during_a_look(lab):
    """The look does not count; two whole ones come before a second trigger."""
    lab.fault("lost_before", "trigger")
    row = killed(lab, "poll", "sent")
    assert len([one for one in lab.sent("poll") if "include_call_attempts=true" in one]) == 3
    assert made_once(lab, row)


def test_worker_killed_after_a_look_was_recorded(lab):
    """The look counts, and one more comes before a second trigger."""
    lab.fault("lost_before", "trigger")
    row = killed(lab, "poll", "recorded")
    assert len([one for one in lab.sent("poll") if "include_call_attempts=true" in one]) == 2
    assert made_once(lab, row)


def test_worker_killed_during_a_poll(lab):
    """The call is asked about again when the claim has run out."""
    assert made_once(lab, killed(lab, "poll", "sent"))


def test_worker_killed_after_a_poll_was_recorded(lab):
    """The call is followed on; its outcome is recorded once."""
    assert made_once(lab, killed(lab, "poll", "recorded"))


def test_worker_out_of_memory(lab):
    """What could not be finished is unknown: the started call is found by asking, not started again."""

    def fail(at):
        if at == "trigger":
            raise MemoryError

    row = new_row(lab)
    lab.wire.after = fail
    lab.run(LONG_ENOUGH, step=5)
    assert again(row).trigger_count == 1
    assert made_once(lab, row)
