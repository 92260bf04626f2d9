import pytest

from calls.intake.columns import match_columns
from calls.intake.fields import FIELDS, OPTIONAL_COLUMNS
from calls.intake.reading import FileRefused
from tests.intake.samples import SAMPLE

NAMES = list(SAMPLE)


def with_header(name: str, header: str) -> list[str]:
    return [header if field == name else field for field in NAMES]


def refusal_of(headers: list[str]) -> FileRefused:
    with pytest.raises(FileRefused) as caught:
        match_columns(headers)
    return caught.value


def test_the_api_names_match_themselves() -> None:
    match = match_columns(NAMES)
    assert match.mapping == {name: index for index, name in enumerate(NAMES)}
    assert (match.unknown, match.synonyms_used) == ([], {})


def test_labels_and_other_spellings_of_a_name_are_the_name_itself() -> None:
    headers = [field.label.upper() for field in FIELDS]
    assert match_columns(headers).synonyms_used == {}
    assert match_columns([name.replace("_", " - ") + " *" for name in NAMES]).synonyms_used == {}


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("Provider Phone #", "outbound_phone_number"),
        ("Clinic Phone No.", "outbound_phone_number"),
        ("OFFICE_PHONE", "outbound_phone_number"),
        ("DOB (MM/DD/YYYY)", "patient_dob"),
        ("D.O.B.", "patient_dob"),
        ("DateOfBirth", "patient_dob"),
        ("DOI", "date_of_injury"),
        ("Date of Loss", "date_of_injury"),
        ("EOC #", "eoc_number"),
        ("EOC No", "eoc_number"),
        ("EpisodeNo", "eoc_number"),
        ("Claim#", "claim_number"),
        ("Clinic", "provider_office"),
        ("Facility Name", "provider_office"),
        ("Appt Date/Time", "expected_appointment_date_time"),
        ("Appointment Date & Time", "expected_appointment_date_time"),
        ("TZ", "local_timezone"),
        ("Injured Worker", "patient_name"),
        ("Carrier", "insurer_group_name"),
        ("Ref #", "external_reference_id"),
        ("Last 4 of SSN", "patient_ssn"),
        ("Pt Phone", "patient_phone_number"),
        ("Comments", "notes"),
    ],
)
def test_real_life_headers_are_understood_and_shown(header: str, name: str) -> None:
    match = match_columns(with_header(name, header))
    assert match.mapping[name] == NAMES.index(name)
    assert match.synonyms_used in ({}, {name: header})
    assert match.unknown == []


def test_no_synonym_means_two_fields() -> None:
    owners: dict[str, set[str]] = {}
    for field in FIELDS:
        for text in (field.name, field.label, *field.synonyms):
            owners.setdefault(text.replace(" ", "").replace("_", "").lower(), set()).add(field.name)
    assert {text: names for text, names in owners.items() if len(names) > 1} == {}


@pytest.mark.parametrize("header", ["Phone", "Name", "Address", "Date"])
def test_a_header_that_could_be_the_patients_or_the_offices_is_not_guessed(header: str) -> None:
    assert match_columns([*NAMES, header]).unknown == [header]


def test_unknown_and_nameless_columns_are_listed() -> None:
    assert match_columns([*NAMES, "reason", ""]).unknown == ["reason", "Column 21 (without a name)"]


def test_the_own_name_wins_over_a_synonym() -> None:
    match = match_columns(["Clinic", *NAMES])
    assert match.mapping["provider_office"] == 1 + NAMES.index("provider_office")
    assert match.unknown == ["Clinic"]


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([*NAMES, "Provider Office"], id="same-name-twice"),
        pytest.param([*with_header("provider_office", "Clinic"), "Facility"], id="two-synonyms"),
    ],
)
def test_it_refuses_two_columns_of_one_field_by_name(headers: list[str]) -> None:
    refusal = refusal_of(headers)
    assert refusal.code == "repeated_columns"
    assert f"Provider office (“{headers[13]}” and “{headers[-1]}”)" in refusal.message


def test_optional_columns_may_be_absent() -> None:
    assert match_columns([name for name in NAMES if name not in OPTIONAL_COLUMNS]).unknown == []


def test_it_names_all_missing_columns_and_what_it_did_not_recognise() -> None:
    refusal = refusal_of([n for n in NAMES if n not in ("eoc_number", "body_part")] + ["Phone"])
    assert refusal.code == "missing_columns"
    assert "no column for Body part and EOC number." in refusal.message
    assert refusal.message.endswith("not recognised: “Phone”")


def test_a_first_row_without_any_known_name_is_not_repeated() -> None:
    """It may be a patient."""
    refusal = refusal_of(["Jane Patient", "SPNet"])
    assert refusal.code == "missing_columns"
    assert "Jane" not in refusal.message


def test_only_a_derived_reference_makes_its_column_optional() -> None:
    headers = NAMES[1:]
    assert refusal_of(headers).code == "missing_columns"
    assert "external_reference_id" not in match_columns(headers, derive_reference=True).mapping
