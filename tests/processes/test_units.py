"""The systemd units in docs/operations.md stop both processes in a way that these can keep."""

import re
from configparser import ConfigParser
from textwrap import dedent

import pytest

from calls.management.commands.run_workers import STOP_SECONDS
from tests.processes.world import ROOT

ROOM = 10  # seconds beside the waiting


def unit(name: str) -> ConfigParser:
    text = (ROOT / "docs" / "operations.md").read_text()
    block = re.search(rf"/{name}\.service`\n\n((?:    .*\n|\n)+)", text)
    assert block, name
    parser = ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[method-assign, assignment]
    parser.read_string(dedent(block[1]).replace("\\\n", ""))
    return parser


@pytest.mark.parametrize("name", ["evergrove-web", "evergrove-worker"])
def test_the_main_process_alone_is_asked_to_stop_and_starts_again(name: str) -> None:
    service = unit(name)["Service"]
    wanted = {"KillMode": "mixed", "KillSignal": "SIGTERM", "Restart": "always"}
    assert wanted.items() <= dict(service).items()


def test_the_worker_is_given_the_time_it_takes() -> None:
    service = unit("evergrove-worker")["Service"]
    assert service["ExecStart"].endswith("manage.py run_workers")
    assert float(service["TimeoutStopSec"]) >= STOP_SECONDS + ROOM


def test_the_pages_are_given_the_time_they_take() -> None:
    service = unit("evergrove-web")["Service"]
    grace = re.search(r"--graceful-timeout (\d+)", service["ExecStart"])
    assert grace
    assert float(service["TimeoutStopSec"]) >= float(grace[1]) + ROOM
