"""The guards of the engine, each with a way to take it away. Only tests can do that: there is no switch.

A simulation that stays green without a guard would prove nothing; `test_guards.py` shows that it goes red,
and by which invariant.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.db.models import Exists, F, Q

from calls.engine import (
    asking,
    claiming,
    entities,
    machine,
    polling,
    reconciling,
    scheduling,
    triggering,
    upstream,
)
from calls.engine.machine import Step
from calls.models import CallRow, Entity
from calls.vocabulary import Phase
from tests.simulation.trouble import Luck
from tests.simulation.world import World

Patch = Callable[[pytest.MonkeyPatch, World], None]

ALWAYS = Exists(CallRow.objects.all())
FAULTY = Luck(faults=0.5)
DEADLY = Luck(faults=0.1, kills=0.15)
FROZEN = Luck(faults=0.1, freezes=0.25)
MEDDLED = Luck(faults=0.1, meddling=0.3)
LOSING = Luck(losses=0.3, meddling=0.3)
POOR_DATABASE = Luck(faults=0.1, database=0.5)


@dataclass(frozen=True)
class Guard:
    """`without` takes it away; then `code` breaks, under this luck, from seed `seed` on at the latest."""

    without: Patch
    code: str
    luck: Luck = FAULTY
    seed: int = 0

    @property
    def name(self) -> str:
        return self.without.__name__


# --- intent, fence, claim ---


def intent_before_the_request(patch: pytest.MonkeyPatch, world: World) -> None:
    """The trigger leaves, and its intent is not written down."""
    patch.setattr(triggering, "claim_rows", lambda rows, step, **fields: list(rows))
    patch.setattr(triggering, "trigger", send_at_once)


def send_at_once(row: CallRow, tools: Any) -> Any:
    return tools.client.trigger(row.request_id, latency_mode="low")


def no_send_without_a_commit(patch: pytest.MonkeyPatch, world: World) -> None:
    """An intent that the database refused is sent all the same."""
    keep = triggering.claim_rows

    def claim(rows: Any, step: Step, *, now: Any, **fields: Any) -> Any:
        try:
            return keep(rows, step, now=now, **fields)
        except DatabaseError:
            for row in rows:
                row.trigger_sent_at = now
            return rows

    patch.setattr(triggering, "claim_rows", claim)


def row_count_of_the_claim(patch: pytest.MonkeyPatch, world: World) -> None:
    """Whoever was chosen counts as claimed, whatever the UPDATE found."""
    keep = triggering.claim_rows

    def claim(rows: Any, step: Step, *, now: Any, **fields: Any) -> Any:
        mine = keep(rows, step, now=now, **fields)
        missed = [row for row in rows if row.pk not in {one.pk for one in mine}]
        for row in missed:
            row.trigger_sent_at = now
        return [*mine, *missed]

    patch.setattr(triggering, "claim_rows", claim)


def fence(patch: pytest.MonkeyPatch, world: World) -> None:
    """A record overwrites whatever another worker did meanwhile."""

    def any_state(row: CallRow) -> Any:
        return CallRow.objects.filter(pk=row.pk)

    patch.setattr(claiming, "same_row", any_state)
    patch.setattr(polling, "same_row", any_state)


def request_id_written_once(patch: pytest.MonkeyPatch, world: World) -> None:
    """The answer that comes last wins, and the table lets it."""
    keep = scheduling.move
    sqlite = connection.vendor == "sqlite"
    with connection.cursor() as cursor:
        cursor.execute(
            "DROP TRIGGER calls_request_id_once"
            if sqlite
            else "DROP TRIGGER calls_guard_row ON calls_callrow"
        )

    def move(row: CallRow, step: Step, **fields: Any) -> bool:
        if step == Step.REQUEST_MAPPED:
            CallRow.objects.filter(pk=row.pk, request_id__isnull=False).update(
                request_id=fields["request_id"]
            )
        return keep(row, step, **fields)

    patch.setattr(scheduling, "move", move)


def old_intents_are_not_sent(patch: pytest.MonkeyPatch, world: World) -> None:
    """A process that was frozen after its intent sends all the same."""
    patch.setattr(triggering, "INTENT_MAX_AGE", timedelta(days=1))


def last_look_at_the_connection(patch: pytest.MonkeyPatch, world: World) -> None:
    """A process that was frozen while it made the connection sends all the same."""
    keep = world.standin.trigger

    def trigger(request_id: Any, *, latency_mode: Any, last_look: Any) -> Any:
        return keep(request_id, latency_mode=latency_mode)

    patch.setattr(world.standin, "trigger", trigger)


def intents_of_the_future_are_not_sent(patch: pytest.MonkeyPatch, world: World) -> None:
    """A process that was frozen while the clock was set back takes its intent for a fresh one."""

    def trigger(row: CallRow, tools: Any) -> Any:
        if tools.clock() - row.trigger_sent_at > triggering.INTENT_MAX_AGE:
            raise triggering.IntentTooOld("held back, the intent is too old")
        return send_at_once(row, tools)

    patch.setattr(triggering, "trigger", trigger)


# --- doubt ---


def back_to_the_queue(row: CallRow, reason: str, tools: Any) -> None:
    now = tools.clock()
    claiming.move(row, Step.TRIGGER_NOT_APPLIED, now=now, detail="unknown", next_at=now)


def doubt_is_not_sent_again(patch: pytest.MonkeyPatch, world: World) -> None:
    """An unanswered trigger is sent again."""
    patch.setattr(triggering, "doubt", back_to_the_queue)


def server_errors_are_doubt(patch: pytest.MonkeyPatch, world: World) -> None:
    """A 5xx is read as "it did not happen"."""
    keep = triggering.doubt

    def doubt(row: CallRow, reason: str, tools: Any) -> None:
        (back_to_the_queue if reason.startswith("503") else keep)(row, reason, tools)

    patch.setattr(triggering, "doubt", doubt)


def dead_workers_leave_doubt(patch: pytest.MonkeyPatch, world: World) -> None:
    """A trigger whose worker died is sent again without a look."""
    keep = claiming.rescue

    def rescue(row: CallRow, *, now: Any, confirm_wait: Any) -> bool:
        if row.phase != Phase.TRIGGERING:
            return keep(row, now=now, confirm_wait=confirm_wait)
        return claiming.move(row, Step.TRIGGER_NOT_APPLIED, now=now, next_at=now)

    patch.setattr(claiming, "rescue", rescue)


def wait_before_the_looks(patch: pytest.MonkeyPatch, world: World) -> None:
    """The looks come at once, before a late trigger can have acted."""
    object.__setattr__(world.rules, "confirm_wait", timedelta(0))
    patch.setattr(polling, "SECOND_LOOK_AFTER", timedelta(0))


def second_look(patch: pytest.MonkeyPatch, world: World) -> None:
    """A single clean look is enough."""
    patch.setattr(polling, "CLEAN_LOOKS_NEEDED", 1)
    world.standin.expected["trigger"] = ["late"] * 4


def attempts_count(patch: pytest.MonkeyPatch, world: World) -> None:
    """ENQUEUED alone counts as "never started", whatever was dialled."""

    def step(phase: str, status: str, *, has_attempts: bool, has_outcome: bool) -> Any:
        return machine.step_for_answer(phase, status, has_attempts=False, has_outcome=has_outcome)

    patch.setattr(polling, "step_for_answer", step)
    world.standin.stories = ("callback",)
    world.standin.expected["trigger"] = ["lost_after"] * 2


def enqueued_does_not_rearm(patch: pytest.MonkeyPatch, world: World) -> None:
    """A live call that reads ENQUEUED between two attempts is put back into the queue."""
    keep = polling.record_answer

    def record(row: CallRow, told: Any, tools: Any) -> Any:
        keep(row, told, tools)
        if row.phase == Phase.CALLING and told.workflow_status == "ENQUEUED":
            CallRow.objects.filter(pk=row.pk, phase=Phase.CALLING).update(
                phase=Phase.SCHEDULED, next_at=tools.clock(), fence=F("fence") + 1
            )

    patch.setattr(polling, "is_unchanged", lambda answer, tools: False)
    patch.setattr(polling, "record_answer", record)


def older_answers_say_nothing(patch: pytest.MonkeyPatch, world: World) -> None:
    """An answer that is older than what is known is taken for news."""
    patch.setattr(polling, "is_stale", lambda row, told: False)
    world.standin.expected["poll"] = ["", "stale"] * 12


# --- the gate ---


def one_live_call_per_phone(patch: pytest.MonkeyPatch, world: World) -> None:
    """Neither the claim nor the table minds a second live call to one phone."""
    patch.setattr(triggering, "phone_is_busy", lambda: ~ALWAYS)
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX IF EXISTS one_live_call_per_phone")


def pause_read_in_the_claim(patch: pytest.MonkeyPatch, world: World) -> None:
    """The claim trusts that a batch still runs because it did when its rows were chosen."""
    patch.setattr(claiming, "in_running_batch", lambda: ALWAYS)


def blocked_phones(patch: pytest.MonkeyPatch, world: World) -> None:
    """A phone that asked not to be called is called."""
    world.standin.stories = ("do_not_call", "quick")
    patch.setattr(triggering, "phone_is_blocked", lambda: ~ALWAYS)
    patch.setattr(scheduling, "phone_is_blocked", lambda: ~ALWAYS)
    patch.setattr("calls.engine.pulse.hold_uncallable", lambda *, now: 0)


def offices_that_may_be_called(patch: pytest.MonkeyPatch, world: World) -> None:
    """can_call=false is not read."""
    world.standin.expected["entities"] = ["not_callable"] * 3
    known = Exists(
        Entity.objects.filter(entity_id__isnull=False, pk=claiming.OuterRef("entity_id"))
    )
    patch.setattr(triggering, "of_callable_office", lambda: known)
    patch.setattr(scheduling, "of_callable_office", lambda: known)
    patch.setattr("calls.engine.pulse.hold_uncallable", lambda *, now: 0)


def calling_hours(patch: pytest.MonkeyPatch, world: World) -> None:
    """The gate is always open."""
    object.__setattr__(world.rules, "respect_calling_hours", True)
    patch.setattr(triggering, "gate", lambda **facts: None)


# --- the API as a whole ---


def refused_key_stops(patch: pytest.MonkeyPatch, world: World) -> None:
    """A 401 is noted, and everything goes on."""
    patch.setattr(upstream, "may_send", lambda tools: True)


def breaker(patch: pytest.MonkeyPatch, world: World) -> None:
    """Failures in a row stop nothing."""
    patch.setattr(upstream, "BREAKER_THRESHOLD", 10_000)
    world.standin.expected |= {"trigger": ["503"] * 9, "poll": ["503"] * 20}


def network_outside_transactions(patch: pytest.MonkeyPatch, world: World) -> None:
    """The request is made while a transaction is open."""
    keep = asking.answer_of

    def answer_of(ask: Any, job: Any) -> Any:
        with claiming.transaction.atomic():
            return keep(ask, job)

    patch.setattr(asking, "answer_of", answer_of)


# --- nothing lost ---


def answers_mapped_by_reference(patch: pytest.MonkeyPatch, world: World) -> None:
    """The n-th answer belongs to the n-th row."""

    def mapping(chunk: Any, told: Any, *, now: Any) -> Any:
        pairs = zip(chunk, told.scheduled_requests, strict=False)
        return {row.external_reference_id: request for row, request in pairs}

    patch.setattr(scheduling, "requests_by_reference", mapping)


def live_calls_are_polled(patch: pytest.MonkeyPatch, world: World) -> None:
    """Calls that were started are never asked about."""
    patch.setattr(polling, "POLLED", (Phase.CONFIRMING,))


def claims_are_rescued(patch: pytest.MonkeyPatch, world: World) -> None:
    """What a dead worker held stays held."""
    patch.setattr("calls.engine.pulse.rescue_claims", lambda **options: 0)


def outcomes_are_kept(patch: pytest.MonkeyPatch, world: World) -> None:
    """The outcome that came with the last answer is dropped."""
    patch.setattr(polling, "record_outcome", lambda row, told, *, now: None)


def orphans_are_counted(patch: pytest.MonkeyPatch, world: World) -> None:
    """After an unknown schedule answer nobody knows that requests may exist."""
    world.standin.expected["schedule"] = ["lost_after"] * 2
    keep = scheduling.put_back

    def put_back(chunk: Any, error: Any, tools: Any, *, orphans: int = 0) -> None:
        keep(chunk, error, tools)

    patch.setattr(scheduling, "put_back", put_back)


def edits_meanwhile_are_sent(patch: pytest.MonkeyPatch, world: World) -> None:
    """An office that was edited while its older state was out counts as sent."""
    keep = entities.record_sent

    def record_sent(entity: Entity, told: Any, *, now: Any) -> None:
        keep(entity, told, now=now)
        Entity.objects.filter(pk=entity.pk).update(synced_version=F("version"))

    patch.setattr(entities, "record_sent", record_sent)


def claims_outlast_upserts(patch: pytest.MonkeyPatch, world: World) -> None:
    """An office is sent although its claim ends before the answer can come."""
    patch.setattr(entities, "LONGEST_REQUEST", timedelta(0))
    world.standin.expected["entities"] = ["slow"] * 9


def one_upsert_in_flight(patch: pytest.MonkeyPatch, world: World) -> None:
    """Whoever finds an office unsent sends it, claimed or not."""
    patch.setattr(entities, "claim_entities", claim_without_regard)


def claim_without_regard(limit: int, *, now: Any) -> Any:
    Entity.objects.filter(Q(hold_reason="")).update(claimed_until=now + claiming.LEASE)
    unsent = Entity.objects.filter(hold_reason="", synced_version__lt=F("version"))
    return list(unsent.order_by("pk")[:limit])


# --- an older copy ---


def copies_ask_first(patch: pytest.MonkeyPatch, world: World) -> None:
    """After a restore what was queued is triggered as if nothing had been lost."""
    patch.setattr(reconciling, "mark", lambda **of: 0)


GUARDS: list[Guard] = [
    Guard(intent_before_the_request, "I3"),
    Guard(no_send_without_a_commit, "I3", POOR_DATABASE),
    Guard(row_count_of_the_claim, "I3", MEDDLED, seed=3),
    Guard(fence, "I6", FROZEN, seed=8),
    Guard(request_id_written_once, "I2", FROZEN, seed=1),
    Guard(old_intents_are_not_sent, "I1", Luck(freezes=0.6), seed=13),
    Guard(last_look_at_the_connection, "I1", Luck(freezes=0.6), seed=51),
    Guard(intents_of_the_future_are_not_sent, "I3", Luck(freezes=0.6, jumps=0.25), seed=2),
    Guard(doubt_is_not_sent_again, "I1", seed=2),
    Guard(doubt_is_not_sent_again, "I5", seed=2),
    Guard(server_errors_are_doubt, "I1", seed=14),
    Guard(dead_workers_leave_doubt, "I1", DEADLY, seed=8),
    Guard(wait_before_the_looks, "I1", seed=3),
    Guard(second_look, "I1", seed=1),
    Guard(attempts_count, "I1"),
    Guard(enqueued_does_not_rearm, "I1"),
    Guard(enqueued_does_not_rearm, "I6"),
    Guard(older_answers_say_nothing, "R81", seed=2),
    Guard(one_live_call_per_phone, "I13", seed=7),
    Guard(pause_read_in_the_claim, "I11", MEDDLED, seed=8),
    Guard(blocked_phones, "R86"),
    Guard(offices_that_may_be_called, "R15"),
    Guard(calling_hours, "R63", seed=2),
    Guard(refused_key_stops, "R4"),
    Guard(breaker, "R5", Luck(), seed=3),
    Guard(network_outside_transactions, "R58"),
    Guard(answers_mapped_by_reference, "I4"),
    Guard(live_calls_are_polled, "I10"),
    Guard(claims_are_rescued, "I9", DEADLY),
    Guard(outcomes_are_kept, "I7", seed=5),
    Guard(orphans_are_counted, "R30", seed=1),
    Guard(edits_meanwhile_are_sent, "I12", MEDDLED, seed=26),
    Guard(claims_outlast_upserts, "I12", Luck(faults=0.1, freezes=0.4), seed=6),
    Guard(one_upsert_in_flight, "I12", FROZEN),
    Guard(copies_ask_first, "I1", LOSING),
]
