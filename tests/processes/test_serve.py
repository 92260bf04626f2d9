import signal
import socket
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.processes.family import Proc, descendants
from tests.processes.world import World, free_port, until

pytestmark = pytest.mark.processes

# web: main, guard, 2 workers; worker: supervisor, guard, main, guard, sentinel, 3 workers, monitor, pusher
WHOLE_FAMILY = 14
ENDINGS = {signal.SIGKILL: -signal.SIGKILL, signal.SIGTERM: 0, signal.SIGINT: 0}  # with their codes


def answers(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/accounts/login/", timeout=5) as answer:
            return b"Sign in" in answer.read()
    except OSError:
        return False


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_nothing_outlives_it_and_it_starts_again_however_it_ended(tmp_path: Path) -> None:
    world, port = World(tmp_path), free_port()
    world.manage("migrate", "-v0")
    for number, code in ENDINGS.items():
        with world.running("manage.py", "serve", "--port", str(port)) as serve:
            until(lambda: answers(port), 120, "the sign-in page")
            family = whole_family(serve.pid)
            serve.send_signal(number)
            assert serve.wait(60) == code
        wait_for_the_end(family)
        assert is_free(port)


def whole_family(serve: int) -> list[Proc]:
    """Two web processes under their main, and the worker's eight under theirs, with their guards."""
    until(lambda: len(descendants(serve)) >= WHOLE_FAMILY, 120, "all processes")
    return descendants(serve)


def wait_for_the_end(family: list[Proc]) -> None:
    until(lambda: not [one.pid for one in family if one.lives_on], 60, "all have ended")
