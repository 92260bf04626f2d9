import json
from datetime import UTC, datetime

import pytest

from calls.evergrove.errors import (
    Endpoint,
    KeyRefused,
    Misconfigured,
    NotFound,
    NotSent,
    Rejected,
    Seen,
    SlowDown,
    Unknown,
    classify,
    error_from,
    read_fault,
    retry_after_seconds,
)

NOW = datetime(2026, 4, 9, 15, 0, tzinfo=UTC)
ENTITIES, SCHEDULE, TRIGGER, POLL = Endpoint
WRITES = (ENTITIES, SCHEDULE, TRIGGER)
EVERYWHERE = tuple(Endpoint)

# reliability.md, "What an answer means". A 200 with `errors` is an answer: see TriggerAnswer.
TABLE = [
    ("nothing left", EVERYWHERE, [None], False, NotSent),
    ("no answer", EVERYWHERE, [None], True, Unknown),
    ("unreadable 2xx", EVERYWHERE, [200, 201, 202, 204], True, Unknown),
    ("server fault", EVERYWHERE, [500, 501, 502, 503, 504, 520, 599], True, Unknown),
    ("request timeout or conflict", EVERYWHERE, [408, 409], True, Unknown),
    ("no status we know", EVERYWHERE, [100, 101, 600, 999], True, Unknown),
    ("too many requests", EVERYWHERE, [429], True, SlowDown),
    ("the row's fault", EVERYWHERE, [400, 405, 410, 413, 415, 418, 422, 451], True, Rejected),
    ("the key's fault", EVERYWHERE, [401, 403], True, KeyRefused),
    ("not found on GET", (POLL,), [404], True, NotFound),
    ("not found on a write", WRITES, [404], True, Rejected),
    ("redirect", EVERYWHERE, [300, 301, 302, 303, 304, 307, 308], True, Misconfigured),
]
CELLS = [
    pytest.param(endpoint, status, left, kind, id=f"{row}-{endpoint}-{status}")
    for row, endpoints, statuses, left, kind in TABLE
    for endpoint in endpoints
    for status in statuses
]


@pytest.mark.parametrize(("endpoint", "status", "may_have_left", "kind"), CELLS)
def test_every_row_of_the_table_has_one_class(endpoint, status, may_have_left, kind):
    assert classify(endpoint, status=status, may_have_left=may_have_left) is kind


def test_a_status_outweighs_what_the_trace_saw():
    assert classify(TRIGGER, status=500, may_have_left=False) is Unknown


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        (" 120 ", 120.0),
        ("1.5", 1.5),
        ("Thu, 09 Apr 2026 15:02:00 GMT", 120.0),
        ("Thu, 09 Apr 2026 15:02:00 -0000", 120.0),
        ("Thu, 09 Apr 2026 14:00:00 GMT", 0.0),
        ("999999999999", 86_400.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400.0),
        (None, None),
        ("", None),
        ("-5", None),
        ("soon", None),
        ("nan", None),
        ("1e9", None),
        ("Thu, 99 Apr 2026 15:02:00 GMT", None),
    ],
)
def test_retry_after_is_read_in_both_forms(header, seconds):
    assert retry_after_seconds(header, now=NOW) == seconds


def complaint(*loc, msg="Field required", **more):
    return {"loc": ["body", *loc], "msg": msg, "type": "x", **more}


def rejected(*items, status=422):
    body = json.dumps({"detail": list(items)}).encode()
    return error_from(Seen(SCHEDULE, status=status, body=body), now=NOW)


def test_a_rejection_names_known_fields_and_positions():
    error = rejected(
        complaint("calls", 3, "details", "patient_dob", input="1967-04-13"),
        complaint("calls", 7, "details", "eoc_number"),
    )
    assert type(error) is Rejected
    assert error.fields == ("patient_dob", "eoc_number")
    assert error.indexes == (3, 7)
    assert error.reason == "HTTP 422: calls[3].details.patient_dob, calls[7].details.eoc_number"
    assert not error.organization_disabled


@pytest.mark.parametrize(
    "body",
    [
        {"detail": "patient Jane Patient is unknown"},
        {"detail": [{"loc": ["body", "Jane Patient", 9], "msg": "Jane Patient", "input": "Jane"}]},
        {"detail": [{"loc": ["calls", True, "calls", -1, "calls", 10**9], "msg": "Jane"}]},
        {"detail": {"loc": "Jane Patient", "msg": ["Jane"]}},
        {"message": "Jane Patient", "error": {"message": "Jane Patient"}},
        {"detail": [None, 1, [], {}]},
        ["Jane Patient"],
        "Jane Patient",
    ],
)
def test_a_reason_repeats_nothing_but_our_own_words(body):
    error = error_from(Seen(SCHEDULE, status=422, body=json.dumps(body).encode()), now=NOW)
    assert "Jane" not in repr(vars(error)) + str(error)
    assert error.reason in {"HTTP 422", "HTTP 422: calls.calls.calls"}


@pytest.mark.parametrize("body", [b"", b"<html>Jane</html>", b"\xff\xfe", b"[" * 100_000])
def test_an_error_body_of_any_kind_is_survived(body):
    assert error_from(Seen(SCHEDULE, status=400, body=body), now=NOW).reason == "HTTP 400"


def test_a_long_complaint_makes_a_short_reason():
    error = rejected(*(complaint(*["details"] * 500, "eoc_number") for _ in range(500)))
    assert len(error.reason) < 200


@pytest.mark.parametrize(
    "item",
    [
        "organization_name 'SPNet' is not enabled for this tenant",
        "Organization SPNet isn't enabled",
        "This tenant is not currently enabled for organization SPNet",
        complaint("calls", 0, "details", "organization_name", msg="SPNet is not enabled"),
    ],
)
def test_a_disabled_organization_is_recognised(item):
    error = rejected(item)
    assert error.organization_disabled
    assert error.reason == "HTTP 422: organization not enabled"


@pytest.mark.parametrize(
    "item",
    [
        complaint("calls", 0, "details", "organization_name"),
        complaint("calls", 0, "notes", msg="voicemail is not enabled"),
        complaint("calls", 0, "x", msg="y", input="organization not enabled"),
    ],
)
def test_other_complaints_are_not_taken_for_a_disabled_organization(item):
    assert not rejected(item).organization_disabled


def test_only_a_rejection_looks_into_the_body():
    body = json.dumps({"detail": "organization is not enabled"}).encode()
    assert read_fault(body).organization_disabled
    assert error_from(Seen(SCHEDULE, status=500, body=body), now=NOW).reason == "HTTP 500"


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (Seen(TRIGGER, may_have_left=False, cause="ConnectError"), "not sent: ConnectError"),
        (Seen(TRIGGER, cause="ReadTimeout"), "no answer: ReadTimeout"),
        (Seen(TRIGGER, status=200, cause="answer too large"), "HTTP 200: answer too large"),
        (Seen(TRIGGER, status=200), "HTTP 200: answer not understood"),
        (Seen(TRIGGER, status=502, cause="answer is not JSON"), "HTTP 502"),
        (Seen(TRIGGER, status=403), "HTTP 403: API key refused"),
        (Seen(TRIGGER, status=429), "HTTP 429: too many requests"),
        (Seen(TRIGGER, status=302), "HTTP 302: redirect not followed, check API_URL"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_reason_says_what_was_seen(seen, reason):
    error = error_from(seen, now=NOW)
    assert (error.reason, str(error), error.status) == (reason, reason, seen.status)


def test_seen_never_shows_its_body():
    assert "Jane" not in repr(Seen(SCHEDULE, status=422, body=b"Jane Patient"))
