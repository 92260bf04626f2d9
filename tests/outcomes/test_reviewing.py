from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from calls.outcomes.reviewing import REVIEW_REASONS, Heard, review_reasons

CLEAR = Heard(
    attendance="attended",
    called=True,
    person_spoke_with="Alex",
    voicemail_left=False,
    contact="positive",
    time_of_call=datetime(2026, 4, 9, 16, tzinfo=UTC),
    original_date=date(2026, 4, 9),
    rescheduled_date=None,
    expected_date=date(2026, 4, 9),
    appointment_at=datetime(2026, 4, 9, 15, tzinfo=UTC),
)
REBOOKED = replace(CLEAR, attendance="no_show_rescheduled", rescheduled_date=date(2026, 4, 16))


@pytest.mark.parametrize(
    "heard",
    [CLEAR, REBOOKED, replace(CLEAR, attendance="no_show", person_spoke_with="")],
    ids=["attended", "rebooked", "no-show"],
)
def test_a_clear_outcome_needs_no_review(heard):
    assert review_reasons(heard) == []


@pytest.mark.parametrize(
    ("heard", "reason"),
    [
        (replace(REBOOKED, rescheduled_date=None), "no_new_date"),
        (replace(REBOOKED, rescheduled_date=date(2026, 4, 9)), "new_date_not_later"),
        (
            replace(REBOOKED, original_date=None, rescheduled_date=date(2026, 4, 8)),
            "new_date_not_later",
        ),
        (replace(CLEAR, original_date=date(2026, 4, 10)), "another_date"),
        (replace(CLEAR, person_spoke_with=""), "nobody_spoken_with"),
        (replace(CLEAR, voicemail_left=True), "only_voicemail"),
        (replace(CLEAR, contact="negative"), "negative_contact"),
        (replace(CLEAR, called=False), "not_called"),
        (replace(CLEAR, time_of_call=datetime(2026, 4, 9, 14, tzinfo=UTC)), "called_too_early"),
        (replace(CLEAR, attendance="unknown"), "unknown"),
        (replace(CLEAR, attendance=""), "unknown"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_contradiction_is_named(heard, reason):
    assert review_reasons(heard) == [reason]
    assert reason in REVIEW_REASONS
