"""What leaves the desk as a file: complete, harmless in a spreadsheet, without the SSN."""

import csv
import io
import json

import pytest

from calls.exports import OUTCOME_FIELDS, safe_cell, write_outcomes, write_rejects
from calls.models import CallRow
from calls.vocabulary import HoldReason, Phase
from tests.factories import make_attempt, make_batch, make_outcome, make_rejected_line, make_row


def exported(rows):
    out = io.StringIO()
    count = write_outcomes(rows, out)
    records = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert len(records) == count
    return records


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-2", "'-2"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("  =1", "'  =1"),
        ("+12125550199", "(212) 555-0199"),
        ("+1212555", "'+1212555"),
        ("Left - shoulder", "Left - shoulder"),
        ("", ""),
    ],
)
def test_no_cell_is_taken_for_a_formula(cell, written):
    assert safe_cell(cell) == written


@pytest.mark.django_db
def test_each_row_is_a_line_with_every_outcome_field(django_assert_num_queries):
    done = make_row(Phase.COMPLETED, outbound_phone_number="+12125550199")
    make_outcome(
        done,
        reason_why='=HYPERLINK("http://x")',
        additional_dates_of_service=[{"date": "2026-04-16", "time": "10:00"}],
        review_reasons=["called_too_early"],
    )
    make_attempt(done)
    make_row(Phase.READY, batch=done.batch, hold_reason=HoldReason.POSSIBLE_DUPLICATE)
    with django_assert_num_queries(1):
        first, second = exported(done.batch.rows.all())
    assert first["external_reference_id"] == done.external_reference_id
    assert first["request_status"] == "completed"
    assert first["outbound_phone_number"] == "(212) 555-0199"
    assert first["attempts_read"] == "1"
    assert first["called"] == "yes"
    assert first["voicemail_left"] == "no"
    assert first["time_of_call"] == "2026-04-09T15:42:06Z"
    assert first["additional_dates_of_service"] == "2026-04-16 10:00"
    assert first["review_reasons"] == "called_too_early"
    assert first["reason_why"].startswith("'=")
    assert second["hold_reason"] == "possible_duplicate"
    assert {second[name] for name in OUTCOME_FIELDS} == {""}


@pytest.mark.django_db
def test_ssn_birth_date_and_the_patients_phone_stay_here():
    row = make_row(Phase.COMPLETED, patient_phone_number="+12125550123")
    out = io.StringIO()
    write_outcomes(CallRow.objects.all(), out)
    for secret in (row.patient_ssn, "7777", "1967-04-13", "555-0123"):
        assert secret not in out.getvalue()


@pytest.mark.django_db
def test_rejected_lines_come_back_with_their_own_columns_and_the_reason():
    batch = make_batch(headers=["Ref", "Phone", "Notes", "reason"])
    make_rejected_line(batch, 9, cells=json.dumps(["row-9", "212", "=1", "an older reason"]))
    make_rejected_line(batch, 3, cells=json.dumps(["row-3"]))
    out = io.StringIO()
    assert write_rejects(batch, out) == 2
    header, first, second = csv.reader(io.StringIO(out.getvalue()))
    assert header == ["Ref", "Phone", "Notes", "reason"]
    assert first[:3] == ["row-3", "", ""]
    assert second[:3] == ["row-9", "212", "'=1"]
    assert "must have 10 digits" in second[3]
