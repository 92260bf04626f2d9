"""What people do. Keyword-only, one transaction each, each in the timeline; no network is asked here."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict, Unpack

from django.contrib.auth.models import User as Account
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from calls.engine import claiming, instance, reconciling
from calls.engine.claiming import due_at_once
from calls.engine.clock import shared_clock
from calls.engine.pulse import close_cancelled_batches
from calls.engine.tools import Rules
from calls.engine.triggering import wake_rows
from calls.intake import storing
from calls.intake.naming import EntityBook
from calls.intake.reading import Line
from calls.intake.validating import CheckedRow
from calls.models import Batch, BlockedPhone, CallEvent, CallRow, Entity, Installation, Upstream
from calls.models.call import NORMALIZED_FIELDS
from calls.tasks import wake
from calls.vocabulary import (
    OPEN,
    BatchState,
    EventKind,
    HoldReason,
    LatencyMode,
    PauseReason,
    Phase,
    WaitReason,
)

User = Account | None


class Refused(Exception):
    """The action does not fit the present state; the message is for the person who tried."""


REASON_LENGTH = 255
STARTABLE = (BatchState.DRAFT, BatchState.PAUSED)


class StartRules(TypedDict, total=False):
    """How a batch is called; what is None or left out stays as it is."""

    ignore_calling_hours: bool | None
    wait_for_appointment: bool | None  # R53
    latency_mode: LatencyMode | None  # R57
    queue_only: bool | None


def given(rules: StartRules) -> dict[str, Any]:
    return {name: value for name, value in rules.items() if value is not None}


@transaction.atomic
def start_batch(*, batch: Batch, by: User, **rules: Unpack[StartRules]) -> None:
    """Let the engine call this batch: a first start, or going on after a pause. Raises Refused."""
    now = timezone.now()
    if not batch.rows.exists():
        raise Refused("This batch has no calls to start.")
    changes: dict[str, Any] = {
        "state": BatchState.RUNNING,
        "paused_reason": "",
        "start_at": None,
        **given(rules),
    }
    if batch.started_at is None:
        changes["started_at"] = now
    if not Batch.objects.filter(pk=batch.pk, state__in=STARTABLE).update(**changes):
        raise Refused(f"{state_now(batch)} It cannot be started.")
    note_batch(batch, EventKind.STARTED, by=by, now=now)
    wake_rows(Q(batch=batch), now=now)
    wake("dispatch")
    wake("poll")


@transaction.atomic
def pause_batch(*, batch: Batch, by: User) -> None:
    """No further call of this batch is started; calls under way finish (R35). Raises Refused."""
    locked(batch)
    running = Batch.objects.filter(pk=batch.pk, state=BatchState.RUNNING)
    if not running.update(state=BatchState.PAUSED):
        raise Refused(f"{state_now(batch)} Only a running batch can be paused.")
    note_batch(batch, EventKind.PAUSED, by=by, now=timezone.now())


@transaction.atomic
def withdraw_batch(*, batch: Batch, by: User) -> int:
    """Take out every call that was not started; those under way finish (R35). Returns how many.

    Rows that are being queued at this moment follow as soon as their answer is recorded. Raises Refused.
    """
    locked(batch)
    live = Batch.objects.filter(pk=batch.pk, state__in=(*STARTABLE, BatchState.RUNNING))
    if not live.update(state=BatchState.CANCELLED):
        raise Refused(f"{state_now(batch)} There is nothing left to withdraw.")
    now = timezone.now()
    count = claiming.withdraw(batch.rows.all(), now=now, by=by)
    close_cancelled_batches(now=now)
    note_batch(batch, EventKind.WITHDRAWN, by=by, now=now, detail=str(count))
    return count


@transaction.atomic
def withdraw_rows(*, rows: QuerySet[CallRow], by: User) -> int:
    """Take rows out before their trigger; rows that are past it are left alone. Returns how many."""
    return claiming.withdraw(rows, now=timezone.now(), by=by)


@transaction.atomic
def discard_draft(*, batch: Batch, by: User = None) -> int:
    """Forget an upload of which nothing was started. Raises Refused.

    Returns how many rows it had taken from earlier batches: they go back as they were (R33).
    """
    found = locked(batch)
    untouched = (BatchState.DRAFT, BatchState.LOADING, BatchState.MATCHING)
    if batch.rows.exclude(phase=Phase.READY).exists() or found.state not in untouched:
        raise Refused(f"{state_now(batch)} It can no longer be discarded.")
    return forget(found, by=by)


def locked(batch: Batch) -> Batch:
    """The batch as it is now. Orders what follows against starts and claims on PostgreSQL, which lock it too;
    SQLite has one writer. Raises Refused when it is gone."""
    found = Batch.objects.select_for_update().filter(pk=batch.pk).first()
    if found is None:
        raise Refused("This batch was discarded in the meantime.")
    return found


def forget(batch: Batch, *, by: User) -> int:
    """Delete a locked batch of which Evergrove has not heard; returns the rows that went back to earlier ones.

    Raises Refused where that is not certain.
    """
    if batch.paused_reason == PauseReason.MAY_BE_CALLED:
        raise Refused(
            "Calls of this batch may have been made since this copy of the database was taken. "
            "Withdraw it instead: then the references stay known."
        )
    # An upload may be taking rows over at this moment. Locked, they are either still ours or already its own.
    list(batch.rows.select_for_update().values_list("pk"))
    returned = storing.give_back(batch, at=timezone.now(), by=by)
    batch.delete()
    return returned.total()


@transaction.atomic
def release_hold(*, row: CallRow, by: User) -> None:
    """A person decides that a held row goes on. Raises Refused.

    A trigger that was in doubt or refused is not simply sent again: two fresh looks come first (R70, R71).
    """
    now, reason = shared_clock()(), row.hold_reason
    held = CallRow.objects.filter(pk=row.pk, hold_reason=reason, fence=row.fence).exclude(
        hold_reason=""
    )
    if reason == HoldReason.DO_NOT_CALL and phone_is_blocked(row):
        raise Refused("This phone asked not to be called. Lift the block on the office page first.")
    looks = row.phase == Phase.CONFIRMING or reason == HoldReason.TRIGGER_REFUSED
    changes: dict[str, Any] = {"failures": 0, "missed_answers": 0, "crashes": 0, "clean_looks": 0}
    if reason == HoldReason.TRIGGER_UNCONFIRMED:
        changes["trigger_retries_left"] = F("trigger_retries_left") + 1
    if reason == HoldReason.TRIGGER_REFUSED:
        changes |= {"ask_first": True, "waiting_for": WaitReason.ASK_FIRST}
    if not held.update(
        hold_reason="",
        fence=F("fence") + 1,
        claimed_by="",
        claimed_until=None,
        next_at=first_look(row, now=now) if looks else due_at_once(now),
        changed_at=now,
        **changes,
    ):
        raise Refused("This call has moved on in the meantime.")
    note_row(row, EventKind.RELEASED, by=by, now=now, detail=reason)
    wake("dispatch")


def first_look(row: CallRow, *, now: datetime) -> datetime:
    """No look counts before the last trigger, if it was applied, must have acted."""
    sent_at = row.trigger_sent_at or now
    return max(now, sent_at + Rules.from_settings().confirm_wait)


def phone_is_blocked(row: CallRow) -> bool:
    return BlockedPhone.objects.filter(phone=row.outbound_phone_number).exists()


@transaction.atomic
def lift_phone_block(*, phone: BlockedPhone, by: User) -> int:
    """A person allows calls to this phone again; rows held for it go on. Returns how many."""
    now = timezone.now()
    number = phone.phone
    phone.delete()
    rows = CallRow.objects.filter(outbound_phone_number=number, hold_reason=HoldReason.DO_NOT_CALL)
    held = list(rows)
    rows.update(hold_reason="", fence=F("fence") + 1, next_at=due_at_once(now), changed_at=now)
    for row in held:
        note_row(row, EventKind.RELEASED, by=by, now=now, detail=HoldReason.DO_NOT_CALL)
    return len(held)


@transaction.atomic
def correct_row(*, row: CallRow, values: Mapping[str, Any], by: User) -> Sequence[str]:
    """Change data fields of a row that Evergrove does not have yet (R33). Returns the changed names.

    `values` come from the shared validator. Raises Refused once the row was queued.
    """
    changed = [name for name, value in values.items() if getattr(row, name) != value]
    if not changed:
        return changed
    now = timezone.now()
    still_ours = CallRow.objects.filter(
        pk=row.pk, phase=Phase.READY, request_id=None, fence=row.fence
    )
    updates = {name: values[name] for name in changed}
    if not still_ours.update(fence=F("fence") + 1, next_at=now, changed_at=now, **updates):
        raise Refused("This call was queued at Evergrove in the meantime and cannot be changed.")
    note_row(row, EventKind.CORRECTED, by=by, now=now, detail=", ".join(changed)[:255])
    return changed


@transaction.atomic
def correct_checked(*, row: CallRow, checked: CheckedRow, by: User) -> Sequence[str]:
    """Correct a row by what the shared validator made of a form. Returns the changed names.

    Its office and its instant follow from the values; a row that has become the same case as another
    one is held like any other possible duplicate (R54). Raises Refused.
    """
    line = storing.CheckedLine(Line(number=row.line, cells=[]), checked)
    assert checked.values is not None  # noqa: S101 - the form was valid
    reference = checked.values.external_reference_id
    if CallRow.objects.filter(external_reference_id=reference).exclude(pk=row.pk).exists():
        raise Refused(f"Row reference {reference} is already used. Give this call another one.")
    if not storing.differs(row, checked.values):
        return []
    values = storing.row_fields(checked.values, line, EntityBook())
    del values["changes"]  # what normalising made of the upload stays as it was shown there
    (other,) = storing.other_references([line], but_for=[row.external_reference_id])
    sameness = storing.sameness_after(row, line, other)
    changed = correct_row(row=row, values=values | sameness, by=by)
    storing.note_sameness(row, sameness, at=timezone.now(), by=by)
    return changed


@transaction.atomic
def save_office(*, office: Entity, values: Mapping[str, Any], by: User) -> bool:
    """Store an edited office; its newest state is sent, and its waiting calls look at their gate again (R14).

    False: nothing differs.
    """
    changed = [name for name, value in values.items() if getattr(office, name) != value]
    if not changed:
        return False
    now = timezone.now()
    local_only = set(changed) <= {"closed_dates"}
    Entity.objects.filter(pk=office.pk).update(
        **{name: values[name] for name in changed},
        version=F("version") + (0 if local_only else 1),
        hold_reason="",
        next_at=None,
    )
    let_rows_go(office, HoldReason.OFFICE_REFUSED, by=by, now=now)
    wake_rows(Q(entity=office), now=now)
    note_office(office, EventKind.OFFICE_SAVED, by=by, now=now, detail=", ".join(changed)[:255])
    wake("dispatch")
    return True


@transaction.atomic
def ask_about_office(*, office: Entity, by: User) -> None:
    """Send the office again to learn whether it may be called now (R15)."""
    Entity.objects.filter(pk=office.pk).update(
        version=F("version") + 1, hold_reason="", next_at=None
    )
    now = timezone.now()
    let_rows_go(office, HoldReason.OFFICE_REFUSED, by=by, now=now)
    note_office(office, EventKind.OFFICE_SAVED, by=by, now=now, detail="asked_again")
    wake("dispatch")


def let_rows_go(office: Entity, reason: HoldReason, *, by: User, now: datetime) -> None:
    for row in office.rows.filter(hold_reason=reason):
        CallRow.objects.filter(pk=row.pk, hold_reason=reason).update(
            hold_reason="", fence=F("fence") + 1, next_at=due_at_once(now), changed_at=now
        )
        note_row(row, EventKind.RELEASED, by=by, now=now, detail=reason)


@transaction.atomic
def resume_upstream(*, by: User) -> None:
    """A person says that the key or the address is right again: sending may go on (R4, R8)."""
    Upstream.objects.update(
        stop_reason="",
        stopped_at=None,
        key_fingerprint="",
        failures=0,
        open_until=None,
        slow_until=None,
    )
    CallEvent.objects.create(
        at=timezone.now(), kind=EventKind.RELEASED, actor=by, detail="upstream"
    )
    wake("dispatch")
    wake("poll")


@transaction.atomic
def reconcile(*, by: User, reason: str) -> int:
    """Ask about every open request before anything is started; returns how many. Raises Refused.

    For a database that may know less than Evergrove: restored from a copy, or taken over.
    """
    count = reconciling.begin(
        reason=needed(reason),
        confirm_wait=Rules.from_settings().confirm_wait,
        now=shared_clock()(),
        by=by,
    )
    wake("dispatch")
    wake("poll")
    return count


@transaction.atomic
def adopt_database(*, by: User, reason: str) -> int:
    """This installation calls from this database from now on, after asking about every open request.

    Returns how many are asked about. Raises Refused where it does so already.
    """
    me, now = instance.identity(), timezone.now()
    Installation.load()
    if not Installation.objects.exclude(instance_id=me).update(instance_id=me, adopted_at=now):
        raise Refused("This database belongs to this installation already.")
    CallEvent.objects.create(at=now, kind=EventKind.ADOPTED, actor=by, detail=needed(reason))
    return reconcile(by=by, reason=reason)


def needed(reason: str) -> str:
    """Why, for the record. Raises Refused."""
    text = " ".join(reason.split())
    if not text:
        raise Refused("Enter a reason. It is kept in the record.")
    return text[:REASON_LENGTH]


COPIED = (
    *NORMALIZED_FIELDS,
    "objective",
    "appointment_at",
    "entity",
)


@transaction.atomic
def call_again(*, row: CallRow, by: User) -> CallRow:
    """A new row with a new reference and a link to the settled one (R34); its batch waits to be started.

    Raises Refused while the row is open, or a repeat of it.
    """
    CallRow.objects.select_for_update().get(
        pk=row.pk
    )  # a second click waits here, and sees the first
    if row.phase in OPEN:
        raise Refused("This call is still under way. Wait for its end before calling again.")
    if phone_is_blocked(row):
        raise Refused("This phone asked not to be called. Lift the block on the office page first.")
    if repeat := row.repeats.filter(phase__in=OPEN).first():
        raise Refused(
            f"Call {repeat.external_reference_id} repeats this one already and is not over yet."
        )
    now = timezone.now()
    batch = Batch.objects.create(
        name=f"Call again, batch {row.batch_id}", accepted=1, created_by=by
    )
    again = CallRow.objects.create(
        batch=batch,
        parent=row,
        external_reference_id=next_reference(row),
        next_at=now,
        changed_at=now,
        **{name: getattr(row, name) for name in COPIED if name != "external_reference_id"},
    )
    note_row(again, EventKind.UPLOADED, by=by, now=now, phase_to=again.phase, detail="call_again")
    return again


def next_reference(row: CallRow) -> str:
    """`row-0001` is followed by `row-0001-again-1`, whose own repeat is `row-0001-again-2`."""
    stem = row.external_reference_id.rsplit("-again-", 1)[0][:230]
    taken = set(
        CallRow.objects.filter(external_reference_id__startswith=f"{stem}-again-").values_list(
            "external_reference_id", flat=True
        )
    )
    number = 1
    while f"{stem}-again-{number}" in taken:
        number += 1
    return f"{stem}-again-{number}"


def note_reveal(*, row: CallRow, by: User) -> None:
    """Who looked at masked patient details, and when."""
    note_row(row, EventKind.REVEALED, by=by, now=timezone.now())


def note_export(*, batch: Batch, by: User, rows: int) -> None:
    note_batch(batch, EventKind.EXPORTED, by=by, now=timezone.now(), detail=str(rows))


def note_batch(batch: Batch, kind: EventKind, *, by: User, now: datetime, detail: str = "") -> None:
    CallEvent.objects.create(batch=batch, at=now, kind=kind, actor=by, detail=detail)


def note_office(
    office: Entity, kind: EventKind, *, by: User, now: datetime, detail: str = ""
) -> None:
    CallEvent.objects.create(entity=office, at=now, kind=kind, actor=by, detail=detail)


def note_row(row: CallRow, kind: EventKind, *, by: User, now: datetime, **fields: str) -> None:
    CallEvent.objects.create(row=row, at=now, kind=kind, actor=by, **fields)


def state_now(batch: Batch) -> str:
    state = Batch.objects.values_list("state", flat=True).filter(pk=batch.pk).first()
    return f"This batch is {BatchState(state).label.lower() if state else 'discarded'}."
