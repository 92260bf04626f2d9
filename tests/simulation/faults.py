"""What can go wrong with a request to the stand-in, how often, and what the client is then told."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from calls.evergrove.errors import KeyRefused, NotFound, NotSent, Rejected, SlowDown, Unknown
from calls.evergrove.schemas import ScheduleAnswer, TriggerAnswer

if TYPE_CHECKING:
    from tests.simulation.standin import StandIn

# Per endpoint, each fault with its weight.
FAULTS: dict[str, dict[str, int]] = {
    "entities": {
        "refused": 3, "lost_before": 3, "lost_after": 3, "503": 2, "503_applied": 2, "429": 2,
        "slow": 2, "not_callable": 2, "422": 1, "401": 1, "another_tenant": 1,
    },
    "schedule": {
        "refused": 3, "lost_before": 3, "lost_after": 3, "503": 2, "503_applied": 2, "429": 2,
        "slow": 2, "partial": 3, "wrong": 2, "twice": 2, "another_entity": 2, "422": 2,
        "disabled": 1, "401": 1,
    },
    "trigger": {
        "refused": 2, "lost_before": 3, "lost_after": 3, "late": 4, "503_applied": 2, "503": 2,
        "429": 2, "422": 2, "errors": 2, "unreadable": 2, "slow": 2, "401": 1,
    },
    "poll": {
        "refused": 3, "lost_after": 3, "503": 3, "429": 2, "stale": 7, "404": 2, "slow": 2,
        "401": 1,
    },
}  # fmt: skip

# Faults after which it is certain that nothing happened: such a trigger may be sent again at once.
CERTAINLY_NOT = {"refused", "429", "422", "401"}
RETRY_AFTER = (None, 1.0, 30.0)

Effect = Callable[[], Any]


def meet(standin: "StandIn", endpoint: str, fault: str, effect: Effect, about: Any) -> Any:
    """Let `effect` happen or not, and return or raise what the client sees of it."""
    if fault in REFUSALS:
        raise REFUSALS[fault](standin)
    if fault in LOST:
        if LOST[fault]:
            effect()
        raise Unknown(fault, status=503 if fault.startswith("503") else None)
    if endpoint == "schedule":
        effect = partial(shuffled, standin, fault, effect)
    return ODDITIES.get(fault, as_it_is)(standin, effect, about)


def as_it_is(standin: "StandIn", effect: Effect, about: Any) -> Any:
    return effect()


def slowly(standin: "StandIn", effect: Effect, about: Any) -> Any:
    """Between two seconds and a little less than the longest read."""
    answer = effect()
    standin.pass_time(standin.rng.choice([2, 20, 55]))
    return answer


def late(standin: "StandIn", effect: Effect, about: Any) -> Any:
    standin.start_late(about)
    raise Unknown("ReadTimeout")


def with_errors(standin: "StandIn", effect: Effect, about: Any) -> Any:
    if standin.rng.random() < 0.5:
        effect()
    return TriggerAnswer(triggered=(), errors=("something",))


ODDITIES: dict[str, Callable[["StandIn", Effect, Any], Any]] = {
    "slow": slowly,
    "late": late,
    "errors": with_errors,
    "stale": lambda standin, effect, about: standin.stale_status(about),
    "not_callable": lambda standin, effect, about: effect().model_copy(update={"can_call": False}),
    "another_tenant": lambda standin, effect, about: effect().model_copy(
        update={"tenant_id": "another tenant"}
    ),
}


def disabled(standin: "StandIn") -> Rejected:
    error = Rejected("HTTP 422", status=422)
    error.organization_disabled = True
    return error


REFUSALS: dict[str, Callable[["StandIn"], Exception]] = {
    "refused": lambda standin: NotSent("ConnectError"),
    "429": lambda standin: SlowDown(
        "HTTP 429", status=429, retry_after=standin.rng.choice(RETRY_AFTER)
    ),
    "422": lambda standin: Rejected("HTTP 422", status=422),
    "401": lambda standin: KeyRefused("HTTP 401", status=401),
    "404": lambda standin: NotFound("HTTP 404", status=404),
    "disabled": disabled,
}

# Answers that do not come or say nothing, and whether the request was applied all the same.
LOST = {
    "lost_before": False, "503": False, "lost_after": True, "503_applied": True, "unreadable": True,
}  # fmt: skip


def shuffled(standin: "StandIn", fault: str, effect: Effect) -> ScheduleAnswer:
    """Answers that are not what was asked for; the order of a good one says nothing either (R27)."""
    told = list(effect().scheduled_requests)
    match fault:
        case "partial":
            told = told[: standin.rng.randrange(len(told) + 1)]
        case "twice":
            told = [*told, told[0]]
        case "wrong":
            told[0] = told[0].model_copy(update={"external_reference_id": "nobody"})
        case "another_entity":
            told[0] = told[0].model_copy(update={"entity_id": standin.new_id()})
    standin.rng.shuffle(told)
    return ScheduleAnswer(scheduled_requests=tuple(told))
