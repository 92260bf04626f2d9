"""A rejected line is checked again by the rules of its file, and becomes a row of the draft when it is clean."""

import json
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from calls import actions
from calls.exports import reject_lines
from calls.intake import mending, settling
from calls.intake.loading import load_file
from calls.intake.mending import CannotMend
from calls.intake.summing import problem_groups, totals
from calls.models import Batch, CallRow, Entity
from calls.vocabulary import BatchState, HoldReason, Phase
from tests.intake.test_loading import as_csv, lines, load

pytestmark = pytest.mark.django_db


def only_line(batch):
    return batch.rejected_lines.get()


def mend(line, **typed):
    return mending.mend_lines(batch=line.batch, typed={line.pk: typed}, by=None)


def mend_alike(batch, column, code, value=""):
    lines = mending.open_lines(batch)
    return mending.mend_alike(
        lines=lines, batch=batch, column=column, code=code, value=value, by=None
    )


def codes(line):
    line.refresh_from_db()
    return [problem["code"] for problem in line.problems]


def counts(batch):
    batch.refresh_from_db()
    return (batch.accepted, batch.rejected, batch.skipped)


# --- One line -------------------------------------------------------------------------------------
def test_a_clean_line_becomes_a_row_of_the_draft():
    batch = load({}, {"outbound_phone_number": "12"})
    line = only_line(batch)
    assert mend(line, outbound_phone_number="(212) 555-0177").fixed == [3]
    row = CallRow.objects.get(line=3)
    assert (row.batch, row.phase, row.outbound_phone_number) == (batch, Phase.READY, "+12125550177")
    assert row.patient_ssn == "999887777", "what was right in the file is kept"
    assert row.events.filter(kind="uploaded").exists()
    line.refresh_from_db()
    assert (line.row, codes(line), counts(batch)) == (row, [], (2, 0, 0))


def test_a_line_that_is_still_wrong_says_what_is_left_and_keeps_what_was_typed():
    line = only_line(load({"outbound_phone_number": "12", "eoc_number": ""}))
    assert mend(line, outbound_phone_number="2125550177").left == [2]
    assert codes(line) == ["missing"]
    assert "2125550177" in json.loads(line.cells)
    assert "12" in json.loads(line.original_cells)


def test_a_mended_field_shows_what_it_hid():
    line = only_line(load({"patient_dob": "soon"}))
    mend(line, patient_dob="2026-02-01")
    assert codes(line) == ["before_birth"]


def test_undo_takes_the_row_away_and_restores_the_cells():
    batch = load({"outbound_phone_number": "12"})
    line, before = only_line(batch), only_line(batch).cells
    mend(line, outbound_phone_number="2125550177")
    line.refresh_from_db()
    mending.undo(line=line)
    line.refresh_from_db()
    assert (line.row, line.cells, line.original_cells) == (None, before, None)
    assert (codes(line), counts(batch)) == (["digits"], (0, 1, 0))
    assert not CallRow.objects.exists()


def test_undo_is_refused_once_the_row_went_on():
    batch = load({"outbound_phone_number": "12"})
    line = only_line(batch)
    mend(line, outbound_phone_number="2125550177")
    CallRow.objects.update(phase=Phase.SCHEDULING)
    with pytest.raises(CannotMend, match="on its way"):
        mending.undo(line=line)
    assert CallRow.objects.exists()


ACTS = {
    "mend": lambda line: mend(line, outbound_phone_number="2125550177"),
    "skip": lambda line: mending.skip(lines=mending.open_lines(line.batch), batch=line.batch),
    "undo": lambda line: mending.undo(line=line),
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_nothing_is_mended_once_the_batch_was_started(act):
    batch = load({}, {"outbound_phone_number": "12"})
    line = only_line(batch)
    actions.start_batch(batch=batch, by=None)
    with pytest.raises(CannotMend, match="until the batch is started"):
        act(line)
    assert batch.rows.count() == 1


# --- References -----------------------------------------------------------------------------------
def test_a_repeated_reference_is_mended_by_another_one():
    batch = load({}, {"external_reference_id": "row-0001"})
    line = only_line(batch)
    assert mend(line, external_reference_id="row-0001").left == [3]
    assert "also on row 2" in line.batch.rejected_lines.get().problems[0]["message"]
    assert mend(line, external_reference_id="row-0099").fixed == [3]


def test_a_typed_reference_of_another_case_does_not_replace_it():
    load({})
    line = only_line(load({"external_reference_id": "", "eoc_number": "EOC-9"}))
    mend(line, external_reference_id="row-0001")
    assert codes(line) == ["known_reference"]
    assert CallRow.objects.get().eoc_number == "EOC-1"


def test_a_mended_line_replaces_what_an_earlier_file_said_of_its_row():
    first = load({"body_part": "knee"})
    second = load({"local_timezone": "EST"})
    line = only_line(second)
    assert mend(line, local_timezone="America/New_York").fixed == [2]
    row = CallRow.objects.get()
    assert (row.batch, row.body_part) == (second, "left shoulder")
    assert (counts(first), counts(second)) == ((0, 0, 0), (1, 0, 0))


def test_a_mended_line_that_is_here_already_is_skipped():
    first = load({})
    second = load({"local_timezone": "EST"})
    line = only_line(second)
    done = mend(line, local_timezone="America/New_York")
    assert (done.fixed, done.left, done.unchanged) == ([], [], [2])
    assert (codes(line), line.is_skipped) == (["unchanged"], True)
    assert (CallRow.objects.get().batch, counts(second)) == (first, (0, 1, 1))


def test_a_mended_line_of_a_call_that_was_sent_is_refused_in_those_words():
    load({"body_part": "knee"})
    CallRow.objects.update(phase=Phase.SCHEDULED, request_id=uuid4())
    line = only_line(load({"local_timezone": "EST"}))
    mend(line, local_timezone="America/New_York")
    assert codes(line) == ["reference_already_sent"]


def test_a_row_that_was_mended_in_two_files_belongs_to_the_later_one():
    first = load({"local_timezone": "EST"})
    mend(only_line(first), local_timezone="America/New_York")
    second = load({"local_timezone": "EST", "body_part": "knee"})
    mend(only_line(second), local_timezone="America/New_York")
    assert CallRow.objects.get().mended_from == only_line(second)
    assert (first.rejected_lines.count(), counts(first)) == (0, (0, 0, 0))


def test_a_row_that_was_replaced_comes_back_with_the_discarded_file_and_not_by_undo():
    first = load({"body_part": "knee"})
    second = load({"local_timezone": "EST"})
    mend(only_line(second), local_timezone="America/New_York")
    with pytest.raises(CannotMend, match="discard this upload"):
        mending.undo(line=only_line(second))
    actions.discard_draft(batch=second)
    row = CallRow.objects.get()
    assert (row.batch, row.body_part, counts(first)) == (first, "knee", (1, 0, 0))


def test_two_lines_mended_at_once_cannot_share_a_reference():
    batch = load({"external_reference_id": ""}, {"external_reference_id": ""})
    typed = {line.pk: {"external_reference_id": "same"} for line in batch.rejected_lines.all()}
    done = mending.mend_lines(batch=batch, typed=typed, by=None)
    assert (done.fixed, done.left) == ([2], [3])


def test_a_reference_that_was_taken_in_this_moment_is_no_fault_of_the_page(monkeypatch):
    batch = load({}, {"external_reference_id": ""})
    monkeypatch.setattr(settling, "known_rows", lambda references: {})
    with pytest.raises(CannotMend, match="Save again"):
        mend(only_line(batch), external_reference_id="row-0001")
    assert counts(batch) == (1, 1, 0)


def test_undoing_a_line_that_is_clean_by_now_says_so_and_does_not_store_it():
    batch = load({}, {"external_reference_id": "row-0001"})
    line = only_line(batch)
    mend(line, external_reference_id="row-0099")
    CallRow.objects.get(line=2).delete()
    line.refresh_from_db()
    mending.undo(line=line)
    assert codes(line) == ["mended_elsewhere"]


def test_a_mended_line_of_a_known_case_is_held_like_any_other():
    batch = load({"eoc_number": "EOC-1"}, {"eoc_number": "EOC-1", "patient_dob": "soon"})
    mend(only_line(batch), patient_dob="1967-04-13")
    assert CallRow.objects.get(line=3).hold_reason == HoldReason.POSSIBLE_DUPLICATE


# --- The rules of the file ------------------------------------------------------------------------
def test_a_line_is_read_by_the_rules_that_its_file_was_read_by():
    batch = load({"outbound_phone_number": "12", "local_timezone": "US/Eastern"})
    at = batch.headers.index
    batch.columns = {
        "mapping": {name: at(name) for name in batch.headers if name != "service_modality"},
        "constants": {"service_modality": "Occupational Therapy"},
        "formats": {"patient_dob": "day_first"},
        "convert_zones": True,
    }
    batch.save()
    mend(only_line(batch), outbound_phone_number="2125550177", patient_dob="04/05/1967")
    row = CallRow.objects.get()
    assert (row.service_modality, row.local_timezone) == (
        "Occupational Therapy",
        "America/New_York",
    )
    assert row.patient_dob.isoformat() == "1967-05-04"


def test_a_field_without_a_column_can_be_mended():
    batch = load({"outbound_phone_number": "12"})
    mapping = {name: place for place, name in enumerate(batch.headers)}
    del mapping["eoc_number"]
    batch.columns = {"mapping": mapping, "constants": {"eoc_number": ""}}
    batch.save()
    line = only_line(batch)
    mend(line, outbound_phone_number="2125550177")
    assert codes(line) == ["missing"]
    mend(line, eoc_number="EOC-7")
    assert CallRow.objects.get().eoc_number == "EOC-7"


# --- Groups ---------------------------------------------------------------------------------------
def test_one_click_mends_every_row_with_the_same_fault():
    batch = load(
        {"local_timezone": "Eastern"},
        {"local_timezone": "Eastern", "eoc_number": ""},
        {"local_timezone": "Central", "provider_state": ""},
    )
    group = next(g for g in problem_groups(batch) if g.column == "local_timezone")
    assert group.fixes == [
        ("America/New_York", "Use America/New_York for 2 rows"),
        ("America/Chicago", "Use America/Chicago for 1 row"),
    ]
    done = mend_alike(batch, "local_timezone", "zone", "America/New_York")
    assert (done.fixed, done.left) == ([2], [3])


def test_an_extension_moves_to_the_guide_of_its_office():
    batch = load({"outbound_phone_number": "212-555-0199 ext. 12"})
    assert mend_alike(batch, "outbound_phone_number", "extension").fixed == [2]
    office, row = Entity.objects.get(), CallRow.objects.get()
    assert (row.outbound_phone_number, office.ivr_guide) == ("+12125550199", "Extension 12")
    assert office.version == 2, "Evergrove gets the guide before the call"
    assert office.events.filter(detail="ivr_guide").exists()


def test_an_extension_is_not_lost_when_the_row_has_another_fault():
    batch = load({"outbound_phone_number": "212-555-0199 x12", "eoc_number": ""})
    mend_alike(batch, "outbound_phone_number", "extension")
    assert "212-555-0199 x12" in "".join(reject_lines(batch)), "nor in the download"
    mend(only_line(batch), eoc_number="EOC-9")
    assert Entity.objects.get().ivr_guide == "Extension 12"


def test_typing_another_phone_forgets_the_extension():
    batch = load({"outbound_phone_number": "212-555-0199 x12", "eoc_number": ""})
    mend_alike(batch, "outbound_phone_number", "extension")
    mend(only_line(batch), eoc_number="EOC-9", outbound_phone_number="2125550111")
    assert (Entity.objects.get().ivr_guide, CallRow.objects.get().outbound_phone_number) == (
        "",
        "+12125550111",
    )


def test_undo_takes_the_extension_out_of_the_guide_again():
    batch = load({}, {"outbound_phone_number": "212-555-0199 x77"})
    mend_alike(batch, "outbound_phone_number", "extension")
    mending.undo(line=only_line(batch))
    office = Entity.objects.get()
    assert (office.ivr_guide, office.version) == ("", 3)


def test_undo_leaves_what_the_guide_said_before():
    load({})
    Entity.objects.update(ivr_guide="Extension 77")
    batch = load(
        {
            "external_reference_id": "b",
            "outbound_phone_number": "212-555-0199 x77",
            "eoc_number": "9",
        }
    )
    mend_alike(batch, "outbound_phone_number", "extension")
    mending.undo(line=only_line(batch))
    assert Entity.objects.get().ivr_guide == "Extension 77"


def test_an_extension_of_two_rows_leaves_the_guide_with_the_last_of_them():
    batch = load({}, *[{"outbound_phone_number": "212-555-0199 x77"}] * 2)
    mend_alike(batch, "outbound_phone_number", "extension")
    guides = []
    for line in batch.rejected_lines.order_by("line"):
        mending.undo(line=line)
        guides.append(Entity.objects.get().ivr_guide)
    assert guides == ["Extension 77", ""]


def test_undo_forgets_the_office_that_was_made_for_the_row():
    batch = load({"outbound_phone_number": "12"})
    mend(only_line(batch), outbound_phone_number="2125550177")
    mending.undo(line=only_line(batch))
    assert not Entity.objects.exists()


def test_undo_keeps_the_office_of_a_row_that_may_be_given_back():
    first = load({"provider_office": "Other office"})
    second = load({})
    third = load(
        {
            "external_reference_id": "b",
            "eoc_number": "9",
            "provider_office": "Other office",
            "outbound_phone_number": "12",
        }
    )
    mend(only_line(third), outbound_phone_number="2125550177")
    mending.undo(line=only_line(third))
    actions.discard_draft(batch=second)
    assert CallRow.objects.get().batch == first


def test_the_extension_of_a_patient_goes_to_the_notes():
    batch = load({"patient_phone_number": "212-555-0100 x7"})
    mend_alike(batch, "patient_phone_number", "extension")
    row = CallRow.objects.get()
    assert row.notes == "ask for Alex\nPatient phone extension 7"
    assert Entity.objects.get().ivr_guide == ""


def test_many_lines_are_mended_in_several_transactions(monkeypatch):
    monkeypatch.setattr("calls.intake.mending.AT_ONCE", 2)
    batch = load(*[{"local_timezone": "Eastern"}] * 5)
    assert len(mend_alike(batch, "local_timezone", "zone").fixed) == 5
    assert counts(batch) == (5, 0, 0)


# --- Skipping and the download --------------------------------------------------------------------
def test_skipped_lines_are_counted_apart_and_come_back():
    batch = load({}, {"patient_dob": "soon"}, {"patient_dob": "soon"})
    assert mending.skip(lines=mending.open_lines(batch), batch=batch) == 2
    batch.refresh_from_db()
    found = totals(batch)
    assert (found.fix, found.skipped, problem_groups(batch)) == (0, 2, [])
    mending.take_back(line=batch.rejected_lines.first())
    assert counts(batch) == (1, 2, 1)


def test_a_skipped_line_that_is_mended_after_all_is_no_longer_skipped():
    batch = load({"patient_dob": "soon"})
    mending.skip(lines=mending.open_lines(batch), batch=batch)
    mend(only_line(batch), patient_dob="1967-04-13")
    assert counts(batch) == (1, 0, 0)


def test_the_download_leaves_out_what_was_mended_and_is_accepted_again():
    batch = load({"patient_dob": "soon"}, {"patient_dob": "later"}, {"patient_dob": "never"})
    first, second, _ = batch.rejected_lines.order_by("line")
    mend(first, patient_dob="1967-04-13")
    mending.skip(lines=batch.rejected_lines.filter(pk=second.pk), batch=batch)
    text = "".join(reject_lines(batch))
    assert "later" in text
    assert "never" in text
    assert "row-0001" not in text
    mended = text.replace("later", "1967-04-13").replace("never", "1967-04-13")
    again = load_file(mended.encode(), name="mended.csv")
    assert (again.accepted, again.rejected) == (2, 0)
    assert CallRow.objects.count() == 3


def test_the_original_file_uploaded_again_does_not_undo_the_mending():
    """The mended row is not what the file says; the file's line is rejected as before."""
    data = as_csv(lines({"patient_dob": "soon"}))
    batch = load_file(data, name="a.csv")
    mend(only_line(batch), patient_dob="1967-04-13")
    again = load_file(data, name="a.csv")
    assert (again.rejected, CallRow.objects.get().batch) == (1, batch)


def test_a_draft_with_mended_lines_can_be_discarded():
    batch = load({"patient_dob": "soon"})
    mend(only_line(batch), patient_dob="1967-04-13")
    actions.discard_draft(batch=batch)
    assert not Batch.objects.exists()


def test_a_draft_that_starts_in_time_may_still_be_mended():
    batch = load({"patient_dob": "soon"})
    Batch.objects.update(start_at=timezone.now() + timedelta(hours=1))
    assert mend(only_line(batch), patient_dob="1967-04-13").fixed == [2]
    batch.refresh_from_db()
    assert batch.state == BatchState.DRAFT
