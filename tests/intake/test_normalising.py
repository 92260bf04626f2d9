from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calls.intake import normalising as to
from calls.intake.normalising import Ambiguous, DateFormat, NotAccepted
from calls.intake.places import _STATES, main_zone, region_zones

ISO, US, EU = DateFormat.ISO, DateFormat.MONTH_FIRST, DateFormat.DAY_FIRST


def refusal_of(rule: Callable[..., Any], *args: Any, **more: Any) -> NotAccepted:
    with pytest.raises(NotAccepted) as caught:
        rule(*args, **more)
    return caught.value


@pytest.mark.parametrize(
    "raw",
    [
        "+12125550199",
        "(212) 555-0199",
        "212.555.0199",
        "1-212-555-0199",
        "+1 (212)\u00a0555\u20110199",
        "\u202a+1 212 555 0199\u202c",
        "'+12125550199",
        '="2125550199"',
        " 2125550199\t",
        "212\u2009555\u200a0199",
    ],
)
def test_provider_phone_reads_what_people_write(raw: str) -> None:
    assert to.provider_phone(raw) == "+12125550199"


@pytest.mark.parametrize(
    ("raw", "code", "suggestion"),
    [
        ("", "digits", ""),
        ("212-555-019", "digits", ""),
        ("2125550199 2125550100", "digits", ""),
        ("+2125550199", "country", ""),
        ("+44 20 7946 0958", "country", ""),
        ("012-555-0199", "area_code", ""),
        ("911-555-0199", "area_code", ""),
        ("555-555-0199", "not_callable", ""),
        ("212-055-0199", "exchange", ""),
        ("212-411-0199", "service_code", ""),
        ("212-911-0100", "service_code", ""),
        ("900-555-0199", "premium", ""),
        ("500-555-0006", "not_callable", ""),
        ("212-555-0199 x12", "extension", "+12125550199"),
        ("212-555-0199x12", "extension", "+12125550199"),
        ("(212) 555-0199 ext. 4", "extension", "+12125550199"),
        ("212-555-0199 Extension 4", "extension", "+12125550199"),
        ("2125550199,,123#", "extension", "+12125550199"),
        ("2125550199,123", "extension", "+12125550199"),
        ("2125550199 #123", "extension", "+12125550199"),
        ("212-KLM-0199", "letters", "+12125560199"),
        ("1-800-555-CARE", "letters", "+18005552273"),
        ("1-800-GO-FEDEX", "letters", "+18004633339"),
        ("call 212-555-0199", "letters", "+12125550199"),
        ("Joe 212-5550", "letters", ""),
        ("(212)555-O199", "letters", "+12125550199"),
        ("2I2-555-0l99", "letters", "+12125550199"),
        ("212-555-OOO1", "letters", "+12125550001"),
        ("212-555-S199", "letters", ""),
        ("212-555-CO99", "letters", ""),
        ("212-555-0199 or 212-555-0100", "letters", ""),
        ("212\u00b7555\u00b70199", "other_signs", "+12125550199"),
        ("1_212_555_0199", "other_signs", "+12125550199"),
        ("[212] 555-0199", "other_signs", "+12125550199"),
        ("212,555,0199", "other_signs", "+12125550199"),
        ("212,055,0199", "other_signs", ""),
        ("+212*555*0199", "country", ""),
        ("2.12556E+09", "shortened_number", ""),
        ("2125550199.0", "decimal", "+12125550199"),
        ("1234567890.0", "decimal", ""),
        ("\u0661\u0662\u0663", "digits", ""),
        ("2" * 5000, "too_long", ""),
    ],
)
def test_provider_phone_refuses(raw: str, code: str, suggestion: str) -> None:
    refusal = refusal_of(to.provider_phone, raw)
    assert (refusal.code, refusal.suggestion) == (code, suggestion)


def test_no_refusal_repeats_the_value() -> None:
    for raw in ("2125550199 x987", "2125550199.0", "212-411-0199"):
        refusal = refusal_of(to.patient_phone, raw)
        assert "0199" not in f"{refusal} {refusal.message.replace('+12125550199', '')}"


@pytest.mark.parametrize("raw", ["", "  ", "NONE", "null", "N/A", "-"])
def test_words_for_absent_are_no_patient_phone_and_no_ssn(raw: str) -> None:
    assert to.patient_phone(raw) is None
    assert to.ssn(raw) is None


def test_patient_phone_may_be_left_empty_but_not_wrong() -> None:
    assert to.patient_phone("212 555 0100") == "+12125550100"
    refusal = refusal_of(to.patient_phone, "555-0100")
    assert refusal.message.endswith("or be left empty. This one has 7")


@pytest.mark.parametrize(
    ("phone", "country"),
    [
        ("+12125550199", None),
        ("+17875550199", None),
        ("+18004117246", None),
        ("+14165550199", "Canada"),
        ("+18765550199", "Jamaica"),
    ],
)
def test_numbers_of_other_countries_pass_with_a_doubt(phone: str, country: str | None) -> None:
    assert to.provider_phone(phone) == phone
    doubt = to.phone_doubt(phone)
    assert (doubt.says if doubt else None) == (country and f"is a number in {country}")


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("999-88-7777", "999887777"),
        ("999 88 7777", "999887777"),
        ("7777", "7777"),
        ("0042", "0042"),
        ("XXX-XX-7777", "7777"),
        ("***-**-7777", "7777"),
    ],
)
def test_ssn_reads(raw: str, value: str) -> None:
    assert to.ssn(raw) == value


@pytest.mark.parametrize(
    ("raw", "code", "hint"),
    [
        ("99887777", "ssn", "This one has 8: a leading zero was probably lost"),
        ("777", "ssn", "This one has 3: a leading zero was probably lost"),
        ("99887777.0", "ssn", "This one has 8: a leading zero was probably lost"),
        ("99988777712", "ssn", "This one has 11"),
        ("Jane", "ssn", ""),
        ("9.98888E+08", "shortened_number", None),
    ],
)
def test_ssn_refuses_and_names_a_lost_zero(raw: str, code: str, hint: str | None) -> None:
    refusal = refusal_of(to.ssn, raw)
    assert (refusal.code, refusal.suggestion) == (code, "")
    assert hint is None or refusal.hint == hint


@pytest.mark.parametrize(
    "raw", ["1967-04-13", " 1967-04-13 ", "1967-04-13T00:00:00", "1967-04-13 00:00"]
)
def test_iso_dates_are_always_read(raw: str) -> None:
    assert to.iso_date(raw, format=EU) == date(1967, 4, 13)


@pytest.mark.parametrize(
    ("raw", "format", "value"),
    [
        ("04/05/2026", US, date(2026, 4, 5)),
        ("04/05/2026", EU, date(2026, 5, 4)),
        ("4-5-2026", US, date(2026, 4, 5)),
        ("2026/4/5", DateFormat.YEAR_FIRST, date(2026, 4, 5)),
        ("20260405", DateFormat.YEAR_FIRST, date(2026, 4, 5)),
        ("5-Apr-2026", DateFormat.NAMED_MONTH, date(2026, 4, 5)),
        ("Sunday, April 5th, 2026", DateFormat.NAMED_MONTH, date(2026, 4, 5)),
    ],
)
def test_other_dates_are_read_by_the_confirmed_format_alone(
    raw: str, format: DateFormat, value: date
) -> None:
    assert to.iso_date(raw, format) == value
    assert refusal_of(to.iso_date, raw).code == "date_format"
    assert refusal_of(to.iso_date, raw, hint=format).suggestion == value.isoformat()


@pytest.mark.parametrize(
    ("raw", "code", "suggestion"),
    [
        ("04/05/2026", "date_format", ""),
        ("04/13/2026", "date_format", "2026-04-13"),
        ("13/04/2026", "date_format", "2026-04-13"),
        ("04/04/2026", "date_format", "2026-04-04"),
        ("1967-4-13", "date_format", "1967-04-13"),
        ("4/13/67", "short_year", ""),
        ("13-Apr-67", "short_year", ""),
        ("2026-02-30", "not_real", ""),
        ("02/30/2026", "not_real", ""),
        ("0067-04-13", "year", ""),
        ("46121", "day_number", "2026-04-09"),
        ("4/13/2026 11:00 AM", "with_time", "2026-04-13"),
        ("soon", "not_real", ""),
        ("########", "not_real", ""),
    ],
)
def test_dates_are_refused_not_guessed(raw: str, code: str, suggestion: str) -> None:
    refusal = refusal_of(to.iso_date, raw)
    assert (refusal.code, refusal.suggestion) == (code, suggestion)


@pytest.mark.parametrize(
    "raw",
    [
        "2026-04-09T11:00:00",
        "2026-04-09T11:00",
        "2026-04-09 11:00",
        "2026-04-09 11:00:00",
        "2026-04-09  11:00 am",
        "2026-04-09 11 AM",
        "2026-04-09, 11:00 a.m.",
    ],
)
def test_appointment_reads_iso_dates_with_any_clear_time(raw: str) -> None:
    assert to.appointment(raw) == "2026-04-09T11:00:00"


@pytest.mark.parametrize(
    ("raw", "more", "value"),
    [
        ("4/9/2026 11:00 AM", {"hint": US}, "2026-04-09T11:00:00"),
        ("4/9/2026 12:30 PM", {"format": US}, "2026-04-09T12:30:00"),
        ("4/9/2026 12:30 AM", {"format": EU}, "2026-09-04T00:30:00"),
        ("4/9/2026 15:00", {"format": US}, "2026-04-09T15:00:00"),
        ("4/13/2026 3:05 pm", {}, "2026-04-13T15:05:00"),
        ("Thu, Apr 9, 2026 at 11:00 AM", {"hint": DateFormat.NAMED_MONTH}, "2026-04-09T11:00:00"),
    ],
)
def test_appointment_reads_other_dates_when_they_are_clear(raw: str, more: Any, value: str) -> None:
    assert to.appointment(raw, **more) == value


@pytest.mark.parametrize(
    ("raw", "code", "suggestion"),
    [
        ("4/9/2026 11:00 AM", "date_format", ""),
        ("13/4/2026 11:00 AM", "date_format", "2026-04-13T11:00:00"),
        ("4/13/2026 11:00", "date_format", "2026-04-13T11:00:00"),
        ("2026-04-09", "no_time", ""),
        ("4/9/2026", "no_time", ""),
        ("2026-04-09T11:00:00Z", "with_zone", ""),
        ("2026-04-09T11:00:00-05:00", "with_zone", ""),
        ("2026-04-09 11:00 AM UTC", "with_zone", ""),
        ("2026-04-09 11:00 AM EST", "with_zone", "2026-04-09T11:00:00"),
        ("2026-04-09 9.30 am", "not_real", "2026-04-09T09:30:00"),
        ("4/13/2026 9.30 p.m.", "not_real", "2026-04-13T21:30:00"),
        ("2026-04-09 930", "not_real", "2026-04-09T09:30:00"),
        ("2026-04-09 9:30p", "not_real", "2026-04-09T21:30:00"),
        ("2026-04-09 9a", "not_real", "2026-04-09T09:00:00"),
        ("2026-04-09 975", "not_real", ""),
        ("4/9/2026 9.30 am", "not_real", ""),
        ("April 9 2026", "no_time", ""),
        ("2026-04-09T11:00:00.000", "fraction", "2026-04-09T11:00:00"),
        ("2026-02-30T11:00:00", "not_real", ""),
        ("2026-04-09T24:00:00", "not_real", ""),
        ("2026-04-09T11:60:00", "not_real", ""),
        ("2026-04-09 13:00 PM", "not_real", ""),
        ("2026-04-09 11", "not_real", ""),
        ("46121.4583333333", "day_number", "2026-04-09T11:00:00"),
        ("46121", "day_number", ""),
        ("4/9/26 11:00 AM", "short_year", ""),
        ("tomorrow at 9:00", "not_real", ""),
    ],
)
def test_appointment_refuses(raw: str, code: str, suggestion: str) -> None:
    refusal = refusal_of(to.appointment, raw)
    assert (refusal.code, refusal.suggestion) == (code, suggestion)


def test_a_confirmed_format_is_not_overruled_by_a_row() -> None:
    assert refusal_of(to.appointment, "4/13/2026 11:00 AM", format=EU).code == "date_format"


@pytest.mark.parametrize(
    ("values", "format"),
    [
        pytest.param(["1967-04-13", ""], ISO, id="iso"),
        pytest.param(["04/05/2026", "04/13/2026", "2026-04-01", "TBD"], US, id="one-day-above-12"),
        pytest.param(["04/05/2026", "13/04/2026"], EU, id="day-first"),
        pytest.param(["4/9/2026 11:00 AM", "4/13/2026 9 AM"], US, id="with-times"),
        pytest.param(["4/13/2026 9.30 am", "4/9/2026 9:30a", "4/9/2026 9 a"], US, id="loose-times"),
        pytest.param(["Thu, 9 April 2026"], DateFormat.NAMED_MONTH, id="a-day-before-an-a"),
        pytest.param(["2026/04/09"], DateFormat.YEAR_FIRST, id="year-first"),
        pytest.param(["9-Apr-2026"], DateFormat.NAMED_MONTH, id="named"),
        pytest.param(["04/04/2026"], US, id="any-format-reads-it-alike"),
        pytest.param(["13/04/2026", "04/13/2026"], None, id="contradictory"),
        pytest.param(["", "TBD"], None, id="no-dates"),
        pytest.param(
            ["04/04/2026", "04/05/2026"], Ambiguous((US, EU), "04/05/2026"), id="ambiguous"
        ),
    ],
)
def test_column_format_looks_at_the_whole_column(values: list[str], format: object) -> None:
    assert to.column_format(values) == format


@pytest.mark.parametrize(
    ("raw", "zone", "value"),
    [
        ("2026-04-09T15:00:00Z", None, datetime(2026, 4, 9, 15, tzinfo=UTC)),
        ("2026-04-09T11:00:00-04:00", None, datetime(2026, 4, 9, 15, tzinfo=UTC)),
        ("2026-04-09 11:00", "America/New_York", datetime(2026, 4, 9, 15, tzinfo=UTC)),
        ("2026-04-09 11:00", None, None),
    ],
)
def test_a_deadline_is_an_instant(raw: str, zone: str | None, value: datetime | None) -> None:
    assert to.deadline(raw, zone) == value


@pytest.mark.parametrize(
    ("raw", "suggestion"),
    [
        ("US/Eastern", "America/New_York"),
        ("us/eastern", "America/New_York"),
        ("America/Indianapolis", "America/Indiana/Indianapolis"),
        ("america/new_york", "America/New_York"),
        ("America/New York", "America/New_York"),
        ("New York", "America/New_York"),
        ("EST", "America/New_York"),
        ("EST5EDT", "America/New_York"),
        ("CT", "America/Chicago"),
        ("Pacific Standard Time", "America/Los_Angeles"),
        ("(UTC-05:00) Eastern Time (US & Canada)", "America/New_York"),
        ("Arizona", "America/Phoenix"),
        ("US Mountain Standard Time", "America/Phoenix"),
        ("US Mountain Time", "America/Denver"),
        ("MST (no DST)", "America/Phoenix"),
        ("Mountain Time, no daylight saving", "America/Phoenix"),
        ("Hawaii (no DST)", "Pacific/Honolulu"),
        ("EST (no DST)", ""),
        ("UTC", ""),
        ("Etc/GMT+5", ""),
        ("GMT", ""),
        ("here", ""),
    ],
)
def test_zone_takes_canonical_names_and_suggests_them(raw: str, suggestion: str) -> None:
    assert refusal_of(to.zone, raw).suggestion == suggestion
    assert not suggestion or to.zone(suggestion) == suggestion


def test_every_zone_and_every_state_fits_its_own_table() -> None:
    assert all(to.zone(name) == name and ZoneInfo(name) for name in region_zones())
    american = {name for name, countries in region_zones().items() if "US" in countries}
    assert all(set(zones) <= set(region_zones()) for _, *zones in _STATES.values())
    assert [z for z in american if not any(to.belongs(z, state) for state in _STATES)] == []
    assert len(_STATES) == 50 + 1 + 5


@pytest.mark.parametrize(
    ("zone", "state", "code"),
    [
        ("America/New_York", "NY", None),
        ("America/New_York", "MI", None),
        ("America/Chicago", "IN", None),
        ("America/Denver", "FL", "zone_and_state"),
        ("America/New_York", "CA", "zone_and_state"),
        ("America/Nassau", None, None),
        ("Europe/Paris", None, "zone_far_away"),
    ],
)
def test_zones_a_state_cannot_have_are_doubted(
    zone: str, state: str | None, code: str | None
) -> None:
    doubt = to.zone_doubt(zone, state)
    assert (doubt.code if doubt else None) == code
    assert not (doubt and state) or doubt.suggestion == main_zone(state)


@pytest.mark.parametrize(
    ("local", "zone", "code"),
    [
        ("2026-03-08T02:30:00", "America/New_York", "skipped_time"),
        ("2026-11-01T01:30:00", "America/New_York", "repeated_time"),
        ("2026-03-08T02:30:00", "America/Phoenix", None),
        ("2026-04-09T11:00:00", "America/New_York", None),
    ],
)
def test_times_that_summer_time_skips_or_repeats_are_doubted(
    local: str, zone: str, code: str | None
) -> None:
    doubt = to.zone_gap_or_fold(local, zone)
    assert (doubt.code if doubt else None) == code


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("ny", "NY"),
        ("N.Y.", "NY"),
        ("new  york", "NY"),
        ("Washington, D.C.", "DC"),
        ("puerto rico", "PR"),
        ("U.S. Virgin Islands", "VI"),
        ("W. Virginia", "WV"),
        ("n carolina", "NC"),
        ("S.Dakota", "SD"),
        ("none", None),
        ("", None),
    ],
)
def test_state_becomes_its_abbreviation(raw: str, value: str | None) -> None:
    assert to.state(raw) == value


@pytest.mark.parametrize(
    ("raw", "suggestion"),
    [
        ("Pensylvania", "PA"),
        ("Virgina", "VA"),
        ("W Virgina", "WV"),
        ("E Virginia", ""),
        ("ON", ""),
        ("Bavaria", ""),
    ],
)
def test_state_refuses_other_places(raw: str, suggestion: str) -> None:
    assert refusal_of(to.state, raw).suggestion == suggestion


@pytest.mark.parametrize(
    ("raw", "lines", "value"),
    [
        ("  Acme \u00a0", False, "Acme"),
        ("12 Main St\r\nSuite 4", False, "12 Main St Suite 4"),
        ("a\r\nb", True, "a\nb"),
        ("Jos\u0065\u0301\u200b", False, "José"),
        ("'=SUM(A1)", False, "=SUM(A1)"),
        ("'  =1+1", False, "=1+1"),
        ("'\tCall first", False, "Call first"),
        ("' so they say", False, "' so they say"),
        ("'s Heerenberg", False, "'s Heerenberg"),
        ('="0012"', False, "0012"),
    ],
)
def test_text_is_trimmed_and_freed_of_what_cannot_be_seen(
    raw: str, lines: bool, value: str
) -> None:
    assert to.text(raw, 255, lines=lines) == value


@pytest.mark.parametrize(
    ("raw", "code"),
    [("a\x07b", "control_character"), ("a\ud800b", "control_character"), ("x" * 6, "too_long")],
)
def test_text_refuses(raw: str, code: str) -> None:
    assert refusal_of(to.text, raw, 5).code == code


def test_reference_refuses_what_a_spreadsheet_made_of_it() -> None:
    assert to.reference(" row-0001 ") == "row-0001"
    assert refusal_of(to.reference, "1.23457E+11").code == "shortened_number"
    assert refusal_of(to.reference, "1001.0").suggestion == "1001"


def test_a_derived_reference_is_stable_keyed_and_tells_nothing() -> None:
    case = {
        "claim": "CLAIM-1",
        "eoc": "EOC-1",
        "appointment": "2026-04-09T11:00:00",
        "phone": "+12125550199",
    }
    first = to.derive_reference(b"key", **case)
    assert first == to.derive_reference(b"key", **case)
    assert first != to.derive_reference(b"other", **case)
    assert first != to.derive_reference(b"key", **{**case, "claim": "CLAIM-", "eoc": "1EOC-1"})
    assert "CLAIM" not in first


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("", "CONFIRM_IE_ATTENDANCE"),
        ("confirm ie attendance", "CONFIRM_IE_ATTENDANCE"),
        ("Reschedule", "RESCHEDULE"),
    ],
)
def test_objective_defaults_to_confirming(raw: str, value: str) -> None:
    assert to.objective(raw) == value
    assert refusal_of(to.objective, "chat").code == "objective"


RULES: dict[str, Callable[[str], Any]] = {
    "provider_phone": to.provider_phone,
    "patient_phone": to.patient_phone,
    "ssn": to.ssn,
    "iso_date": to.iso_date,
    "iso_date_by_format": partial(to.iso_date, format=US),
    "appointment": to.appointment,
    "appointment_by_format": partial(to.appointment, format=EU),
    "deadline": partial(to.deadline, zone="America/New_York"),
    "zone": to.zone,
    "state": to.state,
    "text": partial(to.text, cap=20),
    "lines": partial(to.text, cap=20, lines=True),
    "reference": to.reference,
    "objective": to.objective,
}
SHREDS = st.sampled_from(
    (
        *(
            "212",
            "555",
            "0199",
            "+1",
            "(",
            ")",
            "-",
            " ",
            "x",
            "ext",
            "#",
            ",",
            "'",
            "=",
            '"',
            ".0",
            "E+09",
        ),
        *(
            "2026",
            "1967",
            "04",
            "13",
            "9",
            "/",
            ":",
            "T",
            "Z",
            "AM",
            "pm",
            "Apr",
            "America/",
            "New_York",
        ),
        *(
            "EST",
            "NONE",
            "\u00a0",
            "\u202a",
            "\r\n",
            "\t",
            "\x00",
            "\u0661",
            "\ud800",
            "9999",
            "0000",
            "24",
        ),
    )
)
CELLS = st.text(max_size=30) | st.lists(SHREDS, max_size=10).map("".join)


@pytest.mark.parametrize("name", RULES)
@given(raw=CELLS)
def test_a_rule_raises_nothing_but_a_refusal_and_accepts_its_own_values(
    name: str, raw: str
) -> None:
    try:
        value = RULES[name](raw)
    except NotAccepted:
        return
    again = value.isoformat() if isinstance(value, date) else value or ""
    assert RULES[name](again) == value


@given(st.dates(date(1900, 1, 1), date(2100, 12, 31)), st.times())
def test_every_real_appointment_is_read_as_written(day: date, clock: Any) -> None:
    text = f"{day}T{clock:%H:%M:%S}"
    assert to.appointment(text) == to.appointment(text.replace("T", " ")) == text
    assert to.appointment(f"{day:%m/%d/%Y} {clock:%I:%M:%S %p}", US) == text


@given(st.lists(CELLS, max_size=6))
def test_column_format_never_raises(values: list[str]) -> None:
    to.column_format(values)


@pytest.mark.parametrize(
    "name", ["provider_phone", "iso_date", "appointment", "zone", "state", "ssn"]
)
@pytest.mark.parametrize("piece", ["1", " ", "(", ",", "a ", "1x", "2 "])
def test_long_cells_are_refused_at_once(name: str, piece: str) -> None:
    with pytest.raises(NotAccepted):
        RULES[name](f"9{piece * 9_000}9")
