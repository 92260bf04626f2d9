"""What the engine remembers beside the rows: who is running, and how the API behaves."""

from django.db import models

from calls.vocabulary import StopReason


class Lease(models.Model):
    """Keeps one task of a kind alive, and is its heartbeat. Two at once would be harmless all the same."""

    name = models.CharField(max_length=32, primary_key=True)
    token = models.CharField(max_length=32, blank=True)
    until = models.DateTimeField(null=True)
    beat_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.name


class Upstream(models.Model):
    """The API seen through our key: one row. Stops, slow-downs and the breaker live here (R4, R5, R8)."""

    SINGLETON = 1

    tenant_id = models.CharField(max_length=255, blank=True)
    key_fingerprint = models.CharField(max_length=16, blank=True)  # of the key that was refused
    stop_reason = models.CharField(max_length=16, choices=StopReason, blank=True)
    stopped_at = models.DateTimeField(null=True)
    slow_until = models.DateTimeField(null=True)  # Retry-After of the whole key
    failures = models.PositiveSmallIntegerField(default=0)  # connections and 5xx in a row
    open_until = models.DateTimeField(null=True)  # the breaker
    last_ok_at = models.DateTimeField(null=True)
    last_ok_ms = models.PositiveIntegerField(null=True)
    last_failure_at = models.DateTimeField(null=True)
    last_failure = models.CharField(max_length=255, blank=True)
    # API_KEY_NEXT as it was last tried: which key that was, and whether it was let in (R3).
    next_key_fingerprint = models.CharField(max_length=16, blank=True, default="")
    next_key_works = models.BooleanField(null=True)

    def __str__(self) -> str:
        return "Evergrove API"

    @classmethod
    def load(cls) -> "Upstream":
        return cls.objects.get_or_create(pk=cls.SINGLETON)[0]


class Installation(models.Model):
    """Whose database this is: one row. A copy of it elsewhere must not call from the same rows."""

    SINGLETON = 1

    instance_id = models.CharField(max_length=32, blank=True)  # empty: nobody has used it yet
    adopted_at = models.DateTimeField(null=True)
    # Set: nothing is started until everything open was asked about.
    reconcile_since = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return "Installation"

    @classmethod
    def load(cls) -> "Installation":
        return cls.objects.get_or_create(pk=cls.SINGLETON)[0]
