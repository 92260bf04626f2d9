"""What keeps a large file quick, and lets others write while it is stored."""

import gc
import threading

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from calls.intake import loading, receiving, summing
from calls.intake.comparing import split_by_reference
from calls.intake.naming import FreeNames
from calls.models import Batch, CallRow, Entity
from calls.models.encrypted import EncryptedTextField
from tests.intake.test_receiving import counts, file_of, received

GOOD, WRONG = {}, {"outbound_phone_number": "12"}


def statements(*changes: dict[str, str]) -> list[str]:
    """What a file of one chunk asks of the database."""
    upload = received(file_of(*changes))
    with CaptureQueriesContext(connection) as captured:
        assert receiving.read(upload)
    return [query["sql"] for query in captured]


@pytest.mark.django_db
def test_a_chunk_asks_the_same_few_things_however_many_lines_it_has() -> None:
    few_lines = {"external_reference_id": "a", "eoc_number": "EA"}
    receiving.read(received(file_of({"external_reference_id": "b", "eoc_number": "EB"})))
    few, many = statements(few_lines, WRONG), statements(*[GOOD] * 40, *[WRONG] * 10)
    assert CallRow.objects.count() == 42
    assert len(many) == len(few)
    asked = [sql for sql in many if "calls_callrow" in sql or "calls_rejectedline" in sql]
    # The same reference, the same case, the newest key; then the rows, their timelines, the rejected.
    assert len(asked) == 6


@pytest.mark.django_db(transaction=True)
def test_what_takes_long_is_done_before_the_transaction(monkeypatch) -> None:
    upload = received(file_of(GOOD, GOOD, GOOD, WRONG))
    inside, encrypt = [], EncryptedTextField.get_prep_value

    def noting(field: EncryptedTextField, value: str | None) -> str | None:
        if value is not None:
            inside.append(connection.in_atomic_block)
        return encrypt(field, value)

    monkeypatch.setattr(EncryptedTextField, "get_prep_value", noting)
    assert receiving.read(upload)
    assert inside == [False] * 5  # three SSNs, the cells and the problems of a rejected line


@pytest.mark.django_db(transaction=True)
def test_others_write_between_two_chunks(monkeypatch) -> None:
    monkeypatch.setattr("calls.intake.loading.CHUNK", 1)
    upload, written = received(file_of(GOOD, GOOD, GOOD)), []

    def write() -> None:
        written.append(Batch.objects.create(name="Somebody else's").pk)
        connections.close_all()

    def let_write() -> bool:
        thread = threading.Thread(target=write)
        thread.start()
        thread.join(5)
        return True

    assert receiving.read(upload, let_write)
    assert len(written) == 3


@pytest.mark.parametrize(("held", "size"), [(0.2, 250), (0.01, 500)], ids=["long", "short"])
def test_where_a_commit_took_long_the_next_ones_are_smaller(monkeypatch, held, size) -> None:
    monkeypatch.setattr("calls.intake.loading.CHUNK", 500)
    reading = loading.Reading.__new__(loading.Reading)
    reading.size = 500
    reading.adapt(held)
    assert reading.size == size
    reading.adapt(0.01)
    assert reading.size == 500


@pytest.mark.django_db
def test_a_reading_that_goes_on_never_holds_all_the_lines_before(monkeypatch) -> None:
    monkeypatch.setattr("calls.intake.loading.CHUNK", 2)
    upload, held = received(file_of(*[GOOD] * 7)), []
    left = iter([True, True, False])
    assert not receiving.read(upload, lambda: next(left))

    def splitting(lines, seen):
        lines = list(lines)
        held.append(len(lines))
        return split_by_reference(lines, seen)

    monkeypatch.setattr(loading, "split_by_reference", splitting)
    assert receiving.read(upload)
    assert held == [2, 2, 2]
    assert counts(upload.batch) == (7, 0, 0)


@pytest.mark.django_db
def test_an_office_that_another_upload_creates_at_this_moment_is_theirs(monkeypatch) -> None:
    among = FreeNames.among

    def late(offices):
        names = among(offices)
        receiving.read(received(file_of({"external_reference_id": "other", "eoc_number": "O"})))
        return names

    upload = received(file_of(GOOD))
    calls = iter([late])
    monkeypatch.setattr(FreeNames, "among", lambda offices: next(calls, among)(offices))
    assert receiving.read(upload)
    assert Entity.objects.count() == 1
    assert set(CallRow.objects.values_list("entity__upstream_name", flat=True)) == {
        "Select Physical Therapy"
    }


@pytest.mark.django_db
def test_the_collector_works_again_after_a_reading_that_broke_off(monkeypatch) -> None:
    monkeypatch.setattr(loading.Reading, "keep", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        receiving.read(received(file_of(GOOD)))
    assert gc.isenabled()


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL plans by size")
@pytest.mark.parametrize(
    ("lines", "index"),
    [
        (summing.listed_rows, "lines_of_batch (batch_id=?)"),
        (summing.ready_rows, "lines_of_batch (batch_id=?)"),
        (summing.rows_with_warnings, "lines_to_check (batch_id=?)"),
    ],
)
def test_a_list_of_the_review_is_read_in_its_order(lines, index: str) -> None:
    plan = lines(Batch.objects.create(name="Any"))[:51].explain()
    assert index in plan
    assert "TEMP B-TREE" not in plan
