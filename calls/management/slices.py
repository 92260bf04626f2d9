"""The worker's slices, run by a command that does the worker's work itself for a while."""

from collections.abc import Callable

from calls.engine.leasing import Slice
from calls.engine.pulse import Pulse, dispatch_pulse, poll_pulse
from calls.engine.tools import Tools

PULSES: dict[str, Pulse] = {"dispatch": dispatch_pulse, "poll": poll_pulse}


class Slices:
    """Pulses under the leases of the worker: whoever asks the heartbeat learns that somebody calls.

    A slice that a worker runs is left to it. Two at once would be harmless here as well.
    """

    def __init__(self, is_time_left: Callable[[], bool]) -> None:
        self.is_time_left = is_time_left
        self.held: dict[str, Slice] = {}

    def pulse(self, tools: Tools) -> int:
        mine = [pulse for name, pulse in PULSES.items() if self.hold(name)]
        return sum(pulse(tools) for pulse in mine)

    def hold(self, name: str) -> bool:
        """Whether the slice is ours; one that is over or lost is begun anew if nobody else has it."""
        turn = self.held.pop(name, None)
        if turn is None or not turn.keep_going():
            if turn:
                turn.release()
            turn = Slice(name)
            if not turn.acquire():
                return False
        self.held[name] = turn
        return True

    def keep_going(self) -> bool:
        """Beats for both, however long one of them takes."""
        still_ours = [turn.keep_going() for turn in self.held.values()]
        return all(still_ours) and self.is_time_left()

    def close(self) -> None:
        for turn in self.held.values():
            turn.release()
