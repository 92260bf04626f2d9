"""The stand-in's own pages under /_sandbox/: state, ledger, faults, reset. No part of the API."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from sandbox.answers import Answer, Refusal
from sandbox.faults import fault_options
from sandbox.incoming import Incoming

if TYPE_CHECKING:
    from sandbox.application import Sandbox

PREFIX = "/_sandbox/"
ENTRIES_SHOWN = 100

Page = Callable[["Sandbox", Incoming], Answer]


def answer(sandbox: "Sandbox", incoming: Incoming) -> Answer:
    """The state is open to anybody, as a sign of life; everything else asks for the key."""
    methods = PAGES.get(incoming.path.removeprefix(PREFIX))
    if methods is None:
        raise Refusal.saying(404, "Not Found")
    page = methods.get(incoming.method)
    if page is None:
        raise Refusal.saying(405, "Method Not Allowed", allow=", ".join(methods))
    if page is not _state:
        incoming.require_key(sandbox.api_key)
    return page(sandbox, incoming)


def _state(sandbox: "Sandbox", incoming: Incoming) -> Answer:
    store = sandbox.store
    return Answer.of(
        {
            "sandbox": True,
            "entities": len(store.entities),
            "requests": len(store.requests),
            "faults": len(sandbox.faults.as_json()),
            "pace": sandbox.desk.pace,
        }
    )


def _ledger(sandbox: "Sandbox", incoming: Incoming) -> Answer:
    shown = incoming.query("entries") or ""
    entries = int(shown) if shown.isdecimal() else ENTRIES_SHOWN
    return Answer.of(sandbox.ledger.as_json(entries))


def _faults(sandbox: "Sandbox", incoming: Incoming) -> Answer:
    return Answer.of({"faults": sandbox.faults.as_json()})


def _add_fault(sandbox: "Sandbox", incoming: Incoming) -> Answer:
    try:
        sandbox.faults.add(**fault_options(incoming.json()))
    except ValueError as error:
        raise Refusal.saying(422, str(error)) from None
    return Answer.of({"faults": sandbox.faults.as_json()}, 201)


def _clear_faults(sandbox: "Sandbox", incoming: Incoming) -> Answer:
    sandbox.faults.clear()
    return Answer.of({"faults": []})


def _reset(sandbox: "Sandbox", incoming: Incoming) -> Answer:
    sandbox.reset()
    return Answer.of({"reset": True})


PAGES: Mapping[str, Mapping[str, Page]] = {
    "": {"GET": _state},
    "ledger": {"GET": _ledger},
    "faults": {"GET": _faults, "POST": _add_fault, "DELETE": _clear_faults},
    "reset": {"POST": _reset},
}
