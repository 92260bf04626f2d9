"""The words of the domain (spec, Vocabulary), each enumeration with its groups beside it.

Pure: models, engine and pages all take their statuses from here and nowhere else.
"""

from django.db.models import TextChoices


class Phase(TextChoices):
    """Where a call row stands in our engine; `RequestStatus` is derived from it."""

    READY = "ready", "Ready"
    SCHEDULING = "scheduling", "Being queued"
    SCHEDULED = "scheduled", "Queued"
    TRIGGERING = "triggering", "Being started"
    CONFIRMING = "confirming", "Checking whether it started"
    CALLING = "calling", "Calling"
    AWAITING_OUTCOME = "awaiting_outcome", "Waiting for the outcome"
    COMPLETED = "completed", "Completed"
    FAILED = "failed", "Failed"
    WITHDRAWN = "withdrawn", "Withdrawn"


FINAL = (Phase.COMPLETED, Phase.FAILED)
SETTLED = (*FINAL, Phase.WITHDRAWN)  # nothing more will happen by itself
OPEN = tuple(phase for phase in Phase if phase not in SETTLED)
UNTRIGGERED = (Phase.READY, Phase.SCHEDULING, Phase.SCHEDULED)
WITHDRAWABLE = (Phase.READY, Phase.SCHEDULED)
LIVE = (Phase.TRIGGERING, Phase.CONFIRMING, Phase.CALLING)  # a phone may be ringing
POLLED = (Phase.CONFIRMING, Phase.CALLING, Phase.AWAITING_OUTCOME)
TRIGGERED = (*LIVE, Phase.AWAITING_OUTCOME, *FINAL)


class RequestStatus(TextChoices):
    """The five documented local words."""

    NOT_SCHEDULED = "not_scheduled", "Not started"
    QUEUED = "queued", "Queued"
    CALLING = "calling", "Calling"
    COMPLETED = "completed", "Completed"
    FAILED = "failed", "Failed"


class HoldReason(TextChoices):
    """Why a row waits for a person; empty means it is not held."""

    POSSIBLE_DUPLICATE = (
        "possible_duplicate",
        "The same case is already here under another reference",
    )
    OFFICE_NOT_CALLABLE = "office_not_callable", "Evergrove says this office may not be called"
    OFFICE_REFUSED = "office_refused", "Evergrove refused this office"
    ORGANIZATION_DISABLED = "organization_disabled", "Evergrove has not enabled this organization"
    SCHEDULE_REFUSED = "schedule_refused", "Evergrove refused this row"
    SCHEDULE_UNANSWERED = "schedule_unanswered", "Evergrove queued the others but not this row"
    TRIGGER_REFUSED = "trigger_refused", "Evergrove refused to start this call"
    TRIGGER_UNCONFIRMED = "trigger_unconfirmed", "It is not certain whether this call was started"
    REQUEST_NOT_FOUND = "request_not_found", "Evergrove does not know this request any more"
    DO_NOT_CALL = "do_not_call", "This office asked not to be called"
    CRASHED_WORKER = "crashed_worker", "This row stopped the worker three times"


# What a row itself was held for, as opposed to its office, its organization or its phone. Many of these in
# a row mean that something is wrong with all of them.
ROW_FAULTS = (
    HoldReason.SCHEDULE_REFUSED,
    HoldReason.SCHEDULE_UNANSWERED,
    HoldReason.TRIGGER_REFUSED,
    HoldReason.TRIGGER_UNCONFIRMED,
    HoldReason.REQUEST_NOT_FOUND,
    HoldReason.CRASHED_WORKER,
)


# A row that was asked about without a result: a person decides.
GIVEN_UP = (HoldReason.REQUEST_NOT_FOUND, HoldReason.TRIGGER_UNCONFIRMED)


class WaitReason(TextChoices):
    """Why a queued row has not been started yet, as found at the last look at its gate (R63)."""

    HOURS = "hours", "Waiting for opening hours"
    HOLIDAY = "holiday", "Office closed today"
    APPOINTMENT = "appointment", "Waiting for the appointment to pass"
    PHONE_BUSY = "phone_busy", "Another call to this phone is not over yet"
    BACKOFF = "backoff", "Trying again shortly"
    ASK_FIRST = "ask_first", "Evergrove is asked first whether it was started"


class BatchState(TextChoices):
    MATCHING = "matching", "Columns to match"  # a person says what its columns mean
    LOADING = (
        "loading",
        "Loading",
    )  # its lines are being stored; left so by an upload that broke off
    DRAFT = "draft", "Draft"
    RUNNING = "running", "Running"
    PAUSED = "paused", "Paused"
    FINISHED = "finished", "Finished"
    CANCELLED = "cancelled", "Cancelled"


class PauseReason(TextChoices):
    """Why a batch waits for a person who did not pause it; empty means that a person did."""

    TOO_MANY_HELD = "too_many_held", "Too many of its last calls were held"
    MAY_BE_CALLED = "may_be_called", "Its calls may have been made since this copy was taken"


class StopReason(TextChoices):
    """A fault of the key or the configuration: everything stands still until a person acts (R4, R8)."""

    KEY_REFUSED = "key_refused", "Evergrove refused the API key"
    TENANT_CHANGED = "tenant_changed", "This API key belongs to another tenant"
    REDIRECTED = "redirected", "The API address answers with a redirect"
    ANOTHER_INSTANCE = "another_instance", "This database belongs to another installation"


class EventKind(TextChoices):
    UPLOADED = "uploaded", "Uploaded"
    UPDATED = "updated", "Updated by a later upload"
    CORRECTED = "corrected", "Corrected"
    MOVED = "moved", "Moved on"
    HELD = "held", "Held"
    RELEASED = "released", "Released"
    WITHDRAWN = "withdrawn", "Withdrawn"
    WAITING = "waiting", "Waiting"
    UPSTREAM = "upstream", "Evergrove reported"
    OUTCOME = "outcome", "Outcome received"
    ATTEMPTS_READ = "attempts_read", "Attempts read"
    REVEALED = "revealed", "Patient details revealed"
    EXPORTED = "exported", "Exported"
    STARTED = "started", "Batch started"
    PAUSED = "paused", "Batch paused"
    FINISHED = "finished", "Batch finished"
    OFFICE_SAVED = "office_saved", "Office saved"
    OFFICE_SENT = "office_sent", "Office sent to Evergrove"
    ANOMALY = "anomaly", "Unexpected answer"
    ADOPTED = "adopted", "Database taken over"
    RECONCILED = "reconciled", "Asking about every open request"


class WorkflowStatus(TextChoices):
    """Evergrove's word; an answer may bring others, which are stored and shown as they came (R87)."""

    ENQUEUED = "ENQUEUED", "Enqueued"
    ACTIVE = "ACTIVE", "Active"
    COMPLETE = "COMPLETE", "Complete"
    ERROR = "ERROR", "Error"
    CANCELLED = "CANCELLED", "Stopped"
    DO_NOT_CALL_BACK = "DO_NOT_CALL_BACK", "Do not call"


TERMINAL_STATUSES = (
    WorkflowStatus.COMPLETE,
    WorkflowStatus.ERROR,
    WorkflowStatus.CANCELLED,
    WorkflowStatus.DO_NOT_CALL_BACK,
)


class Objective(TextChoices):
    CONFIRM_IE_ATTENDANCE = "CONFIRM_IE_ATTENDANCE", "Confirm attendance"
    RESCHEDULE = "RESCHEDULE", "Reschedule"


class LatencyMode(TextChoices):
    LOW = "low", "Conversation (low latency)"
    HIGH = "high", "High latency"


class Attendance(TextChoices):
    ATTENDED = "attended", "Attended"
    NO_SHOW = "no_show", "No-show"
    NO_SHOW_RESCHEDULED = "no_show_rescheduled", "No-show, rebooked"
    CANCELED = "canceled", "Canceled"
    CANCELED_RESCHEDULED = "canceled_rescheduled", "Canceled, rebooked"
    UNABLE_TO_CONFIRM = "unable_to_confirm", "Unable to confirm"
    UNKNOWN = "unknown", "Unknown"


RESCHEDULED = (Attendance.NO_SHOW_RESCHEDULED, Attendance.CANCELED_RESCHEDULED)


class Contact(TextChoices):
    POSITIVE = "positive", "Positive"
    NEGATIVE = "negative", "Negative"
    UNKNOWN = "unknown", "Unknown"


class Confirmation(TextChoices):
    CONFIRMED = "confirmed", "Confirmed"
    NOT_CONFIRMED = "not_confirmed", "Not confirmed"
    NOT_DISCUSSED = "not_discussed", "Not discussed"
