"""What a person may do with a call in its present state, and what follows from each choice."""

from typing import NamedTuple

from calls.models import CallRow
from calls.vocabulary import OPEN, WITHDRAWABLE, BatchState, HoldReason

CANNOT_STOP = "A call that was started cannot be stopped and still reports its outcome."


class Button(NamedTuple):
    """A form with one button; without `confirm` it acts at once. `live`: answers with the fragment."""

    url_name: str
    icon: str
    label: str
    css: str = ""
    confirm: str = ""
    consequence: str = ""
    live: bool = True


RELEASES = {  # what letting go of a held row is called, and what follows from it
    HoldReason.POSSIBLE_DUPLICATE: (
        "Call it anyway",
        "The office may be called twice about the same visit.",
    ),
    HoldReason.TRIGGER_REFUSED: (
        "Look, then try again",
        "Evergrove is asked twice whether the call exists after all. Only if both looks show no attempt "
        "is it started.",
    ),
    HoldReason.TRIGGER_UNCONFIRMED: (
        "Look again, then start",
        "Evergrove is asked twice whether the call exists. Only if both looks show no attempt is it "
        "started once more.",
    ),
    HoldReason.REQUEST_NOT_FOUND: (
        "Look again",
        "Evergrove is asked about this request again. Nothing is started by that.",
    ),
    HoldReason.OFFICE_NOT_CALLABLE: (
        "Try again",
        "It goes on only once Evergrove allows this office. Ask again on the office page.",
    ),
    HoldReason.SCHEDULE_REFUSED: (
        "Try again",
        "The row is sent to the queue as it is now. Correct its data first if that was the reason.",
    ),
}
RELEASE_OTHERWISE = ("Try again", "The call goes on from where it stopped.")


def buttons_for(row: CallRow) -> list[Button]:
    """What a person may do in this state, the most useful first."""
    buttons = []
    if row.hold_reason and row.hold_reason != HoldReason.DO_NOT_CALL:
        label, consequence = RELEASES.get(HoldReason(row.hold_reason), RELEASE_OTHERWISE)
        buttons.append(Button("call_release", "play", label, "primary", f"{label}?", consequence))
    elif row.batch.state == BatchState.DRAFT and row.batch.accepted == 1:
        buttons.append(
            Button("call_start", "play", "Start this call", "primary", "Start this call?",
                   "The office is called as soon as its hours allow it.")
        )  # fmt: skip
    if row.phase in WITHDRAWABLE:
        buttons.append(
            Button("call_withdraw", "x", "Withdraw", "danger", "Withdraw this call?",
                   f"It will never be started. {CANNOT_STOP}")
        )  # fmt: skip
    if row.phase not in OPEN:
        buttons.append(
            Button("call_again", "retry", "Call again", "", "Call again?",
                   "A new row with a new reference is made. It waits for you to start it.", False)
        )  # fmt: skip
    return buttons
