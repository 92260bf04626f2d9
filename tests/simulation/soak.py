# ruff: noqa: T201 - a command that prints
"""Many seeds, for as long as one likes: `python -m tests.simulation.soak --seeds N --from S --minutes M`.

Each process has a database of its own in memory. Exit status 1 when a seed broke an invariant; such a seed
belongs into seeds.py once it is mended.
"""

import argparse
import os
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing import get_context

MODES = {"auto": (True,), "hold": (False,), "both": (True, False)}
SHOWN_EVERY = 30.0  # seconds


@dataclass
class Tally:
    runs: int = 0
    rows: int = 0
    met: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        self.runs += other.runs
        self.rows += other.rows
        self.met += other.met
        self.faults += other.faults
        self.violations += other.violations


def prepare() -> None:
    """A database in memory for this process."""
    os.environ.update(DATABASE_URL="sqlite://:memory:", DJANGO_SETTINGS_MODULE="tests.settings")
    import logging

    import django
    from django.core.management import call_command

    django.setup()
    logging.disable(logging.CRITICAL)
    call_command("migrate", verbosity=0)


def run_seed(seed: int, modes: tuple[bool, ...], density: float) -> Tally:
    from tests.simulation.world import World

    tally = Tally()
    for retry_trigger in modes:
        world = World(seed, retry_trigger=retry_trigger, density=density)
        try:
            world.run()
        except Exception as error:  # noqa: BLE001 - whatever breaks a seed is shown
            mode = "auto" if retry_trigger else "hold"
            where = "" if isinstance(error, AssertionError) else traceback.format_exc()
            tally.violations.append(f"seed {seed} ({mode}, density {density}): {error} {where}")
        tally.add(tally_of(world))
    return tally


def tally_of(world: "World") -> Tally:  # noqa: F821 - imported where Django is ready
    met = world.met.copy()
    met["triggers"] = len(world.standin.posts)
    met["calls started"] = sum(len(one.starts) for one in world.standin.requests.values())
    return Tally(1, world.judge.rows, met, world.standin.faults_met)


def show(tally: Tally, seconds: float) -> None:
    print(
        f"{tally.runs} runs in {seconds:.0f} s, {tally.rows} rows, "
        f"{tally.met['triggers']} triggers, {tally.met['killed']} kills, "
        f"{tally.met['frozen']} freezes, {sum(tally.faults.values())} faults, "
        f"{len(tally.violations)} violations",
        flush=True,
    )


def show_all(tally: Tally, seconds: float) -> None:
    show(tally, seconds)
    for name, counter in (("met", tally.met), ("faults", tally.faults)):
        print(f"{name}: " + ", ".join(f"{key} {count}" for key, count in sorted(counter.items())))
    for violation in tally.violations:
        print(violation)


def soak(options: argparse.Namespace) -> Tally:
    """Seeds in order, `--jobs` at a time, until they or the minutes are used up."""
    started, shown, total = time.monotonic(), 0.0, Tally()
    seeds = iter(range(options.start, options.start + options.seeds))
    with ProcessPoolExecutor(options.jobs, get_context("spawn"), prepare) as pool:
        while chunk := list(islice(seeds, options.jobs * 4)):
            for tally in run_chunk(pool, chunk, options):
                total.add(tally)
                print(*tally.violations, sep="\n", end="\n" * bool(tally.violations), flush=True)
            spent = time.monotonic() - started
            if spent - shown > SHOWN_EVERY:
                show(total, spent)
                shown = spent
            if options.minutes and spent > options.minutes * 60:
                break
    show_all(total, time.monotonic() - started)
    return total


def run_chunk(
    pool: ProcessPoolExecutor, chunk: list[int], options: argparse.Namespace
) -> Iterator[Tally]:
    modes = MODES[options.mode]
    count = len(chunk)
    yield from pool.map(run_seed, chunk, [modes] * count, [options.density] * count)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1_000)
    parser.add_argument("--from", type=int, default=0, dest="start")
    parser.add_argument("--mode", choices=MODES, default="both")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=0.0, help="0: until the seeds are done")
    parser.add_argument("--density", type=float, default=1.0, help="scales all ill luck")
    return 1 if soak(parser.parse_args()).violations else 0


if __name__ == "__main__":
    sys.exit(main())
