import copy
import hashlib
from typing import Any

from django.db import models
from django.db.models import F, Q
from django.urls import reverse

from calls.vocabulary import HoldReason

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
OFFICE_DAY = {"default_call_time": "09:00", "windows": [{"start": "09:00", "end": "17:00"}]}


def default_working_hours() -> dict[str, Any]:
    """Monday to Friday 09:00-17:00, weekend closed (R10)."""
    return {day: copy.deepcopy(OFFICE_DAY) if n < 5 else {} for n, day in enumerate(WEEKDAYS)}


def office_identity(name: str, address: str, zone: str) -> str:
    """The key under which rows share one office: its name, address and zone (R13)."""
    folded = "\n".join(" ".join(part.casefold().split()) for part in (name, address, zone))
    return hashlib.sha256(folded.encode()).hexdigest()


class Entity(models.Model):
    """A provider office, as we know it and as Evergrove's scheduler knows it."""

    identity = models.CharField(max_length=64, unique=True, editable=False)
    name = models.CharField(max_length=255)
    # Evergrove's upsert is by name and overwrites, so two offices may never share this one (R13).
    upstream_name = models.CharField(max_length=255, unique=True)
    address = models.CharField(max_length=2000)
    state = models.CharField(max_length=2, blank=True)
    timezone = models.CharField(max_length=64)
    working_hours = models.JSONField(default=default_working_hours)
    closed_dates = models.JSONField(
        default=list, blank=True
    )  # ISO dates on which we do not call (R19)
    ivr_guide = models.TextField(blank=True, max_length=10_000)

    entity_id = models.UUIDField(null=True, blank=True, unique=True)
    can_call = models.BooleanField(null=True, blank=True)  # null: Evergrove was not asked yet
    upstream_hours = models.JSONField(null=True, blank=True)
    working_hours_source = models.CharField(max_length=64, blank=True)
    working_hours_updated_at = models.DateTimeField(null=True, blank=True)

    version = models.PositiveIntegerField(default=1)  # grows with each edit
    synced_version = models.PositiveIntegerField(default=0)  # what Evergrove has
    synced_at = models.DateTimeField(null=True, blank=True)
    hold_reason = models.CharField(max_length=24, choices=HoldReason, blank=True)
    next_at = models.DateTimeField(null=True, blank=True)
    claimed_by = models.CharField(max_length=32, blank=True)
    claimed_until = models.DateTimeField(null=True, blank=True)
    fence = models.PositiveIntegerField(default=0)
    failures = models.PositiveSmallIntegerField(default=0)
    last_error = models.CharField(max_length=255, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "office"
        verbose_name_plural = "offices"
        indexes = [
            # "Which offices must be sent?", asked by each pulse.
            models.Index(
                fields=["next_at"],
                condition=Q(hold_reason="", synced_version__lt=F("version")),
                name="entity_to_send",
            ),
            models.Index(fields=["name"], name="entity_by_name"),
        ]

    def __str__(self) -> str:
        return self.upstream_name

    def get_absolute_url(self) -> str:
        return reverse("office", args=[self.pk])

    @property
    def is_synced(self) -> bool:
        return self.entity_id is not None and self.synced_version == self.version


class BlockedPhone(models.Model):
    """An office phone that asked not to be called back; nothing calls it until a person lifts it (R86)."""

    phone = models.CharField(max_length=12, unique=True)
    row = models.ForeignKey("calls.CallRow", models.SET_NULL, null=True, blank=True)
    blocked_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"Blocked phone {self.pk}"
