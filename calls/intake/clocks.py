"""What the clocks of a zone show: now, and where summer time skips or repeats an hour (R47). Pure."""

from datetime import date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from calls.intake.cells import Doubt


@lru_cache(maxsize=32_768)
def zone_gap_or_fold(local: str, zone: str) -> Doubt | None:
    """A wall clock that summer time skips or repeats (R47)."""
    moment, place = datetime.fromisoformat(local), _place(zone)
    before = moment.replace(tzinfo=place, fold=0).utcoffset()
    after = moment.replace(tzinfo=place, fold=1).utcoffset()
    if before is None or after is None or before == after:
        return None
    if before < after:
        return Doubt("skipped_time", "does not exist in that time zone: the clocks skip this hour")
    return Doubt("repeated_time", "happens twice in that time zone. The first one is used")


@lru_cache(maxsize=1024)
def local_clock(now: datetime, zone: str) -> tuple[date, str]:
    """The day and the wall clock of a zone at the instant `now`; the clock as text, without its zone."""
    local = now.astimezone(_place(zone)).replace(tzinfo=None)
    return local.date(), local.isoformat()


@lru_cache(maxsize=1024)
def _place(zone: str) -> ZoneInfo:
    return ZoneInfo(zone)
