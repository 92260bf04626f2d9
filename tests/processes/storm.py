"""python -m tests.processes.storm --rows 2000 --kills 50 --seed 1

Random processes of a worker are killed at random moments under load; its supervisor heals it. At the end the
sandbox's store is compared with the database. Prints one line of figures; exit 1 when anything is wrong.
"""

import argparse
import json
import os
import random
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from tests.processes.family import WORKERS, Roles
from tests.processes.judging import Queued, Verdict, judge, times
from tests.processes.world import World

HEALED_WITHIN = (
    600.0  # seconds without any change of a row: the longest wait of a row, and much more
)
WHOLE, MOSTLY = 2 + WORKERS + 2, 0.75
LONGEST_PAUSE = 3.0  # before a kill
LATENCY, PACE = "0.4", "0.3"  # every answer takes a while, so that kills meet requests in flight


@dataclass(frozen=True)
class Size:
    rows: int
    kills: int
    seed: int
    phones: int
    offices: int

    @classmethod
    def of(cls, rows: int, kills: int, seed: int, calls_per_phone: int = 20) -> "Size":
        """A phone is called once at a time: the fewer there are, the longer the batch lasts."""
        phones = max(1, rows // calls_per_phone)
        return cls(rows, kills, seed, phones, offices=max(1, phones // 3))


@dataclass
class Storm:
    """`hurry`: waiting for leases and looks is cut short, for the suite."""

    world: World
    size: Size
    hurry: bool = False
    tell: Callable[[str], object] = lambda line: None
    killed: Counter[str] = field(default_factory=Counter)
    released: int = 0
    changed_at: float = 0.0
    last_seen: object = None

    def __post_init__(self) -> None:
        self.rng = random.Random(self.size.seed)

    @property
    def store(self) -> Path:
        return self.world.folder / "sandbox.sqlite3"

    def run(self) -> "Figures":
        size, began = self.size, time.monotonic()
        self.world.start_batch(size.rows, size.phones, size.offices)
        with self.world.sandbox("--store", str(self.store), "--latency", LATENCY, "--pace", PACE):
            with self.world.running("manage.py", "run_workers") as supervisor:
                roles = Roles(supervisor.pid)
                for number, threshold in enumerate(self.thresholds(), start=1):
                    self.wait_for(threshold)
                    time.sleep(self.rng.uniform(0, LONGEST_PAUSE))
                    role = self.kill_one(roles)
                    if self.hurry:
                        self.world.wake_now()
                    self.tell(f"kill {number} at {self.settled()} rows: {role}")
                self.wait_for(size.rows)
                is_supervised = supervisor.poll() is None
            return self.figures(time.monotonic() - began, is_supervised)

    def thresholds(self) -> list[int]:
        """Settled rows at which to kill; some follow each other so soon that nothing has healed."""
        step = self.size.rows * 0.95 / self.size.kills
        return [int((number + self.rng.random()) * step) for number in range(self.size.kills)]

    def kill_one(self, roles: Roles) -> str:
        """Each role that is there is as likely as the others. Mostly all are; sometimes they are just healing."""
        enough = WHOLE if self.rng.random() < MOSTLY else 1
        while len(present := roles.now()) < enough:
            self.note_change()
            time.sleep(0.1)
        role = self.rng.choice(sorted({name for name, _ in present}))
        victim = self.rng.choice([one for name, one in present if name == role])
        with suppress(ProcessLookupError):
            os.kill(victim.pid, signal.SIGKILL)
            self.killed[role] += 1
        return role

    def wait_for(self, rows: int) -> None:
        self.changed_at = time.monotonic()
        while self.settled() < rows:
            if self.hurry:
                self.world.shorten_waits()
            self.note_change()
            time.sleep(0.25)

    def settled(self) -> int:
        return self.world.phases().get("completed", 0)

    def note_change(self) -> None:
        """Fails when nothing moves any more."""
        self.released += self.world.let_go()
        seen = self.world.phases()
        if seen != self.last_seen:
            self.last_seen, self.changed_at = seen, time.monotonic()
        assert time.monotonic() - self.changed_at < HEALED_WITHIN, f"nothing moves: {seen}"

    def figures(self, seconds: float, is_supervised: bool) -> "Figures":
        queued = self.queued()
        accepted = {f"row-{number:03}" for number in range(self.size.rows)}
        doubtful = "phase_from = 'triggering' AND phase_to = 'confirming'"
        gone = "phase_from = 'scheduling' AND detail = 'worker_gone'"
        return Figures(
            self.size,
            judge(self.world, accepted, queued),
            self.killed,
            is_supervised=is_supervised,
            requests=len(queued),
            orphans=sum(not one.starts for one in queued),
            doubtful=times(self.world, doubtful),
            unqueued=times(self.world, gone),
            sent_again=times(self.world, "phase_from = 'confirming' AND phase_to = 'scheduled'"),
            released=self.released,
            restarts=self.world.log.count("starting again"),
            seconds=seconds,
        )

    def queued(self) -> list[Queued]:
        """Out of the sandbox's own file."""
        with closing(sqlite3.connect(self.store, timeout=20)) as db:
            found = [json.loads(body) for (body,) in db.execute(
                "SELECT body FROM item WHERE kind = 'Request'"
            )]  # fmt: skip
        return [
            Queued(
                UUID(one["id"]), one["external_reference_id"], len(one["starts"]), one["triggers"]
            )
            for one in found
        ]


@dataclass(frozen=True)
class Figures:
    """`doubtful`: triggers whose answer nobody recorded, settled by asking; `sent_again`: of those, found not to
    have started; `unqueued`: rows whose queueing was interrupted."""

    size: Size
    verdict: Verdict
    killed: Counter[str]
    is_supervised: bool
    requests: int
    orphans: int
    doubtful: int
    unqueued: int
    sent_again: int
    released: int
    restarts: int
    seconds: float

    @property
    def is_clean(self) -> bool:
        return (
            self.verdict.is_clean
            and self.is_supervised
            and self.verdict.calls == self.verdict.rows == self.size.rows
            and self.killed.total() == self.size.kills
        )

    def __str__(self) -> str:
        told, size = self.verdict, self.size
        who = ", ".join(f"{role} {number}" for role, number in sorted(self.killed.items()))
        return (
            f"{'ok' if self.is_clean else 'VIOLATED'}: seed {size.seed}, {size.rows} rows, {size.phones} phones, "
            f"{size.offices} offices, {self.killed.total()} kills ({who}) in {self.seconds:.0f} s; "
            f"calls started {told.calls}, rows called twice {len(told.twice)}, "
            f"asked to start twice {len(told.asked_twice)}, never called {len(told.never)}, "
            f"rows lost {len(told.lost)}, calls unrecorded {len(told.unrecorded)}; "
            f"doubtful triggers {self.doubtful}, of these sent again {self.sent_again}, "
            f"interrupted queueings {self.unqueued}, orphans {self.orphans}, "
            f"held and released {self.released}, worker restarts {self.restarts}, "
            f"patient names in the log {told.names_in_log}"
        )


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="storm", description=__doc__)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def main() -> int:
    chosen = options()
    size = Size.of(chosen.rows, chosen.kills, chosen.seed)
    with tempfile.TemporaryDirectory() as folder:
        storm = Storm(World(Path(folder)), size, tell=print)
        figures = storm.run()
        print(figures)  # noqa: T201
        if not figures.is_clean:
            print(figures.verdict)  # noqa: T201
    return 0 if figures.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
