from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calls.intake import findings
from calls.intake.fields import FIELD, FIELDS
from calls.intake.kept import Kept
from calls.intake.normalising import DateFormat
from calls.intake.validating import (
    FIELD_LABELS,
    PATIENT_FIELDS,
    REQUIRED_FIELDS,
    CheckedRow,
    NormalisedRow,
    RowProblem,
    check_row,
)
from tests.intake.samples import NOW, SAMPLE

US = DateFormat.MONTH_FIRST


def checked(_now: datetime = NOW, /, **cells: str) -> CheckedRow:
    return check_row({**SAMPLE, **cells}, line=7, now=_now)


def only_problem(row: CheckedRow) -> RowProblem:
    (problem,) = row.problems
    return problem


def test_the_documents_own_row_passes_clean() -> None:
    row = check_row(SAMPLE, line=2, now=NOW)
    assert row.problems == []
    assert [(c.column, c.before, c.after, c.sensitive) for c in row.changes] == [
        ("patient_ssn", "999-88-7777", "999887777", True)
    ]
    assert row.values == NormalisedRow(
        **{
            **SAMPLE,
            "patient_ssn": "999887777",
            "patient_dob": date(1967, 4, 13),
            "date_of_injury": date(2026, 1, 15),
            "notes": None,
            "objective": "CONFIRM_IE_ATTENDANCE",
            "best_to_make_call_by": None,
        }
    )


def test_optional_fields_may_be_absent() -> None:
    row = check_row({name: SAMPLE[name] for name in REQUIRED_FIELDS}, line=2, now=NOW)
    assert row.values is not None
    assert (row.values.patient_ssn, row.values.patient_phone_number) == (None, None)
    assert (row.values.provider_state, row.values.notes) == (None, None)
    assert row.values.claim_number == ""
    assert only_problem(row).message == "Claim number is empty. “Not Available” will be sent"


def test_every_missing_field_is_asked_for_at_once_in_the_order_of_the_fields() -> None:
    row = check_row({}, line=9, now=NOW)
    errors = [problem for problem in row.problems if problem.severity == "error"]
    assert row.values is None
    assert [problem.column for problem in errors] == list(REQUIRED_FIELDS)
    assert {problem.line for problem in errors} == {9}
    assert {problem.message.split()[0] for problem in errors} == {"Enter"}
    assert "Enter a provider phone" in [problem.message for problem in errors]


@pytest.mark.parametrize(
    ("cells", "column", "code", "message"),
    [
        pytest.param(
            {"outbound_phone_number": "212-555-019"},
            "outbound_phone_number",
            "digits",
            "Provider phone must have 10 digits, like +12125550199. This one has 9",
            id="short-phone",
        ),
        pytest.param(
            {"outbound_phone_number": "212-555-0199 x3"},
            "outbound_phone_number",
            "extension",
            "Provider phone must not have an extension. Move it to the office's IVR guide. "
            "This one says “212-555-0199 x3”",
            id="extension",
        ),
        pytest.param(
            {"local_timezone": "Eastern"},
            "local_timezone",
            "zone",
            "Time zone must be a region name, like America/New_York. This one says “Eastern”",
            id="zone",
        ),
        pytest.param(
            {"patient_phone_number": "555-0100"},
            "patient_phone_number",
            "digits",
            "Patient phone must have 10 digits, like +12125550199, or be left empty. This one has 7",
            id="patient-phone",
        ),
        pytest.param(
            {"patient_dob": "2026-04-10", "date_of_injury": "2026-04-10"},
            "patient_dob",
            "not_past",
            "Date of birth must be in the past",
            id="born-today",
        ),
        pytest.param(
            {"date_of_injury": "1967-04-13"},
            "date_of_injury",
            "before_birth",
            "Date of injury must be after the date of birth",
            id="injured-at-birth",
        ),
        pytest.param(
            {"date_of_injury": "2026-04-11"},
            "date_of_injury",
            "in_future",
            "Date of injury must not be in the future",
            id="injured-tomorrow",
        ),
        pytest.param(
            {"expected_appointment_date_time": "2026-04-09"},
            "expected_appointment_date_time",
            "no_time",
            "Appointment must include a time, like 2026-04-09 11:00. This one says “2026-04-09”",
            id="no-time",
        ),
        pytest.param(
            {"expected_appointment_date_time": "2026-04-09T11:00:00Z"},
            "expected_appointment_date_time",
            "with_zone",
            "Appointment must not include a time zone. Use the Time zone column. "
            "This one says “2026-04-09T11:00:00Z”",
            id="with-zone",
        ),
        pytest.param(
            {"body_part": "#N/A"},
            "body_part",
            "spreadsheet_error",
            "Body part must be a value. A spreadsheet formula failed here",
            id="formula-error",
        ),
        pytest.param(
            {"eoc_number": "1.23457E+11"},
            "eoc_number",
            "shortened_number",
            "EOC number must show all its digits. A spreadsheet shortened this number: format the "
            "column as text and save it again. This one says “1.23457E+11”",
            id="shortened-number",
        ),
        pytest.param(
            {"provider_office": "x" * 256},
            "provider_office",
            "too_long",
            "Provider office must have 255 characters or fewer. This one has 256",
            id="too-long",
        ),
        pytest.param(
            {"best_to_make_call_by": "2026-04-10T12:00:00Z"},
            "best_to_make_call_by",
            "not_future",
            "Call by must be in the future",
            id="deadline-now",
        ),
    ],
)
def test_an_error_says_what_is_wrong_and_what_to_do(
    cells: dict[str, str], column: str, code: str, message: str
) -> None:
    row = checked(**cells)
    errors = [problem for problem in row.problems if problem.severity == "error"]
    assert row.values is None
    assert (errors[0].column, errors[0].code, errors[0].message) == (column, code, message)


@pytest.mark.parametrize(
    ("cells", "column", "code"),
    [
        pytest.param(
            {"expected_appointment_date_time": "2026-04-10T08:01"},
            "expected_appointment_date_time",
            "in_future",
            id="appointment-ahead",
        ),
        pytest.param(
            {"expected_appointment_date_time": "2026-01-14T11:00"},
            "date_of_injury",
            "after_appointment",
            id="injured-after-the-appointment",
        ),
        pytest.param(
            {"expected_appointment_date_time": "2026-04-09T00:00"},
            "expected_appointment_date_time",
            "odd_hour",
            id="midnight",
        ),
        pytest.param(
            {"provider_state": "CA"}, "local_timezone", "zone_and_state", id="zone-and-state"
        ),
        pytest.param(
            {"outbound_phone_number": "4165550199"},
            "outbound_phone_number",
            "other_country",
            id="canadian-phone",
        ),
        pytest.param(
            {"outbound_phone_number": "2125550100"},
            "outbound_phone_number",
            "patients_phone",
            id="the-patients-own-phone",
        ),
        pytest.param({"claim_number": "n/a"}, "claim_number", "claim_empty", id="no-claim"),
        pytest.param({"claim_number": "1234567.0"}, "claim_number", "decimal", id="decimal-claim"),
        pytest.param(
            {"patient_name": "Jos\ufffd"}, "patient_name", "lost_characters", id="lost-letter"
        ),
    ],
)
def test_a_warning_leaves_the_row_in_place(cells: dict[str, str], column: str, code: str) -> None:
    row = checked(**cells)
    problem = only_problem(row)
    assert row.values is not None
    assert (problem.column, problem.code, problem.severity) == (column, code, "warning")


def test_today_is_the_offices_own() -> None:
    evening_in_honolulu = datetime(2026, 4, 10, 6, 0, tzinfo=UTC)  # there it is still April 9
    cells = {"local_timezone": "Pacific/Honolulu", "provider_state": "HI"}
    row = checked(evening_in_honolulu, **cells, date_of_injury="2026-04-10")
    assert "in_future" in [problem.code for problem in row.problems]
    row = checked(
        evening_in_honolulu, **cells, expected_appointment_date_time="2026-04-09T19:00:00"
    )
    assert row.problems == []


def test_normalising_is_shown_as_changes() -> None:
    row = checked(
        outbound_phone_number=" (212) 555-0199 ",
        expected_appointment_date_time="2026-04-09 11:00",
        provider_state="new york",
        patient_phone_number="NONE",
        service_modality="  physical therapy ",
    )
    assert [(c.column, c.before, c.after) for c in row.changes if not c.sensitive] == [
        ("outbound_phone_number", "(212) 555-0199", "+12125550199"),
        ("provider_state", "new york", "NY"),
        ("expected_appointment_date_time", "2026-04-09 11:00", "2026-04-09T11:00:00"),
    ]
    assert ("patient_phone_number", "NONE", "") in [
        (c.column, c.before, c.after) for c in row.changes
    ]


@pytest.mark.parametrize("name", [field.name for field in FIELDS])
def test_messages_and_reprs_never_repeat_a_patients_value(name: str) -> None:
    secret = "Q7Q7Q7\x07 2/30/1967"
    row = checked(**{name: secret})
    shown = "".join(problem.message for problem in row.problems)
    assert ("Q7Q7Q7" in shown) == (name not in PATIENT_FIELDS)
    assert "Jane" not in repr(checked()) + repr(row)


def test_patient_fields_are_those_of_the_person() -> None:
    assert {
        "patient_name",
        "patient_ssn",
        "patient_dob",
        "patient_phone_number",
        "claim_number",
    } <= PATIENT_FIELDS
    assert set(FIELD_LABELS) == set(FIELD)


def test_other_date_formats_need_to_be_confirmed_for_the_column() -> None:
    cells = {
        **SAMPLE,
        "patient_dob": "04/05/1967",
        "expected_appointment_date_time": "4/9/2026 11:00 AM",
    }
    columns = {"patient_dob": US, "expected_appointment_date_time": US}
    unconfirmed = check_row(cells, line=2, now=NOW)
    assert [(p.column, p.suggestion) for p in unconfirmed.problems] == [
        ("patient_dob", ""),
        ("expected_appointment_date_time", ""),
    ]
    hinted = check_row(cells, line=2, now=NOW, hints=columns)
    assert [(p.column, p.suggestion) for p in hinted.problems] == [("patient_dob", "1967-04-05")]
    confirmed = check_row(cells, line=2, now=NOW, formats=columns)
    assert confirmed.values is not None
    assert confirmed.values.patient_dob == date(1967, 4, 5)
    assert confirmed.values.expected_appointment_date_time == "2026-04-09T11:00:00"


@pytest.mark.parametrize(
    ("zone", "state", "suggestion"),
    [
        ("MST", "AZ", "America/Phoenix"),
        ("MST", "", "America/Denver"),
        ("here", "OH", "America/New_York"),
    ],
)
def test_the_state_helps_to_suggest_a_zone(zone: str, state: str, suggestion: str) -> None:
    assert only_problem(checked(local_timezone=zone, provider_state=state)).suggestion == suggestion


def test_zone_aliases_are_converted_once_that_was_confirmed() -> None:
    row = check_row({**SAMPLE, "local_timezone": "US/Eastern"}, line=2, now=NOW, convert_zones=True)
    assert row.values is not None
    assert row.values.local_timezone == "America/New_York"
    assert row.changes[-1].before == "US/Eastern"
    row = check_row({**SAMPLE, "local_timezone": "Pacific"}, line=2, now=NOW, convert_zones=True)
    assert row.values is not None
    assert (row.values.local_timezone, row.problems[0].code) == (
        "America/Los_Angeles",
        "zone_and_state",
    )
    unclear = check_row({**SAMPLE, "local_timezone": "here"}, line=2, now=NOW, convert_zones=True)
    assert unclear.values is None


ABSENT = ["N/A", "nan", "none", "-", "NULL"]


@pytest.mark.parametrize("name", REQUIRED_FIELDS)
def test_a_word_for_nothing_is_nothing_where_something_is_needed(name: str) -> None:
    for word in ABSENT:
        assert only_problem(checked(**{name: word})).code == "missing"


def test_a_name_may_hold_such_a_word() -> None:
    row = checked(patient_name="Jennifer Null")
    assert row.values is not None
    assert row.values.patient_name == "Jennifer Null"


def test_a_word_for_no_reference_lets_one_be_derived() -> None:
    cells = {**SAMPLE, "external_reference_id": "N/A"}
    row = check_row(cells, line=2, now=NOW, reference_key=b"key")
    assert row.values is not None
    assert row.values.external_reference_id.startswith("row-")


def test_a_deadline_is_read_by_the_format_of_its_column() -> None:
    cells = {**SAMPLE, "best_to_make_call_by": "12/4/2026 5:00 PM"}
    assert only_problem(check_row(cells, line=2, now=NOW)).code == "date_format"
    row = check_row(cells, line=2, now=NOW, hints={"best_to_make_call_by": US})
    assert row.values is not None
    assert row.values.best_to_make_call_by == datetime(2026, 12, 4, 22, tzinfo=UTC)


def test_a_deadline_without_offset_is_the_offices_wall_clock() -> None:
    row = checked(best_to_make_call_by="2026-04-11 17:00")
    assert row.values is not None
    assert row.values.best_to_make_call_by == datetime(2026, 4, 11, 21, tzinfo=UTC)
    assert row.changes[-1].after == "2026-04-11T21:00:00Z"


def test_a_blank_reference_is_derived_from_what_the_row_means() -> None:
    def derived(**cells: str) -> str:
        blank = {**SAMPLE, "external_reference_id": "", **cells}
        row = check_row(blank, line=2, now=NOW, reference_key=b"key")
        assert row.values is not None
        return row.values.external_reference_id

    assert derived() == derived(outbound_phone_number="(212) 555-0199")
    assert derived() != derived(eoc_number="EOC-2")
    given = check_row(SAMPLE, line=2, now=NOW, reference_key=b"key").values
    assert given is not None
    assert given.external_reference_id == "row-0001"


def test_cells_beyond_the_header_refuse_the_row() -> None:
    assert check_row(SAMPLE, line=2, now=NOW, extra=["", " "]).problems == []
    problem = only_problem(check_row(SAMPLE, line=2, now=NOW, extra=["NY 10002"]))
    assert (problem.column, problem.code, problem.severity) == ("", "extra_cells", "error")


CELLS = st.fixed_dictionaries({}, optional={field.name: st.text(max_size=20) for field in FIELDS})


@given(CELLS, st.booleans())
def test_no_row_raises(cells: dict[str, str], convert: bool) -> None:
    row = check_row({**SAMPLE, **cells}, line=2, now=NOW, convert_zones=convert, reference_key=b"k")
    assert (row.values is None) == any(problem.severity == "error" for problem in row.problems)


@given(st.sampled_from(list(SAMPLE)), st.text(max_size=20))
def test_accepted_values_are_accepted_again_unchanged(name: str, raw: str) -> None:
    first = checked(**{name: raw}).values
    if first is not None:
        again = check_row(as_cells(first), line=7, now=NOW)
        assert (again.values, again.changes) == (first, [])


def as_cells(values: NormalisedRow) -> dict[str, str]:
    found: dict[str, Any] = {name: getattr(values, name) for name in FIELD}
    return {name: str(value) if value is not None else "" for name, value in found.items()}


PLAIN = st.from_regex(findings._PLAIN, fullmatch=True)


@given(st.sampled_from(sorted(findings._WORDS)), PLAIN)
def test_plain_words_are_exactly_what_the_rules_would_make_of_them(name: str, raw: str) -> None:
    quick = checked(**{name: raw})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(findings, "_WORDS", frozenset())
        assert checked(**{name: raw}) == quick
    assert (quick.problems, getattr(quick.values, name)) == ([], raw)


def test_rows_and_changes_never_show_a_patient_in_a_log() -> None:
    row = checked(patient_phone_number="(212) 555-0100")
    assert "Jane" not in repr(row)
    assert "0100" not in repr(row)


def test_a_kept_function_forgets_before_it_holds_too_much() -> None:
    asked: list[int] = []
    kept = Kept(lambda value: asked.append(value) or -value, most=2)
    assert [kept[value] for value in (1, 1, 2, 3, 1)] == [-1, -1, -2, -3, -1]
    assert (asked, len(kept)) == ([1, 2, 3, 1], 2)
