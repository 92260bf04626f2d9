"""A file that came over the web: kept encrypted, read in stretches, forgotten when it is read."""

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from calls.exports import reject_lines
from calls.intake import memory, receiving
from calls.intake.loading import Overtaken, load_file
from calls.intake.planning import ColumnPlan
from calls.intake.reading import FileRefused
from calls.intake.storing import Store
from calls.models import Batch, CallRow, ColumnMemory, RejectedLine, Upload
from calls.vocabulary import BatchState
from tests.intake.samples import SAMPLE
from tests.intake.workbooks import workbook

pytestmark = pytest.mark.django_db


def file_of(*changes: dict[str, str], headers: dict[str, str] | None = None) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([(headers or {}).get(name, name) for name in SAMPLE])
    for number, change in enumerate(changes or ({},), 1):
        line = {"external_reference_id": f"row-{number}", "eoc_number": f"EOC-{number}"}
        writer.writerow((SAMPLE | line | change).values())
    return out.getvalue().encode()


def received(data: bytes, **options: Any) -> Upload:
    return receiving.receive(data, file_name="calls.csv", name="", by=None, **options)


def counts(batch: Batch) -> tuple[int, int, int]:
    batch.refresh_from_db()
    return batch.accepted, batch.rejected, batch.unchanged


def test_a_clear_file_is_ready_to_be_read_and_forgotten_once_it_is() -> None:
    upload = received(file_of({}, {"outbound_phone_number": "12"}))
    assert (upload.batch.state, upload.lines_total) == (BatchState.LOADING, 2)
    assert receiving.read(upload)
    assert counts(upload.batch) == (1, 1, 0)
    assert upload.batch.state == BatchState.DRAFT
    upload.refresh_from_db()
    assert (upload.content, upload.lines_read) == (None, 2)


def test_what_is_kept_of_a_file_cannot_be_read_in_the_database() -> None:
    upload = received(file_of(), look=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT content FROM calls_upload")
        assert cursor.fetchone()[0].startswith("enc1:")
    assert receiving.content_of(upload) == file_of()


def test_a_refused_file_leaves_nothing_behind() -> None:
    with pytest.raises(FileRefused):
        received(b"a,b\n1,2\n")
    assert not Batch.objects.exists()


LINES = [{}, {"outbound_phone_number": "12"}, {}, {"external_reference_id": "row-1"}, {}, {}]


@pytest.mark.parametrize("stops_after", [1, 2, 3])
def test_a_reading_that_stops_goes_on_where_it_was(monkeypatch, stops_after: int) -> None:
    monkeypatch.setattr("calls.intake.loading.CHUNK", 1)
    upload = received(file_of(*LINES))
    left = iter([True] * (stops_after - 1))
    assert not receiving.read(upload, lambda: next(left, False))
    assert upload.lines_read == stops_after
    assert receiving.read(Upload.objects.get())
    assert counts(upload.batch) == (4, 2, 0)
    assert [p["code"] for line in RejectedLine.objects.order_by("line") for p in line.problems] == [
        "digits",
        "repeated_reference",
    ]


def test_a_worker_that_is_killed_within_a_chunk_leaves_no_half_of_it(monkeypatch) -> None:
    monkeypatch.setattr("calls.intake.loading.CHUNK", 2)
    upload, note = received(file_of(*LINES)), Store.note_uploaded
    monkeypatch.setattr(
        Store, "note_uploaded", lambda *a, **k: note(*a, **k) if upload.lines_read else 1 / 0
    )
    with pytest.raises(ZeroDivisionError):
        receiving.read(upload)
    assert (CallRow.objects.count(), Upload.objects.get().lines_read) == (0, 0)
    monkeypatch.undo()
    assert receiving.read(Upload.objects.get())
    assert counts(upload.batch) == (4, 2, 0)


def test_two_readers_of_one_upload_store_each_line_once() -> None:
    upload = received(file_of(*LINES))
    other = Upload.objects.select_related("batch").get()
    receiving.read(other)
    upload.batch.state = BatchState.LOADING
    Batch.objects.update(state=BatchState.LOADING)
    Upload.objects.update(content=receiving.packed(file_of(*LINES)))
    with pytest.raises(Overtaken):
        receiving.read(upload)
    assert counts(upload.batch) == (4, 2, 0)


def test_the_same_file_again_is_a_question_until_it_is_answered() -> None:
    receiving.read(received(file_of()))
    upload = received(file_of())
    assert receiving.question_of(upload) == receiving.Question.AGAIN
    receiving.answer(upload, {"again": True})
    assert receiving.advance(upload) is None
    receiving.read(upload)
    assert counts(upload.batch) == (0, 0, 1)


def test_several_sheets_are_a_question() -> None:
    sheet = [list(SAMPLE), list(SAMPLE.values())]
    upload = received(workbook({"March": sheet, "April": sheet}))
    assert receiving.question_of(upload) == receiving.Question.SHEET
    receiving.answer(upload, {}, sheet="April")
    assert receiving.advance(upload) is None
    assert upload.batch.state == BatchState.LOADING


def test_confirmed_columns_are_remembered_for_the_same_headers() -> None:
    data = file_of(headers={"outbound_phone_number": "Dial me"})
    upload = received(data)
    assert upload.batch.state == BatchState.MATCHING
    table = receiving.table_of(upload)
    plan = receiving.proposed(upload, table).plan
    assert receiving.confirm(upload, table, receiving.weighed(table, plan), by=None)
    again = received(file_of({"body_part": "Neck"}, headers={"outbound_phone_number": "Dial me"}))
    assert again.batch.state == BatchState.LOADING
    assert ColumnMemory.objects.count() == 1


def test_rejected_rows_are_read_again_as_their_file_was() -> None:
    headers = {"outbound_phone_number": "Dial me"}
    upload = received(file_of({"patient_dob": "soon"}, headers=headers))
    table = receiving.table_of(upload)
    plan = receiving.proposed(upload, table).plan
    receiving.confirm(upload, table, receiving.weighed(table, plan), by=None)
    receiving.read(upload)
    rejects = "".join(reject_lines(upload.batch)).replace("soon", "1967-04-13")
    again = load_file(rejects.encode(), name="rejects.csv")
    assert counts(again) == (1, 0, 0)


def test_what_is_remembered_of_a_wider_file_is_not_taken_for_a_narrower_one() -> None:
    headers = [*SAMPLE, "Reason"]
    mapping = {name: at for at, name in enumerate(SAMPLE)} | {"notes": len(SAMPLE)}
    memory.remember(headers, ColumnPlan(mapping), by=None)
    assert memory.recalled(headers) is not None
    assert memory.recalled(headers[:-1]) is None


def test_a_file_that_nobody_went_on_with_is_forgotten_after_a_week() -> None:
    upload = received(file_of(), look=True)
    assert receiving.forget_old_files() == 0
    Upload.objects.update(received_at=timezone.now() - timedelta(days=8))
    assert receiving.forget_old_files() == 1
    with pytest.raises(receiving.Gone):
        receiving.table_of(upload)
