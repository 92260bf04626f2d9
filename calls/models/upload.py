from django.conf import settings
from django.db import models

from calls.models.batch import Batch
from calls.models.encrypted import EncryptedTextField


class Upload(models.Model):
    """A file between its arrival and its rows: kept only until they are loaded, a week at most (R55)."""

    batch = models.OneToOneField(Batch, models.CASCADE, related_name="upload")
    file_name = models.CharField(max_length=255)
    content = EncryptedTextField(null=True)  # see content_of; null once the rows are loaded
    digest = models.CharField(max_length=64)  # keyed, so that the same file is known again
    sheet = models.CharField(max_length=255, blank=True)
    sheets = models.JSONField(default=list)  # names to choose from, while there is a choice
    refusal = models.CharField(
        max_length=500, blank=True
    )  # why the file was refused, for its owner
    lines_read = models.PositiveIntegerField(default=0)
    lines_total = models.PositiveIntegerField(default=0)
    beat_at = models.DateTimeField(null=True, blank=True)  # last time that lines were stored
    received_at = models.DateTimeField(auto_now_add=True)
    received_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True)

    class Meta:
        indexes = [
            # "Was this file uploaded before?"
            models.Index(fields=["digest"], name="upload_digest"),
        ]

    def __str__(self) -> str:
        return f"Upload of batch {self.batch_id}"
