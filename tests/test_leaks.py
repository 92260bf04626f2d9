"""A planted patient goes through everything, faults included, and is found nowhere but where it belongs."""

import logging
import re
import tempfile
from uuid import uuid4

import pytest
from django.contrib.sessions.models import Session
from django.core import mail
from django.db import connection
from django.urls import reverse
from django_q.models import OrmQ

from calls import actions
from calls.intake import receiving
from calls.models import Batch, CallRow, Upload
from calls.models.call import NORMALIZED_FIELDS
from calls.vocabulary import Phase
from tests.engine.conftest import clock, lab
from tests.views.test_uploads import file_of, user

__all__ = ["clock", "lab", "user"]

PLANTED = {
    "patient_name": "Zebulon Quagmire",
    "patient_ssn": "987-65-1290",
    "patient_dob": "1951-02-03",
    "patient_phone_number": "(212) 555-0168",
    "claim_number": "WC-77120934",
}
TRACES = re.compile(r"zebulon|quagmire|987-?65-?1290|1951-02-03|555-?0168|77120934", re.I)
HOME = {"calls_callrow"}  # the one table that holds patients in the clear
PAGES = ("overview", "batches", "calls", "offices", "system", "upload")
OF_BATCH = ("batch", "upload_review", "upload_confirm", "batch_suppress")


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_planted_patient_is_found_nowhere_else(lab, client, user, caplog, temporary):
    caplog.set_level(logging.DEBUG)
    addresses = uploaded_and_started(client)
    called_although_everything_breaks(lab)
    client.force_login(user)  # the days that the calls took have ended the session
    addresses += seen_on_every_page(client)
    addresses += searched_for(client)
    row = CallRow.objects.get()
    assert (row.phase, row.patient_name) == (Phase.COMPLETED, PLANTED["patient_name"])

    assert not TRACES.search(of_the_engine(row))
    assert not TRACES.search(caplog.text)
    assert not TRACES.search("\n".join(addresses))
    assert not TRACES.search(repr([session.get_decoded() for session in Session.objects.all()]))
    assert not TRACES.search(repr([task.task() for task in OrmQ.objects.all()]))
    assert mail.outbox == []
    assert not TRACES.search("".join(path.read_text() for path in temporary.rglob("*.*")))
    assert [table for table in tables() if TRACES.search(everything_in(table))] == []


def uploaded_and_started(client):
    """A good line and wrong ones, some of which are told with a value of the patient's.

    Returns the addresses that were led to.
    """
    wrong = [
        {"outbound_phone_number": "1"},
        {"patient_phone_number": "(212) 555-0168 x44"},
        {"local_timezone": PLANTED["patient_name"]},  # a cell that slipped
    ]
    file = file_of(
        PLANTED,
        *[
            PLANTED | {"external_reference_id": f"row-{line}"} | cell
            for line, cell in enumerate(wrong)
        ],
    )
    answers = [client.post(reverse("upload"), {"file": file, "token": uuid4().hex})]
    for upload in Upload.objects.filter(content__isnull=False):
        receiving.read(upload)
    batch = Batch.objects.latest("pk")
    assert (batch.accepted, batch.rejected) == (1, 3)
    answers += [client.get(reverse(name, args=[batch.pk])) for name in OF_BATCH]
    answers += [client.post(reverse("upload_confirm", args=[batch.pk]), {"when": "now"})]
    return [found for answer in answers for found in addresses_in(answer)]


def called_although_everything_breaks(lab):
    """A refusal that echoes the patient, a defect whose text names him, an answer that is none."""
    lab.clock.advance(86_400)
    for endpoint in ("schedule", "poll"):
        lab.fault("status", endpoint, code=422)
    lab.run(30, step=5)
    row = CallRow.objects.exclude(hold_reason="").get()
    assert not TRACES.search(of_the_engine(row))
    actions.release_hold(row=row, by=None)

    def broken(*args):
        raise ValueError(f"{PLANTED}")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("calls.engine.triggering.record_trigger", broken)
        lab.run(30, step=5)
    assert CallRow.objects.get().phase == Phase.TRIGGERING
    lab.run(900, step=10)


def of_the_engine(row):
    """What the engine has written into the row."""
    data = {*NORMALIZED_FIELDS, "changes", "warnings"}
    return repr({key: value for key, value in vars(row).items() if key not in data})


def seen_on_every_page(client):
    batch, row = Batch.objects.latest("pk"), CallRow.objects.get()
    pages = [reverse(name) for name in PAGES]
    pages += [reverse(name, args=[batch.pk]) for name in OF_BATCH]
    pages += [reverse("call", args=[row.pk]), reverse("office", args=[row.entity.pk])]
    answers = [client.get(page) for page in pages]
    assert not any("login" in answer.headers.get("Location", "") for answer in answers)
    return [found for answer in answers for found in addresses_in(answer)]


def searched_for(client):
    """By name, claim and phone; each search finds the call."""
    found = []
    for name in ("patient_name", "claim_number", "patient_phone_number"):
        answers = [client.post(reverse("search"), {"q": PLANTED[name]})]
        answers.append(client.get(answers[0].url))
        assert len(answers[1].context["page"].rows) == 1
        found += [address for answer in answers for address in addresses_in(answer)]
    assert Session.objects.latest("expire_date").get_decoded()["searches"]
    return found


def addresses_in(answer):
    """Where it leads, what it links to, and its title."""
    html = answer.content.decode()
    links = re.findall(r'(?:href|action|src|hx-get|hx-post)="([^"]*)"', html)
    return [answer.headers.get("Location", ""), *links, *re.findall(r"<title>.*?</title>", html)]


def tables():
    return sorted(set(connection.introspection.table_names()) - HOME)


def everything_in(table):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table}")  # noqa: S608 - a name of ours
        return repr(cursor.fetchall())
