"""What we are told, read leniently (R9).

Unknown fields are ignored, unknown enumeration values stay plain text, and an odd optional value
reads as absent instead of losing the rest. Moments are aware UTC; a naive one is read as UTC.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import Annotated, Any
from uuid import UUID

from pydantic import (
    BeforeValidator,
    ConfigDict,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
    model_validator,
)

from calls.evergrove.bodies import Shape, WorkingHoursPolicy
from calls.vocabulary import TERMINAL_STATUSES


class Answer(Shape):
    """What we are told: unknown fields ignored, odd optional values absent."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)


def _storable(value: Any) -> Any:
    """The value without what a database refuses in text: NUL and lone surrogates."""
    if isinstance(value, str):
        return value.replace("\x00", "").encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_storable(item) for item in value]
    if isinstance(value, dict):
        return {_storable(key): _storable(item) for key, item in value.items()}
    return value


def read_json(body: bytes) -> Any:
    """JSON fit to be stored (`NaN` and its kin read as null). Raises ValueError."""
    try:
        return _storable(json.loads(body, parse_constant=lambda _: None))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _or_none(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    try:
        return handler(value)
    except ValidationError:
        return None


def _moment(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        if not isinstance(moment, datetime):
            return None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _day(value: object) -> object:
    """A date, or the date part of an ISO text. Never a number: pydantic reads it as seconds."""
    if isinstance(value, str):
        return date.fromisoformat(re.split("[T ]", value.strip())[0])
    return value if isinstance(value, date) else None


def _clock_time(value: object) -> time | None:
    """`11:00`, `11:00:00` or `11:00 AM`; an offset makes it another place's time: absent."""
    if isinstance(value, time):
        return value
    if not isinstance(value, str):
        return None
    for read in (time.fromisoformat, lambda text: datetime.strptime(text, "%I:%M %p").time()):  # noqa: DTZ007
        try:
            found = read(value.strip())
        except ValueError:
            continue
        return None if found.tzinfo else found
    return None


def _readable(model: type[Answer], items: object) -> object:
    """The items of a list that can be read as `model`; a value that is no list is left alone."""
    if not isinstance(items, list | tuple):
        return items
    return tuple(found for item in items if (found := _read(model, item)) is not None)


def _read(model: type[Answer], item: object) -> Answer | None:
    try:
        return model.model_validate(item)
    except ValidationError:
        return None


_MaybeText = Annotated[str | None, WrapValidator(_or_none)]
_MaybeBool = Annotated[bool | None, WrapValidator(_or_none)]
_MaybeInt = Annotated[int | None, WrapValidator(_or_none)]
_MaybeID = Annotated[UUID | None, WrapValidator(_or_none)]
_MaybeObject = Annotated[dict[str, Any] | None, WrapValidator(_or_none)]
_Day = Annotated[date, BeforeValidator(_day)]
_MaybeClockTime = Annotated[time | None, BeforeValidator(_clock_time)]
_MaybeMoment = Annotated[datetime | None, BeforeValidator(_moment)]


class SchedulerEntity(Answer):
    """The office as Evergrove holds it. `working_hours` is None when upstream's hours cannot be
    read as a policy; `working_hours_policy` keeps them as they came."""

    id: UUID
    tenant_id: str
    can_call: bool
    name: _MaybeText = None
    location_name: _MaybeText = None
    location_timezone: _MaybeText = None
    ivr_answer_key_guide: _MaybeText = None
    working_hours_policy: _MaybeObject = None
    working_hours_source: _MaybeText = None
    working_hours_updated_at: _MaybeMoment = None
    created_at: _MaybeMoment = None

    @property
    def working_hours(self) -> WorkingHoursPolicy | None:
        try:
            return WorkingHoursPolicy.model_validate(self.working_hours_policy)
        except ValidationError:
            return None


class AppointmentSlot(Answer):
    """Office-local; the time may not have been said."""

    date: _Day
    time: _MaybeClockTime = None


_MaybeSlot = Annotated[AppointmentSlot | None, WrapValidator(_or_none)]


class GeneratedOutcomes(Answer):
    """What the agent reports (R95). Enumerations are text: compare with `Attendance`,
    `Contact` and `Confirmation`, and expect values that are in none of them."""

    called: _MaybeBool = None
    time_of_call: _MaybeMoment = None
    voicemail_left: _MaybeBool = None
    person_spoke_with: _MaybeText = None
    positive_or_negative_contact: _MaybeText = None
    original_appointment: _MaybeSlot = None
    rescheduled_appointment: _MaybeSlot = None
    additional_dates_of_service: tuple[AppointmentSlot, ...] = ()
    appointment_attendance_status: _MaybeText = None
    reason_why: _MaybeText = None
    bill_sending_confirmation: _MaybeText = None
    report_sending_confirmation: _MaybeText = None

    @field_validator("additional_dates_of_service", mode="before")
    @classmethod
    def _keep_readable_dates(cls, value: object) -> object:
        return _readable(AppointmentSlot, value if isinstance(value, list | tuple) else ())


_MaybeOutcomes = Annotated[GeneratedOutcomes | None, WrapValidator(_or_none)]


class ScheduledRequest(Answer):
    """One queued call; `id` is the request id to keep and to trigger."""

    id: UUID
    external_reference_id: _MaybeText = None
    entity_id: _MaybeID = None
    call_input_id: _MaybeID = None
    tenant_id: _MaybeText = None
    workflow_status: _MaybeText = None
    best_to_callback_after: _MaybeMoment = None
    generated_outcomes: _MaybeObject = None
    created_at: _MaybeMoment = None
    updated_at: _MaybeMoment = None


class ScheduleAnswer(Answer):
    """The requests that can be read (R28); a row whose request cannot is simply missing (R29)."""

    scheduled_requests: tuple[ScheduledRequest, ...]

    @field_validator("scheduled_requests", mode="before")
    @classmethod
    def _keep_readable_requests(cls, value: object) -> object:
        return _readable(ScheduledRequest, value)


class TriggerAnswer(Answer):
    """Read so that doubt is kept: anything under `errors` counts as an error.

    The texts of `errors` and `message` are Evergrove's own and may name a patient: never log them.
    """

    triggered: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    workflow_id: _MaybeText = None
    latency_mode: _MaybeText = None
    message: _MaybeText = None

    @field_validator("triggered", "errors", mode="before")
    @classmethod
    def _as_texts(cls, value: object) -> tuple[str, ...]:
        if not value:
            return ()
        items = value if isinstance(value, list | tuple) else (value,)
        return tuple(str(item) for item in items)

    def accepted(self, request_id: UUID) -> bool:
        """R60, for an answer that came with a 2xx."""
        return not self.errors and str(request_id) in {item.lower() for item in self.triggered}


class CallAttempt(Answer):
    """One dial (R97). Every field may be absent: an attempt that cannot be read still counts as
    one when a retry is weighed (R70)."""

    id: _MaybeID = None
    scheduled_request_id: _MaybeID = None
    tenant_id: _MaybeText = None
    attempt_number: _MaybeInt = None
    status: _MaybeText = None
    disposition: _MaybeText = None
    error_detail: _MaybeText = None
    room_name: _MaybeText = None
    workflow_id: _MaybeText = None
    call_reference_time_utc: _MaybeMoment = None
    transcript_bucket: _MaybeText = None
    transcript_object_key: _MaybeText = None
    recording_id: _MaybeText = None
    generated_outcomes: _MaybeObject = None
    agent_behavior_evaluation: _MaybeObject = None
    created_at: _MaybeMoment = None
    updated_at: _MaybeMoment = None

    @model_validator(mode="before")
    @classmethod
    def _count_the_unreadable(cls, value: object) -> object:
        return value if isinstance(value, Mapping | cls) else {}


class RequestStatus(Answer):
    """Where one request stands. `call_attempts` is None when the answer did not carry them, which
    is not the same as none having been made. Outcomes come parsed and as they were sent."""

    id: UUID
    workflow_status: str
    best_to_callback_after: _MaybeMoment = None
    generated_outcomes: _MaybeOutcomes = None
    generated_outcomes_raw: _MaybeObject = None
    call_attempts: tuple[CallAttempt, ...] | None = None
    created_at: _MaybeMoment = None
    updated_at: _MaybeMoment = None

    @model_validator(mode="before")
    @classmethod
    def _keep_outcomes_as_sent(cls, value: object) -> object:
        if not isinstance(value, dict) or "generated_outcomes_raw" in value:
            return value
        return {**value, "generated_outcomes_raw": value.get("generated_outcomes")}

    @property
    def is_terminal(self) -> bool:
        return self.workflow_status in TERMINAL_STATUSES
