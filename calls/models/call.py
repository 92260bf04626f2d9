from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db import models
from django.db.models import Case, Q, Value, When
from django.urls import reverse

from calls.models.batch import Batch
from calls.models.encrypted import EncryptedJSONField, EncryptedTextField
from calls.models.entity import Entity
from calls.vocabulary import (
    FINAL,
    LIVE,
    POLLED,
    SETTLED,
    TRIGGERED,
    HoldReason,
    Objective,
    Phase,
    RequestStatus,
    WaitReason,
)

# The documents' NormalizedCallRow, in their order.
NORMALIZED_FIELDS = (
    "external_reference_id",
    "organization_name",
    "patient_name",
    "patient_ssn",
    "patient_dob",
    "patient_phone_number",
    "date_of_injury",
    "expected_appointment_date_time",
    "local_timezone",
    "service_modality",
    "claim_number",
    "insurer_group_name",
    "body_part",
    "provider_office",
    "provider_office_address",
    "provider_state",
    "outbound_phone_number",
    "eoc_number",
    "notes",
)

NOT_HELD = Q(hold_reason="")


def request_status_of_phase() -> Case:
    """The documented word for each phase; computed by the database, so the two cannot disagree."""
    return Case(
        When(
            phase__in=[Phase.AWAITING_OUTCOME, Phase.COMPLETED],
            then=Value(RequestStatus.COMPLETED.value),
        ),
        When(phase=Phase.FAILED, then=Value(RequestStatus.FAILED.value)),
        # Triggered, but upstream still reads ENQUEUED before its first attempt: shown as "starting".
        When(
            phase=Phase.CALLING,
            first_active_at__isnull=False,
            then=Value(RequestStatus.CALLING.value),
        ),
        When(request_id__isnull=False, then=Value(RequestStatus.QUEUED.value)),
        default=Value(RequestStatus.NOT_SCHEDULED.value),
        output_field=models.CharField(max_length=13),
    )


class CallRow(models.Model):
    """One outbound call to be made: one line of the upload, and all that the engine knows of it (R88)."""

    # Without an index of its own: those below begin with it.
    batch = models.ForeignKey(Batch, models.CASCADE, related_name="rows", db_index=False)
    entity = models.ForeignKey(Entity, models.PROTECT, related_name="rows")
    parent = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, related_name="repeats"
    )
    line = models.PositiveIntegerField(default=0)  # the spreadsheet's own row number; 0 = by form

    # The documents' NormalizedCallRow.
    external_reference_id = models.CharField(max_length=255, unique=True)
    organization_name = models.CharField(max_length=255)
    patient_name = models.CharField(max_length=255)
    patient_ssn = EncryptedTextField(null=True, blank=True)
    patient_dob = models.DateField()
    patient_phone_number = models.CharField(max_length=12, null=True, blank=True)
    date_of_injury = models.DateField()
    # Kept as the text that is sent: an office's wall clock, without a zone (R46).
    expected_appointment_date_time = models.CharField(max_length=19)
    local_timezone = models.CharField(max_length=64)
    service_modality = models.CharField(max_length=255)
    claim_number = models.CharField(max_length=255, blank=True)
    insurer_group_name = models.CharField(max_length=255)
    body_part = models.CharField(max_length=255)
    provider_office = models.CharField(max_length=255)
    provider_office_address = models.CharField(max_length=2000)
    provider_state = models.CharField(max_length=2, null=True, blank=True)
    outbound_phone_number = models.CharField(max_length=12)
    eoc_number = models.CharField(max_length=255)
    notes = models.TextField(max_length=2000, null=True, blank=True)

    objective = models.CharField(
        max_length=24, choices=Objective, default=Objective.CONFIRM_IE_ATTENDANCE
    )
    best_to_make_call_by = models.DateTimeField(null=True, blank=True)
    appointment_at = models.DateTimeField()  # the instant of expected_appointment_date_time
    warnings = models.JSONField(default=list, blank=True)  # [{column, code, message}]
    changes = models.JSONField(default=list, blank=True)  # [{column, before, after}], SSN masked
    # What a later upload took it from, until that is called: given back when the upload is discarded.
    replaced = EncryptedJSONField(null=True, blank=True, editable=False)

    # The engine's own.
    phase = models.CharField(max_length=16, choices=Phase, default=Phase.READY)
    request_status = models.GeneratedField(
        expression=request_status_of_phase(),
        output_field=models.CharField(max_length=13, choices=RequestStatus),
        db_persist=True,
    )
    hold_reason = models.CharField(max_length=24, choices=HoldReason, blank=True)
    waiting_for = models.CharField(max_length=12, choices=WaitReason, blank=True)
    request_id = models.UUIDField(null=True, blank=True, unique=True)  # write once
    call_input_id = models.UUIDField(null=True, blank=True)
    last_workflow_status = models.CharField(max_length=64, blank=True)
    best_to_callback_after = models.DateTimeField(null=True, blank=True)
    upstream_updated_at = models.DateTimeField(null=True, blank=True)
    first_active_at = models.DateTimeField(null=True, blank=True)

    trigger_sent_at = models.DateTimeField(
        null=True, blank=True
    )  # when the last intent was committed
    trigger_count = models.PositiveSmallIntegerField(default=0)
    trigger_retries_left = models.PositiveSmallIntegerField(default=1)  # R71
    trigger_workflow_id = models.CharField(max_length=255, blank=True)
    trigger_latency_mode = models.CharField(max_length=16, blank=True)
    trigger_message = models.CharField(max_length=255, blank=True)
    clean_looks = models.PositiveSmallIntegerField(default=0)
    clean_look_updated_at = models.DateTimeField(null=True, blank=True)

    next_at = models.DateTimeField()  # due for its next step
    claimed_by = models.CharField(max_length=32, blank=True)
    claimed_until = models.DateTimeField(null=True, blank=True)
    fence = models.PositiveIntegerField(default=0)
    failures = models.PositiveSmallIntegerField(default=0)  # in a row, of the present step
    crashes = models.PositiveSmallIntegerField(default=0)  # workers that died holding this row
    ask_first = models.BooleanField(default=False)  # it may have been triggered without our knowing
    missed_answers = models.PositiveSmallIntegerField(default=0)  # R29
    possible_orphans = models.PositiveSmallIntegerField(default=0)  # R30
    last_error = models.CharField(max_length=255, blank=True)
    last_polled_at = models.DateTimeField(null=True, blank=True)
    complete_seen_at = models.DateTimeField(null=True, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField()  # last change that a reader can see

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(phase__in=Phase.values), name="phase_is_known"),
            models.CheckConstraint(
                condition=Q(phase__in=SETTLED, settled_at__isnull=False)
                | ~Q(phase__in=SETTLED) & Q(settled_at__isnull=True),
                name="settled_rows_have_a_time",
            ),
            models.CheckConstraint(
                condition=~Q(phase__in=[Phase.SCHEDULED, *TRIGGERED]) | Q(request_id__isnull=False),
                name="queued_rows_have_a_request_id",
            ),
            models.CheckConstraint(
                condition=~Q(phase__in=TRIGGERED) | Q(trigger_sent_at__isnull=False),
                name="triggered_rows_have_an_intent",
            ),
            # At most one live call per phone (R63), whatever the workers believe.
            models.UniqueConstraint(
                fields=["outbound_phone_number"],
                condition=Q(phase__in=LIVE),
                name="one_live_call_per_phone",
            ),
        ]
        indexes = [
            # One partial index for each "what is due?" of the engine.
            models.Index(
                fields=["next_at"],
                condition=Q(phase=Phase.READY) & NOT_HELD,
                name="due_to_schedule",
            ),
            models.Index(
                fields=["next_at"],
                condition=Q(phase=Phase.SCHEDULED) & NOT_HELD,
                name="due_to_trigger",
            ),
            models.Index(fields=["next_at"], condition=Q(phase__in=POLLED), name="due_to_poll"),
            models.Index(fields=["next_at"], condition=Q(ask_first=True), name="due_to_ask_first"),
            models.Index(
                fields=["claimed_until"],
                condition=Q(phase__in=[Phase.SCHEDULING, Phase.TRIGGERING]),
                name="claims_to_rescue",
            ),
            # Counting and listing one batch.
            models.Index(fields=["batch", "phase", "hold_reason"], name="rows_of_batch"),
            # An upload's review, in the order of the file, and its rows to check.
            models.Index(fields=["batch", "line"], name="lines_of_batch"),
            models.Index(
                fields=["batch", "line"], condition=~Q(warnings=[]), name="lines_to_check"
            ),
            # The calls list, newest activity first, keyset by (changed_at, id).
            models.Index(fields=["-changed_at", "-id"], name="newest_activity"),
            # Rows of a blocked phone, other calls to a phone, and the search by number.
            models.Index(fields=["outbound_phone_number"], name="rows_of_phone"),
            # "The same case under another reference?" (R54)
            models.Index(fields=["eoc_number", "outbound_phone_number"], name="same_case"),
            # The calls list by status, and what needs a person.
            models.Index(fields=["request_status", "-changed_at"], name="by_request_status"),
            models.Index(fields=["hold_reason"], condition=~NOT_HELD, name="rows_held"),
        ]

    def __str__(self) -> str:
        return f"Call {self.pk}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.appointment_at is None:
            self.appointment_at = instant_of(
                self.expected_appointment_date_time, self.local_timezone
            )
        super().save(*args, **kwargs)

    def get_absolute_url(self) -> str:
        return reverse("call", args=[self.pk])

    @property
    def is_final(self) -> bool:
        return self.phase in FINAL

    @property
    def can_be_corrected(self) -> bool:
        """Data fields may change until Evergrove has them: there is no update endpoint (R33)."""
        return self.phase == Phase.READY and self.request_id is None


def instant_of(wall_clock: str, zone: str) -> datetime:
    """The UTC instant of an office's wall clock; of a time that happens twice, the first."""
    return datetime.fromisoformat(wall_clock).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
