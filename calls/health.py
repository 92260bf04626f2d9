"""How the installation is doing: worker, API and key, with what to do about each trouble in plain words."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import Min, QuerySet, Subquery
from django.utils import timezone

from calls.engine.instance import identity
from calls.engine.upstream import BREAKER_THRESHOLD
from calls.models import CallRow, Installation, Lease, Upstream
from calls.templatetags.formats import day_text, moment_text
from calls.vocabulary import POLLED, StopReason

# With the next refresh of the page both are told within a minute.
SILENT_AFTER = timedelta(seconds=45)
LAG_IS_TROUBLE = timedelta(seconds=45)
ROTATION_NOTICE = timedelta(days=14)
SLICES = ("dispatch", "poll")  # the names of the worker's leases
INSTALLED = ("instance_id", "reconcile_since")  # what is read of the installation

WHAT_TO_DO = {
    StopReason.KEY_REFUSED: "No call can start and none is updated until an administrator "
    "replaces API_KEY and restarts the dashboard.",
    StopReason.TENANT_CHANGED: "Nothing is sent until a person has checked the key. Put the right "
    "one into API_KEY, restart, then choose Try again.",
    StopReason.REDIRECTED: "Nothing is sent to an address that redirects. Correct API_URL, restart, "
    "then choose Try again.",
    StopReason.ANOTHER_INSTANCE: "It is a copy, or was moved here. Nothing is sent from here, because "
    "two that call from the same rows would call twice. Is this the only one now? Then take it over on "
    "System. Machines that share a database need the same INSTANCE_ID: set it and restart.",
}


class Trouble(NamedTuple):
    """One thing that is wrong: `bad` stops the calls, `warn` will do so or slows them.

    What is not urgent is told where somebody looks for it, and not above every page.
    """

    tone: str
    title: str
    text: str
    is_urgent: bool = True


@dataclass(frozen=True)
class KeyAge:
    """When the API key was issued and must be replaced (R3); both None while nobody said so."""

    issued: date | None
    due: date | None

    def days_left(self, today: date) -> int | None:
        return (self.due - today).days if self.due else None

    def is_near(self, today: date) -> bool:
        left = self.days_left(today)
        return left is not None and left <= ROTATION_NOTICE.days


@dataclass
class Vitals:
    """What the engine left behind about itself and the API, with the moment at which it was read."""

    upstream: Upstream
    beats: dict[str, datetime | None]
    now: datetime
    owner: str = ""  # the installation that the database belongs to; empty while to none
    reconcile_since: datetime | None = None
    key: KeyAge = field(default_factory=lambda: key_age())

    @property
    def last_beat(self) -> datetime | None:
        """The older of the two beats: both slices have to live. None: one of them never ran."""
        times = [beat for beat in self.beats.values() if beat is not None]
        return min(times) if len(times) == len(SLICES) else None

    @property
    def worker_is_silent(self) -> bool:
        return self.last_beat is None or self.now - self.last_beat > SILENT_AFTER

    @cached_property
    def is_elsewhere(self) -> bool:
        """The database belongs to another installation: nothing is sent from this one."""
        return self.owner not in ("", identity())

    @property
    def stop_reason(self) -> str:
        return StopReason.ANOTHER_INSTANCE if self.is_elsewhere else self.upstream.stop_reason

    @property
    def is_unreachable(self) -> bool:
        return self.upstream.failures >= BREAKER_THRESHOLD

    @property
    def is_slowed(self) -> bool:
        return self.upstream.slow_until is not None and self.upstream.slow_until > self.now

    @property
    def today(self) -> date:
        return timezone.localdate(self.now)

    @property
    def troubles(self) -> list[Trouble]:
        """The worst first."""
        found = list(self._troubles())
        return sorted(found, key=lambda trouble: trouble.tone != "bad")

    def _troubles(self) -> Iterator[Trouble]:
        if self.stop_reason:
            yield stopped(self.stop_reason)
        if self.reconcile_since:
            yield reconciling(self.reconcile_since)
        if self.worker_is_silent:
            yield silent(self.last_beat)
        if self.is_unreachable:
            yield unreachable(self.upstream.last_ok_at)
        if self.key.is_near(self.today):
            yield key_is_due(self.key, self.today)

    @property
    def word(self) -> str:
        """The state in one word, for the rail."""
        if any(trouble.tone == "bad" for trouble in self.troubles):
            return "Down"
        return "Check" if self.troubles or self.is_slowed else "OK"


def stopped(reason: str) -> Trouble:
    known = StopReason(reason)
    return Trouble("bad", f"{known.label}.", WHAT_TO_DO[known])


def reconciling(since: datetime) -> Trouble:
    return Trouble(
        "warn",
        "Evergrove is being asked about every open call first.",
        f"Asked for {shown(since)}, because calls may have been made of which this database does not "
        "know. No call is started until it is done; it goes on by itself.",
    )


def silent(last_beat: datetime | None) -> Trouble:
    life = (
        f"Last sign of life {shown(last_beat)}." if last_beat else "It has not been seen here yet."
    )
    return Trouble(
        "bad",
        "The worker is silent.",
        f"Calls are not being started or updated. {life} Calls already ringing go on at Evergrove. "
        "Restart the dashboard's worker.",
    )


def unreachable(last_ok_at: datetime | None) -> Trouble:
    since = f" since {shown(last_ok_at)}" if last_ok_at else ""
    return Trouble(
        "warn",
        f"Evergrove has not answered{since}.",
        "Calls already running continue. New calls will start when it answers.",
    )


def key_is_due(key: KeyAge, today: date) -> Trouble:
    left = key.days_left(today) or 0
    when = f"in {left} days" if left > 1 else "tomorrow" if left == 1 else "today"
    title = f"API key rotation is due {when}." if left >= 0 else "API key rotation is overdue."
    text = f"Replace API_KEY by {day_text(key.due)}." if key.due else ""
    return Trouble("warn", title, text, is_urgent=left < 0)


def shown(moment: datetime) -> str:
    """A moment on the viewers' clock, with its day."""
    return moment_text(timezone.localtime(moment), "short")


def key_age() -> KeyAge:
    """From API_KEY_ISSUED_ON; unknown in practice mode and while the setting is not a date."""
    if settings.PRACTICE_MODE:
        return KeyAge(None, None)
    try:
        issued = date.fromisoformat(settings.API_KEY_ISSUED_ON)
    except ValueError:
        return KeyAge(None, None)
    return KeyAge(issued, issued + timedelta(days=settings.API_KEY_ROTATION_DAYS))


def read_vitals(now: datetime) -> Vitals:
    """One query by primary keys; a second one until the engine has spoken with the API for the first time."""
    installed = {name: Subquery(Installation.objects.values(name)[:1]) for name in INSTALLED}
    found = Upstream.objects.annotate(
        **{f"{name}_beat": Subquery(beat_of(name)) for name in SLICES}, **installed
    ).first()
    if found is not None:
        beats = {name: getattr(found, f"{name}_beat") for name in SLICES}
        return Vitals(found, beats, now, **installed_on(found))
    leases = {lease.name: lease for lease in Lease.objects.annotate(**installed)}
    beats = {name: leases[name].beat_at if name in leases else None for name in SLICES}
    known = next((installed_on(lease) for lease in leases.values()), {})
    return Vitals(Upstream(), beats, now, **known)


def installed_on(row: Any) -> dict[str, Any]:
    """What was read of the installation along with a row; it may have no row of its own yet."""
    return {"owner": row.instance_id or "", "reconcile_since": row.reconcile_since}


def beat_of(name: str) -> "QuerySet[Lease, Any]":
    return Lease.objects.filter(name=name).order_by().values("beat_at")[:1]


def poll_lag(now: datetime) -> timedelta:
    """How long the most overdue look at a call has been waiting; zero when nothing is due."""
    due = CallRow.objects.filter(phase__in=POLLED).aggregate(oldest=Min("next_at"))["oldest"]
    return max(now - due, timedelta(0)) if due else timedelta(0)
