import pytest
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.urls import reverse

from calls.models import (
    Batch,
    BlockedPhone,
    CallAttempt,
    CallEvent,
    CallRow,
    Entity,
    Installation,
    Lease,
    Outcome,
    Upstream,
)
from calls.vocabulary import EventKind, HoldReason, Phase
from tests import factories

pytestmark = pytest.mark.django_db
READ_ONLY = (Batch, CallAttempt, CallEvent, Entity, Installation, Lease, Outcome, Upstream)


@pytest.fixture
def page(client):
    client.force_login(factories.make_user(is_staff=True, is_superuser=True))
    return client


def change(row):
    return reverse("admin:calls_callrow_change", args=[row.pk])


def test_the_queue_tables_are_not_shown(page):
    text = page.get(reverse("admin:index")).content.decode()
    assert "Evergrove Dash" in text
    assert not any(model._meta.app_label == "django_q" for model in admin.site._registry)
    assert "Users" in text


@pytest.mark.parametrize("model", READ_ONLY, ids=lambda model: model.__name__)
def test_what_the_engine_writes_can_only_be_looked_at(page, model):
    row = factories.make_row(Phase.COMPLETED)
    factories.make_outcome(row)
    factories.make_attempt(row)
    factories.make_event(row=row)
    Upstream.load()
    Installation.load()
    Lease.objects.create(name="poll")
    name = f"admin:calls_{model._meta.model_name}"
    assert page.get(reverse(f"{name}_changelist")).status_code == 200
    detail = reverse(f"{name}_change", args=[model.objects.first().pk])
    assert page.get(detail).status_code == 200
    assert page.post(detail, {}).status_code == 403
    assert page.get(reverse(f"{name}_add")).status_code == 403


def test_a_queued_row_is_read_only_and_masked(page):
    row = factories.make_row(Phase.SCHEDULED)
    text = page.get(change(row)).content.decode()
    assert "987657777" not in text
    assert "•••-••-7777" in text
    assert page.post(change(row), {}).status_code == 403


@pytest.mark.parametrize("phase", [Phase.READY, Phase.SCHEDULED], ids=["editable", "read-only"])
def test_what_the_intake_told_of_a_row_is_not_shown(page, phase):
    """It quotes the patient's phone and date of birth as they were in the file."""
    told = {"column": "patient_phone_number", "code": "x"}
    row = factories.make_row(
        phase,
        changes=[told | {"before": "(212) 555-0168", "after": "+12125550168"}],
        warnings=[told | {"message": "Like 1951-02-03"}],
    )
    text = page.get(change(row)).content.decode()
    assert "555-0168" not in text
    assert "5550168" not in text
    assert "1951-02-03" not in text


def test_nothing_is_searched_for_in_an_address(page):
    """The admin's search is a GET: what is typed would stand in the address and the history."""
    ours = [model for model in admin.site._registry if model._meta.app_label == "calls"]
    assert CallRow in ours
    for model in ours:
        text = page.get(reverse(f"admin:calls_{model._meta.model_name}_changelist")).content
        assert b'name="q"' not in text


def test_a_correction_goes_through_the_validator_into_the_timeline(page):
    row = factories.make_row()
    shown = page.get(change(row))
    form = shown.context["adminform"].form
    assert "987657777" not in shown.content.decode()
    data = {name: form.initial.get(name, "") for name in form.fields}
    wrong = page.post(change(row), data | {"outbound_phone_number": "212555"})
    assert "Provider phone must have 10 digits" in wrong.content.decode()
    saved = page.post(change(row), data | {"body_part": "Right knee", "phase": "completed"})
    assert saved.status_code == 302
    row.refresh_from_db()
    assert (row.body_part, row.patient_ssn, row.phase) == ("Right knee", "987657777", Phase.READY)
    assert row.events.get(kind=EventKind.CORRECTED).detail.startswith("body_part")


def test_a_second_factor_can_be_removed_but_its_secret_is_not_shown(page):
    device = Authenticator.objects.create(
        user=factories.make_user(), type=Authenticator.Type.TOTP, data={"secret": "JBSWY3DP"}
    )
    address = reverse("admin:mfa_authenticator_change", args=[device.pk])
    assert b"JBSWY3DP" not in page.get(address).content
    page.post(reverse("admin:mfa_authenticator_delete", args=[device.pk]), {"post": "yes"})
    assert not Authenticator.objects.exists()


def test_rows_are_neither_added_nor_deleted(page):
    row = factories.make_row()
    assert page.get(reverse("admin:calls_callrow_add")).status_code == 403
    assert page.post(reverse("admin:calls_callrow_delete", args=[row.pk])).status_code == 403


def test_lifting_a_block_lets_its_calls_go_on(page):
    row = factories.make_row(
        Phase.SCHEDULED,
        hold_reason=HoldReason.DO_NOT_CALL,
        outbound_phone_number="+12125550199",
    )
    blocked = factories.make_blocked_phone("+12125550199", row=row)
    address = reverse("admin:calls_blockedphone_changelist")
    assert page.get(address).status_code == 200
    page.post(address, {"action": "lift", "_selected_action": [blocked.pk]})
    row.refresh_from_db()
    assert (row.hold_reason, BlockedPhone.objects.count()) == ("", 0)
