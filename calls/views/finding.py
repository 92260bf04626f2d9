"""Which calls a list shows: filters from the address, search text from the session, pages by keyset.

Nothing personal stands in an address: a search is kept, encrypted, in the session under a short random id.
"""

import base64
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.db.models import Q, QuerySet
from django.http import HttpRequest, QueryDict

from calls.models import CallRow
from calls.models.encrypted import decrypted, encrypted
from calls.periods import Period, start_of
from calls.vocabulary import Attendance, Confirmation, HoldReason, Phase, RequestStatus, WaitReason

PAGE_SIZE = 50
COUNT_CAP = 10_000
SEARCHES_KEPT = 20
SEARCH_LENGTH = 200
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# What the list shows of a row and nothing else: the SSN is not even read.
SHOWN = (
    "patient_name",
    "claim_number",
    "external_reference_id",
    "expected_appointment_date_time",
    "local_timezone",
    "provider_office",
    "outbound_phone_number",
    "request_status",
    "last_workflow_status",
    "phase",
    "hold_reason",
    "waiting_for",
    "changed_at",
    "batch__state",
    "outcome__appointment_attendance_status",
    "outcome__bill_sending_confirmation",
    "outcome__report_sending_confirmation",
)


class Facet(NamedTuple):
    """A filter with known values; `any_of` are the lookups of one or more of them, each of which suffices."""

    label: str
    choices: dict[str, str]
    any_of: tuple[str, ...]

    def among(self, values: tuple[str, ...]) -> Q:
        return Q(*((lookup, values) for lookup in self.any_of), _connector=Q.OR)


HELD = {  # the reasons in few words; the row itself says them in full
    HoldReason.POSSIBLE_DUPLICATE.value: "Possible duplicate",
    HoldReason.OFFICE_NOT_CALLABLE.value: "Office not callable",
    HoldReason.OFFICE_REFUSED.value: "Office refused",
    HoldReason.ORGANIZATION_DISABLED.value: "Organization not enabled",
    HoldReason.SCHEDULE_REFUSED.value: "Row refused",
    HoldReason.SCHEDULE_UNANSWERED.value: "Not queued",
    HoldReason.TRIGGER_REFUSED.value: "Start refused",
    HoldReason.TRIGGER_UNCONFIRMED.value: "Start uncertain",
    HoldReason.REQUEST_NOT_FOUND.value: "Request not found",
    HoldReason.DO_NOT_CALL.value: "Do not call",
    HoldReason.CRASHED_WORKER.value: "Stopped the worker",
}
FACETS = {
    "status": Facet("Call status", dict(RequestStatus.choices), ("request_status__in",)),
    "outcome": Facet(
        "Outcome", dict(Attendance.choices), ("outcome__appointment_attendance_status__in",)
    ),
    "papers": Facet(
        "Bill or report",
        dict(Confirmation.choices),
        ("outcome__bill_sending_confirmation__in", "outcome__report_sending_confirmation__in"),
    ),
    "held": Facet("Needs a person", HELD, ("hold_reason__in",)),
    "waiting": Facet("Waiting for", dict(WaitReason.choices), ("waiting_for__in",)),
    "phase": Facet("Step", dict(Phase.choices), ("phase__in",)),
}


class Chip(NamedTuple):
    """One applied filter and the query string of the list without it."""

    label: str
    value: str
    without: str


@dataclass(frozen=True)
class Filters:
    """The filters of an address; unknown names and values in it are ignored."""

    chosen: dict[str, tuple[str, ...]] = field(default_factory=dict)
    any_held: bool = False
    review: bool = False
    ended: str = ""  # a Period
    batch: int | None = None
    office: int | None = None
    search: str = ""  # the id under which the session keeps the text

    @classmethod
    def of(cls, query: QueryDict) -> "Filters":
        return cls(
            chosen={
                name: values
                for name, facet in FACETS.items()
                if (values := tuple(v for v in query.getlist(name) if v in facet.choices))
            },
            any_held="any" in query.getlist("held"),
            review=query.get("review") == "any",
            ended=ended if (ended := query.get("ended", "")) in Period.values else "",
            batch=number_or_none(query.get("batch")),
            office=number_or_none(query.get("office")),
            search=re.sub(r"[^\w-]", "", query.get("v", ""))[:16],
        )

    def pairs(self) -> list[tuple[str, str]]:
        """The filters as parameters, always in the same order."""
        return [
            *((name, value) for name, values in self.chosen.items() for value in values),
            *([("held", "any")] if self.any_held else []),
            *([("review", "any")] if self.review else []),
            *([("ended", self.ended)] if self.ended else []),
            *([("batch", str(self.batch))] if self.batch is not None else []),
            *([("office", str(self.office))] if self.office is not None else []),
            *([("v", self.search)] if self.search else []),
        ]

    def query(self, *, without: tuple[str, str] = ("", "")) -> str:
        return urlencode([pair for pair in self.pairs() if pair != without])

    def kept_beside(self, *facets: str) -> list[tuple[str, str]]:
        """The parameters that a form with the boxes of `facets` must carry along."""
        return [(name, value) for name, value in self.pairs() if name not in facets]

    def chips(self, *, text: str, batch_name: str, office_name: str) -> Iterator[Chip]:
        words = {
            ("held", "any"): ("Needs a person", "any reason"),
            ("review", "any"): ("Outcome", "needs review"),
            ("ended", self.ended): ("Ended", Period(self.ended).label if self.ended else ""),
            ("batch", str(self.batch)): ("Batch", batch_name or f"number {self.batch}"),
            ("office", str(self.office)): ("Office", office_name or f"number {self.office}"),
            ("v", self.search): ("Search", text or "no longer kept"),
        }
        for name, value in self.pairs():
            label, shown = words.get((name, value)) or (
                FACETS[name].label,
                FACETS[name].choices[value],
            )
            yield Chip(label, shown, self.query(without=(name, value)))

    def apply(self, rows: QuerySet[CallRow], *, text: str, now: datetime) -> QuerySet[CallRow]:
        for name, values in self.chosen.items():
            rows = rows.filter(FACETS[name].among(values))
        if "status" in self.chosen and "phase" not in self.chosen:
            # A withdrawn row keeps its documented word, but is queued for nobody any more.
            rows = rows.exclude(phase=Phase.WITHDRAWN)
        if self.any_held:
            rows = rows.exclude(hold_reason="")
        if self.review:
            rows = rows.filter(outcome__isnull=False).exclude(outcome__review_reasons=[])
        if self.ended:  # exact by the second condition, along an index by the first
            since = start_of(Period(self.ended), now)
            rows = rows.filter(changed_at__gte=since, settled_at__gte=since)
        if self.batch is not None:
            rows = rows.filter(batch_id=self.batch)
        if self.office is not None:
            rows = rows.filter(entity_id=self.office)
        return rows.filter(matching(text)) if text else rows


def number_or_none(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"[0-9]{1,15}", text) else None


# --- Search ---------------------------------------------------------------------------------------
def keep_search(request: HttpRequest, text: str) -> str:
    """Remember a search in the session; returns the id that may stand in an address."""
    kept: dict[str, str] = request.session.get("searches", {})
    name = secrets.token_urlsafe(6)
    newest = [*kept.items(), (name, encrypted(" ".join(text.split())[:SEARCH_LENGTH]))]
    request.session["searches"] = dict(newest[-SEARCHES_KEPT:])
    return name


def kept_search(request: HttpRequest, name: str) -> str:
    searches: dict[str, str] = request.session.get("searches", {})
    try:
        return decrypted(searches[name])
    except (KeyError, ValueError):  # too long ago, or under a key that is gone
        return ""


def matching(text: str) -> Q:
    """A phone by its ten digits, however written; anything else is looked for in the words of a row."""
    digits = re.sub(r"[\s().+-]", "", text)
    if found := re.fullmatch(r"1?([0-9]{10})", digits):
        number = f"+1{found[1]}"
        return Q(outbound_phone_number=number) | Q(patient_phone_number=number)
    return (
        Q(patient_name__icontains=text)
        | Q(external_reference_id__icontains=text)
        | Q(claim_number__icontains=text)
        | Q(eoc_number__icontains=text)
        | Q(provider_office__icontains=text)
    )


# --- Pages ----------------------------------------------------------------------------------------
class Cursor(NamedTuple):
    """A place in the list, newest activity first."""

    at: datetime
    pk: int

    @classmethod
    def of(cls, text: str | None) -> "Cursor | None":
        """None for a text that is no cursor: the list then starts at its top."""
        try:
            micros, pk = base64.urlsafe_b64decode((text or "").encode()).split(b".")
            return cls(EPOCH + timedelta(microseconds=int(micros)), int(pk))
        except (ValueError, OverflowError):
            return None

    def __str__(self) -> str:
        micros = (self.at - EPOCH) // timedelta(microseconds=1)
        return base64.urlsafe_b64encode(f"{micros}.{self.pk}".encode()).decode()

    def older(self) -> Q:
        return Q(changed_at__lte=self.at) & (Q(changed_at__lt=self.at) | Q(pk__lt=self.pk))

    def newer(self) -> Q:
        return Q(changed_at__gte=self.at) & (Q(changed_at__gt=self.at) | Q(pk__gt=self.pk))


@dataclass(frozen=True)
class Page:
    """One page of rows; `newer` and `older` are the cursors of its neighbours, empty at an end."""

    rows: list[CallRow]
    newer: str = ""
    older: str = ""

    @property
    def is_whole(self) -> bool:
        return not self.newer and not self.older


def page_of(rows: QuerySet[CallRow], query: QueryDict) -> Page:
    """The page that `after` or `before` in the address asks for; the first one without either."""
    after, before = Cursor.of(query.get("after")), Cursor.of(query.get("before"))
    rows = rows.select_related("batch", "outcome").only(*SHOWN)
    if before:
        found = list(rows.filter(before.newer()).order_by("changed_at", "pk")[: PAGE_SIZE + 1])
        return page(found[:PAGE_SIZE][::-1], has_newer=len(found) > PAGE_SIZE, has_older=True)
    place = after.older() if after else Q()
    found = list(rows.filter(place).order_by("-changed_at", "-pk")[: PAGE_SIZE + 1])
    return page(found[:PAGE_SIZE], has_newer=bool(after), has_older=len(found) > PAGE_SIZE)


def page(rows: list[CallRow], *, has_newer: bool, has_older: bool) -> Page:
    return Page(
        rows,
        newer=str(place_of(rows[0])) if rows and has_newer else "",
        older=str(place_of(rows[-1])) if rows and has_older else "",
    )


def place_of(row: CallRow) -> Cursor:
    return Cursor(row.changed_at, row.pk)


def total(rows: QuerySet[Any], shown: Page) -> str:
    """How many calls match, counted no further than anybody reads: `10,000+`."""
    if shown.is_whole:
        return f"{len(shown.rows):,}"
    count = rows.order_by().values("pk")[: COUNT_CAP + 1].count()
    return f"{COUNT_CAP:,}+" if count > COUNT_CAP else f"{count:,}"
