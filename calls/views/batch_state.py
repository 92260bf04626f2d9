"""What a batch's page says: its stages, why it waits, what its buttons would do, what happened to it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from django.db.models import Count, Q
from django.utils.timezone import localtime

from calls.attention import counted, hold_words, listed
from calls.models import Batch, CallEvent, CallRow
from calls.reports import NO_ANSWER, BatchCounts
from calls.templatetags.formats import moment_text
from calls.vocabulary import (
    Attendance,
    BatchState,
    EventKind,
    PauseReason,
    Phase,
    WaitReason,
)

TYPE_NAME_FROM = 50  # withdrawing this many calls asks for the batch's name
EVENTS_SHOWN = 30
WAITS = {
    WaitReason.HOURS: ("waits for opening hours", "wait for opening hours"),
    WaitReason.HOLIDAY: ("waits: the office is closed today", "wait: their office is closed today"),
    WaitReason.APPOINTMENT: (
        "waits for its appointment to pass",
        "wait for their appointment to pass",
    ),
    WaitReason.PHONE_BUSY: (
        "waits for another call to the same phone",
        "wait for another call to the same phone",
    ),
    WaitReason.BACKOFF: ("is tried again shortly", "are tried again shortly"),
    WaitReason.ASK_FIRST: (
        "waits: Evergrove is asked first whether it was started",
        "wait: Evergrove is asked first whether they were started",
    ),
}
PAUSES = {  # a batch that no person paused: why, and what to do
    PauseReason.TOO_MANY_HELD: "It paused itself: more than a fifth of its last calls were held. See "
    "below why, mend what they have in common, then resume.",
    PauseReason.MAY_BE_CALLED: "Part of this batch was not queued yet when this copy of the database "
    "was taken, and may have been called since. Withdraw what was called, then let it go on.",
}
EVENTS = {
    EventKind.UPLOADED: ("none", "upload", "Uploaded"),
    EventKind.STARTED: ("busy", "play", "Started"),
    EventKind.PAUSED: ("warn", "pause", "Paused"),
    EventKind.WITHDRAWN: ("none", "x", "Withdrawn"),
    EventKind.FINISHED: ("good", "check", "Finished"),
    EventKind.WAITING: ("none", "clock", "Start planned"),
    EventKind.EXPORTED: ("move", "download", "Exported"),
}
COUNTING = {EventKind.UPLOADED, EventKind.WITHDRAWN, EventKind.EXPORTED}


class Stage(NamedTuple):
    """One of the steps between Start and the first ring."""

    label: str
    done: int
    total: int


class Line(NamedTuple):
    """A number with what it means and where its calls are listed."""

    number: int
    label: str
    href: str
    text: str = ""


class Entry(NamedTuple):
    tone: str
    icon: str
    title: str
    text: str
    at: datetime
    actor: str


@dataclass(frozen=True)
class Says:
    """The consequences that the confirm dialogs name, with numbers that are true now."""

    pause: str
    withdraw: str
    discard: str


def says(counts: BatchCounts) -> Says:
    ringing, left = counts.in_progress, counts.not_started
    return Says(
        pause=f"{finishing(ringing)}{counted(left, 'call', 'calls')} will not start until you resume.",
        withdraw=f"{counted(left, 'call', 'calls')} will never start. {unstoppable(ringing)}",
        discard=discarding(counts.rows),
    )


def discarding(rows: int) -> str:
    return (
        f"Forgets {counted(rows, 'row', 'rows')} of this upload and its rejected rows. Rows that it changed go "
        "back to their earlier batch as they were. Nothing was called."
    )


def finishing(ringing: int) -> str:
    return f"{counted(ringing, 'call', 'calls')} in progress will finish. " if ringing else ""


def unstoppable(ringing: int) -> str:
    if not ringing:
        return "What Evergrove has queued stays there and is never started."
    return (
        f"{counted(ringing, 'call', 'calls')} in progress cannot be stopped and will still report "
        "an outcome."
    )


def headline(batch: Batch, counts: BatchCounts) -> str:
    calls = counted(counts.rows, "call", "calls")
    match batch.state:
        case BatchState.DRAFT if batch.start_at:
            return f"{calls} ready. They start {moment_text(localtime(batch.start_at), 'short')}"
        case BatchState.DRAFT:
            return f"{calls} ready to start"
        case BatchState.LOADING:
            return "The rows of this upload are being stored"
    if not counts.to_end and counts.rows:
        return f"{counted(counts.rows, 'call was', 'calls were')} withdrawn"
    ended = f"{counts.ended:,} of {counted(counts.to_end, 'call has', 'calls have')} ended"
    withdrawn = counts.rows - counts.to_end
    return f"{ended}, {withdrawn:,} withdrawn" if withdrawn else ended


def reasons_to_wait(batch: Batch, counts: BatchCounts) -> list[str]:
    """Sentences, the most telling first; none while calls are simply being made."""
    return list(waiting_sentences(batch, counts))


def waiting_sentences(batch: Batch, counts: BatchCounts) -> Iterator[str]:
    ringing = counts.in_progress
    if batch.paused_reason:
        yield PAUSES[PauseReason(batch.paused_reason)]
    if batch.state == BatchState.PAUSED:
        yield f"Paused. {says(counts).pause}"
        return
    if batch.state == BatchState.CANCELLED and ringing:
        yield f"{finishing(ringing)}What was not started will never be."
    if batch.state != BatchState.RUNNING:
        return
    if batch.queue_only:
        yield "Queued at Evergrove only. No phone rings until you start calling."
        return
    for reason, (one, many) in WAITS.items():
        if number := counts.waiting[reason]:
            opens = first_opening(batch) if reason == WaitReason.HOURS else ""
            yield f"{counted(number, f'call {one}', f'calls {many}')}.{opens}"
    if counts.held_rows and counts.held_rows == counts.rows - counts.settled:
        yield "Only held calls are left. The batch ends when a person has settled them."


def first_opening(batch: Batch) -> str:
    """` The first office opens at Apr 9, 9:00 AM PT.`, on that office's clock."""
    first = (
        batch.rows.filter(phase=Phase.SCHEDULED, hold_reason="", waiting_for=WaitReason.HOURS)
        .order_by("next_at")
        .values_list("next_at", "local_timezone")
        .first()
    )
    if first is None:
        return ""
    at, zone = first
    return f" The first office opens {moment_text(at.astimezone(ZoneInfo(zone)), 'short')}."


def stages(batch: Batch, counts: BatchCounts) -> list[Stage]:
    """Offices, queue, start; empty once every row has been queued."""
    live = batch.state in (BatchState.RUNNING, BatchState.PAUSED)
    if not live or not counts.still_to_queue:
        return []
    offices = CallRow.objects.filter(batch=batch).aggregate(
        total=Count("entity", distinct=True),
        saved=Count("entity", distinct=True, filter=Q(entity__entity_id__isnull=False)),
    )
    return [
        Stage("Offices saved at Evergrove", offices["saved"], offices["total"]),
        Stage("Calls queued", counts.queued, counts.rows),
        Stage("Calls started", counts.started, counts.rows),
    ]


def phase_lines(batch: Batch, counts: BatchCounts) -> list[Line]:
    return [
        Line(number, phase.label, listed(batch=str(batch.pk), phase=phase))
        for phase in Phase
        if (number := counts.by_phase[phase])
    ]


def outcome_lines(batch: Batch, counts: BatchCounts) -> list[tuple[str, int, str]]:
    """(attendance, number, address) of what was heard; the address of an unknown word is the whole batch."""
    return [
        (
            "" if word == NO_ANSWER else word,
            number,
            listed(batch=str(batch.pk), **({"outcome": word} if word in Attendance.values else {})),
        )
        for word, number in counts.outcomes.items()
        if number
    ]


def held_lines(batch: Batch, counts: BatchCounts) -> list[Line]:
    return [
        Line(
            number,
            counted(number, "call is held", "calls are held"),
            listed(batch=str(batch.pk), held=reason),
            hold_words(reason),
        )
        for reason, number in counts.held.items()
        if number
    ]


def timeline(batch: Batch) -> list[Entry]:
    events = batch.events.select_related("actor").order_by("-at", "-pk")[:EVENTS_SHOWN]
    return [entry(event) for event in events]


def entry(event: CallEvent) -> Entry:
    known = EVENTS.get(EventKind(event.kind)) if event.kind in EventKind.values else None
    tone, icon, title = known or ("none", "dots", event.get_kind_display())
    actor: Any = event.actor
    return Entry(
        tone,
        icon,
        title,
        event_text(event),
        event.at,
        (actor.get_full_name() or actor.get_username()) if actor else "",
    )


def event_text(event: CallEvent) -> str:
    if event.kind in COUNTING and event.detail.isdecimal():
        return counted(int(event.detail), "call", "calls") + "."
    if event.kind == EventKind.PAUSED and event.detail in PauseReason.values:
        return f"{PauseReason(event.detail).label}."
    detail = (
        event.detail.removeprefix("until ") if event.kind == EventKind.WAITING else event.detail
    )
    return f"{detail[:1].upper()}{detail[1:]}." if detail else ""
