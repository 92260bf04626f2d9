"""Lines of an office's IVR guide that come from the phone of a row: an extension (R40)."""

from datetime import datetime
from typing import Any

from django.db.models import F

from calls.models import CallEvent, Entity
from calls.vocabulary import EventKind

IVR_GUIDE = "ivr_guide"


def guide_office(office: Entity, text: str, *, by: Any, now: datetime) -> bool:
    """Add a line to the office's IVR guide, which is sent before its next call; False when it is there."""
    office.refresh_from_db(fields=["ivr_guide"])
    if not text or text in office.ivr_guide.splitlines():
        return False
    save_guide(office, f"{office.ivr_guide.rstrip()}\n{text}".lstrip(), by=by, now=now)
    return True


def forget_line(office: Entity, text: str, *, by: Any, now: datetime) -> None:
    """Take a line out of the office's IVR guide, if it still stands there."""
    office.refresh_from_db(fields=["ivr_guide"])
    lines = office.ivr_guide.splitlines()
    if text in lines:
        left = "\n".join(line for line in lines if line != text)
        save_guide(office, left, by=by, now=now)


def save_guide(office: Entity, guide: str, *, by: Any, now: datetime) -> None:
    Entity.objects.filter(pk=office.pk).update(ivr_guide=guide, version=F("version") + 1)
    CallEvent.objects.create(
        entity=office, at=now, kind=EventKind.OFFICE_SAVED, actor=by, detail=IVR_GUIDE
    )
