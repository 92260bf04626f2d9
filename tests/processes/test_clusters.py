"""Two workers at once on one PostgreSQL database; one of them is killed in the middle."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.processes.family import Proc, Roles, descendants
from tests.processes.judging import judge
from tests.processes.standin import Standin, served
from tests.processes.world import World, until

pytestmark = pytest.mark.processes

SERVER = "postgres://postgres@127.0.0.1:5432/"
CALLS, PHONES, OFFICES = 200, 50, 10
MIDDLE = CALLS // 3
FAMILY = 8  # a supervisor's descendants: main, its guard, sentinel, 3 workers, monitor, pusher
PATIENCE = 240.0

Worker = subprocess.Popen[bytes]


@pytest.fixture
def database() -> Iterator[str]:
    name = f"evergrove_dash_clusters_{os.getpid()}"
    try:
        server = psycopg.connect(SERVER + "postgres", autocommit=True, connect_timeout=5)
    except psycopg.OperationalError:
        pytest.skip("no PostgreSQL server answers at 127.0.0.1:5432")
    with server:
        server.execute(f"CREATE DATABASE {name}")
        try:
            yield SERVER + name
        finally:
            server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.mark.fault(
    "Processes",
    "One of two workers on one database killed",
    "The other goes on with its rows, and each call is made once.",
)
def test_a_rival_goes_on_where_a_killed_worker_stopped(tmp_path: Path, database: str) -> None:
    world = World(tmp_path, database=database, more={"INSTANCE_ID": "both"})
    world.start_batch(CALLS, PHONES, OFFICES)
    standin = Standin(lambda: 0, pace=0.3)
    with (
        served(world, standin),
        world.running("manage.py", "run_workers") as one,
        world.running("manage.py", "run_workers") as other,
    ):
        until(lambda: completed(world) >= MIDDLE, PATIENCE, "the batch is under way")
        until(lambda: busy_of(one) or busy_of(other), PATIENCE, "one of them is at work")
        victim, rival = (one, other) if busy_of(one) else (other, one)
        family = descendants(victim.pid)
        assert len(family) >= FAMILY
        assert completed(world) < CALLS
        victim.kill()
        until(lambda: not any(proc.lives_on for proc in family), PATIENCE, "all of it is dead")
        until(lambda: is_over(world), PATIENCE, "all calls are completed")
        assert rival.poll() is None
        verdict = judge(world, [f"row-{number:03}" for number in range(CALLS)], standin.queued)
    assert verdict.is_clean, verdict
    assert verdict.calls == CALLS


def busy_of(supervisor: Worker) -> list[Proc]:
    return [proc for role, proc in Roles(supervisor.pid).now() if role == "busy worker"]


def completed(world: World) -> int:
    return world.phases().get("completed", 0)


def is_over(world: World) -> bool:
    world.shorten_waits()
    return completed(world) == CALLS
