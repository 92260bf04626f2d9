"""A copy of the database somewhere else does not call."""

import os
from dataclasses import replace

import pytest
from django.utils import timezone

from calls import actions
from calls.engine import instance, upstream
from calls.engine.pulse import run_slice
from calls.engine.tools import tools_from_settings
from calls.models import CallEvent, Installation, Lease
from calls.vocabulary import EventKind, Phase, StopReason
from tests.engine.lab import again

pytestmark = pytest.mark.django_db


@pytest.fixture
def by_file(settings, tmp_path):
    settings.INSTANCE_ID, settings.INSTANCE_FILE = "", str(tmp_path / ".instance")
    return tmp_path / ".instance"


def test_an_identity_lasts_and_says_nothing_of_what_it_is_made_of(by_file):
    first = instance.identity()
    assert first == instance.identity()
    assert len(first) == 32
    assert by_file.read_text().strip() not in first


def test_the_setting_wins_and_is_the_same_everywhere(by_file, settings):
    settings.INSTANCE_ID = "clinic"
    first = instance.identity()
    settings.INSTANCE_FILE = "/nowhere/.instance"
    assert instance.identity() == first
    assert not by_file.exists()


@pytest.mark.parametrize("copied", ["file", "machine", "database"])
def test_whatever_is_copied_elsewhere_is_another_installation(
    by_file, settings, tmp_path, monkeypatch, copied
):
    monkeypatch.setattr(instance, "MACHINE_ID", tmp_path / "machine-id")
    here = instance.identity()
    if copied == "file":
        (tmp_path / "copy").mkdir()
        settings.INSTANCE_FILE = str(tmp_path / "copy/.instance")
        (tmp_path / "copy/.instance").write_text(by_file.read_text())
    elif copied == "machine":
        (tmp_path / "machine-id").write_text("another")
    else:
        monkeypatch.setattr(instance, "place_of_database", lambda: "/another/db.sqlite3")
    assert instance.identity() != here


def test_without_its_file_it_is_another_installation(by_file):
    here = instance.identity()
    by_file.unlink()
    assert instance.identity() != here


@pytest.mark.skipif(os.getuid() == 0, reason="nothing is read-only to root")
def test_a_read_only_folder_is_no_obstacle(by_file, tmp_path):
    tmp_path.chmod(0o500)
    assert instance.identity() == instance.identity()


def test_a_folder_that_is_not_there_is_no_obstacle(settings):
    settings.INSTANCE_ID, settings.INSTANCE_FILE = "", "/nowhere/at/all/.instance"
    assert instance.identity() == instance.identity()


def test_the_first_process_to_write_the_id_wins(by_file):
    instance.write_once(by_file, "first")
    instance.write_once(by_file, "second")
    assert by_file.read_text() == "first\n"
    assert [path.name for path in by_file.parent.iterdir()] == [".instance"]


def test_a_new_database_is_taken_by_the_first_that_works_with_it(settings):
    with tools_from_settings() as tools:
        assert instance.owner() == tools.instance_id == instance.identity()
    settings.INSTANCE_ID = "another"
    with tools_from_settings() as tools:
        assert instance.owner() != tools.instance_id
        assert not upstream.may_send(tools)
        assert upstream.reason_to_stand_still(tools) == StopReason.ANOTHER_INSTANCE


def test_of_two_that_come_first_one_wins(monkeypatch):
    Installation.objects.create(pk=1, instance_id="the-one-that-won")
    monkeypatch.setattr(instance, "owner", lambda: "")  # as the other one has read it before
    instance.moved_in(now=timezone.now())
    assert Installation.objects.get().instance_id == "the-one-that-won"


def elsewhere(lab):
    Installation.load()
    Installation.objects.update(instance_id="of-another-installation")
    lab.tools = replace(lab.tools, instance_id="of-this-one")


@pytest.mark.fault(
    "Database", "Copy of the database on another machine", "It shows everything and sends nothing."
)
def test_a_copy_sends_nothing_at_all(lab):
    rows = [lab.calling(), lab.scheduled()]
    elsewhere(lab)
    sent = len(lab.wire.sent)
    lab.run(600, step=10)
    assert len(lab.wire.sent) == sent
    assert [again(row).phase for row in rows] == [Phase.CALLING, Phase.SCHEDULED]


def test_a_copy_beats_but_leaves_the_lease_to_others(settings):
    Installation.objects.create(pk=1, instance_id="of-another-installation")
    pulses = []
    assert run_slice("dispatch", lambda tools: pulses.append(tools) or 0) is True
    assert len(pulses) == 1
    lease = Lease.objects.get(name="dispatch")
    assert lease.beat_at is not None
    assert lease.until is None


def test_taking_it_over_asks_about_everything_first(lab):
    row = lab.scheduled()
    elsewhere(lab)
    assert actions.adopt_database(by=None, reason="moved to a new machine") == 1
    lab.tools = replace(lab.tools, instance_id=instance.identity())
    lab.dispatch()
    assert not lab.sent("trigger")
    actions.start_batch(batch=again(row.batch), by=None)
    lab.run(600, step=5)
    assert lab.calls_of(row) == 1
    event = CallEvent.objects.get(kind=EventKind.ADOPTED)
    assert event.detail == "moved to a new machine"


def test_what_is_ours_already_is_not_taken_over_again(lab):
    Installation.objects.create(pk=1, instance_id=instance.identity())
    with pytest.raises(actions.Refused, match="already"):
        actions.adopt_database(by=None, reason="to be sure")


def test_nothing_is_taken_over_without_a_reason(lab):
    elsewhere(lab)
    with pytest.raises(actions.Refused, match="reason"):
        actions.adopt_database(by=None, reason=" ")
    assert instance.owner() == "of-another-installation"
