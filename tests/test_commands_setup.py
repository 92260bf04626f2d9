import csv
import io
import socket
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import authenticate, get_user_model
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from django.test import Client
from django.utils import timezone
from django_q.models import OrmQ, Schedule

from calls.intake.loading import load_file
from calls.management import practice
from calls.management.commands import run_workers, serve
from calls.management.commands.run_workers import Carer, read_signs
from calls.management.sample import OFFICES, SPOILT, sample_file, sample_rows
from calls.management.static_files import collect_if_stale
from calls.models import CallRow, Entity, Lease
from calls.vocabulary import HoldReason
from evergrove_dash.env import write_once

TODAY = date(2026, 4, 9)  # Thursday


def command(name: str, **options: Any) -> str:
    out = io.StringIO()
    call_command(name, stdout=out, **options)
    return out.getvalue()


@pytest.mark.django_db
class TestSetupSchedules:
    @pytest.mark.fault(
        "Processes",
        "Schedules of the queue lost",
        "They are made anew at the next start of the worker.",
    )
    def test_it_makes_one_schedule_a_minute_for_each_slice(self) -> None:
        assert "Schedule dispatch: created." in command("setup_schedules")
        found = Schedule.objects.order_by("name").values_list("func", "schedule_type", "minutes")
        assert list(found) == [
            ("calls.tasks.dispatch", "I", 1),
            ("calls.tasks.forget_old_files", "D", None),
            ("calls.tasks.forget_old_sessions", "D", None),
            ("calls.tasks.poll", "I", 1),
        ]

    def test_it_changes_nothing_when_repeated(self) -> None:
        command("setup_schedules")
        before = list(Schedule.objects.order_by("pk").values())
        assert command("setup_schedules").count("there already") == 4
        assert list(Schedule.objects.order_by("pk").values()) == before

    @pytest.mark.fault(
        "Processes",
        "Schedules of the queue changed or doubled",
        "They are put right at the next start of the worker.",
    )
    def test_it_puts_right_what_was_changed_or_doubled(self) -> None:
        command("setup_schedules")
        Schedule.objects.create(name="poll", func="calls.tasks.poll")
        Schedule.objects.filter(name="dispatch").update(func="os.getcwd", repeats=0)
        assert "Schedule dispatch: put right." in command("setup_schedules")
        found = Schedule.objects.order_by("name").values_list("func", "repeats")
        assert set(found) == {
            ("calls.tasks.dispatch", -1),
            ("calls.tasks.forget_old_files", -1),
            ("calls.tasks.forget_old_sessions", -1),
            ("calls.tasks.poll", -1),
        }

    def test_it_creates_the_table_that_sign_in_limits_are_counted_in(self, settings: Any) -> None:
        settings.CACHES = {
            "default": {
                "BACKEND": "django.core.cache.backends.db.DatabaseCache",
                "LOCATION": "cache",
            }
        }
        assert "Cache table: created." in command("setup_schedules")
        assert "cache" in connection.introspection.table_names()


class TestSample:
    def test_a_day_has_always_the_same_file(self) -> None:
        assert sample_file(TODAY) == sample_file(TODAY)
        assert sample_file(TODAY) != sample_file(TODAY + timedelta(days=1))

    def test_another_day_brings_other_references_and_cases(self) -> None:
        later = sample_rows(TODAY + timedelta(days=1))
        for column in ("external_reference_id", "eoc_number"):
            assert not {r[column] for r in sample_rows(TODAY)} & {r[column] for r in later}

    def test_offices_share_a_name_but_no_number(self) -> None:
        phones = Counter(office.phone(line) for office in OFFICES for line in office.lines)
        assert max(phones.values()) == 1
        assert Counter(office.name for office in OFFICES).most_common(1)[0][1] == 2
        assert all(4 <= len(office.lines) <= 6 for office in OFFICES)

    @pytest.mark.django_db
    def test_the_intake_takes_it_and_refuses_what_is_wrong_on_purpose(self) -> None:
        batch = load_file(sample_file(TODAY).encode(), name="sample")
        assert (batch.accepted, batch.rejected) == (200 - len(SPOILT) - 1, len(SPOILT) + 1)
        codes = {
            problem["code"] for line in batch.rejected_lines.all() for problem in line.problems
        }
        assert codes >= {"extension", "digits", "zone", "ssn", "short_year", "repeated_reference"}
        held = CallRow.objects.filter(hold_reason=HoldReason.POSSIBLE_DUPLICATE)
        assert held.count() == 1
        assert Entity.objects.count() == len(OFFICES)

    @pytest.mark.django_db
    def test_every_call_is_about_an_appointment_that_has_passed(self) -> None:
        now = datetime(2026, 4, 9, 12, tzinfo=UTC)
        load_file(sample_file(TODAY).encode(), name="sample")
        assert not CallRow.objects.filter(appointment_at__gte=now).exists()
        assert CallRow.objects.exclude(changes=[]).count() >= 3  # numbers as people write them


@pytest.mark.django_db
class TestSeedDemo:
    @pytest.fixture(autouse=True)
    def password(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PRACTICE_PASSWORD", "practice makes perfect")

    def test_it_prints_a_login_that_works(self, tmp_path: Path) -> None:
        out = command("seed_demo", output=tmp_path / "sample.csv")
        assert "coordinator with the password practice makes perfect" in out
        user = authenticate(username="coordinator", password="practice makes perfect")
        assert user is not None
        assert (user.is_staff, user.is_superuser) == (True, True)

    def test_it_may_be_repeated_without_signing_anybody_out(self, tmp_path: Path) -> None:
        path = tmp_path / "sample.csv"
        command("seed_demo", output=path)
        before = get_user_model().objects.get(username="coordinator").password, path.read_bytes()
        command("seed_demo", output=path)
        after = get_user_model().objects.get(username="coordinator").password, path.read_bytes()
        assert before == after
        assert len(list(csv.DictReader(path.read_text().splitlines()))) == 200

    def test_without_a_password_in_the_environment_it_makes_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("PRACTICE_PASSWORD")
        out = command("seed_demo", output=tmp_path / "sample.csv")
        password = out.splitlines()[0].rsplit(" ", 1)[1]
        assert authenticate(username="coordinator", password=password)

    def test_it_refuses_with_a_real_key(self, tmp_path: Path, settings: Any) -> None:
        settings.PRACTICE_MODE = False
        with pytest.raises(CommandError, match="practice mode"):
            command("seed_demo", output=tmp_path / "sample.csv")
        assert not get_user_model().objects.exists()
        assert not list(tmp_path.iterdir())

    def test_a_real_key_closes_the_account_of_practice(self) -> None:
        practice.open_account()
        assert practice.close_account() is True
        assert authenticate(username="coordinator", password="practice makes perfect") is None
        assert practice.close_account() is False

    def test_an_account_that_was_made_a_persons_own_stays_open(self) -> None:
        practice.open_account()
        get_user_model().objects.update(email="dana@spnet.example")
        assert practice.close_account() is False

    def test_beside_a_real_key_it_is_nobodys_whatever_process_answers(
        self, client: Client, settings: Any
    ) -> None:
        password = practice.open_account()
        assert client.login(username="coordinator", password=password)
        assert client.get("/").status_code == 200
        settings.PRACTICE_MODE = False
        assert client.get("/").status_code == 302, "whoever was signed in is not any more"
        assert authenticate(username="coordinator", password=password) is None


class TestEnv:
    def test_it_writes_secrets_once_that_only_their_owner_reads(self, tmp_path: Path) -> None:
        path = tmp_path / ".env"
        assert write_once(path) is True
        before = path.read_text()
        assert write_once(path) is False
        assert path.read_text() == before
        assert path.stat().st_mode & 0o777 == 0o600
        names = {line.split("=")[0] for line in before.splitlines() if not line.startswith("#")}
        assert names == {"SECRET_KEY", "FIELD_ENCRYPTION_KEYS", "PRACTICE_PASSWORD"}

    def test_no_two_installations_share_a_secret(self, tmp_path: Path) -> None:
        for name in ("one", "two"):
            write_once(tmp_path / name)
        one, two = ((tmp_path / name).read_text().splitlines() for name in ("one", "two"))
        same = [line for line in one if line in two and not line.startswith("#")]
        assert same == []


class TestStaticFiles:
    def test_it_collects_once_and_again_after_a_change(self, tmp_path: Path, settings: Any) -> None:
        source = tmp_path / "static"
        source.mkdir()
        (source / "a.css").write_text("a {}")
        settings.STATICFILES_DIRS, settings.STATIC_ROOT = [source], tmp_path / "out"
        settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
        assert [collect_if_stale(), collect_if_stale()] == [True, False]
        (source / "a.css").write_text("a { color: red }")
        assert collect_if_stale() is True
        assert (tmp_path / "out" / "a.css").read_text() == "a { color: red }"


@pytest.mark.django_db
class TestServe:
    def test_a_taken_port_is_one_clear_sentence(self) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            with pytest.raises(CommandError, match=f"Port {port} of 127.0.0.1 cannot be used"):
                command("serve", port=port)

    def test_a_database_without_its_migrations_is_said(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            serve.MigrationExecutor, "migration_plan", lambda *_: ["something to do"]
        )
        with pytest.raises(CommandError, match=r"Run: python manage\.py migrate"):
            serve.refuse_old_tables()

    def test_practice_mode_brings_its_sandbox_and_stops_it_last(self) -> None:
        assert [one.name for one in serve.programs("127.0.0.1", 8000)] == [
            "web",
            "worker",
            "sandbox",
        ]

    def test_another_address_of_the_api_needs_no_sandbox(self, settings: Any) -> None:
        settings.API_URL = "http://127.0.0.1:9999"
        assert [one.name for one in serve.programs("127.0.0.1", 8000)] == ["web", "worker"]

    def test_secrets_are_not_on_command_lines(self, settings: Any) -> None:
        settings.SANDBOX_API_KEY = "a-key-of-practice"
        commands = [str(part) for one in serve.programs("::1", 8000) for part in one.command]
        assert "[::1]:8000" in commands
        assert not [part for part in commands if "a-key-of-practice" in part]


@pytest.mark.django_db
class TestCarer:
    @pytest.fixture(autouse=True)
    def queue(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        woken: list[str] = []
        monkeypatch.setattr(run_workers, "wake", woken.append)
        monkeypatch.setattr(run_workers, "close_old_connections", lambda: None)
        return woken

    def test_it_wakes_a_new_worker_twice(self, queue: list[str]) -> None:
        carer = Carer()
        for age in range(1, 30):
            carer.ailment(float(age))
        assert queue == ["dispatch", "poll"] * 2

    @pytest.mark.fault(
        "Processes",
        "Task that the queue has lost",
        "The supervisor wakes the slice that went quiet.",
    )
    def test_it_wakes_a_slice_that_went_quiet(
        self, queue: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        carer = Carer()
        monkeypatch.setattr(carer.watch, "quiet", lambda _: ["poll"])
        carer.ailment(1.0)
        assert queue == ["poll"]

    def test_it_wakes_the_next_worker_again(self, queue: list[str]) -> None:
        carer = Carer()
        for age in (1.0, 3.0, 13.0, 1.0, 3.0):
            carer.ailment(age)
        assert queue == ["dispatch", "poll"] * 3

    def test_it_reads_the_beats_and_the_queue(self) -> None:
        now = timezone.now()
        Lease.objects.create(name="poll", beat_at=now)
        row = OrmQ.objects.create(key="evergrove", payload="x", lock=now)
        signs = read_signs()
        assert signs.beats == {"dispatch": None, "poll": now}
        assert signs.queue == [(row.pk, now)]

    def test_it_ends_the_slices_of_a_worker_that_stops(self) -> None:
        Lease.objects.create(name="poll", token="mine", until=timezone.now())
        Carer().end_slices()
        assert Lease.objects.get().token == ""

    @pytest.mark.fault(
        "Processes",
        "Database out of the supervisor's reach",
        "The worker is not blamed, and is judged anew when the database is back.",
    )
    def test_a_database_out_of_reach_is_no_ailment_and_gives_new_time(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail() -> None:
            raise DatabaseError

        carer, now = Carer(), 0.0
        carer.watch.clock = lambda: now
        assert carer.ailment(1.0) == ""
        with monkeypatch.context() as broken:
            broken.setattr(run_workers, "read_signs", fail)
            now = 15.0
            assert carer.ailment(16.0) == ""
        now = 30.0
        assert carer.ailment(31.0) == ""  # without a look for 30 s, and yet not to blame
        now = 55.0
        assert "no sign of life" in carer.ailment(56.0)

    @pytest.mark.fault(
        "Processes",
        "Worker frozen while it holds the database's lock",
        "The supervisor can read but not write, and starts the worker again.",
    )
    def test_a_locked_database_does_not_hide_a_silent_worker(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(name: str) -> None:
            raise DatabaseError

        carer, now = Carer(), 0.0
        carer.watch.clock = lambda: now
        assert carer.ailment(1.0) == ""
        monkeypatch.setattr(run_workers, "wake", fail)
        now = 15.0
        assert carer.ailment(16.0) == ""  # quiet: it would be woken
        now = 25.0
        assert "no sign of life" in carer.ailment(26.0)
