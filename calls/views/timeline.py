"""A row's or an office's history in human words: what happened, when, who did it (R91)."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from calls.intake.fields import FIELDS
from calls.models import CallEvent
from calls.templatetags.dash import OUTCOMES
from calls.vocabulary import Attendance, EventKind, HoldReason, Phase, WaitReason


class Entry(NamedTuple):
    """One line of a timeline; `icon` is of the sprite's line icons."""

    tone: str
    icon: str
    title: str
    text: str
    at: datetime
    actor: str  # empty: the engine


class Words(NamedTuple):
    tone: str
    icon: str
    title: str


KINDS: dict[str, Words] = {
    EventKind.UPLOADED: Words("none", "upload", "Uploaded"),
    EventKind.UPDATED: Words("none", "upload", "Replaced by a later upload"),
    EventKind.CORRECTED: Words("move", "pen", "Data corrected"),
    EventKind.HELD: Words("warn", "flag", "Held for a person"),
    EventKind.RELEASED: Words("none", "play", "Released"),
    EventKind.WITHDRAWN: Words("none", "x", "Withdrawn"),
    EventKind.WAITING: Words("none", "clock", "Waiting"),
    EventKind.UPSTREAM: Words("busy", "phone", "Evergrove reported"),
    EventKind.ATTEMPTS_READ: Words("none", "eye", "Attempts read"),
    EventKind.REVEALED: Words("move", "eye", "Patient details revealed"),
    EventKind.EXPORTED: Words("move", "download", "Exported"),
    EventKind.OFFICE_SAVED: Words("move", "building", "Office saved"),
    EventKind.OFFICE_SENT: Words("none", "building", "Office sent to Evergrove"),
    EventKind.ANOMALY: Words("warn", "flag", "Unexpected answer, not used"),
}
STEPS: dict[tuple[str | None, str], Words] = {  # by (from, to); None stands for any other origin
    (None, Phase.SCHEDULING): Words("none", "stack", "Being sent to Evergrove's queue"),
    (None, Phase.SCHEDULED): Words("none", "stack", "Queued at Evergrove"),
    (Phase.TRIGGERING, Phase.SCHEDULED): Words("warn", "retry", "Not started, back in the queue"),
    (Phase.CONFIRMING, Phase.SCHEDULED): Words("none", "retry", "Was never started, queued again"),
    (None, Phase.READY): Words("warn", "retry", "Not queued, will be tried again"),
    (None, Phase.TRIGGERING): Words("none", "play", "Start requested"),
    (None, Phase.CONFIRMING): Words("warn", "search", "Checking whether the call was started"),
    (None, Phase.CALLING): Words("busy", "phone", "Call started"),
    (Phase.CONFIRMING, Phase.CALLING): Words("busy", "phone", "The call had been started"),
    (None, Phase.AWAITING_OUTCOME): Words("busy", "clock", "Call ended, waiting for its outcome"),
    (None, Phase.COMPLETED): Words("none", "check", "Completed"),
    (None, Phase.FAILED): Words("bad", "flag", "Failed"),
    (None, Phase.WITHDRAWN): Words("none", "x", "Withdrawn"),
}
DETAILS = {
    "worker_gone": "The worker stopped in between.",
    "missing_in_answer": "Evergrove's answer did not name this row.",
    "unknown": "No clear answer came back.",
    "Unknown": "No clear answer came back.",
    "NotSent": "Evergrove could not be reached.",
    "SlowDown": "Evergrove asked to slow down.",
    "slow_down": "Evergrove asked to slow down.",
    "KeyRefused": "Evergrove refused the API key.",
    "Misconfigured": "The API address answered with a redirect.",
    "IntentTooOld": "It came too late to be sent, so it was held back.",
    "errors_in_answer": "The answer named errors.",
    "without_outcome": "No outcome came in time.",
    "call_again": "Repeats an earlier call.",
    "evidence": "Its answer was known already.",
    "asked_again": "To learn whether it may be called now.",
    "entity_id_changed": "Evergrove gave this office another id.",
    "unknown_reference": "The answer named a reference that was not asked about.",
    "reference_answered_twice": "The answer named this reference twice.",
    "request_id_answered_twice": "The answer gave one request id twice.",
    "another_entity_id": "The answer named another office.",
    **{reason.value: f"{reason.label}." for reason in (*HoldReason, *WaitReason)},
}
LABELS = {
    **{field.name: field.label for field in FIELDS},
    "working_hours": "Hours",
    "closed_dates": "Closed dates",
    "ivr_guide": "Phone menu guide",
}
EVERGROVE_SAYS = {
    "ENQUEUED": "Queued, no attempt under way",
    "ACTIVE": "An attempt is under way",
    "COMPLETE": "Complete",
    "ERROR": "Error",
    "CANCELLED": "Stopped",
    "DO_NOT_CALL_BACK": "The office asked not to be called",
}


def entries(events: Iterable[CallEvent]) -> list[Entry]:
    """`events` with their actors loaded, in the order they are to be read."""
    return [entry(event) for event in events]


def entry(event: CallEvent) -> Entry:
    words = words_for(event)
    actor = event.actor
    return Entry(
        *words,
        text=detail_text(event),
        at=event.at,
        actor=(actor.get_full_name() or actor.get_username()) if actor else "",
    )


def words_for(event: CallEvent) -> Words:
    if event.kind == EventKind.OUTCOME:
        known = event.detail in Attendance.values
        look = OUTCOMES[Attendance(event.detail)] if known else None
        label = look.label.lower() if look else event.detail
        return Words(look.tone if look else "none", "voice", f"Outcome received: {label}")
    if event.kind == EventKind.MOVED:
        step = STEPS.get((event.phase_from, event.phase_to)) or STEPS.get((None, event.phase_to))
        return step or Words("none", "right", event.get_phase_to_display())
    return KINDS.get(event.kind) or Words("none", "dots", event.get_kind_display())


def detail_text(event: CallEvent) -> str:
    detail = event.detail
    match event.kind:
        case EventKind.OUTCOME:
            return ""
        case EventKind.CORRECTED | EventKind.OFFICE_SAVED if detail not in DETAILS:
            return changed_fields(detail)
        case EventKind.ATTEMPTS_READ:
            return f"{detail} attempt{'' if detail == '1' else 's'} so far."
        case EventKind.UPDATED:
            return detail.capitalize() + "." if detail else ""
    if detail in EVERGROVE_SAYS:
        return f"Evergrove: {EVERGROVE_SAYS[detail]}."
    return DETAILS.get(detail, detail)


def changed_fields(detail: str) -> str:
    """The labels of changed columns; what only follows from them is left out."""
    labels = [LABELS[name] for name in detail.split(", ") if name in LABELS]
    return ", ".join(labels) + "." if labels else ""
