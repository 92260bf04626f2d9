from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.exceptions import FieldError
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone

from calls.models import CallRow
from calls.vocabulary import FINAL, LIVE, SETTLED, TRIGGERED, Phase, RequestStatus
from tests.factories import make_row, phase_values

pytestmark = pytest.mark.django_db
QUEUED = (Phase.SCHEDULED, *TRIGGERED)


def set_to(row, **changes):
    """One UPDATE; True when the table allows it."""
    try:
        with transaction.atomic():
            CallRow.objects.filter(pk=row.pk).update(**changes)
    except (IntegrityError, DatabaseError):
        return False
    return True


# --- The five documented words follow from the phase ---


@pytest.mark.parametrize(
    ("phase", "status"),
    [
        (Phase.READY, RequestStatus.NOT_SCHEDULED),
        (Phase.SCHEDULING, RequestStatus.NOT_SCHEDULED),
        (Phase.SCHEDULED, RequestStatus.QUEUED),
        (Phase.TRIGGERING, RequestStatus.QUEUED),
        (Phase.CONFIRMING, RequestStatus.QUEUED),
        (Phase.CALLING, RequestStatus.CALLING),
        (Phase.AWAITING_OUTCOME, RequestStatus.COMPLETED),
        (Phase.COMPLETED, RequestStatus.COMPLETED),
        (Phase.FAILED, RequestStatus.FAILED),
        (Phase.WITHDRAWN, RequestStatus.NOT_SCHEDULED),
    ],
    ids=lambda value: value.value,
)
def test_the_request_status_is_computed_from_the_phase(phase, status):
    row = make_row(phase)
    row.refresh_from_db()
    assert row.request_status == status


def test_a_triggered_call_reads_queued_until_it_is_active():
    row = make_row(Phase.CALLING, first_active_at=None)
    row.refresh_from_db()
    assert row.request_status == RequestStatus.QUEUED


def test_a_withdrawn_row_stays_what_it_was():
    row = make_row(Phase.WITHDRAWN, request_id=uuid4())
    row.refresh_from_db()
    assert row.request_status == RequestStatus.QUEUED


# --- What the table refuses, whatever the code believes ---


def test_the_request_id_is_written_once():
    row = make_row(Phase.READY)
    first = uuid4()
    assert set_to(row, request_id=first)
    assert set_to(row, request_id=first)
    assert not set_to(row, request_id=uuid4())
    assert not set_to(row, request_id=None)
    row.refresh_from_db()
    assert row.request_id == first


def test_a_request_id_belongs_to_one_row():
    taken = make_row(Phase.SCHEDULED)
    assert not set_to(make_row(Phase.READY), request_id=taken.request_id)


@pytest.mark.parametrize("final", FINAL, ids=lambda phase: phase.value)
@pytest.mark.parametrize("phase", Phase, ids=lambda phase: phase.value)
def test_a_final_phase_stays(final, phase):
    row = make_row(final, outbound_phone_number="+12125550001")
    settled = timezone.now() if phase in SETTLED else None
    assert set_to(row, phase=phase, settled_at=settled) == (phase == final)


def test_a_final_row_can_still_be_annotated():
    row = make_row(Phase.COMPLETED)
    assert set_to(row, last_error="", changed_at=timezone.now())


def test_a_word_that_is_no_phase_is_refused():
    assert not set_to(make_row(), phase="paused")


@pytest.mark.parametrize("phase", QUEUED, ids=lambda phase: phase.value)
def test_a_queued_row_has_a_request_id(phase):
    with pytest.raises(IntegrityError):
        make_row(phase, request_id=None)


@pytest.mark.parametrize("phase", TRIGGERED, ids=lambda phase: phase.value)
def test_a_triggered_row_has_an_intent(phase):
    with pytest.raises(IntegrityError):
        make_row(phase, trigger_sent_at=None)


@pytest.mark.parametrize("phase", Phase, ids=lambda phase: phase.value)
def test_a_row_has_an_end_time_exactly_when_it_is_settled(phase):
    settled_at = None if phase in SETTLED else timezone.now()
    with pytest.raises(IntegrityError):
        make_row(phase, settled_at=settled_at)


@pytest.mark.parametrize("phase", LIVE, ids=lambda phase: phase.value)
def test_a_phone_has_one_live_call(phase):
    live = make_row(Phase.CALLING)
    other = make_row(Phase.SCHEDULED, outbound_phone_number=live.outbound_phone_number)
    changes = phase_values(phase, timezone.now())
    changes.pop("request_id")
    assert not set_to(other, phase=phase, **changes)
    assert set_to(live, phase=Phase.COMPLETED, settled_at=timezone.now())
    assert set_to(other, phase=phase, **changes)


def test_a_reference_is_unique():
    row = make_row()
    with pytest.raises(IntegrityError):
        make_row(external_reference_id=row.external_reference_id)


# --- Patient data ---


def test_the_ssn_lies_encrypted_in_the_table_and_cannot_be_searched():
    row = make_row(patient_ssn="987657777")
    with connection.cursor() as cursor:
        cursor.execute("SELECT patient_ssn FROM calls_callrow")
        [(stored,)] = cursor.fetchall()
    assert "987657777" not in stored
    row.refresh_from_db()
    assert row.patient_ssn == "987657777"
    with pytest.raises(FieldError):
        CallRow.objects.filter(patient_ssn="987657777").exists()


def test_no_row_names_its_patient():
    row = make_row(patient_name="Amara Delgado")
    assert "Amara" not in f"{row} {row!r}"


def test_the_appointment_is_kept_as_the_office_said_it_and_as_an_instant():
    row = make_row(expected_appointment_date_time="2026-04-09T11:00:00")
    assert row.appointment_at.isoformat() == "2026-04-09T15:00:00+00:00"
    assert row.appointment_at.utcoffset() == timedelta(0)
