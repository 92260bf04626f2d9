"""Backup, restore and take-over by command, on files of their own; the worker's part is in tests/engine."""

import os
import stat
import subprocess
import sys
import threading
from contextlib import closing
from datetime import timedelta
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.utils import timezone

from calls.management import copies
from calls.management.commands import backup_database, restore_database
from calls.models import CallEvent, Installation, Lease
from tests.views.test_uploads import file_of

SECRET = "a-secret-of-this-test-0123456789-abcdefghijklmnopqrstuvwxyz"


class Site:
    """An installation in a folder of its own.

    `run` is quick: the command in this process, on the file. `manage` is real: a process of its own.
    """

    def __init__(self, folder):
        self.folder, self.database = folder, folder / "dash file.sqlite3"

    def run(self, *command):
        out, files = StringIO(), SimpleNamespace(
            vendor="sqlite", settings_dict={"NAME": str(self.database)}, close=lambda: None
        )  # fmt: skip
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(backup_database, "connection", files)
            patch.setattr(restore_database, "connection", files)
            call_command(*map(str, command), stdout=out)
        return out.getvalue()

    def manage(self, *command, **environment):
        given = {
            "DATABASE_URL": f"sqlite:///{copies.quote(str(self.database))}",
            "SECRET_KEY": SECRET,
            "DJANGO_SETTINGS_MODULE": "evergrove_dash.settings",
            "INSTANCE_ID": "",
            "INSTANCE_FILE": str(self.folder / ".instance"),
        }
        return subprocess.run(
            [sys.executable, settings.BASE_DIR / "manage.py", *map(str, command)],
            env=os.environ | given | environment, capture_output=True, text=True, check=False,
            umask=0o022,
        )  # fmt: skip

    def sql(self, statement, *values):
        with closing(copies.connect(self.database)) as database, database:
            return database.execute(statement, values).fetchall()


@pytest.fixture(scope="module")
def migrated(tmp_path_factory):
    """One migrated database for the module; migrating takes seconds."""
    site = Site(tmp_path_factory.mktemp("site"))
    done = site.manage("migrate", "--verbosity=0")
    assert done.returncode == 0, done.stderr
    return site


@pytest.fixture
def site(migrated, tmp_path, db):
    site = Site(tmp_path)
    copies.copy_to_new(migrated.database, site.database)
    return site


def mark(site, name):
    site.sql("INSERT INTO calls_lease (name, token) VALUES (?, '')", name)


def marks(path):
    with closing(copies.connect(path)) as database:
        return {row[0] for row in database.execute("SELECT name FROM calls_lease")}


# --- Backup ---------------------------------------------------------------------------------------
def test_a_backup_is_whole_and_its_owners_alone(site):
    mark(site, "first")
    backup = site.folder / "backup.sqlite3"
    said = site.run("backup_database", backup)
    assert "checked" in said
    assert "FIELD_ENCRYPTION_KEYS" in said
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert marks(backup) == {"first"}
    assert {path.name for path in site.folder.iterdir()} == {"dash file.sqlite3", "backup.sqlite3"}


def test_what_the_commands_write_is_their_owners_alone(migrated, site):
    calls, outcomes = site.folder / "calls.csv", site.folder / "outcomes.csv"
    calls.write_bytes(file_of({}).read())
    assert site.manage("import_calls", calls).returncode == 0
    assert site.manage("export_outcomes", 1, "-o", outcomes).returncode == 0
    written = {outcomes, *migrated.folder.iterdir(), *site.folder.iterdir()} - {calls}
    assert {path.name for path in written if path.stat().st_mode & 0o077} == set()


def test_what_the_pages_write_is_their_owners_alone():
    code = "import os; import evergrove_dash.wsgi; print(os.umask(0))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=settings.BASE_DIR, capture_output=True, text=True,
        umask=0o022, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == str(0o077), done.stderr


def test_it_overwrites_nothing(site):
    backup = site.folder / "backup.sqlite3"
    backup.write_text("precious")
    with pytest.raises(CommandError, match="Nothing was overwritten"):
        site.run("backup_database", backup)
    assert backup.read_text() == "precious"


def test_a_folder_that_is_not_there_is_said_so(site):
    with pytest.raises(CommandError, match=r"No backup was made\."):
        site.run("backup_database", site.folder / "nowhere/backup.sqlite3")


def test_a_backup_is_consistent_while_somebody_writes(site, tmp_path):
    """Two counters that every transaction raises together are never seen apart."""
    site.sql("CREATE TABLE counters (one INTEGER, two INTEGER)")
    site.sql("INSERT INTO counters VALUES (0, 0)")
    site.sql("PRAGMA journal_mode=WAL")
    stop = threading.Event()

    def write():
        with closing(copies.connect(site.database)) as database:
            while not stop.is_set():
                with database:
                    database.execute("UPDATE counters SET one = one + 1")
                    database.execute("UPDATE counters SET two = two + 1")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        seen = [counters_of_copy(site, tmp_path / f"copy-{number}") for number in range(5)]
    finally:
        stop.set()
        writer.join()
    assert all(one == two for one, two in seen)
    assert seen[-1] > seen[0], "it was written meanwhile"


def counters_of_copy(site, target):
    copies.copy_to_new(site.database, target)
    with closing(copies.connect(target)) as copy:
        return copy.execute("SELECT one, two FROM counters").fetchone()


def damage(path):
    """Overwrite pages in the middle, as a failing disk does."""
    with path.open("r+b") as file:
        file.seek(5 * 4096)
        file.write(os.urandom(40 * 4096))


@pytest.mark.fault(
    "Database", "Damaged database that is backed up", "There is no backup, and that is said."
)
def test_a_damaged_database_gives_no_backup(site):
    damage(site.database)
    backup = site.folder / "backup.sqlite3"
    with pytest.raises(CommandError, match="No backup was made"):
        site.run("backup_database", backup)
    assert not backup.exists()


@pytest.mark.parametrize(
    ("module", "word"), [(backup_database, "pg_dump"), (restore_database, "pg_restore")]
)
def test_on_postgresql_its_own_tool_is_named(module, word, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "connection", SimpleNamespace(vendor="postgresql"))
    with pytest.raises(CommandError, match=word):
        call_command(module.__name__.rsplit(".", 1)[1], tmp_path / "file")


# --- Restore --------------------------------------------------------------------------------------
@pytest.fixture
def backup(site):
    mark(site, "before the backup")
    path = site.folder / "backup.sqlite3"
    site.run("backup_database", path)
    mark(site, "after the backup")
    return path


@pytest.fixture
def prepared(monkeypatch):
    """What the restored file is prepared with, noted instead of run."""
    commands = []
    monkeypatch.setattr(
        restore_database, "manage", lambda draft, *command: commands.append(command)
    )
    return commands


def test_a_backup_takes_the_place_of_the_database_which_is_kept(site, backup, prepared):
    said = site.run("restore_database", backup)
    assert marks(site.database) == {"before the backup"}
    (aside,) = site.folder.glob("*before-restore*")
    assert marks(aside) == {"before the backup", "after the backup"}
    assert stat.S_IMODE(aside.stat().st_mode) == 0o600
    assert str(aside) in said
    assert not list(site.folder.glob(".dash file*")), "no draft is left"
    assert prepared == [
        ("migrate", "--verbosity=0"),
        ("reconcile", "--reason=restored from backup.sqlite3"),
    ]


def test_a_process_that_has_the_database_open_sees_the_restored_rows(site, backup, prepared):
    site.sql("PRAGMA journal_mode=WAL")
    with closing(copies.connect(site.database)) as page:
        assert page.execute("SELECT count(*) FROM calls_lease").fetchone() == (2,)
        site.run("restore_database", backup)
        assert page.execute("SELECT count(*) FROM calls_lease").fetchone() == (1,)


@pytest.mark.fault("Database", "Restore beside a living worker", "It is refused.")
def test_it_refuses_while_a_worker_lives(site, backup, prepared):
    Lease.objects.create(name="dispatch", beat_at=timezone.now() - timedelta(seconds=3))
    with pytest.raises(CommandError, match="A worker is running"):
        site.run("restore_database", backup)
    assert len(marks(site.database)) == 2
    site.run("restore_database", backup, "--force")
    assert len(marks(site.database)) == 1


def test_a_worker_that_was_stopped_is_no_obstacle(site, backup, prepared):
    Lease.objects.create(name="dispatch", beat_at=timezone.now() - timedelta(seconds=30))
    site.run("restore_database", backup)
    assert len(marks(site.database)) == 1


def forget_migrations(path):
    with closing(copies.connect(path)) as database, database:
        database.execute("DROP TABLE django_migrations")


def from_tomorrow(path):
    with closing(copies.connect(path)) as database, database:
        database.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES ('calls', '9999', '2030-01-01')"
        )


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (Path.unlink, "There is no file"),
        (lambda path: path.write_text("name,phone\n"), "is no database of Evergrove Dash"),
        (damage, "Nothing was restored"),
        (forget_migrations, "is no database of Evergrove Dash"),
        (from_tomorrow, "newer version"),
    ],
    ids=["missing", "another file", "damaged", "another database", "of a newer version"],
)
def test_what_cannot_be_restored_leaves_everything_as_it_is(site, backup, prepared, spoil, said):
    spoil(backup)
    with pytest.raises(CommandError, match=said):
        site.run("restore_database", backup)
    assert len(marks(site.database)) == 2
    assert not list(site.folder.glob("*before-restore*"))
    assert not list(site.folder.glob(".dash file*"))


@pytest.mark.fault("Database", "Restore that breaks off", "The database stays as it was.")
def test_what_cannot_be_brought_up_to_date_is_not_restored(site, backup, monkeypatch):
    monkeypatch.setattr(
        restore_database, "COMMAND", [sys.executable, "-c", "exit('no space left')"]
    )
    with pytest.raises(CommandError, match=r"\(migrate\): no space left"):
        site.run("restore_database", backup)
    assert len(marks(site.database)) == 2


def test_it_restores_where_there_is_no_database_yet(site, backup, prepared):
    site.database.unlink()
    site.run("restore_database", backup)
    assert stat.S_IMODE(site.database.stat().st_mode) == 0o600
    assert marks(site.database) == {"before the backup"}


def test_a_backup_of_another_installation_says_what_is_left_to_do(site, backup, prepared):
    assert "adopt_database" not in site.run("restore_database", backup)
    Installation.objects.create(pk=1, instance_id="of-another-installation")
    assert "adopt_database" in site.run("restore_database", backup)


# --- In processes of their own --------------------------------------------------------------------
def owner_of(site):
    return site.sql("SELECT instance_id FROM calls_installation")[0][0]


def test_an_older_backup_is_brought_up_to_date_and_nothing_is_started_from_it(site, tmp_path):
    """A backup of the first version has none of the later tables."""
    old = Site(tmp_path / "old")
    old.folder.mkdir()
    assert old.manage("migrate", "calls", "0001", "--verbosity=0").returncode == 0
    assert old.manage("migrate", "django_q", "--verbosity=0").returncode == 0
    done = site.manage("restore_database", old.database)
    assert done.returncode == 0, done.stderr
    assert site.sql("SELECT reconcile_since IS NOT NULL FROM calls_installation") == [(1,)]
    assert site.sql("SELECT kind, detail FROM calls_callevent") == [
        ("reconciled", "restored from dash file.sqlite3")
    ]
    assert copies.migrations_in(site.database) > copies.migrations_in(old.database)


def test_a_moved_database_is_taken_over_by_command_and_with_a_reason(site, tmp_path):
    done = site.manage("adopt_database", "--reason", "first machine")
    assert done.returncode == 0, done.stderr
    first, elsewhere = owner_of(site), {"INSTANCE_FILE": str(tmp_path / ".another")}
    assert site.manage("adopt_database", **elsewhere).returncode == 2, "a reason is needed"
    assert owner_of(site) == first
    done = site.manage("adopt_database", "--reason", "new machine", **elsewhere)
    assert "asked about first: 0" in done.stdout, done.stderr
    assert owner_of(site) != first
    again = site.manage("adopt_database", "--reason", "new machine", **elsewhere)
    assert (again.returncode, "already" in again.stderr) == (1, True)


def test_reconcile_by_command_says_what_it_asks_about(db):
    out = StringIO()
    call_command("reconcile", "--reason", "pg_restore on Friday", stdout=out)
    assert "asked about: 0" in out.getvalue()
    assert CallEvent.objects.get().detail == "pg_restore on Friday"
