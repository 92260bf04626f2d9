"""The simulation can see: it fails without each guard of the engine, and by the invariant that names the harm."""

from collections.abc import Iterator

import pytest
from django.db import connection

from calls.models import CallRow
from calls.models.guards import lay_guards
from tests.simulation.cast import clear_tables
from tests.simulation.guards import GUARDS, Guard
from tests.simulation.world import Violation, World

SEEDS_SEARCHED = 60  # where a change of the engine has shifted what a pinned seed does
PHONE_CONSTRAINT = "one_live_call_per_phone"


@pytest.fixture
def whole_tables(transactional_db: None) -> Iterator[None]:
    """Some guards are the table's own; they are there again for the next test."""
    yield
    clear_tables()
    lay_guards(using="default")
    with connection.cursor() as cursor:
        known = connection.introspection.get_constraints(cursor, CallRow._meta.db_table)
    if PHONE_CONSTRAINT not in known:
        constraints = {one.name: one for one in CallRow._meta.constraints}
        with connection.schema_editor() as editor:
            editor.add_constraint(CallRow, constraints[PHONE_CONSTRAINT])


@pytest.mark.usefixtures("whole_tables")
@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: f"{guard.name}-{guard.code}")
def test_an_invariant_breaks_without(guard: Guard):
    for seed in range(guard.seed, guard.seed + SEEDS_SEARCHED):
        if violated_without(guard, seed) == guard.code:
            return
    pytest.fail(f"{guard.code} held in {SEEDS_SEARCHED} seeds without it")


def violated_without(guard: Guard, seed: int) -> str:
    world = World(seed, luck=guard.luck, only={guard.code})
    with pytest.MonkeyPatch.context() as patch:
        guard.without(patch, world)
        try:
            world.run()
        except Violation as violation:
            return violation.code
    return ""
