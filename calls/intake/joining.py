"""A date and a time of the appointment in two columns become one text, in the column of the date. Pure."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Final

from calls.intake.columns import claimed_columns, time_header
from calls.intake.kinds import is_day, is_time
from calls.intake.normalising import clean
from calls.intake.tables import Table

_APPOINTMENT: Final = "expected_appointment_date_time"
_LOOKED_AT: Final = 50  # lines
_MIDNIGHT: Final = re.compile(r"[T ]00:00(?::00)?$")  # what Excel adds to a date


def joined(table: Table) -> Table:
    """The table with both in the column of the date, if one of two columns has dates and the other times.

    The other column loses its name, so that nothing takes it for the appointment any more.
    """
    columns = claimed_columns(table.headers).get(_APPOINTMENT, [])
    if len(columns) != 2:
        return table
    days = [at for at in columns if _all(is_day, table, at)]
    times = [at for at in columns if _all(is_time, table, at)]
    if len(days) != 1 or len(times) != 1:
        return table
    (day,), (time,) = days, times
    headers, records = list(table.headers), table.rows.records
    notice = f"“{headers[day]}” and “{headers[time]}” were read together"
    headers[time] = time_header(headers[day])
    return replace(
        table,
        headers=headers,
        rows=replace(table.rows, records=lambda: _with_times(records(), day, time)),
        notices=[*table.notices, notice],
    )


def _all(looks_like: Callable[[str], bool], table: Table, at: int) -> bool:
    lines = islice(table.rows, _LOOKED_AT)
    texts = [text for line in lines if (text := clean(line.cells[at]))]
    return bool(texts) and all(map(looks_like, texts))


def _with_times(records: Iterator[list[str]], day: int, time: int) -> Iterator[list[str]]:
    for cells in records:
        if len(cells) > max(day, time) and clean(cells[day]) and clean(cells[time]):
            cells[day] = f"{_MIDNIGHT.sub('', clean(cells[day]))} {clean(cells[time])}"
        yield cells
