"""The state machine of a call row, once and for all: which step leads from which phase to which. Pure.

The table is the one in the architecture page; everything that moves a row names a `Step`.
"""

from enum import StrEnum

from calls.vocabulary import Phase, WorkflowStatus


class Step(StrEnum):
    CLAIM_TO_SCHEDULE = "claim_to_schedule"
    REQUEST_MAPPED = "request_mapped"
    SCHEDULE_UNSETTLED = "schedule_unsettled"  # not sent, unknown, refused, or the worker is gone
    CLAIM_TO_TRIGGER = "claim_to_trigger"
    TRIGGER_ACCEPTED = "trigger_accepted"
    TRIGGER_NOT_APPLIED = "trigger_not_applied"  # certain: no byte left, or refused outright
    TRIGGER_UNCERTAIN = "trigger_uncertain"  # no answer, errors in a 2xx, or the worker is gone
    CALL_SEEN = "call_seen"  # a look found an attempt, or any status but ENQUEUED
    NEVER_STARTED = "never_started"  # two clean looks
    ENDED_WITHOUT_OUTCOME = "ended_without_outcome"
    COMPLETED = "completed"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"


TRANSITIONS: dict[tuple[Phase, Step], Phase] = {
    (Phase.READY, Step.CLAIM_TO_SCHEDULE): Phase.SCHEDULING,
    (Phase.READY, Step.WITHDRAWN): Phase.WITHDRAWN,
    (Phase.SCHEDULING, Step.REQUEST_MAPPED): Phase.SCHEDULED,
    (Phase.SCHEDULING, Step.SCHEDULE_UNSETTLED): Phase.READY,
    (Phase.SCHEDULED, Step.CLAIM_TO_TRIGGER): Phase.TRIGGERING,
    (Phase.SCHEDULED, Step.WITHDRAWN): Phase.WITHDRAWN,
    # Found out by asking after a restore: it was triggered without our knowing.
    (Phase.SCHEDULED, Step.CALL_SEEN): Phase.CALLING,
    (Phase.SCHEDULED, Step.ENDED_WITHOUT_OUTCOME): Phase.AWAITING_OUTCOME,
    (Phase.SCHEDULED, Step.COMPLETED): Phase.COMPLETED,
    (Phase.SCHEDULED, Step.FAILED): Phase.FAILED,
    (Phase.TRIGGERING, Step.TRIGGER_ACCEPTED): Phase.CALLING,
    (Phase.TRIGGERING, Step.TRIGGER_NOT_APPLIED): Phase.SCHEDULED,
    (Phase.TRIGGERING, Step.TRIGGER_UNCERTAIN): Phase.CONFIRMING,
    (Phase.CONFIRMING, Step.CALL_SEEN): Phase.CALLING,
    (Phase.CONFIRMING, Step.NEVER_STARTED): Phase.SCHEDULED,
    (Phase.CONFIRMING, Step.ENDED_WITHOUT_OUTCOME): Phase.AWAITING_OUTCOME,
    (Phase.CONFIRMING, Step.COMPLETED): Phase.COMPLETED,
    (Phase.CONFIRMING, Step.FAILED): Phase.FAILED,
    (Phase.CALLING, Step.ENDED_WITHOUT_OUTCOME): Phase.AWAITING_OUTCOME,
    (Phase.CALLING, Step.COMPLETED): Phase.COMPLETED,
    (Phase.CALLING, Step.FAILED): Phase.FAILED,
    (Phase.AWAITING_OUTCOME, Step.COMPLETED): Phase.COMPLETED,
}


class IllegalStep(Exception):
    """Code asked for a step that does not exist in this phase: a defect, never a state to store."""


def after(phase: str, step: Step) -> Phase:
    """The phase that `step` leads to. Raises IllegalStep where the table has no such line."""
    try:
        return TRANSITIONS[Phase(phase), step]
    except KeyError:
        raise IllegalStep(f"{step} in phase {phase}") from None


def step_for_answer(
    phase: str, workflow_status: str, *, has_attempts: bool, has_outcome: bool
) -> Step | None:
    """What an answer means for a row that is polled, or asked about first (R70-R73, R77, R80, R87).

    None: nothing moves. Before a call was seen that is a clean look: ENQUEUED and no attempt at all.
    """
    if phase == Phase.AWAITING_OUTCOME:  # a terminal state never goes back (R81)
        return Step.COMPLETED if has_outcome else None
    match workflow_status:
        case WorkflowStatus.COMPLETE:
            return Step.COMPLETED if has_outcome else Step.ENDED_WITHOUT_OUTCOME
        case WorkflowStatus.ERROR | WorkflowStatus.CANCELLED | WorkflowStatus.DO_NOT_CALL_BACK:
            return Step.FAILED
        case WorkflowStatus.ENQUEUED:
            started = has_attempts
        case _:  # ACTIVE, or a word we do not know yet
            started = True
    unseen = phase in (Phase.SCHEDULED, Phase.CONFIRMING)
    return Step.CALL_SEEN if started and unseen else None
