from django.conf import settings
from django.db import models


class ColumnMemory(models.Model):
    """What a person said about the columns of a file; it holds for every file with the same headers."""

    headers_digest = models.CharField(max_length=64, unique=True)
    mapping = models.JSONField()  # {field: index}
    constants = models.JSONField(default=dict)  # {field: the text of every row}, never patient data
    formats = models.JSONField(default=dict)  # {field: DateFormat}
    convert_zones = models.BooleanField(default=False)
    derive_reference = models.BooleanField(default=False)
    confirmed_at = models.DateTimeField(auto_now=True)
    confirmed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )

    class Meta:
        verbose_name_plural = "column memories"

    def __str__(self) -> str:
        return f"Columns {self.headers_digest[:8]}"
