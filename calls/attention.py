"""What a person should look at now, in the order in which it keeps calls from their end."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlencode

from django.db.models import Count, Exists, F, Min, OuterRef, Q
from django.urls import reverse

from calls.health import Vitals
from calls.models import Batch, CallRow, Outcome
from calls.models.call import NOT_HELD
from calls.outcomes.verdict import WHAT_TO_DO
from calls.periods import Period, start_of
from calls.vocabulary import Attendance, BatchState, Confirmation, HoldReason

RECENT = Period.WEEK  # older outcomes are no news


class Task(NamedTuple):
    """One line of the list; `since` is the oldest of its calls, None where that says nothing."""

    tone: str
    glyph: str
    title: str
    text: str
    href: str
    action: str
    since: datetime | None = None


class Finding(NamedTuple):
    """A kind of outcome that leaves work to a person; `one` and `many` follow its number."""

    which: Q
    tone: str
    glyph: str
    one: str
    many: str
    text: str
    query: dict[str, str]


UNCONFIRMED = Q(bill_sending_confirmation=Confirmation.NOT_CONFIRMED) | Q(
    report_sending_confirmation=Confirmation.NOT_CONFIRMED
)
FINDINGS = {
    "no_show": Finding(
        Q(appointment_attendance_status=Attendance.NO_SHOW),
        "bad",
        "noshow",
        "no-show without a new date",
        "no-shows without a new date",
        "Somebody has to arrange a new appointment.",
        {"outcome": Attendance.NO_SHOW},
    ),
    "review": Finding(
        ~Q(review_reasons=[]),
        "warn",
        "unsure",
        "outcome to check",
        "outcomes to check",
        "Something in the answer does not fit. Each call says what.",
        {"review": "any"},
    ),
    "unable": Finding(
        Q(appointment_attendance_status=Attendance.UNABLE_TO_CONFIRM),
        "warn",
        "unsure",
        "office unable to confirm",
        "offices unable to confirm",
        "The office was reached but did not say whether the visit happened.",
        {"outcome": Attendance.UNABLE_TO_CONFIRM},
    ),
    "unconfirmed": Finding(
        UNCONFIRMED & Q(appointment_attendance_status=Attendance.ATTENDED),
        "warn",
        "failed",
        "bill or report not confirmed",
        "bills or reports not confirmed",
        "The visit was attended, but the office did not promise the papers.",
        {"outcome": Attendance.ATTENDED, "papers": Confirmation.NOT_CONFIRMED},
    ),
}


def tasks(vitals: Vitals) -> list[Task]:
    """Everything that waits for a person; three queries beside what `vitals` has read."""
    since = start_of(RECENT, vitals.now)
    return [*system_tasks(vitals), *held_tasks(), *outcome_tasks(since), *batch_tasks()]


def system_tasks(vitals: Vitals) -> Iterator[Task]:
    for trouble in vitals.troubles:
        glyph = "dnc" if trouble.tone == "bad" else "failed"
        title = trouble.title.rstrip(".")
        yield Task(trouble.tone, glyph, title, trouble.text, reverse("system"), "Open System")


def held_tasks() -> Iterator[Task]:
    """One task for each reason, the largest first; along the index of held rows."""
    groups = (
        CallRow.objects.filter(~NOT_HELD)
        .values_list("hold_reason")
        .annotate(number=Count("pk"), since=Min("changed_at"))
        .order_by("-number")
    )
    for reason, number, since in groups:
        title = f"{counted(number, 'call is', 'calls are')} held"
        text = hold_words(reason)
        yield Task("warn", "held", title, text, listed(held=reason), "Work these", since)


def hold_words(reason: str) -> str:
    """Why, and what to do about it; a reason of another version as it is."""
    if reason not in HoldReason.values:
        return reason
    known = HoldReason(reason)
    return f"{known.label}. {WHAT_TO_DO[known]}"


def outcome_tasks(since: datetime) -> Iterator[Task]:
    """What the calls that ended in the last days leave to a person, in one query.

    A row that ended since then also changed since then: the second condition is exact, the first has an
    index.
    """
    recent = Outcome.objects.filter(row__changed_at__gte=since, row__settled_at__gte=since)
    found = recent.aggregate(
        **{name: Count("pk", filter=finding.which) for name, finding in FINDINGS.items()}
    )
    for name, finding in FINDINGS.items():
        if number := found[name]:
            title = f"{counted(number, finding.one, finding.many)} {RECENT.label}"
            href = listed(**finding.query, ended=RECENT)
            yield Task(finding.tone, finding.glyph, title, finding.text, href, "See these")


def batch_tasks() -> Iterator[Task]:
    """Batches that wait for somebody to start them, or that nobody paused; one query.

    A draft of nothing, as an upload of known rows alone leaves it, waits for nobody.
    """
    to_mend = Q(rejected__gt=F("skipped"))
    has_calls = Exists(CallRow.objects.filter(batch=OuterRef("pk"))) | to_mend
    found = Batch.objects.filter(state__in=(BatchState.DRAFT, BatchState.PAUSED)).aggregate(
        drafts=Count("pk", filter=Q(has_calls, state=BatchState.DRAFT)),
        paused=Count("pk", filter=~Q(paused_reason="")),
    )
    href = reverse("batches")
    if number := found["paused"]:
        title = f"{counted(number, 'batch waits', 'batches wait')} for a decision"
        text = "Nobody paused them: each says on its page why it must not simply go on."
        yield Task("warn", "held", title, text, href, "Open Batches")
    if number := found["drafts"]:
        title = f"{counted(number, 'batch is', 'batches are')} not started"
        text = "Nothing is called until somebody starts them, or discards them."
        yield Task("none", "unknown", title, text, href, "Open Batches")


def listed(**query: str) -> str:
    return f"{reverse('calls')}?{urlencode(query)}"


def counted(number: int, one: str, many: str) -> str:
    """`1 call is`, `1,284 calls are`."""
    return f"{number:,} {one if number == 1 else many}"
