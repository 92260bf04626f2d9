"""Every documented shape of the Evergrove API: what is sent, what is answered."""

from calls.evergrove.answers import (
    AppointmentSlot,
    CallAttempt,
    GeneratedOutcomes,
    RequestStatus,
    ScheduleAnswer,
    ScheduledRequest,
    SchedulerEntity,
    TriggerAnswer,
)
from calls.evergrove.bodies import (
    DAYS,
    DEFAULT_WORKING_HOURS,
    CallDetails,
    CallInput,
    EntityBody,
    ScheduleBody,
    TriggerBody,
    WorkingHoursDay,
    WorkingHoursPolicy,
    WorkingHoursWindow,
)

__all__ = [
    "DAYS",
    "DEFAULT_WORKING_HOURS",
    "AppointmentSlot",
    "CallAttempt",
    "CallDetails",
    "CallInput",
    "EntityBody",
    "GeneratedOutcomes",
    "RequestStatus",
    "ScheduleAnswer",
    "ScheduleBody",
    "ScheduledRequest",
    "SchedulerEntity",
    "TriggerAnswer",
    "TriggerBody",
    "WorkingHoursDay",
    "WorkingHoursPolicy",
    "WorkingHoursWindow",
]
