"""From a file to its outcomes by commands alone, the real client and engine driving the stand-in."""

import csv
import io
import json
from contextlib import contextmanager, nullcontext

import pytest
from django.core.management import CommandError, call_command

from calls.engine import leasing
from calls.engine.leasing import Slice, revoke_all
from calls.management.commands import run_batch
from calls.management.commands.restore_database import refuse_living_worker
from calls.models import Batch, CallRow, Lease
from calls.vocabulary import Phase
from tests.engine.lab import Clock, Lab
from tests.intake.samples import SAMPLE

IMPORT_KEYS = ["batch", "accepted", "rejected", "unchanged", "problems"]
STATUS_KEYS = ["batch", "state", "rows", "by_request_status", "by_phase", "held", "outcomes"]
ATTENDED, NO_SHOW, FAILS, NEVER_ENDS, NOT_TO_BE_CALLED = 60, 61, 69, 80, 74


@pytest.fixture
def lab(db, monkeypatch):
    clock = Clock()
    monkeypatch.setattr("django.utils.timezone.now", clock)
    monkeypatch.setattr("calls.engine.tools.shared_clock", lambda: clock)
    monkeypatch.setattr("calls.actions.wake", lambda name: None)
    lab = Lab(clock)
    Batch.objects.all().delete()
    yield lab
    lab.tools.client.close()


@pytest.fixture
def calls_file(tmp_path):
    """Writes a file of rows, each with the phone that asks for a story; returns its path."""

    def write(*stories, **columns):
        path = tmp_path / "morning.csv"
        with path.open("w", newline="") as out:
            table = csv.DictWriter(out, list(SAMPLE))
            table.writeheader()
            for number, story in enumerate(stories, start=1):
                phone = f"+1212555{10 + number}{story:02}"
                own = {"external_reference_id": f"row-{number}", "eoc_number": f"EOC-{number}"}
                table.writerow(SAMPLE | own | {"outbound_phone_number": phone} | columns)
        return path

    return write


def run(name, *arguments, **options):
    """(exit code, standard output) of a command."""
    out = io.StringIO()
    try:
        call_command(name, *arguments, stdout=out, stderr=io.StringIO(), **options)
    except SystemExit as end:
        return end.code or 0, out.getvalue()
    return 0, out.getvalue()


def imported(path):
    code, out = run("import_calls", path, json=True)
    return code, json.loads(out)


def status(batch):
    code, out = run("batch_status", batch, json=True)
    assert code == 0
    return json.loads(out)


# --- The way of one file ---


def test_a_file_goes_all_the_way_to_its_outcomes(lab, calls_file, tmp_path):
    code, result = imported(calls_file(ATTENDED, NO_SHOW, FAILS))
    assert (code, list(result)) == (0, IMPORT_KEYS)
    batch = result["batch"]
    assert result == {"batch": batch, "accepted": 3, "rejected": 0, "unchanged": 0, "problems": []}
    lab.run(5)
    assert lab.wire.sent == []
    assert status(batch)["state"] == "draft"

    assert run("start_batch", batch)[0] == 0
    lab.run(30)
    found = status(batch)
    assert list(found) == STATUS_KEYS
    assert (found["batch"], found["state"], found["rows"]) == (batch, "finished", 3)
    assert found["by_request_status"] == {
        "not_scheduled": 0, "queued": 0, "calling": 0, "completed": 2, "failed": 1,
    }  # fmt: skip
    assert {word: n for word, n in found["by_phase"].items() if n} == {"completed": 2, "failed": 1}
    assert {word: n for word, n in found["outcomes"].items() if n} == {"attended": 1, "no_show": 1}
    assert sum(found["held"].values()) == 0
    assert lab.sandbox.ledger.calls_by_reference == {"row-1": 1, "row-2": 1, "row-3": 1}
    assert list(lab.sandbox.ledger.entity_upserts.values()) == [1]

    path = tmp_path / "outcomes.csv"
    assert run("export_outcomes", batch, output=path)[0] == 0
    with path.open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["external_reference_id"] for line in lines] == ["row-1", "row-2", "row-3"]
    assert [line["request_status"] for line in lines] == ["completed", "completed", "failed"]
    assert run("export_outcomes", batch)[1].splitlines() == path.read_text().splitlines()


def test_the_same_file_again_changes_nothing_and_calls_nobody(lab, calls_file):
    path = calls_file(ATTENDED, NO_SHOW)
    _, first = imported(path)
    run("start_batch", first["batch"])
    lab.run(30)
    code, second = imported(path)
    assert (code, second["accepted"], second["unchanged"]) == (0, 0, 2)
    lab.run(30)
    assert lab.sandbox.ledger.calls_started == 2


def test_a_file_with_bad_lines_stores_the_good_ones_and_tells_every_problem(lab, calls_file):
    path = calls_file(ATTENDED, NO_SHOW)
    path.write_text(path.read_text().replace("+12125551261", "555-12"))
    code, result = imported(path)
    assert (code, result["accepted"], result["rejected"]) == (1, 1, 1)
    [problem] = result["problems"]
    assert list(problem) == ["line", "column", "code", "message"]
    assert (problem["line"], problem["column"]) == (3, "outbound_phone_number")
    assert CallRow.objects.count() == 1


@pytest.mark.parametrize(
    "content",
    [b"", b"name,phone\nA,1\n", b"\x00\xff\x00PK"],
    ids=["empty", "other columns", "junk"],
)
def test_a_file_that_is_refused_stores_nothing(lab, tmp_path, content):
    path = tmp_path / "calls.csv"
    path.write_bytes(content)
    code, result = imported(path)
    assert (code, list(result)) == (2, IMPORT_KEYS)
    assert (result["batch"], result["accepted"]) == (None, 0)
    assert result["problems"][0]["message"]
    assert not Batch.objects.exists()


def test_a_file_that_is_not_there_is_refused_too(lab, tmp_path):
    code, result = imported(tmp_path / "nothing.csv")
    assert (code, result["batch"]) == (2, None)


# --- Pause ---


def test_a_paused_batch_starts_nothing_until_it_goes_on(lab, calls_file):
    _, result = imported(calls_file(ATTENDED, NO_SHOW))
    batch = result["batch"]
    run("start_batch", batch)
    assert run("pause_batch", batch)[0] == 0
    lab.run(20)
    assert lab.wire.sent == []
    assert status(batch)["state"] == "paused"
    run("start_batch", batch)
    lab.run(30)
    assert status(batch)["by_request_status"]["completed"] == 2


@pytest.mark.parametrize(
    ("command", "again"), [("start_batch", "start_batch"), ("pause_batch", "pause_batch")], ids=str
)
def test_a_command_that_does_not_fit_says_so(lab, calls_file, command, again):
    _, result = imported(calls_file(ATTENDED))
    run("start_batch", result["batch"])
    if command == "pause_batch":
        run(command, result["batch"])
    with pytest.raises(CommandError, match="This batch is"):
        run(again, result["batch"])


@pytest.mark.parametrize(
    "command", ["start_batch", "pause_batch", "batch_status", "export_outcomes"]
)
def test_an_unknown_batch_is_named(lab, command):
    with pytest.raises(CommandError, match="no batch 404"):
        run(command, 404)


# --- Everything in one command ---


@pytest.fixture
def one_process(lab, monkeypatch):
    """`run_batch` with the lab's tools; its idle moments move the clock."""

    @contextmanager
    def tools_from_settings(keep_going):
        yield lab.tools

    class Time:
        @staticmethod
        def monotonic():
            return lab.clock().timestamp()

        @staticmethod
        def sleep(seconds):
            lab.clock.advance(1)

    monkeypatch.setattr(run_batch, "tools_from_settings", tools_from_settings)
    monkeypatch.setattr(run_batch, "sandbox_at_hand", nullcontext)
    monkeypatch.setattr(run_batch, "time", Time)
    return lab


def test_run_batch_ends_well_when_every_row_is_final(one_process, calls_file, tmp_path):
    path = tmp_path / "out.csv"
    code, out = run("run_batch", calls_file(ATTENDED, NO_SHOW, FAILS), json=True, output=path)
    assert code == 0
    assert list(json.loads(out)) == STATUS_KEYS
    assert len(path.read_text().splitlines()) == 4
    assert one_process.sandbox.ledger.calls_started == 3


@pytest.mark.parametrize(
    ("story", "columns", "phase"),
    [(NEVER_ENDS, {}, Phase.CALLING), (ATTENDED, {"organization_name": "Acme Net"}, Phase.READY)],
    ids=["still calling", "held"],
)
def test_run_batch_says_when_a_row_is_not_final(one_process, calls_file, story, columns, phase):
    code, out = run("run_batch", calls_file(story, **columns), wait=60.0, json=True)
    assert code == 1
    assert json.loads(out)["by_phase"][phase] == 1


def test_run_batch_goes_on_with_a_file_whose_first_run_was_stopped(one_process, calls_file):
    path = calls_file(ATTENDED, NO_SHOW)
    assert run("run_batch", path, wait=3.0)[0] == 1
    assert run("run_batch", path)[0] == 0
    assert one_process.sandbox.ledger.calls_started == 2


def test_run_batch_stops_at_a_refused_key(one_process, calls_file):
    one_process.fault("status", "entities", code=401)
    assert run("run_batch", calls_file(ATTENDED))[0] == 1
    assert len(one_process.wire.sent) == 1


def test_run_batch_shows_that_calls_are_made_from_this_database(one_process, calls_file):
    held = []
    names = Lease.objects.exclude(token="").order_by("name").values_list("name", flat=True)
    one_process.wire.before = lambda endpoint, body: held.append(list(names.all()))
    assert run("run_batch", calls_file(ATTENDED))[0] == 0
    assert held
    assert all(of_request == ["dispatch", "poll"] for of_request in held)
    assert list(names.all()) == []
    with pytest.raises(CommandError, match="A worker is running"):
        refuse_living_worker()


def test_run_batch_leaves_the_calls_to_a_worker_that_is_there(one_process, calls_file):
    for name in ("dispatch", "poll"):
        assert Slice(name).acquire()
    assert run("run_batch", calls_file(ATTENDED), wait=5.0)[0] == 1
    assert one_process.wire.sent == []


def test_run_batch_goes_on_when_a_worker_beside_it_stops(one_process, calls_file, monkeypatch):
    """A worker that stops ends every slice, this one too."""
    monkeypatch.setattr(leasing, "BEAT_EVERY", 0.0)
    one_process.wire.before = lambda endpoint, body: revoke_all()
    assert run("run_batch", calls_file(ATTENDED))[0] == 0


def test_run_batch_says_in_words_what_came_of_it(one_process, calls_file):
    code, out = run("run_batch", calls_file(ATTENDED, FAILS))
    assert code == 0
    assert "is finished, 2 rows." in out
    assert "completed: 1" in out


def test_run_batch_of_rows_that_were_all_rejected_is_no_success(one_process, calls_file):
    assert run("run_batch", calls_file(ATTENDED, outbound_phone_number="12"))[0] == 1


def test_run_batch_refuses_a_file_it_cannot_read(one_process, tmp_path):
    with pytest.raises(CommandError) as caught:
        run("run_batch", tmp_path / "nothing.csv")
    assert caught.value.returncode == 2


def test_do_not_call_back_reaches_the_next_file(one_process, calls_file):
    run("run_batch", calls_file(NOT_TO_BE_CALLED))
    path = calls_file(NOT_TO_BE_CALLED)
    path.write_text(path.read_text().replace("row-1", "row-2").replace("EOC-1", "EOC-2"))
    code, out = run("run_batch", path, wait=60.0, json=True)
    assert (code, json.loads(out)["held"]["do_not_call"]) == (1, 1)
    assert one_process.sandbox.ledger.calls_started == 1
