"""The clock that waits, leases and looks go by."""

from collections.abc import Callable
from datetime import datetime

from django.db import connection
from django.utils import timezone


def shared_clock() -> Callable[[], datetime]:
    """The time of the database's machine, so that workers on several machines agree; asked for once.

    SQLite is on the machine itself.
    """
    if connection.vendor != "postgresql":
        return lambda: timezone.now()  # looked up at each call: tests set it
    before = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        there = cursor.fetchone()[0]
    ahead = there - (before + (timezone.now() - before) / 2)
    return lambda: timezone.now() + ahead
