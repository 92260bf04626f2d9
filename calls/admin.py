"""The admin: mostly for looking. Call data is corrected through the upload's validator, like on its page."""

from typing import Any, cast

import allauth.account.admin  # these three register tables, which are taken off again below
import allauth.mfa.admin  # noqa: F401
import django_q.admin  # noqa: F401
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django_q.models import Failure, OrmQ, Schedule, Success

from calls import actions
from calls.forms import CallForm
from calls.intake.fields import FIELD
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
from calls.templatetags.dash import mask_dob, mask_phone, mask_ssn

admin.site.site_header = admin.site.site_title = "Evergrove Dash"
admin.site.index_title = "Administration"

for not_for_people in (Failure, OrmQ, Schedule, Success, EmailAddress, Authenticator):
    if admin.site.is_registered(not_for_people):
        admin.site.unregister(not_for_people)

DATA_FIELDS = tuple(FIELD)
# They quote cells of the file; the dashboard shows them masked.
NOT_SHOWN = ("changes", "warnings")
MASKED = {"patient_ssn": mask_ssn, "patient_dob": mask_dob, "patient_phone_number": mask_phone}


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]
    """To be looked at: what is in these tables is written by the engine and by actions alone.

    Without a search: the admin's puts what is typed into the address.
    """

    list_per_page = 50
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(Authenticator)
class AuthenticatorAdmin(ReadOnly):
    """A lost second factor can be taken away; its secret is never shown."""

    list_display = ("user", "type", "created_at", "last_used_at")
    list_select_related = ("user",)
    fields = ("user", "type", "created_at", "last_used_at")

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm("mfa.delete_authenticator")


class CorrectionForm(forms.ModelForm):  # type: ignore[type-arg]
    """The dashboard's form of a call inside an admin page; what is masked is kept when left empty."""

    class Meta:
        model = CallRow
        fields: tuple[str, ...] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.call = CallForm(self.data if self.is_bound else None, row=self.instance)
        self.fields.update(self.call.fields)
        self.initial.update(self.call.initial)

    def _post_clean(self) -> None:
        """Take over the validator's verdict; the row itself is changed by `actions` and not here."""
        for name, errors in self.call.errors.items():
            self.add_error(None if name == "__all__" else name, list(errors))


@admin.register(CallRow)
class CallRowAdmin(ReadOnly):
    """Data fields may be corrected until Evergrove has them (R33); everything else is for looking."""

    form = CorrectionForm
    list_display = ("external_reference_id", "phase", "request_status", "hold_reason", "changed_at")
    list_filter = ("phase", "hold_reason")
    ordering = ("-changed_at", "-id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[CallRow]:
        return super().get_queryset(request).select_related("batch", "entity")

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        may = request.user.has_perm("calls.change_callrow")
        return may and isinstance(obj, CallRow) and obj.can_be_corrected

    def get_fields(self, request: HttpRequest, obj: CallRow | None = None) -> Any:
        others = (*DATA_FIELDS, *NOT_SHOWN)
        engine = [f.name for f in CallRow._meta.fields if f.name not in others]
        data = [f"shown_{name}" if name in MASKED else name for name in DATA_FIELDS]
        return [*(DATA_FIELDS if self.has_change_permission(request, obj) else data), *engine]

    def get_readonly_fields(self, request: HttpRequest, obj: CallRow | None = None) -> list[str]:
        editable = DATA_FIELDS if self.has_change_permission(request, obj) else ()
        return [name for name in self.get_fields(request, obj) if name not in editable]

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> type[CorrectionForm]:
        return CorrectionForm

    @admin.display(description="SSN")
    def shown_patient_ssn(self, row: CallRow) -> str:
        return mask_ssn(row.patient_ssn)

    @admin.display(description="Date of birth")
    def shown_patient_dob(self, row: CallRow) -> str:
        return mask_dob(row.patient_dob)

    @admin.display(description="Patient phone")
    def shown_patient_phone_number(self, row: CallRow) -> str:
        return mask_phone(row.patient_phone_number)

    def save_model(self, request: HttpRequest, obj: CallRow, form: Any, change: bool) -> None:
        """Through the action, so that the correction stands in the timeline."""
        try:
            actions.correct_checked(
                row=obj, checked=form.call.accepted(), by=cast(User, request.user)
            )
        except actions.Refused as refusal:
            self.message_user(request, str(refusal), messages.ERROR)

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        """The admin's own log would repeat the row's name; the timeline has the correction."""
        return None


@admin.register(Entity)
class EntityAdmin(ReadOnly):
    list_display = ("upstream_name", "timezone", "can_call", "version", "synced_version")
    list_filter = ("can_call",)


@admin.register(Batch)
class BatchAdmin(ReadOnly):
    list_display = ("id", "name", "state", "accepted", "rejected", "created_at", "created_by")
    list_filter = ("state",)
    list_select_related = ("created_by",)


@admin.register(Outcome)
class OutcomeAdmin(ReadOnly):
    list_display = ("row", "appointment_attendance_status", "received_at")
    list_filter = ("appointment_attendance_status",)
    list_select_related = ("row",)


@admin.register(CallAttempt)
class CallAttemptAdmin(ReadOnly):
    list_display = ("row", "attempt_number", "status", "disposition", "fetched_at")
    list_filter = ("status", "disposition")
    list_select_related = ("row",)


@admin.register(CallEvent)
class CallEventAdmin(ReadOnly):
    list_display = ("at", "kind", "row", "batch", "entity", "actor", "detail")
    list_filter = ("kind",)
    list_select_related = ("row", "batch", "entity", "actor")
    ordering = ("-at", "-id")


@admin.register(Upstream)
class UpstreamAdmin(ReadOnly):
    list_display = ("__str__", "stop_reason", "last_ok_at", "last_failure_at")


@admin.register(Installation)
class InstallationAdmin(ReadOnly):
    list_display = ("__str__", "instance_id", "adopted_at", "reconcile_since")


@admin.register(Lease)
class LeaseAdmin(ReadOnly):
    list_display = ("name", "beat_at", "until")


@admin.register(BlockedPhone)
class BlockedPhoneAdmin(ReadOnly):
    """Lifting a block is an action, so that the held rows go on and say why."""

    list_display = ("phone", "blocked_at", "row_link")
    list_select_related = ("row",)
    actions = ("lift",)

    @admin.display(description="Call")
    def row_link(self, phone: BlockedPhone) -> str:
        if phone.row is None:
            return "—"
        return format_html('<a href="{}">{}</a>', phone.row.get_absolute_url(), phone.row)

    def has_lift_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("calls.delete_blockedphone")

    @admin.action(description="Lift the block: calls held for it go on", permissions=["lift"])
    def lift(self, request: HttpRequest, chosen: QuerySet[BlockedPhone]) -> None:
        by = cast(User, request.user)
        count = sum([actions.lift_phone_block(phone=phone, by=by) for phone in chosen])
        self.message_user(request, f"Calls that go on now: {count}.", messages.SUCCESS)
