"""One seed of the simulation: the real engine and a real database against the stand-in, on a clock of its own.

A process dies at any request, statement or commit; it freezes at any request while the clock runs and a
rival works; its database fails; people and rivals act just before a transaction begins; the wall clock is
set back. After each turn and at the end the invariants of docs/reliability.md are checked.
"""

import random
from collections import Counter
from collections.abc import Callable, Container, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

from django.db import DatabaseError

from calls.engine.pulse import dispatch_pulse, poll_pulse
from calls.engine.tools import Rules, Tools
from calls.models import CallRow, Upstream
from tests.simulation import people
from tests.simulation.cast import START, populate
from tests.simulation.judge import Judge, Violation
from tests.simulation.snapshot import Snapshot
from tests.simulation.standin import StandIn
from tests.simulation.trouble import Killed, Luck, Trap, watched_database

__all__ = ["Killed", "SameThread", "Violation", "World"]

STEPS = (8, 20)  # turns of a worker while faults are on
LONGEST_END = 2_000  # turns with the faults off
MOST_IDLE = 3  # turns after which nothing is due any more
LEASE = 90.0  # seconds, of the engine's claims
SHORT_FREEZES = (1, 6, 50, 85)
FREEZES = (1, 6, 120, 400)
PULSES: dict[str, Callable[[Tools], int]] = {"dispatch": dispatch_pulse, "poll": poll_pulse}


class SameThread(Executor):
    """Asks at once, in the calling thread, so that a seed always gives the same run."""

    def __init__(self, before: Any = lambda: None) -> None:
        self.before = before

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future:
        self.before()
        future: Future = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class World:
    """`only`: the invariants that count (tests of guards); `density` scales the ill luck of a seed."""

    def __init__(
        self,
        seed: int,
        *,
        retry_trigger: bool = True,
        luck: Luck | None = None,
        density: float = 1.0,
        only: Container[str] | None = None,
    ) -> None:
        self.rng = random.Random(seed)
        losses = density * random.Random(f"losses of {seed}").choice([0, 0, 0, 0.2])
        self.luck = luck or replace(Luck.drawn(self.rng, density), losses=losses)
        self.true, self.skew = START, timedelta(0)
        self.depth = 0  # above nought: somebody else works while the process stands still
        self.trap = Trap(self.rng)
        self.met: Counter[str] = Counter()
        self.rules = Rules(
            respect_calling_hours=self.rng.random() < 0.3,
            retry_trigger=retry_trigger,
            schedule_chunk=self.rng.choice([1, 3, 50]),
            concurrency=self.rng.choice([1, 2, 8]),
            outcome_grace=timedelta(minutes=40),
        )
        self.standin = self.make_standin()
        self.judge = Judge(self, only=only)
        self.wire()

    def make_standin(self) -> StandIn:
        standin = StandIn(self.rng, lambda: self.true)
        standin.bad_luck = self.luck.faults
        standin.on_the_way = self.stand_still_on_the_way
        standin.before_effect = self.disturb_before
        standin.after_effect = lambda endpoint: self.disturb(FREEZES)
        standin.pass_time = self.pass_time
        return standin

    def wire(self) -> None:
        self.standin.on_request = self.judge.on_request
        self.standin.on_trigger = self.judge.on_trigger
        self.standin.on_upsert = self.judge.on_upsert

    # --- time and tools ---

    def clock(self) -> datetime:
        """The wall clock of the machine; only the true time never goes back."""
        return self.true + self.skew

    def pass_time(self, seconds: float) -> None:
        self.true += timedelta(seconds=seconds)

    def tools(self) -> Tools:
        return Tools(
            client=self.standin,  # type: ignore[arg-type]
            executor=SameThread(self.stand_still),
            rules=self.rules,
            clock=self.clock,
            rng=self.rng,
            key_fingerprint="key",
        )

    # --- the run ---

    def run(self) -> None:
        """Raises Violation where an invariant does not hold."""
        populate(self.rng, offices=3, rows=4, phones=6)
        self.judge.rows = CallRow.objects.count()
        with self.running():
            seen = Snapshot.now()
            for _ in range(self.rng.randint(*STEPS)):
                seen = self.step(seen)
                self.let_people_act()
            self.quiet_down()
            self.settle()
        self.judge.check_end()

    @contextmanager
    def running(self) -> Iterator[None]:
        with (
            watched_database(
                self.trap,
                is_watched=lambda: not self.depth,
                between_transactions=self.between_transactions,
            ),
            patch("django.utils.timezone.now", self.clock),
            patch("calls.actions.wake", lambda name: None),
            patch("calls.engine.braking.brake", lambda *, now: None),  # too few rows for it here
        ):
            yield

    def step(self, seen: Snapshot) -> Snapshot:
        """Time passes, a worker has its turn, the judge looks."""
        self.pass_time(self.rng.choice([0.1, 1, 5, 20, 40]))
        if self.rng.random() < 0.5:
            self.jump_to_next_event(seen)
        if self.rng.random() < self.luck.jumps:
            self.set_clock(seen)
        if self.luck.losses and self.rng.random() < self.luck.losses:
            with self.aside():
                people.lose_days(self)
            seen = Snapshot.now()
        self.turn(seen)
        return self.judge.check_now()

    def settle(self) -> None:
        """Faults off: what remains must end by itself (I9)."""
        seen, idle = Snapshot.now(), 0
        for _ in range(LONGEST_END):
            if not seen.is_at_work() or idle > MOST_IDLE:
                break
            self.pass_time(60)  # a worker that comes round once a minute
            done = self.turn(seen)
            seen = self.judge.check_now()
            moves_on = bool(done) or self.jump_to_next_event(seen)
            idle = 0 if moves_on else idle + 1

    def quiet_down(self) -> None:
        self.luck, self.standin.bad_luck = Luck(), 0.0
        self.standin.expected.clear()
        with self.aside():
            people.set_all_going(self)

    # --- a turn ---

    def turn(self, seen: Snapshot) -> int:
        """What is due is done, and now and then what is not; the process may not survive it."""
        now = self.clock()
        names = [name for name in PULSES if self.rng.random() < 0.05 or seen.has_due(name, now)]
        self.rng.shuffle(names)
        self.set_traps()
        done = 0
        try:
            for name in names:
                done += PULSES[name](self.tools())
        except Killed:
            self.met["killed"] += 1
        except DatabaseError:
            self.met["turn lost to the database"] += 1
        finally:
            self.trap.disarm()
        return done

    def set_traps(self) -> None:
        if self.rng.random() < self.luck.kills:
            self.trap.arm(deadly=True)
        elif self.rng.random() < self.luck.database:
            self.met["database failing"] += 1
            self.trap.arm(deadly=False)

    def jump_to_next_event(self, seen: Snapshot) -> bool:
        """Nobody waits in a simulation: the clock goes on to the next thing that is due."""
        now, known = self.clock(), Upstream.load()
        moments = [seen.next_moment(now), known.slow_until, known.open_until]
        if later := [moment for moment in moments if moment and moment > now]:
            self.true = min(later) - self.skew + timedelta(milliseconds=1)
        return bool(later)

    # --- trouble ---

    def disturb_before(self, endpoint: str) -> None:
        """A trigger or an office that stands still on its way is not late beyond what was assumed."""
        self.disturb(FREEZES if endpoint in ("schedule", "poll") else SHORT_FREEZES)

    def disturb(self, freezes: tuple[int, ...]) -> None:
        """At either end of a request: the process dies, or stands still while a rival runs ahead."""
        if self.depth:
            return
        if self.rng.random() < self.luck.kills / 2:
            raise Killed
        if self.rng.random() < self.luck.freezes:
            self.freeze(self.rng.choice(freezes))

    def stand_still(self) -> None:
        """Between the claim and the request: here a process may freeze for as long as it likes."""
        if not self.depth and self.rng.random() < self.luck.freezes:
            self.freeze(self.rng.choice(FREEZES))

    def stand_still_on_the_way(self) -> None:
        """The same while a trigger's connection is made."""
        if self.luck.freezes:
            self.stand_still()

    def freeze(self, seconds: float) -> None:
        """The process stands still while the clock runs, or is set back, and a rival works."""
        self.met["frozen"] += 1
        turns = 6 if seconds > LEASE else 2
        with self.aside():
            for _ in range(turns):
                self.pass_time(seconds / turns)
                self.rival()
                self.judge.look()
            if self.rng.random() < self.luck.jumps * 4:
                self.set_clock_back()

    def between_transactions(self) -> None:
        """Here the engine has read something and not yet claimed it."""
        if self.rng.random() >= self.luck.meddling:
            return
        self.met["meddling"] += 1
        with self.aside():
            if self.rng.random() < 0.6:
                people.act(self)
            else:
                self.rival()

    def rival(self) -> None:
        for name in self.rng.sample(list(PULSES), self.rng.choice([1, 2, 2])):
            PULSES[name](self.tools())

    @contextmanager
    def aside(self) -> Iterator[None]:
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1

    def let_people_act(self) -> None:
        with self.aside():
            if self.rng.random() < (0.1 if self.standin.key_works else 0.5):
                people.resume(self)
            if self.rng.random() < 0.15:
                people.act(self)

    def set_clock(self, seen: Snapshot) -> None:
        """Back by minutes, or forward while no trigger is in doubt: no wait of ours survives that."""
        if self.standin.late or seen.has_doubtful():
            self.set_clock_back()
        else:
            self.met["clock set forward"] += 1
            self.skew += timedelta(seconds=self.rng.randint(60, 300))

    def set_clock_back(self) -> None:
        self.met["clock set back"] += 1
        self.skew -= timedelta(seconds=self.rng.randint(60, 600))
