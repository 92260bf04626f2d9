"""The dashboard's own template tags: icons, statuses in words, shape and colour, times, masks, fields.

Arguments are plain values. A status Evergrove invents tomorrow is shown as its own text (R9, R87).
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, time
from functools import cache
from typing import Any, NamedTuple

from django import template
from django.forms import BaseForm, BoundField
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from calls.templatetags import formats
from calls.vocabulary import (
    Attendance,
    BatchState,
    Confirmation,
    HoldReason,
    Phase,
    RequestStatus,
    WorkflowStatus,
)

register = template.Library()


class Look(NamedTuple):
    """Words, colour and shape of a status; always all three, so that none has to be told by colour."""

    label: str
    tone: str
    glyph: str


OUTCOMES = {
    Attendance.ATTENDED: Look("Attended", "good", "attended"),
    Attendance.NO_SHOW: Look("No-show", "bad", "noshow"),
    Attendance.NO_SHOW_RESCHEDULED: Look("No-show, rebooked", "move", "moved"),
    Attendance.CANCELED: Look("Canceled", "none", "cancel"),
    Attendance.CANCELED_RESCHEDULED: Look("Canceled, rebooked", "move", "moved"),
    Attendance.UNABLE_TO_CONFIRM: Look("Unable to confirm", "warn", "unsure"),
    Attendance.UNKNOWN: Look("Unknown", "none", "unknown"),
}
STATUSES = {
    RequestStatus.NOT_SCHEDULED: Look("Not started", "none", "queued"),
    RequestStatus.QUEUED: Look("Queued", "none", "queued"),
    RequestStatus.CALLING: Look("Calling", "busy", "calling"),
    RequestStatus.COMPLETED: Look("Completed", "none", "done"),
    RequestStatus.FAILED: Look("Failed", "bad", "failed"),
}
ENDINGS = {  # a failed call that Evergrove ended for a reason of its own
    WorkflowStatus.CANCELLED: Look("Stopped", "none", "cancel"),
    WorkflowStatus.DO_NOT_CALL_BACK: Look("Do not call", "bad", "dnc"),
}
STEPS = {  # what the engine knows and the five documented words do not say
    Phase.TRIGGERING: Look("Starting", "busy", "calling"),
    Phase.CONFIRMING: Look("Checking whether it started", "busy", "unsure"),
    Phase.CALLING: Look("Starting", "busy", "calling"),
    Phase.WITHDRAWN: Look("Withdrawn", "none", "cancel"),
}
HELD = Look("Held", "warn", "held")
CONFIRMATIONS = {
    Confirmation.CONFIRMED: Look("confirmed", "good", "done"),
    Confirmation.NOT_CONFIRMED: Look("not confirmed", "bad", "failed"),
    Confirmation.NOT_DISCUSSED: Look("not discussed", "none", "unknown"),
}
BATCHES = {
    BatchState.MATCHING: Look("Columns to match", "warn", "held"),
    BatchState.LOADING: Look("Loading", "none", "queued"),
    BatchState.DRAFT: Look("Draft", "none", "unknown"),
    BatchState.RUNNING: Look("Running", "busy", "calling"),
    BatchState.PAUSED: Look("Paused", "warn", "held"),
    BatchState.FINISHED: Look("Finished", "none", "done"),
    BatchState.CANCELLED: Look("Cancelled", "none", "cancel"),
}


def look_of(value: str, known: dict[Any, Look]) -> Look:
    return known.get(value) or Look(str(value), "none", "unknown")


def call_look(request_status: str, workflow_status: str, phase: str, hold_reason: str) -> Look:
    """The most telling look of a call: held first, then the engine's step, then the documented word."""
    if hold_reason:
        return HELD
    if phase in STEPS and request_status != RequestStatus.CALLING:
        return STEPS[Phase(phase)]
    if request_status == RequestStatus.FAILED and workflow_status in ENDINGS:
        return ENDINGS[WorkflowStatus(workflow_status)]
    return look_of(request_status, STATUSES)


def call_detail(workflow_status: str, phase: str, hold_reason: str) -> str:
    """The line under a call's status: why it waits, or a word of Evergrove's that we do not know."""
    if hold_reason:
        known = dict(HoldReason.choices)
        return known.get(hold_reason, hold_reason)
    if phase == Phase.AWAITING_OUTCOME:
        return Phase.AWAITING_OUTCOME.label
    if workflow_status and workflow_status not in WorkflowStatus.values:
        return f"Evergrove says {workflow_status}"
    return ""


# --- Icons ----------------------------------------------------------------------------------------
@cache
def sprite() -> str:
    return static("img/icons.svg")


@register.simple_tag
def sprite_url() -> str:
    return sprite()


@register.simple_tag
def icon(name: str) -> SafeString:
    """A line icon (`i-*` of the sprite). It never speaks: the words stand beside it."""
    return format_html(
        '<svg class="i" aria-hidden="true"><use href="{}#i-{}"/></svg>', sprite(), name
    )


@register.simple_tag
def glyph(name: str) -> SafeString:
    """A status shape (`g-*` of the sprite); the one for calling turns unless motion is unwelcome."""
    return format_html(
        '<svg class="g{}" aria-hidden="true"><use href="{}#g-{}"/></svg>',
        " spin" if name == "calling" else "",
        sprite(),
        name,
    )


# --- Statuses -------------------------------------------------------------------------------------
def pill(look: Look, *, bare: bool = False) -> SafeString:
    return format_html(
        '<span class="pill is-{}{}">{}{}</span>',
        look.tone,
        " bare" if bare else "",
        glyph(look.glyph),
        look.label,
    )


@register.simple_tag
def status_pill(tone: str, glyph_name: str, label: str, bare: bool = False) -> SafeString:
    """A pill for a state outside the vocabulary, such as a row to fix or the worker's health."""
    return pill(Look(label, tone, glyph_name), bare=bare)


@register.simple_tag
def outcome_pill(value: str | None) -> SafeString:
    """The attendance outcome; a dash that says "No outcome yet" while there is none."""
    if value:
        return pill(look_of(value, OUTCOMES))
    return format_html(
        '<span class="muted"><span aria-hidden="true">{}</span>'
        '<span class="vh">No outcome yet</span></span>',
        formats.DASH,
    )


@register.simple_tag
def call_status(
    request_status: str,
    workflow_status: str = "",
    phase: str = "",
    hold_reason: str = "",
    detail: str = "",
) -> SafeString:
    """The call's status as plain text with an outline glyph; `detail` replaces the line below it."""
    shown = pill(call_look(request_status, workflow_status, phase, hold_reason), bare=True)
    below = detail or call_detail(workflow_status, phase, hold_reason)
    return format_html('{}<span class="sub2">{}</span>', shown, below) if below else shown


@register.simple_tag
def batch_status(state: str) -> SafeString:
    return pill(look_of(state, BATCHES))


@register.simple_tag
def confirmation(value: str | None, subject: str = "") -> SafeString:
    """`{% confirmation outcome.bill "Bill" %}`: the subject with its glyph, or the answer in words alone."""
    look = look_of(value or Confirmation.NOT_DISCUSSED, CONFIRMATIONS)
    if not subject:
        return pill(look._replace(label=look.label.capitalize()), bare=True)
    return format_html(
        '<span class="tri is-{}">{}{}<span class="vh"> {}</span></span>',
        look.tone,
        glyph(look.glyph),
        subject,
        look.label,
    )


@register.inclusion_tag("_progress_bar.html")
def progress_bar(
    parts: Iterable[Sequence[Any]], label: str = "", legend: bool = True
) -> dict[str, Any]:
    """A stacked bar with its numbers. `parts` are (tone, number, label), drawn in the given order."""
    shown = formats.as_parts(parts)
    return {
        "label": label or formats.sentence(shown),
        "stretches": formats.stretches(shown),
        "parts": [part for part in shown if part.number] if legend else [],
    }


# --- Times ----------------------------------------------------------------------------------------
def missing(word: str = formats.DASH) -> SafeString:
    return format_html('<span class="muted">{}</span>', word)


def time_element(value: datetime | str | None, zone: Any, style: str, extra: str) -> SafeString:
    if not value:
        return missing()
    try:
        moment = formats.as_moment(value, zone)
    except ValueError:
        return format_html("{}", value)
    return format_html(
        '<time datetime="{}"{}>{}</time>',
        moment.isoformat(timespec="seconds"),
        SafeString(extra),
        formats.moment_text(moment, style),
    )


@register.simple_tag
def office_time(value: datetime | str | None, zone: str, style: str = "time") -> SafeString:
    """A moment on the office's clock with its zone (R100).

    Styles: time `11:42 AM ET`, seconds `11:42:06 AM ET`, date `Thu, Apr 9`, day `Apr 9, 2026`,
    short `Apr 9, 11:42 AM ET`, full `Thu, Apr 9, 2026, 11:42 AM ET`. A text like
    `2026-04-09T11:00:00` is an office's wall clock already.
    """
    return time_element(value, formats.zone_named(zone), style, "")


@register.simple_tag
def local_time(value: datetime | None, style: str = "short") -> SafeString:
    """The same on the viewer's clock."""
    return time_element(value, timezone.get_current_timezone(), style, "")


@register.simple_tag
def relative_time(value: datetime | None) -> SafeString:
    """Absolute on the wire, so that fragments stay the same; the page turns it into "21 min ago"."""
    return time_element(value, timezone.get_current_timezone(), "short", " data-relative")


@register.simple_tag
def stated_time(day: date | str | None, at: time | str | None = None) -> SafeString:
    """A date, perhaps with a time, as the office said it; a text that is neither is shown as it is."""
    return format_html("{}", formats.stated_text(day, at)) if day else missing("None")


# --- Numbers and masks ----------------------------------------------------------------------------
@register.simple_tag
def phone(number: str | None) -> SafeString:
    if not number:
        return missing("None")
    return format_html('<span class="nowrap">{}</span>', formats.phone_text(number))


def masked(shown: str, spoken: str) -> SafeString:
    return format_html(
        '<span class="nowrap" aria-hidden="true">{}</span><span class="vh">{}</span>', shown, spoken
    )


@register.simple_tag
def mask_ssn(value: str | None) -> SafeString:
    if not value:
        return missing("None")
    end = formats.last_digits(value)
    return masked(f"•••-••-{end or '••••'}", f"hidden, ends in {end}" if end else "hidden")


@register.simple_tag
def mask_dob(value: date | None) -> SafeString:
    if not value:
        return missing("None")
    return masked(f"••/••/{value.year}", f"hidden, year {value.year}")


@register.simple_tag
def mask_phone(value: str | None) -> SafeString:
    if not value:
        return missing("None")
    end = formats.last_digits(value)
    return masked(f"(•••) •••-{end or '••••'}", f"hidden, ends in {end}" if end else "hidden")


# --- Forms and the frame --------------------------------------------------------------------------
@register.inclusion_tag("_field.html")
def field(
    bound: BoundField, label: str = "", hint: str = "", suggestion: str = ""
) -> dict[str, Any]:
    """One form field: label, hint, error, control. A group of choices becomes a fieldset.

    `suggestion` is a value offered as a button that fills the field.
    """
    attrs = bound.field.widget.attrs
    attrs.pop("placeholder", None)  # it vanishes on typing; what helps belongs into the hint
    bound.label, bound.help_text = label or bound.label, hint or bound.help_text
    kind = getattr(bound.field.widget, "input_type", "")
    boxed = kind in {"checkbox", "radio"}
    css = f"in {attrs.get('class', '')}".strip()
    return {
        "field": bound,
        "control": bound.as_widget(attrs={} if boxed else {"class": css}),
        "is_tick": kind == "checkbox" and not bound.use_fieldset,
        "suggestion": suggestion,
    }


@register.inclusion_tag("_error_summary.html")
def error_summary(form: BaseForm, heading: str = "There is a problem") -> dict[str, Any]:
    """Every error of a bound form, each a link to its field; takes the focus after a failed submit."""
    return {
        "heading": heading,
        "general": form.non_field_errors() if form.is_bound else [],
        "fields": [bound for bound in form if bound.errors] if form.is_bound else [],
    }


@register.inclusion_tag("_nav_item.html", takes_context=True)
def nav_item(
    context: template.RequestContext,
    url_name: str,
    icon_name: str,
    label: str,
    section: str = "",
    key: str = "",
    badge: Any = None,
) -> dict[str, Any]:
    """A link of the rail; current on every page whose URL name starts with `section`.

    `key` is the letter after `g` that goes there; `badge` is one of the frame's.
    """
    request = context.get("request")
    match = getattr(request, "resolver_match", None)
    here = (match.url_name or "") if match else ""
    return {
        "url_name": url_name,
        "icon_name": icon_name,
        "label": label,
        "key": key,
        "badge": badge,
        "current": here.startswith(section or url_name),
    }


@register.filter
def initials(name: str) -> str:
    """`Maya Okafor` as `MO`, `m.okafor` as `MO`."""
    return formats.initials(str(name))


@register.filter
def plainly(value: Any) -> str:
    """A value of a free object as a person reads it."""
    return formats.plain_words(value)
