"""Whatever people do, whatever is answered, in whatever order: the invariants hold after every step.

Hypothesis chooses the steps, and shortens a failing run to the ones that matter.
"""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from calls.models import CallRow
from tests.simulation import people
from tests.simulation.cast import clear_tables, make_rows
from tests.simulation.faults import FAULTS
from tests.simulation.snapshot import Snapshot
from tests.simulation.standin import STORIES
from tests.simulation.trouble import Luck
from tests.simulation.world import World

ROWS = 3
DEEDS = sorted((*people.DEEDS, people.resume), key=lambda deed: deed.__name__)
MOST_DIFFERENT = settings(
    max_examples=30,
    stateful_step_count=25,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


class Calls(RuleBasedStateMachine):
    @initialize(story=st.sampled_from(sorted(STORIES)), retry_trigger=st.booleans())
    def begin(self, story: str, retry_trigger: bool) -> None:
        clear_tables()
        make_rows(ROWS)
        self.world = World(0, luck=Luck(), retry_trigger=retry_trigger)
        self.world.standin.stories = (story,)
        self.world.judge.rows = ROWS
        self.patches = self.world.running()
        self.patches.__enter__()

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            self.world.quiet_down()
            self.world.settle()
            self.world.judge.check_end()
        finally:
            self.patches.__exit__(None, None, None)

    @rule(seconds=st.sampled_from([1, 5, 31, 91, 121, 400]))
    def time_passes(self, seconds: int) -> None:
        self.world.pass_time(seconds)

    @rule(times=st.integers(1, 3))
    def a_worker_has_its_turn(self, times: int) -> None:
        for _ in range(times):
            self.world.turn(Snapshot.now())

    @rule(deed=st.sampled_from(DEEDS))
    def a_person_acts(self, deed) -> None:
        with self.world.aside():
            people.do(self.world, deed)

    @rule(data=st.data(), endpoint=st.sampled_from(sorted(FAULTS)))
    def the_next_answer_is_odd(self, data, endpoint: str) -> None:
        fault = data.draw(st.sampled_from(sorted(FAULTS[endpoint])))
        self.world.standin.expected.setdefault(endpoint, []).append(fault)

    @rule(deadly=st.booleans())
    def the_next_turn_goes_wrong(self, deadly: bool) -> None:
        seen = Snapshot.now()
        self.world.trap.arm(deadly=deadly)
        self.world.turn(seen)

    @rule()
    def a_worker_freezes_in_its_turn(self) -> None:
        """Before, at the start or at the end of a request; a rival works meanwhile."""
        self.world.luck = Luck(freezes=0.2)
        self.world.turn(Snapshot.now())
        self.world.luck = Luck()

    @invariant()
    def no_promise_is_broken(self) -> None:
        if hasattr(self, "world"):
            self.world.judge.check_now()


@pytest.mark.django_db(transaction=True)
def test_no_order_of_steps_breaks_an_invariant():
    run_state_machine_as_test(Calls, settings=MOST_DIFFERENT)
    assert CallRow.objects.count() == ROWS
