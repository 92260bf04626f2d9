from django.conf import settings
from django.db import models

from calls.models.encrypted import EncryptedJSONField, EncryptedTextField
from calls.vocabulary import BatchState, LatencyMode, PauseReason


class Batch(models.Model):
    """One upload (or one form entry): the unit that people start, pause and watch."""

    name = models.CharField(max_length=120)
    state = models.CharField(max_length=10, choices=BatchState, default=BatchState.DRAFT)
    paused_reason = models.CharField(max_length=16, choices=PauseReason, blank=True, default="")
    latency_mode = models.CharField(max_length=4, choices=LatencyMode, default=LatencyMode.LOW)
    ignore_calling_hours = models.BooleanField(default=False)
    wait_for_appointment = models.BooleanField(default=True)
    queue_only = models.BooleanField(default=False)  # queued at Evergrove, nothing is started yet
    start_at = models.DateTimeField(null=True, blank=True)  # a draft that starts by itself

    headers = models.JSONField(default=list)  # the file's own, so that rejects go back as they came
    # How its columns were read, so that a line can be checked again by the same rules:
    # {"mapping": {field: index}, "constants": {field: text}, "formats": {field: DateFormat},
    #  "hints": {field: DateFormat}, "convert_zones": bool, "derive_reference": bool}
    columns = models.JSONField(default=dict)
    accepted = models.PositiveIntegerField(default=0)
    rejected = models.PositiveIntegerField(default=0)  # lines that are no row, skipped ones too
    skipped = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    unchanged_in = models.JSONField(default=list)  # ids of the batches that hold the unchanged rows
    notices = models.JSONField(default=list)  # sentences about the file: encoding, unknown columns

    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "batches"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=BatchState.values), name="batch_state_is_known"
            )
        ]
        indexes = [
            # "Which batches are under way?", asked by the frame of every page and by each pulse.
            models.Index(
                fields=["state"],
                condition=models.Q(state__in=[BatchState.RUNNING, BatchState.PAUSED]),
                name="batch_under_way",
            ),
            # "Which drafts are to start by now?", asked by each pulse.
            models.Index(
                fields=["start_at"],
                condition=models.Q(start_at__isnull=False),
                name="batch_to_start",
            ),
        ]

    def __str__(self) -> str:
        return f"Batch {self.pk}"

    @property
    def to_fix(self) -> int:
        """Lines that neither became a row nor were skipped."""
        return self.rejected - self.skipped


class RejectedLine(models.Model):
    """A line of the upload that could not become a call row, kept until somebody mends it (R56)."""

    batch = models.ForeignKey(Batch, models.CASCADE, related_name="rejected_lines")
    line = models.PositiveIntegerField()
    cells = EncryptedTextField()  # JSON list, in the order of the batch's headers
    row = models.OneToOneField(  # what the mended line became
        "calls.CallRow", models.SET_NULL, null=True, blank=True, related_name="mended_from"
    )
    original_cells = EncryptedTextField(null=True)  # as they came, once somebody has mended them
    # JSON {field: text}: what a person gave that no column holds. It goes before the cells, and
    # "ivr_guide" goes to the office.
    added = EncryptedTextField(null=True)
    is_skipped = models.BooleanField(default=False)
    # [{line, column, code, message, severity, suggestion}]; some quote the cell, or suggest another one
    problems = EncryptedJSONField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["batch", "line"], name="one_rejection_per_line")
        ]
        indexes = [
            # "How many lines of this batch were mended?", on each look at its review.
            models.Index(
                fields=["batch"], condition=models.Q(row__isnull=False), name="lines_mended"
            )
        ]

    def __str__(self) -> str:
        return f"Line {self.line} of batch {self.batch_id}"
