import pytest
from hypothesis import given
from hypothesis import strategies as st

from calls.engine.machine import TRANSITIONS, IllegalStep, Step, after, step_for_answer
from calls.vocabulary import FINAL, LIVE, POLLED, SETTLED, Phase

AT_OR_PAST_THE_CALL = (Phase.CALLING, Phase.AWAITING_OUTCOME, *SETTLED)


@given(st.sampled_from(Phase), st.sampled_from(Step))
def test_every_step_is_in_the_table_or_refused(phase, step):
    if (phase, step) in TRANSITIONS:
        assert after(phase, step) in Phase
    else:
        with pytest.raises(IllegalStep):
            after(phase, step)


def test_nothing_leaves_a_settled_phase():
    assert not [phase for phase, _ in TRANSITIONS if phase in SETTLED]


def test_no_step_goes_back_from_a_call_that_was_seen():
    back = [
        (phase, step, to)
        for (phase, step), to in TRANSITIONS.items()
        if phase in (Phase.CALLING, Phase.AWAITING_OUTCOME) and to not in AT_OR_PAST_THE_CALL
    ]
    assert back == []


def test_only_the_claim_leads_to_triggering():
    ways = [step for (_, step), to in TRANSITIONS.items() if to == Phase.TRIGGERING]
    assert ways == [Step.CLAIM_TO_TRIGGER]


def test_a_person_can_withdraw_only_before_the_trigger():
    phases = [phase for phase, step in TRANSITIONS if step == Step.WITHDRAWN]
    assert phases == [Phase.READY, Phase.SCHEDULED]


@pytest.mark.parametrize("phase", POLLED)
@pytest.mark.parametrize("has_attempts", [True, False], ids=["attempts", "no attempts"])
@pytest.mark.parametrize("has_outcome", [True, False], ids=["outcome", "no outcome"])
@pytest.mark.parametrize(
    "status",
    ["ENQUEUED", "ACTIVE", "COMPLETE", "ERROR", "CANCELLED", "DO_NOT_CALL_BACK", "SOMETHING_NEW"],
)
def test_every_answer_leads_to_a_step_that_the_table_has(phase, has_attempts, has_outcome, status):
    step = step_for_answer(phase, status, has_attempts=has_attempts, has_outcome=has_outcome)
    assert step is None or after(phase, step) in Phase


@pytest.mark.parametrize(
    ("status", "has_outcome", "to"),
    [
        ("COMPLETE", True, Phase.COMPLETED),
        ("COMPLETE", False, Phase.AWAITING_OUTCOME),
        ("ERROR", False, Phase.FAILED),
        ("CANCELLED", False, Phase.FAILED),
        ("DO_NOT_CALL_BACK", True, Phase.FAILED),
    ],
)
def test_terminal_words_end_a_live_call(status, has_outcome, to):
    step = step_for_answer(Phase.CALLING, status, has_attempts=False, has_outcome=has_outcome)
    assert after(Phase.CALLING, step) == to


@pytest.mark.parametrize("status", ["ENQUEUED", "ACTIVE", "SOMETHING_NEW"])
def test_a_live_call_goes_on_while_upstream_is_not_done(status):
    assert step_for_answer(Phase.CALLING, status, has_attempts=True, has_outcome=False) is None


@pytest.mark.parametrize("status", ["ENQUEUED", "ACTIVE", "ERROR", "COMPLETE"])
def test_a_complete_call_waits_for_its_outcome_whatever_comes(status):
    assert (
        step_for_answer(Phase.AWAITING_OUTCOME, status, has_attempts=True, has_outcome=False)
        is None
    )


@pytest.mark.parametrize(
    ("status", "has_attempts", "seen"),
    [
        ("ENQUEUED", False, False),
        ("ENQUEUED", True, True),
        ("ACTIVE", False, True),
        ("SOMETHING_NEW", False, True),
    ],
)
def test_a_doubtful_trigger_is_adopted_on_any_sign_of_a_call(status, has_attempts, seen):
    step = step_for_answer(Phase.CONFIRMING, status, has_attempts=has_attempts, has_outcome=False)
    assert (step == Step.CALL_SEEN) is seen


def test_groups_of_phases_do_not_contradict_each_other():
    assert set(FINAL) < set(SETTLED)
    assert not set(LIVE) & set(SETTLED)
    assert not set(POLLED) & set(SETTLED)
