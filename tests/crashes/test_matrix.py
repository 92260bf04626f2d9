"""Every crash point x fault x disturbance of the reliability page, in one process with a clock of its own.

In each cell no call is started twice, no row is lost, and every started call ends recorded. What the client
sees alike (no answer, a 5xx, an unreadable 200) is told apart in full only where a phone may ring.
"""

from itertools import product

import pytest

from calls.models import CallRow
from calls.vocabulary import HoldReason, Phase
from tests.crashes.world import Cell, CrashWorld

WRITES = ("", "refused", "lost_before", "lost_after", "503", "429")
FAULTS = {
    "entities": WRITES,
    "schedule": (*WRITES, "partial"),
    "trigger": (*WRITES, "late", "503_applied", "unreadable", "errors"),
    "look": ("lost_before", "lost_after", "late", "503_applied", "errors", "429"),
    "poll": ("", "refused", "lost_after", "503", "429", "stale"),
}
MOMENTS = ("claimed", "sent", "recorded")
DISTURBANCES = ("kill", "freeze_and_thaw", "meet_a_rival")

CELLS = [
    Cell(step, moment, fault, disturbance, rows)
    for step, faults in FAULTS.items()
    for moment, fault, disturbance, rows in product(MOMENTS, faults, DISTURBANCES, (1, 3))
    if rows == 1 or fault in ("", "lost_after")
]


@pytest.mark.django_db
@pytest.mark.parametrize("cell", CELLS, ids=str)
@pytest.mark.fault(
    "Processes",
    "Worker killed, frozen or overtaken at any point, with any fault",
    "Each call is made once, no row is lost, every started call ends recorded.",
)
def test_each_call_is_made_once_and_recorded(cell: Cell):
    world = CrashWorld(cell)
    world.run()
    assert world.has_happened
    for row in CallRow.objects.all():
        calls = world.calls_of(row)
        if is_left_to_a_person(row):
            assert doubts(cell) == 2
            assert calls == 0
        else:
            assert (row.phase, calls) == (Phase.COMPLETED, 1)


def is_left_to_a_person(row: CallRow) -> bool:
    return row.hold_reason == HoldReason.TRIGGER_UNCONFIRMED


def doubts(cell: Cell) -> int:
    """Triggers of a row that left it unknown whether they acted; after the second a person decides (R71)."""
    never_sent = cell.step == "trigger" and cell.moment == "claimed"
    lost = never_sent and cell.disturbance != "meet_a_rival"
    return lost + (cell.fault in ("lost_before", "503", "errors"))
