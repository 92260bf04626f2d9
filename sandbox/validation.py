"""The bodies of the four endpoints, as strictly as the documents describe them.

Deliberately apart from the product's own rules, so that one misreading cannot hide in both. A field
that is not documented is refused everywhere, although the documents say so of working hours only:
what the product sends by mistake has to be seen.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox import fields
from sandbox.answers import Answer, Refusal
from sandbox.fields import Check, Wrong

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
NO_CLAIM = "Not Available"

Path = tuple[str | int, ...]
Reader = Callable[[Any, Path, "Problems"], Any]


@dataclass(frozen=True)
class EntityInput:
    name: str
    location_name: str | None
    location_timezone: str
    working_hours_policy: dict[str, Any]
    ivr_answer_key_guide: str | None


@dataclass(frozen=True)
class CallInput:
    """What is kept of a call: nothing of the patient, as no story needs it."""

    entity_id: str
    external_reference_id: str | None
    outbound_phone_number: str
    organization_name: str
    expected_appointment_date_time: str


@dataclass(frozen=True)
class TriggerInput:
    request_id: str
    latency_mode: str


@dataclass
class Problems:
    """Every fault of a body, in the form `{"type", "loc", "msg", "input"}` that echoes the value."""

    found: list[dict[str, Any]] = field(default_factory=list)

    def add(self, at: Path, kind: str, message: str, value: Any) -> None:
        self.found.append({"type": kind, "loc": list(at), "msg": message, "input": value})

    def refuse(self) -> None:
        """Raises Refusal (422) when anything was found."""
        if self.found:
            raise Refusal(Answer.of({"detail": self.found}, 422))


@dataclass(frozen=True)
class Field:
    read: Reader
    required: bool = True
    default: Any = None


def entity(body: Any) -> EntityInput:
    problems = Problems()
    values = _read_object(body, ENTITY, ("body",), problems)
    problems.refuse()
    return EntityInput(**values)


def calls(
    body: Any, *, organizations: frozenset[str], entities: Mapping[str, Any]
) -> list[CallInput]:
    """`organizations`: those enabled for the tenant. `entities`: the known ones by id."""
    problems = Problems()
    found = _read_object(body, SCHEDULE, ("body",), problems).get("calls") or []
    for number, call in enumerate(found):
        _check_known(call, ("body", "calls", number), problems, organizations, entities)
    _check_all_or_none(found, problems)
    problems.refuse()
    return [_kept(call) for call in found]


def trigger(body: Any) -> TriggerInput:
    problems = Problems()
    values = _read_object(body, TRIGGER, ("body",), problems)
    problems.refuse()
    return TriggerInput(values["scheduled_request_ids"][0], values["latency_mode"])


def request_id(value: str) -> str:
    problems = Problems()
    read = _value(fields.uuid)(value, ("path", "requestId"), problems)
    problems.refuse()
    return str(read)


def include_call_attempts(value: str | None) -> bool:
    problems = Problems()
    at: Path = ("query", "include_call_attempts")
    read = value is not None and _value(fields.query_boolean)(value, at, problems)
    problems.refuse()
    return bool(read)


def _read_object(
    value: Any, shape: Mapping[str, Field], at: Path, problems: Problems
) -> dict[str, Any]:
    """The values of an object's fields; a faulty or missing one reads as its default."""
    if not isinstance(value, dict):
        problems.add(at, "model_type", "Input should be a valid object", value)
        return {}
    for name in value.keys() - shape.keys():
        problems.add((*at, name), "extra_forbidden", "Extra inputs are not permitted", value[name])
    return {name: _read_field(value, name, field, at, problems) for name, field in shape.items()}


def _read_field(
    value: dict[str, Any], name: str, field: Field, at: Path, problems: Problems
) -> Any:
    if name in value:
        return field.read(value[name], (*at, name), problems)
    if field.required:
        problems.add((*at, name), "missing", "Field required", value)
    return field.default


def _value(check: Check) -> Reader:
    def read(value: Any, at: Path, problems: Problems) -> Any:
        try:
            return check(value)
        except Wrong as wrong:
            problems.add(at, wrong.kind, wrong.message, value)
            return None

    return read


def _list(item: Reader, *, least: int, most: int | None = None) -> Reader:
    def read(value: Any, at: Path, problems: Problems) -> list[Any]:
        if not isinstance(value, list):
            problems.add(at, "list_type", "Input should be a valid list", value)
            return []
        if len(value) < least or (most is not None and len(value) > most):
            problems.add(at, "list_length", f"List should have {most or 'at least 1'} item", value)
        return [item(one, (*at, number), problems) for number, one in enumerate(value)]

    return read


def _object(shape: Mapping[str, Field]) -> Reader:
    return lambda value, at, problems: _read_object(value, shape, at, problems)


def _policy(value: Any, at: Path, problems: Problems) -> Any:
    """The policy as it was sent, its days checked."""
    _read_object(value, POLICY, at, problems)
    return value


def _day(value: Any, at: Path, problems: Problems) -> None:
    before = len(problems.found)
    day = _read_object(value, DAY, at, problems)
    if len(problems.found) == before:
        _check_day(day, value, at, problems)


def _check_day(day: dict[str, Any], value: Any, at: Path, problems: Problems) -> None:
    default, windows = day["default_call_time"], day["windows"]
    if not windows and default is not None:
        problems.add(at, "value_error", "A closed day must not set default_call_time", value)
    if any(window["start"] >= window["end"] for window in windows):
        problems.add(at, "value_error", "A window must start before it ends", value)
    elif windows and default is None:
        problems.add(at, "value_error", "A day with windows must set default_call_time", value)
    elif windows and not any(w["start"] <= default < w["end"] for w in windows):
        problems.add(at, "value_error", "default_call_time must fall inside a window", value)


def _check_known(
    call: dict[str, Any],
    at: Path,
    problems: Problems,
    organizations: frozenset[str],
    entities: Mapping[str, Any],
) -> None:
    organization = (call.get("details") or {}).get("organization_name")
    if organization is not None and organization not in organizations:
        where = (*at, "details", "organization_name")
        problems.add(where, "value_error", "Organization is not enabled for tenant", organization)
    if call.get("entity_id") is not None and call["entity_id"] not in entities:
        where = (*at, "entity_id")
        problems.add(where, "value_error", "Unknown scheduler entity", call["entity_id"])


def _check_all_or_none(found: Sequence[dict[str, Any]], problems: Problems) -> None:
    references = [call.get("external_reference_id") for call in found]
    if None in references and any(references):
        message = "external_reference_id must be set on every call or on none"
        problems.add(("body", "calls"), "value_error", message, references)


def _kept(call: dict[str, Any]) -> CallInput:
    return CallInput(
        entity_id=call["entity_id"],
        external_reference_id=call["external_reference_id"],
        outbound_phone_number=call["outbound_phone_number"],
        organization_name=call["details"]["organization_name"],
        expected_appointment_date_time=call["details"]["expected_appointment_date_time"],
    )


def _claim_number(value: Any) -> str:
    return fields.string(value).strip() or NO_CLAIM


_TEXT = Field(_value(fields.text))
_TEXT_OR_NULL = Field(_value(fields.nullable(fields.string)), required=False)
_DATE = Field(_value(fields.iso_date))
_TIME = Field(_value(fields.clock_time))

WINDOW = {"start": _TIME, "end": _TIME}
DAY = {
    "default_call_time": Field(_value(fields.nullable(fields.clock_time)), required=False),
    "windows": Field(_list(_object(WINDOW), least=0), required=False, default=()),
}
POLICY = dict.fromkeys(DAYS, Field(_day, required=False))
ENTITY = {
    "name": _TEXT,
    "location_name": _TEXT_OR_NULL,
    "location_timezone": Field(_value(fields.iana_zone)),
    "working_hours_policy": Field(_policy),
    "ivr_answer_key_guide": _TEXT_OR_NULL,
}
DETAILS = {
    "organization_name": _TEXT,
    "patient_name": _TEXT,
    "patient_ssn": Field(_value(fields.nullable(fields.ssn)), required=False),
    "patient_dob": _DATE,
    "patient_phone_number": Field(_value(fields.nullable(fields.patient_phone)), required=False),
    "date_of_injury": _DATE,
    "expected_appointment_date_time": Field(_value(fields.naive_datetime)),
    "local_timezone": Field(_value(fields.canonical_zone)),
    "service_modality": _TEXT,
    "claim_number": Field(_value(_claim_number), required=False, default=NO_CLAIM),
    "insurer_group_name": _TEXT,
    "body_part": _TEXT,
    "provider_office": _TEXT,
    "provider_office_address": _TEXT,
    "provider_state": Field(_value(fields.nullable(fields.us_state)), required=False),
    "eoc_number": _TEXT,
    "notes": _TEXT_OR_NULL,
}
CALL = {
    "entity_id": Field(_value(fields.uuid)),
    "external_reference_id": Field(_value(fields.text), required=False),
    "outbound_phone_number": Field(_value(fields.outbound_phone)),
    "objective": Field(_value(fields.one_of("CONFIRM_IE_ATTENDANCE", "RESCHEDULE"))),
    "notes": _TEXT_OR_NULL,
    "best_to_make_call_by": Field(_value(fields.nullable(fields.iso_datetime)), required=False),
    "details": Field(_object(DETAILS)),
}
SCHEDULE = {"calls": Field(_list(_object(CALL), least=1))}
TRIGGER = {
    "scheduled_request_ids": Field(_list(_value(fields.uuid), least=1, most=1)),
    "latency_mode": Field(_value(fields.one_of("low", "high")), required=False, default="low"),
}
