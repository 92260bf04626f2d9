"""The invariants of the reliability page, read from the stand-in's ledger and from the database.

Nothing here trusts what the engine believes: calls are counted where they were started. A violation found
while the engine runs is kept and raised at the next check, because the engine survives any exception of a
request.
"""

from collections import Counter
from collections.abc import Container
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection

from calls.engine.claiming import phone_waits_for_a_person
from calls.engine.entities import body_of
from calls.models import BlockedPhone, CallEvent, CallRow, Entity, Outcome, Upstream
from calls.vocabulary import FINAL, POLLED, SETTLED, BatchState, Phase
from tests.simulation.faults import CERTAINLY_NOT
from tests.simulation.snapshot import CLAIMABLE, RowNow, Snapshot
from tests.simulation.standin import TERMINAL, Post, Request

if TYPE_CHECKING:
    from tests.simulation.world import World

CONFIRM_WAIT = timedelta(seconds=120)
BETWEEN_LOOKS = timedelta(seconds=30)
CLAIM_HOLDS = timedelta(seconds=85)  # the lease, less the age at which a claim is not used any more
BREAKER_OPENS_AT = 5
PAST_CALLING = {
    Phase.CALLING: 1, Phase.AWAITING_OUTCOME: 2, Phase.COMPLETED: 3, Phase.FAILED: 3,
    Phase.WITHDRAWN: 3,
}  # fmt: skip


class Violation(AssertionError):
    """An invariant does not hold; `code` is its name in docs/reliability.md."""

    def __init__(self, code: str, what: str) -> None:
        super().__init__(f"{code}: {what}")
        self.code = code


class Judge:
    """`only`: the codes that count, for tests that take a guard away; None: all of them."""

    def __init__(self, world: "World", *, only: Container[str] | None = None) -> None:
        self.world, self.only = world, only
        self.found: list[Violation] = []
        self.rows = 0
        self.standing: dict[int, dict[int, int]] = {}  # triggers per row of each standing batch
        self.edited_at: dict[int, datetime] = {}
        self.request_ids: dict[int, UUID] = {}
        self.furthest: Counter[int] = Counter()
        self.newest: dict[int, datetime] = {}
        self.transaction_depth = transaction_depth()

    def require(self, holds: bool, code: str, what: str) -> None:
        if not holds and (self.only is None or code in self.only):
            self.found.append(Violation(code, what))

    def deliver(self) -> None:
        if self.found:
            raise self.found[0]

    # --- what the judge is told ---

    def note_standstill(self, batch_id: int) -> None:
        """A pause or withdrawal has committed: from here on no intent of this batch may."""
        counts = CallRow.objects.filter(batch=batch_id).values_list("pk", "trigger_count")
        self.standing[batch_id] = dict(counts)

    def note_edit(self, office_id: int) -> None:
        self.edited_at[office_id] = self.world.clock()

    # --- at a request ---

    def on_request(self, endpoint: str) -> None:
        self.require(
            transaction_depth() == self.transaction_depth,
            "R58", f"the network was asked ({endpoint}) inside a transaction",
        )  # fmt: skip

    def on_upsert(self, name: str) -> None:
        """One in flight per office, unless the other one's claim has run out: its process froze."""
        since = self.world.standin.in_flight.get(name)
        self.require(
            since is None or self.world.true - since >= CLAIM_HOLDS,
            "I12", "two upserts of one office in flight",
        )  # fmt: skip

    def on_trigger(self, post: Post) -> None:
        """What the database says at the moment a trigger arrives upstream."""
        row = (
            CallRow.objects.select_related("batch", "entity")
            .filter(request_id=post.request_id)
            .first()
        )
        if row is None:
            self.require(False, "I4", "a request was triggered that no row owns")
            return
        self.require(row.phase == Phase.TRIGGERING, "I3", f"triggered in {row.phase}")
        if row.trigger_sent_at is None:
            self.require(False, "I3", "triggered without an intent")
            return
        self.check_second_trigger(post)
        self.check_gate(row, row.trigger_sent_at)
        self.check_upstream(row.trigger_sent_at)

    def check_second_trigger(self, post: Post) -> None:
        """Between two triggers of one request lie two looks, unless the first was refused for certain."""
        standin = self.world.standin
        posts = [each for each in standin.posts if each.request_id == post.request_id]
        if len(posts) < 2 or posts[-2].fault in CERTAINLY_NOT:
            return
        since = posts[-2].at + CONFIRM_WAIT
        looks = [at for at, asked in standin.looks if asked == post.request_id and at >= since]
        self.require(
            len(looks) >= 2 and looks[-1] - looks[0] >= BETWEEN_LOOKS,
            "I5", "triggered again without two looks after the wait",
        )  # fmt: skip

    def check_gate(self, row: CallRow, intent: datetime) -> None:
        office = row.entity
        blocked = BlockedPhone.objects.filter(
            phone=row.outbound_phone_number, blocked_at__lt=intent
        )
        self.require(not blocked.exists(), "R86", "a phone was called that asked not to be")
        self.require(row.appointment_at <= intent, "R53", "called before the appointment")
        if self.edited_at.get(office.pk, intent) >= intent and office.pk in self.edited_at:
            return
        refused = office.can_call is False and (office.synced_at or intent) < intent
        self.require(not refused, "R15", "an office was called that may not be")
        if self.world.rules.respect_calling_hours and not row.batch.ignore_calling_hours:
            self.require(is_open(office, intent), "R63", "called outside the office's hours")

    def check_upstream(self, intent: datetime) -> None:
        known = Upstream.load()
        stopped = known.stop_reason and known.stopped_at and known.stopped_at < intent
        self.require(not stopped, "R4", f"triggered after the stop ({known.stop_reason})")
        opened = known.failures >= BREAKER_OPENS_AT and (known.last_failure_at or intent) < intent
        self.require(not opened, "R5", "triggered while the breaker was open")

    # --- after each turn ---

    def check_now(self) -> Snapshot:
        """Raises what was found, here or since the last time."""
        seen = self.look()
        self.deliver()
        return seen

    def look(self) -> Snapshot:
        seen = Snapshot.now()
        rows = seen.rows
        self.require(len(rows) == self.rows, "I8", "a row was lost")
        for row in rows:
            self.check_row(row)
        self.check_calls({row.request_id: row for row in rows if row.request_id})
        return seen

    def check_row(self, row: RowNow) -> None:
        known = self.request_ids.setdefault(row.pk, row.request_id) if row.request_id else None
        self.require(
            self.request_ids.get(row.pk) in (None, row.request_id) and known == row.request_id,
            "I2", "a request id was overwritten",
        )  # fmt: skip
        reached = PAST_CALLING.get(Phase(row.phase), 0)
        self.require(
            reached >= self.furthest[row.pk] and (self.furthest[row.pk] < 3 or reached == 3),
            "I6", f"a row went back to {row.phase}",
        )  # fmt: skip
        self.furthest[row.pk] = max(reached, self.furthest[row.pk])
        self.check_newest(row)
        if row.batch__state != BatchState.RUNNING and row.batch_id in self.standing:
            then = self.standing[row.batch_id].get(row.pk, 0)
            self.require(row.trigger_count <= then, "I11", "an intent committed after the pause")

    def check_newest(self, row: RowNow) -> None:
        newest = self.newest.get(row.pk)
        if row.upstream_updated_at is None:
            return
        self.require(
            newest is None or row.upstream_updated_at >= newest, "R81", "an older answer was kept"
        )
        self.newest[row.pk] = row.upstream_updated_at

    def check_calls(self, rows: dict[UUID | None, RowNow]) -> None:
        standin = self.world.standin
        started = [request for request in standin.requests.values() if request.starts]
        calls: Counter[str] = Counter()
        phones: Counter[str] = Counter()
        for request in started:
            calls[request.reference] += len(request.starts)
            phones[request.phone] += standin.is_live(request)
            row = rows.get(request.id)
            if row is None or row.external_reference_id != request.reference:
                self.require(False, "I4", "a call was started that its row does not know")
                continue
            self.require(
                row.phase in (*POLLED, *FINAL, Phase.TRIGGERING) or row.ask_first,
                "I10", f"a started call sits in {row.phase}",
            )  # fmt: skip
        for reference, count in calls.items():
            self.require(count == 1, "I1", f"{reference} was called {count} times")
        self.require(max(phones.values(), default=0) <= 1, "I13", "two live calls to one phone")

    # --- at the end ---

    def check_end(self) -> None:
        rows = CallRow.objects.select_related("batch").annotate(behind=phone_waits_for_a_person())
        for row in rows.order_by("pk"):
            self.check_ended(row)
        for request in self.world.standin.requests.values():
            if request.starts:
                self.check_recorded(request)
        self.check_orphans()
        for office in Entity.objects.filter(hold_reason="").exclude(entity_id=None):
            self.check_office(office)
        self.deliver()

    def check_ended(self, row: Any) -> None:
        self.require(
            row.phase in SETTLED
            or row.hold_reason != ""
            or (row.behind and row.phase in CLAIMABLE),
            "I9", f"{row.phase} of a {row.batch.state} batch never ended ({row.last_error})",
        )  # fmt: skip
        if row.phase in FINAL:
            self.require(
                row.settled_at is not None and row.last_workflow_status in TERMINAL,
                "I7", "final without status and time",
            )  # fmt: skip
        if row.phase == Phase.COMPLETED:
            said = CallEvent.objects.filter(row=row, detail="without_outcome").exists()
            kept = Outcome.objects.filter(row=row).exists()
            self.require(said or kept, "I7", "completed, and nothing says with which outcome")

    def check_recorded(self, request: Request) -> None:
        """Whatever rang has ended, and its row says how."""
        row = CallRow.objects.filter(request_id=request.id).first()
        if row is None:
            self.require(False, "I4", "a call was started that no row knows")
            return
        word = self.world.standin.word(request, self.world.true)
        self.require(
            row.phase in FINAL or word not in TERMINAL or row.hold_reason != "",
            "I10", f"the call ended {word}, the row is {row.phase}",
        )  # fmt: skip
        if row.phase == Phase.COMPLETED and request.story != "no_outcome":
            kept = Outcome.objects.filter(row=row).exists()
            self.require(kept, "I7", "completed, but its outcome was not kept")

    def check_orphans(self) -> None:
        """Requests that no row owns are at most as many as the rows say (R30)."""
        owned = set(CallRow.objects.exclude(request_id=None).values_list("request_id", flat=True))
        orphans = Counter(
            request.reference
            for request in self.world.standin.requests.values()
            if request.id not in owned
        )
        for row in CallRow.objects.filter(external_reference_id__in=orphans):
            count = orphans[row.external_reference_id]
            self.require(
                count <= row.possible_orphans,
                "R30", f"{count} orphans, {row.possible_orphans} counted",
            )  # fmt: skip

    def check_office(self, office: Entity) -> None:
        """Evergrove has the newest state of every office that is not held (R14)."""
        sent = self.world.standin.entities.get(office.upstream_name)
        self.require(
            sent is not None and sent[0] == office.entity_id and sent[1] == body_of(office),
            "I12", "Evergrove has an older state of an office",
        )  # fmt: skip


def transaction_depth() -> int:
    return len(connection.savepoint_ids) + connection.in_atomic_block


def is_open(office: Entity, at: datetime) -> bool:
    """The judge's own reading of a policy (R63): minutes of the office's day."""
    local = at.astimezone(ZoneInfo(office.timezone))
    if local.date().isoformat() in office.closed_dates:
        return False
    day = office.working_hours[local.strftime("%A").lower()]
    now = local.strftime("%H:%M")
    return any(span["start"] <= now < span["end"] for span in day.get("windows", ()))
