"""Runs programs, starts again what died or fell silent, and leaves nothing behind. POSIX; knows no Django.

Each program runs in a session of its own, so that a Ctrl-C in the terminal reaches the supervisor alone and
the program's whole family can be killed at once. In each session waits a guard: a shell that reads a pipe whose
other end only the supervisor holds. When the supervisor is gone, however it went, the guard kills the family.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import IO

TICK = 0.2  # seconds
LOOK_EVERY = 1.0
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # before a restart; doubles with each that follows soon
SETTLED_AFTER = 60.0  # a program that lived that long starts over with the first pause
LAST_WORDS = 1.0
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
KILLED_AT_ONCE = 2  # signals to stop: the first asks, the second kills

# The guard is forked before the program takes the shell's place: there is no moment without it.
GUARDED = 'exec 3<&0 </dev/null; (read -r _ <&3; kill -s KILL 0) & exec 3<&-; exec "$@"'

Report = Callable[[str, str], None]


def no_ailment(age: float) -> str:
    return ""


def nothing() -> None:
    return None


@dataclass(frozen=True)
class Program:
    """What to run.

    `ailment(age)` is asked each second with the seconds since the start: a reason to start it again, or
    empty. `while_stopping` is called each second after the signal to stop, for at most `patience` seconds.
    """

    name: str
    command: Sequence[str | Path]
    folder: str | Path = "."
    environment: Mapping[str, str] = field(default_factory=dict)
    ailment: Callable[[float], str] = no_ailment
    while_stopping: Callable[[], None] = nothing
    patience: float = 10.0


class Running:
    """One program's present process, or the pause before its next."""

    def __init__(self, program: Program, report: Report, *, with_output: bool) -> None:
        self.program = program
        self.report = report
        self.with_output = with_output
        self.process: subprocess.Popen[bytes] | None = None
        self.lifeline = -1
        self.copying: Thread | None = None
        self.started_at = self.looks_at = self.starts_at = 0.0
        self.failures = 0

    def start(self) -> None:
        far_end, self.lifeline = os.pipe()
        output = subprocess.PIPE if self.with_output else None
        self.process = subprocess.Popen(  # noqa: S603 - the commands are our own
            ["/bin/sh", "-c", GUARDED, "sh", *map(str, self.program.command)],
            stdin=far_end,
            stdout=output,
            stderr=subprocess.STDOUT if self.with_output else None,
            cwd=self.program.folder,
            env={**os.environ, **self.program.environment},
            start_new_session=True,
        )
        os.close(far_end)
        self.started_at = time.monotonic()
        self.looks_at = self.started_at + LOOK_EVERY
        if self.with_output:
            self.copying = Thread(target=self.copy, args=[self.process.stdout], daemon=True)
            self.copying.start()

    def copy(self, output: IO[bytes]) -> None:
        with output:
            for line in output:
                self.report(self.program.name, line.decode(errors="replace").rstrip())

    def turn(self, now: float) -> None:
        """Look after the program: start it, or find out that it must be started again."""
        if self.process is None:
            if now >= self.starts_at:
                self.start()
        elif self.process.poll() is not None:
            self.restart(f"ended with {ending(self.process.returncode)}", now)
        elif now >= self.looks_at:
            self.looks_at = now + LOOK_EVERY
            if reason := self.program.ailment(now - self.started_at):
                self.restart(reason, now)

    def restart(self, reason: str, now: float) -> None:
        """The whole family goes first: what a dead main leaves behind would go on by itself."""
        self.kill()
        if now - self.started_at > SETTLED_AFTER:
            self.failures = 0
        pause = min(FIRST_PAUSE * 2**self.failures, LONGEST_PAUSE)
        self.failures += 1
        self.starts_at = now + pause
        self.report(self.program.name, f"{reason}; starting again in {pause:g} s")

    def stop(self, is_urgent: Callable[[], bool]) -> None:
        """Ask the main process alone (a whole family asked at once may wait for itself for ever), wait, kill."""
        if self.process is None:
            return
        self.looks_at, ends_at = 0.0, time.monotonic() + self.program.patience
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        while self.process.poll() is None and time.monotonic() < ends_at and not is_urgent():
            self.look_while_stopping(time.monotonic())
            time.sleep(TICK)
        if self.process.poll() is None:
            self.report(self.program.name, "did not stop in time and is killed")
        self.kill()

    def look_while_stopping(self, now: float) -> None:
        if now >= self.looks_at:
            self.looks_at = now + LOOK_EVERY
            self.program.while_stopping()

    def kill(self) -> None:
        """The main process and all that it started, and the guard."""
        if self.process is None:
            return
        with suppress(ProcessLookupError, PermissionError):  # nobody is left, or only the dead
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self.lifeline)
        if self.copying:
            self.copying.join(LAST_WORDS)
        self.process = None


def ending(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"code {code}"


class Supervisor:
    """Runs `programs` until SIGTERM, SIGINT or SIGHUP. They stop in the order given and start in reverse."""

    def __init__(
        self, programs: Sequence[Program], *, report: Report, with_output: bool = False
    ) -> None:
        self.running = [Running(one, report, with_output=with_output) for one in programs]
        self.signals = 0

    def run(self, *, is_over: Callable[[], bool] = lambda: False) -> None:
        before = {number: signal.signal(number, self.note_signal) for number in STOP_SIGNALS}
        try:
            while not self.signals and not is_over():
                for one in reversed(self.running):
                    one.turn(time.monotonic())
                time.sleep(TICK)
        finally:
            for one in self.running:
                one.stop(lambda: self.signals >= KILLED_AT_ONCE)
            for number, handler in before.items():
                signal.signal(number, handler)

    def note_signal(self, number: int, frame: object) -> None:
        self.signals += 1
