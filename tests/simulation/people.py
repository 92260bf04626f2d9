"""What people do in a seed, well or badly timed: between turns, or just before a transaction of the engine."""

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from calls import actions
from calls.models import Batch, BlockedPhone, CallRow, Entity
from calls.vocabulary import LIVE, BatchState, HoldReason, Phase
from tests.simulation.cast import HOURS, hours
from tests.simulation.standin import Post

if TYPE_CHECKING:
    from tests.simulation.world import World


def act(world: "World") -> None:
    """One person does one thing."""
    deeds = list(DEEDS)
    do(world, world.rng.choices(deeds, [DEEDS[deed] for deed in deeds])[0])


def do(world: "World", deed: "Deed") -> None:
    """What does not fit the present state is refused, and that is well."""
    with suppress(actions.Refused):
        deed(world)


def pause(world: "World") -> None:
    batch = one_of(world, Batch)
    actions.pause_batch(batch=batch, by=None)
    world.judge.note_standstill(batch.pk)


def start(world: "World") -> None:
    batch = one_of(world, Batch)
    actions.start_batch(batch=batch, by=None)
    world.judge.standing.pop(batch.pk, None)


def withdraw_batch(world: "World") -> None:
    batch = one_of(world, Batch)
    actions.withdraw_batch(batch=batch, by=None)
    world.judge.note_standstill(batch.pk)


def withdraw_row(world: "World") -> None:
    actions.withdraw_rows(rows=CallRow.objects.filter(pk=one_of(world, CallRow).pk), by=None)


def release(world: "World") -> None:
    held = CallRow.objects.exclude(hold_reason="").order_by("pk").first()
    if held is not None:
        actions.release_hold(row=held, by=None)


def edit_office(world: "World") -> None:
    office = one_of(world, Entity)
    world.judge.note_edit(office.pk)
    values = {
        "ivr_guide": f"press {world.rng.randrange(1000)}",
        "working_hours": hours(*world.rng.choice(HOURS)),
    }
    actions.save_office(office=office, values=values, by=None)


def ask_about_office(world: "World") -> None:
    actions.ask_about_office(office=one_of(world, Entity), by=None)


def lift_block(world: "World") -> None:
    if (blocked := BlockedPhone.objects.order_by("pk").first()) is not None:
        actions.lift_phone_block(phone=blocked, by=None)


def break_key(world: "World") -> None:
    world.standin.key_works = False


def resume(world: "World") -> None:
    world.standin.key_works = True
    actions.resume_upstream(by=None)


def lose_days(world: "World") -> None:
    """From now on the database is an older copy: of what was triggered since it was taken it knows nothing."""
    standin, taken = (
        world.standin,
        set(CallRow.objects.filter(phase__in=LIVE).values_list("outbound_phone_number", flat=True)),
    )
    taken |= {one.phone for one in standin.requests.values() if standin.is_live(one)}
    for row in CallRow.objects.filter(phase=Phase.SCHEDULED, ask_first=False).order_by("pk"):
        if row.outbound_phone_number in taken or world.rng.random() < 0.5:
            continue
        taken.add(row.outbound_phone_number)
        standin.posts.append(Post(standin.clock(), row.request_id, "lost days"))
        how = world.rng.choice([standin.start, standin.start_late])
        how(row.request_id)
        world.met["triggered in lost days"] += 1
    actions.reconcile(by=None, reason="an older copy")
    for batch in Batch.objects.filter(state=BatchState.PAUSED):
        world.judge.note_standstill(batch.pk)


def set_all_going(world: "World") -> None:
    """The end of a seed: everybody back to work."""
    resume(world)
    for batch in Batch.objects.filter(state="paused"):
        actions.start_batch(batch=batch, by=None)
        world.judge.standing.pop(batch.pk, None)
    for office in Entity.objects.filter(can_call=False) | Entity.objects.exclude(hold_reason=""):
        actions.ask_about_office(office=office, by=None)
    for row in CallRow.objects.filter(hold_reason=HoldReason.ORGANIZATION_DISABLED):
        actions.release_hold(row=row, by=None)


def one_of(world: "World", model: Any) -> Any:
    rows = list(model.objects.order_by("pk"))
    return world.rng.choice(rows)


Deed = Callable[["World"], None]
DEEDS: dict[Deed, int] = {
    pause: 4,
    start: 5,
    withdraw_batch: 1,
    withdraw_row: 1,
    release: 4,
    edit_office: 3,
    ask_about_office: 1,
    lift_block: 1,
    break_key: 1,
}
