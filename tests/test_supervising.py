import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from calls import supervising
from calls.supervising import Program, Supervisor

pytestmark = pytest.mark.processes

PATIENCE = 15.0

# Writes its own and a child's process id into the file it is given, then stays; the child ignores SIGTERM.
FAMILY = """
import os, pathlib, signal, subprocess, sys, time
deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"
child = subprocess.Popen([sys.executable, "-c", deaf])
path = pathlib.Path(sys.argv[1])
path.with_suffix(".new").write_text(f"{os.getpid()} {child.pid}")
path.with_suffix(".new").rename(path)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
time.sleep(60)
"""

SUPERVISE = """
import sys
from calls.supervising import Program, Supervisor
source, folder = sys.argv[1:]
programs = [
    Program(name, [sys.executable, "-c", source, f"{folder}/{name}"]) for name in ("web", "worker")
]
Supervisor(programs, report=print).run()
"""


def until(condition: Callable[[], object]) -> None:
    ends_at = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < ends_at, "it took too long"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def script(source: str, *args: object) -> list[str]:
    return [sys.executable, "-c", source, *map(str, args)]


class Log:
    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __call__(self, name: str, text: str) -> None:
        self.lines.append((name, text))

    def restarts(self) -> list[str]:
        return [text for _, text in self.lines if "starting again" in text]


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    monkeypatch.setattr(supervising, "TICK", 0.02)
    monkeypatch.setattr(supervising, "LOOK_EVERY", 0.05)
    monkeypatch.setattr(supervising, "FIRST_PAUSE", 0.02)
    return Log()


def run(program: Program, log: Log, is_over: Callable[[], object], **options: bool) -> Supervisor:
    """Supervise until `is_over`; a test that waits too long fails."""
    ends_at = time.monotonic() + PATIENCE
    supervisor = Supervisor([program], report=log, **options)
    supervisor.run(is_over=lambda: bool(is_over()) or time.monotonic() > ends_at)
    assert time.monotonic() < ends_at, "it took too long"
    return supervisor


@pytest.mark.parametrize("code", [0, 3], ids=["success", "failure"])
def test_it_starts_again_what_ended(code: int, log: Log) -> None:
    run(Program("worker", script(f"raise SystemExit({code})")), log, lambda: len(log.lines) > 1)
    assert log.restarts()[0] == f"ended with code {code}; starting again in 0.02 s"


def test_it_waits_longer_before_each_restart_that_follows_soon(log: Log) -> None:
    run(Program("worker", ["/bin/false"]), log, lambda: len(log.lines) > 3)
    pauses = [line.rsplit(" in ", 1)[1] for line in log.restarts()[:4]]
    assert pauses == ["0.02 s", "0.04 s", "0.08 s", "0.16 s"]


def test_it_starts_again_what_is_ailing_and_kills_the_whole_family(
    log: Log, tmp_path: Path
) -> None:
    note = tmp_path / "family"
    families: list[list[int]] = []

    def ailment(age: float) -> str:
        if not note.exists():
            return ""
        families.append([int(pid) for pid in note.read_text().split()])
        note.unlink()
        return "it fell silent" if len(families) == 1 else ""

    program = Program("worker", script(FAMILY, note), ailment=ailment)
    run(program, log, lambda: len(families) > 1)
    assert log.restarts() == ["it fell silent; starting again in 0.02 s"]
    until(lambda: not [pid for family in families for pid in family if is_alive(pid)])


@pytest.mark.fault(
    "Processes",
    "Main process of the worker killed",
    "Its children are killed too, and the worker is started again.",
)
def test_a_dead_main_takes_its_children_along(log: Log, tmp_path: Path) -> None:
    note = tmp_path / "family"
    families: list[list[int]] = []

    def is_over() -> bool:
        if note.exists():
            families.append([int(pid) for pid in note.read_text().split()])
            note.unlink()
            os.kill(families[0][0], signal.SIGKILL)
        return bool(log.restarts())

    run(Program("worker", script(FAMILY, note)), log, is_over)
    assert log.restarts()[0].startswith("ended with signal 9")
    until(lambda: not is_alive(families[0][1]))


@pytest.mark.fault(
    "Processes", "Worker that does not stop when told to", "It is killed when its time is over."
)
def test_what_does_not_stop_in_time_is_killed_and_asked_meanwhile(log: Log) -> None:
    asked: list[int] = []
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    program = Program("worker", script(deaf), while_stopping=lambda: asked.append(1), patience=0.3)
    run(program, log, lambda: ("worker", "up") in log.lines, with_output=True)
    assert log.lines[-1] == ("worker", "did not stop in time and is killed")
    assert len(asked) > 1


def test_it_passes_on_what_programs_print(log: Log) -> None:
    greeting = "import os, time; print('héllo', os.environ['WHO'], flush=True); time.sleep(60)"
    program = Program("web", script(greeting), environment={"WHO": "there"})
    run(program, log, lambda: log.lines, with_output=True)
    assert log.lines == [("web", "héllo there")]


def started_supervisor(tmp_path: Path) -> tuple["subprocess.Popen[str]", list[int]]:
    process = subprocess.Popen(
        script(SUPERVISE, FAMILY, tmp_path), stdout=subprocess.PIPE, text=True
    )
    notes = [tmp_path / "web", tmp_path / "worker"]
    until(lambda: all(note.exists() for note in notes))
    return process, [int(pid) for note in notes for pid in note.read_text().split()]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_stops_every_program_and_its_children(number: int, tmp_path: Path) -> None:
    process, family = started_supervisor(tmp_path)
    process.send_signal(number)
    out, _ = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (0, "")
    until(lambda: not [pid for pid in family if is_alive(pid)])


@pytest.mark.fault("Processes", "Supervisor killed", "Nothing that it started lives on.")
def test_nothing_outlives_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    process, family = started_supervisor(tmp_path)
    process.kill()
    process.communicate(timeout=PATIENCE)
    until(lambda: not [pid for pid in family if is_alive(pid)])


def test_programs_stop_in_the_order_given(log: Log) -> None:
    source = (
        "import signal, sys, time\n"
        "def end(*_): print('ends', flush=True); sys.exit(0)\n"
        "signal.signal(15, end); print('starts', flush=True); time.sleep(60)"
    )
    programs = [Program(name, script(source)) for name in ("web", "worker", "sandbox")]
    Supervisor(programs, report=log, with_output=True).run(is_over=lambda: len(log.lines) == 3)
    assert [name for name, text in log.lines if text == "ends"] == ["web", "worker", "sandbox"]
