"""A short storm; `make kills` is the long one."""

from pathlib import Path

import pytest

from tests.processes.storm import Size, Storm
from tests.processes.world import World

pytestmark = [pytest.mark.processes, pytest.mark.long]


@pytest.mark.fault(
    "Processes",
    "Random processes killed under load",
    "Each call is made once and recorded, no row is lost.",
)
def test_random_kills_neither_repeat_nor_lose_a_call(tmp_path: Path) -> None:
    size = Size.of(rows=150, kills=6, seed=1, calls_per_phone=5)
    figures = Storm(World(tmp_path), size, hurry=True).run()
    assert figures.is_clean, figures
