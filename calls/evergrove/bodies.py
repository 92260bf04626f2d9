"""What we send: strict, and nothing that is not documented.

A `repr` names the class only and a validation error never repeats its input: most of these hold
patient data.
"""

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    field_validator,
    model_serializer,
    model_validator,
)

from calls.vocabulary import LatencyMode, Objective

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class Shape(BaseModel):
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Nothing: a shape printed by accident must not show a patient."""
        return ()

    def __str__(self) -> str:
        return repr(self)


class Body(Shape):
    """What we send: strict types, no field that is not documented."""

    model_config = ConfigDict(strict=True, extra="forbid")

    def wire(self) -> bytes:
        return self.model_dump_json().encode()


def _blank_to_none(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


def _iso_date(value: object) -> object:
    """A date, or its ten characters; anything else is left for the strict check to refuse."""
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value, re.ASCII):
        return date.fromisoformat(value)
    return value


def _exists(value: str) -> str:
    datetime.fromisoformat(value)
    return value


def _utc_z(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


_Omitted = Field(exclude_if=lambda value: value is None)
_Text = Annotated[str, StringConstraints(min_length=1)]
_OptionalText = Annotated[str | None, BeforeValidator(_blank_to_none)]
_Phone = Annotated[str, StringConstraints(pattern=r"^\+1[0-9]{10}$")]
_SSN = Annotated[
    str, StringConstraints(pattern=r"^([0-9]{9}|[0-9]{3}-[0-9]{2}-[0-9]{4}|[0-9]{4})$")
]
_Date = Annotated[date, BeforeValidator(_iso_date)]
_HHMM = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
_LocalMoment = Annotated[  # R46, without offset
    str,
    StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}$"),
    AfterValidator(_exists),
]
_ID = Annotated[UUID, Field(strict=False)]


class WorkingHoursWindow(Body):
    """Office-local `HH:mm`, from `start` up to but not including `end`."""

    start: _HHMM
    end: _HHMM

    @model_validator(mode="after")
    def _runs_forward(self) -> Self:
        if self.start >= self.end:
            raise ValueError("A window must start before it ends, for example 09:00 to 17:00.")
        return self


class WorkingHoursDay(Body):
    """One day (R18): no windows means closed. A closed day is sent as `{}`."""

    default_call_time: _HHMM | None = None
    windows: tuple[WorkingHoursWindow, ...] = Field(default=(), strict=False)

    @model_validator(mode="after")
    def _windows_are_ordered(self) -> Self:
        if any(
            one.end > two.start for one, two in zip(self.windows, self.windows[1:], strict=False)
        ):
            raise ValueError("Windows must be in order and must not overlap.")
        return self

    @model_validator(mode="after")
    def _default_is_inside_a_window(self) -> Self:
        at = self.default_call_time
        if not self.windows and at is not None:
            raise ValueError("A closed day must not have a default call time.")
        if self.windows and not any(w.start <= (at or "") < w.end for w in self.windows):
            raise ValueError("The default call time must lie inside one of the day's windows.")
        return self

    @model_serializer
    def _closed_is_empty(self) -> dict[str, Any]:
        if not self.windows:
            return {}
        windows = [{"start": w.start, "end": w.end} for w in self.windows]
        return {"default_call_time": self.default_call_time, "windows": windows}


_Day = Annotated[
    WorkingHoursDay, BeforeValidator(lambda day: WorkingHoursDay() if day is None else day)
]
_CLOSED = WorkingHoursDay()


class WorkingHoursPolicy(Body):
    """A week of calling windows in office time (R17-R19). A day left out is closed.

    Policies that mean the same are equal, however they were written.
    """

    monday: _Day = _CLOSED
    tuesday: _Day = _CLOSED
    wednesday: _Day = _CLOSED
    thursday: _Day = _CLOSED
    friday: _Day = _CLOSED
    saturday: _Day = _CLOSED
    sunday: _Day = _CLOSED

    @model_validator(mode="after")
    def _opens_some_day(self) -> Self:
        if not any(getattr(self, day).windows for day in DAYS):
            raise ValueError("At least one day must be open.")
        return self


_OFFICE_DAY = WorkingHoursDay(
    default_call_time="09:00", windows=(WorkingHoursWindow(start="09:00", end="17:00"),)
)
DEFAULT_WORKING_HOURS = WorkingHoursPolicy(**dict.fromkeys(DAYS[:5], _OFFICE_DAY))


class EntityBody(Body):
    """The whole current office (R10, R14). A guide that was removed is sent as null, so that it
    is removed upstream too."""

    name: _Text
    location_name: _OptionalText = None
    location_timezone: _Text
    working_hours_policy: WorkingHoursPolicy
    ivr_answer_key_guide: _OptionalText = None


class CallDetails(Body):
    """Patient and claim (R26). `details.notes` does not exist here: upstream drops it (R24)."""

    organization_name: _Text
    patient_name: _Text
    patient_ssn: Annotated[_SSN | None, BeforeValidator(_blank_to_none), _Omitted] = None
    patient_dob: _Date
    patient_phone_number: Annotated[_Phone | None, BeforeValidator(_blank_to_none), _Omitted] = None
    date_of_injury: _Date
    expected_appointment_date_time: _LocalMoment
    local_timezone: _Text
    service_modality: _Text
    claim_number: str = "Not Available"
    insurer_group_name: _Text
    body_part: _Text
    provider_office: _Text
    provider_office_address: _Text
    provider_state: Annotated[_OptionalText, _Omitted] = None
    eoc_number: _Text

    @field_validator("claim_number", mode="before")
    @classmethod
    def _name_the_missing_claim(cls, value: object) -> object:
        return "Not Available" if value is None or _blank_to_none(value) is None else value


class CallInput(Body):
    """One call to queue. The reference is always sent (R21): it alone maps the answer (R27)."""

    entity_id: _ID
    external_reference_id: _Text
    outbound_phone_number: _Phone
    objective: Annotated[Objective, Field(strict=False)] = Objective.CONFIRM_IE_ATTENDANCE
    notes: Annotated[_OptionalText, _Omitted] = None
    best_to_make_call_by: Annotated[
        Annotated[AwareDatetime, PlainSerializer(_utc_z)] | None, _Omitted
    ] = None
    details: CallDetails


class ScheduleBody(Body):
    calls: tuple[CallInput, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _references_are_distinct(self) -> Self:
        if len({call.external_reference_id for call in self.calls}) < len(self.calls):
            raise ValueError("A reference may appear once per POST.")
        return self


class TriggerBody(Body):
    """Exactly one id, and the mode said aloud (R57)."""

    scheduled_request_ids: tuple[UUID]
    latency_mode: Annotated[LatencyMode, Field(strict=False)]
