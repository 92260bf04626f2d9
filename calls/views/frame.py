"""What stands around every page: the notices above it and the badges of the rail."""

from functools import cached_property
from typing import Any, NamedTuple

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from calls.health import Vitals, read_vitals
from calls.models import Batch
from calls.reports import rows_needing_a_person
from calls.vocabulary import BatchState

TELL_TROUBLES = ("overview", "system")  # pages with a list of troubles of their own


class Badge(NamedTuple):
    """A number or a word beside a link of the rail, read with `of`; nothing is shown for none."""

    name: str
    value: int | str
    of: str = ""
    is_hot: bool = False


class Frame:
    """What base.html shows around a page, and a live answer brings along when it may have changed.

    Each part is asked for when it is rendered, at most once: three indexed queries in all, none for a
    visitor who is not signed in.
    """

    def __init__(self, *, signed_in: bool, page: str = "") -> None:
        self.signed_in = signed_in
        self.page = page
        self.practice_mode: bool = settings.PRACTICE_MODE
        self.support_contact: str = settings.SUPPORT_CONTACT

    @cached_property
    def vitals(self) -> Vitals | None:
        return read_vitals(timezone.now()) if self.signed_in else None

    @cached_property
    def notices(self) -> list[dict[str, Any]]:
        """Only what keeps calls from being made, and not where the page itself tells it, live."""
        href = reverse("system")
        troubles = self.vitals.troubles if self.vitals and self.page not in TELL_TROUBLES else []
        return [trouble._asdict() | {"href": href} for trouble in troubles if trouble.is_urgent]

    @cached_property
    def system_word(self) -> str:
        return self.vitals.word if self.vitals else ""

    @cached_property
    def running_batches(self) -> int:
        return Batch.objects.filter(state=BatchState.RUNNING).count() if self.signed_in else 0

    @cached_property
    def needs_person(self) -> int:
        return rows_needing_a_person() if self.signed_in else 0

    @property
    def badges(self) -> dict[str, Badge]:
        found = (
            Badge("calls", self.needs_person, "need a person", is_hot=True),
            Badge("batches", self.running_batches, "running"),
            Badge("system", self.system_word, is_hot=self.system_word == "Down"),
        )
        return {badge.name: badge for badge in found}

    @property
    def marks(self) -> tuple[object, ...]:
        """What an ETag must hold, so that an open page hears of a change around it."""
        values = (badge.value for badge in self.badges.values())
        return (*values, *(notice["title"] for notice in self.notices))


def frame_of(request: HttpRequest) -> Frame:
    """One for each request: its ETag and its answer tell the same. The request of an error page may
    have no user."""
    kept: Frame | None = getattr(request, "frame", None)
    if kept is None:
        user = getattr(request, "user", None)
        match = getattr(request, "resolver_match", None)
        page = ((match.url_name or "") if match else "").removesuffix("_live")
        kept = Frame(signed_in=user is not None and user.is_authenticated, page=page)
        request.frame = kept  # type: ignore[attr-defined]
    return kept


def frame(request: HttpRequest) -> dict[str, Any]:
    """Context processor."""
    return {"frame": frame_of(request)}
