"""Spans of time that a number on a page and the list behind it share."""

from datetime import datetime, timedelta

from django.db.models import TextChoices
from django.utils import timezone


class Period(TextChoices):
    TODAY = "today", "today"
    WEEK = "week", "in the last 7 days"


def start_of(period: Period, now: datetime) -> datetime:
    """Today begins at midnight on the viewers' clock, a week at this minute."""
    if period == Period.WEEK:
        return now - timedelta(days=7)
    return timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
