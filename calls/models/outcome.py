from django.db import models

from calls.models.call import CallRow


class Outcome(models.Model):
    """What the agent heard, best across attempts (R95, R101): typed columns and the answer as it came."""

    row = models.OneToOneField(CallRow, models.CASCADE, related_name="outcome", primary_key=True)
    called = models.BooleanField(null=True)
    time_of_call = models.DateTimeField(null=True)
    voicemail_left = models.BooleanField(null=True)
    person_spoke_with = models.CharField(max_length=255, blank=True)
    positive_or_negative_contact = models.CharField(max_length=32, blank=True)
    original_date = models.DateField(null=True)
    original_time = models.CharField(max_length=8, blank=True)
    rescheduled_date = models.DateField(null=True)
    rescheduled_time = models.CharField(max_length=8, blank=True)
    additional_dates_of_service = models.JSONField(default=list)  # [{date, time}]
    appointment_attendance_status = models.CharField(max_length=32, blank=True)
    reason_why = models.TextField(blank=True)
    bill_sending_confirmation = models.CharField(max_length=32, blank=True)
    report_sending_confirmation = models.CharField(max_length=32, blank=True)
    review_reasons = models.JSONField(default=list)  # R103
    raw = models.JSONField()
    received_at = models.DateTimeField()

    class Meta:
        indexes = [
            # The calls list filtered by attendance, and the overview's counters.
            models.Index(fields=["appointment_attendance_status"], name="outcome_attendance"),
        ]

    def __str__(self) -> str:
        return f"Outcome of call {self.row_id}"


class CallAttempt(models.Model):
    """One dial of a request, as Evergrove described it when a person asked (R76, R97)."""

    row = models.ForeignKey(CallRow, models.CASCADE, related_name="attempts")
    attempt_id = models.UUIDField(unique=True)
    attempt_number = models.PositiveIntegerField()
    status = models.CharField(max_length=32)
    disposition = models.CharField(max_length=32, blank=True)
    error_detail = models.TextField(blank=True)
    room_name = models.CharField(max_length=255, blank=True)
    workflow_id = models.CharField(max_length=255, blank=True)
    call_reference_time_utc = models.DateTimeField(null=True)
    transcript_bucket = models.CharField(max_length=255, blank=True)
    transcript_object_key = models.CharField(max_length=1024, blank=True)
    recording_id = models.CharField(max_length=255, blank=True)
    generated_outcomes = models.JSONField(null=True)
    agent_behavior_evaluation = models.JSONField(null=True)
    upstream_created_at = models.DateTimeField(null=True)
    upstream_updated_at = models.DateTimeField(null=True)
    fetched_at = models.DateTimeField()

    class Meta:
        ordering = ["attempt_number"]

    def __str__(self) -> str:
        return f"Attempt {self.attempt_number} of call {self.row_id}"
