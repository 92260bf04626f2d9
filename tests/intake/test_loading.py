import csv
import io
import json

import pytest

from calls.exports import reject_lines
from calls.intake.loading import load_file
from calls.intake.reading import FileRefused
from calls.models import Batch, CallEvent, CallRow, Entity, RejectedLine
from calls.vocabulary import BatchState, HoldReason, Phase

pytestmark = pytest.mark.django_db

SAMPLE = {
    "external_reference_id": "row-0001",
    "organization_name": "SPNet",
    "patient_name": "Jane Patient",
    "patient_ssn": "999-88-7777",
    "patient_dob": "1967-04-13",
    "patient_phone_number": "+12125550100",
    "date_of_injury": "2026-01-15",
    "expected_appointment_date_time": "2026-04-09T11:00:00",
    "local_timezone": "America/New_York",
    "service_modality": "physical therapy",
    "claim_number": "CLAIM-1",
    "insurer_group_name": "Acme Insurer Group",
    "body_part": "left shoulder",
    "provider_office": "Select Physical Therapy",
    "provider_office_address": "456 Provider Rd, New York, NY 10002",
    "provider_state": "NY",
    "outbound_phone_number": "+12125550199",
    "eoc_number": "EOC-1",
    "notes": "ask for Alex",
}


def lines(*changes):
    """Sample rows, each with another reference and case unless it says otherwise."""
    return [
        {**SAMPLE, "external_reference_id": f"row-{n:04}", "eoc_number": f"EOC-{n}", **change}
        for n, change in enumerate(changes, start=1)
    ]


def as_csv(rows):
    out = io.StringIO()
    writer = csv.DictWriter(out, list(SAMPLE))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def load(*changes, name="calls.csv"):
    return load_file(as_csv(lines(*changes)), name=name)


def problems(batch):
    return [p["code"] for line in batch.rejected_lines.all() for p in line.problems]


def test_a_good_line_becomes_a_row_that_is_ready():
    batch = load({})
    row = batch.rows.get()
    assert (batch.state, batch.accepted, batch.rejected) == (BatchState.DRAFT, 1, 0)
    assert (row.phase, row.request_status, row.line) == (Phase.READY, "not_scheduled", 2)
    assert row.patient_ssn.replace("-", "") == "999887777"
    assert row.appointment_at.isoformat() == "2026-04-09T15:00:00+00:00"
    assert CallEvent.objects.filter(row=row, kind="uploaded").exists()


def test_a_wrong_line_never_blocks_a_good_one():
    batch = load({"outbound_phone_number": "12", "patient_dob": "soon"}, {})
    assert (batch.accepted, batch.rejected) == (1, 1)
    assert batch.rejected_lines.get().line == 2
    assert len(problems(batch)) == 2


def test_a_refused_file_leaves_nothing_behind():
    with pytest.raises(FileRefused):
        load_file(b"a,b\n1,2\n", name="x.csv")
    assert not Batch.objects.exists()


def test_rejected_cells_are_kept_as_they_came_but_not_readable_in_the_database():
    batch = load({"outbound_phone_number": "12"})
    cells = json.loads(batch.rejected_lines.get().cells)
    assert dict(zip(batch.headers, cells, strict=True))["patient_ssn"] == "999-88-7777"
    assert "999-88-7777" not in raw_column(RejectedLine, "cells")


def test_the_ssn_is_not_readable_in_the_database():
    load({})
    assert "7777" not in raw_column(CallRow, "patient_ssn")
    changes = CallRow.objects.get().changes
    assert changes == [{"column": "patient_ssn", "before": "", "after": "•••-••-7777"}]


def raw_column(model, column):
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM {model._meta.db_table}")  # noqa: S608
        return cursor.fetchone()[0]


def test_a_reference_twice_in_a_file_names_the_other_line():
    batch = load({}, {"external_reference_id": "row-0001"})
    assert (batch.accepted, problems(batch)) == (1, ["repeated_reference"])
    assert "also on row 2" in batch.rejected_lines.get().problems[0]["message"]


def test_the_same_row_again_is_unchanged_and_says_where_it_is():
    first = load({}, {})
    again = load({}, {})
    assert (again.accepted, again.unchanged, again.unchanged_in) == (0, 2, [first.pk])


def test_a_changed_row_that_was_not_sent_is_updated_and_moves_to_the_new_batch():
    first = load({}, {})
    second = load({"body_part": "right knee"}, {})
    row = CallRow.objects.get(external_reference_id="row-0001")
    assert (row.body_part, row.batch_id) == ("right knee", second.pk)
    first.refresh_from_db()
    assert (first.accepted, first.rows.count()) == (1, 1)
    assert (second.accepted, second.unchanged) == (1, 1)


@pytest.mark.parametrize("change", [{}, {"body_part": "right knee"}], ids=["unchanged", "changed"])
def test_a_row_that_was_sent_is_skipped_or_a_conflict(change):
    load({})
    CallRow.objects.update(phase=Phase.SCHEDULED, request_id="22222222-2222-4222-8222-222222222222")
    batch = load(change)
    assert problems(batch) == (["reference_already_sent"] if change else [])
    assert CallRow.objects.get().body_part == "left shoulder"


def test_the_same_case_under_another_reference_waits_for_a_person():
    batch = load({"eoc_number": "EOC-1"}, {"eoc_number": "EOC-1"})
    first, second = batch.rows.order_by("line")
    assert (first.hold_reason, second.hold_reason) == ("", HoldReason.POSSIBLE_DUPLICATE)
    assert "row-0001" in second.warnings[-1]["message"]


def test_rows_of_one_office_share_one_entity_whatever_the_spelling():
    load({}, {"provider_office": "SELECT  physical therapy"})
    assert Entity.objects.count() == 1


def test_a_second_office_of_the_same_name_gets_a_name_of_its_own():
    batch = load(
        {},
        {"provider_office_address": "9 Other St, Albany, NY 12207"},
        {"provider_office_address": "10 Third St, Albany, NY 12207"},
        {"local_timezone": "America/Chicago"},
    )
    names = set(Entity.objects.values_list("upstream_name", flat=True))
    assert names == {
        "Select Physical Therapy",
        "Select Physical Therapy (Albany, NY)",
        "Select Physical Therapy (10 Third St, Albany, NY 12207)",
        "Select Physical Therapy (New York, NY)",
    }
    assert len([notice for notice in batch.notices if "neither changes" in notice]) == 3


def test_a_large_file_is_stored_in_several_commits(monkeypatch):
    monkeypatch.setattr("calls.intake.loading.CHUNK", 2)
    batch = load(*[{}] * 5)
    assert batch.rows.count() == batch.accepted == 5


def test_an_upload_that_breaks_off_stays_loading(monkeypatch):
    def stop(*args, **kwargs):
        raise RuntimeError

    monkeypatch.setattr("calls.intake.storing.Store.insert", stop)
    with pytest.raises(RuntimeError):
        load({})
    assert Batch.objects.get().state == BatchState.LOADING


# --- The appointment in two columns ---------------------------------------------------------------
def two_columns(date, time):
    """A file with the date and the time of the appointment apart."""
    at, headers, sample = "expected_appointment_date_time", list(SAMPLE), dict(SAMPLE)
    place = headers.index(at)
    headers[place : place + 1] = ["Appt Date", "Appt Time"]
    cells = list(sample.values())
    cells[place : place + 1] = [date, time]
    out = io.StringIO()
    csv.writer(out).writerows([headers, cells])
    return out.getvalue().encode()


@pytest.mark.parametrize(
    ("date", "time"),
    [
        ("2026-04-09", "11:00"),
        ("2026-04-09T00:00:00", "11:00:00"),
        ("4/13/2026", "11 AM"),
        ("Apr 9, 2026", "11:00 am"),
    ],
)
def test_a_date_and_a_time_in_two_columns_are_one_appointment(date, time):
    batch = load_file(two_columns(date, time), name="a.csv")
    assert CallRow.objects.get().expected_appointment_date_time.endswith("T11:00:00")
    assert "“Appt Date” and “Appt Time” were read together" in batch.notices
    assert not any("not used" in notice for notice in batch.notices)


def test_two_columns_that_are_no_date_and_time_are_refused_as_before():
    with pytest.raises(FileRefused, match="More than one is for Appointment"):
        load_file(two_columns("2026-04-09 11:00", "2026-04-10 11:00"), name="a.csv")


def test_rejected_rows_with_a_joined_appointment_are_accepted_again():
    data = two_columns("2026-04-09", "11:00").replace(b"+12125550199", b"12")
    rejects = "".join(reject_lines(load_file(data, name="a.csv")))
    again = load_file(rejects.replace(",12,", ",+12125550199,").encode(), name="b.csv")
    assert (again.accepted, again.rejected) == (1, 0)
