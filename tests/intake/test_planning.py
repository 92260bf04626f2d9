"""What a file itself says about its columns, and what is left to ask."""

import csv
import io

import pytest

from calls.intake.dates import Ambiguous, DateFormat
from calls.intake.planning import ColumnPlan, plan_of, propose, taken
from calls.intake.reading import FileRefused, Table, read_table
from tests.intake.samples import SAMPLE


def table(*changes: dict[str, str], headers: dict[str, str] | None = None) -> Table:
    """SAMPLE with what each line changes, under other headers where `headers` names them."""
    out = io.StringIO()
    names = headers or {}
    writer = csv.writer(out)
    writer.writerow([names.get(name, name) for name in SAMPLE])
    writer.writerows((SAMPLE | change).values() for change in changes or ({},))
    return read_table(out.getvalue().encode())


def index_of(name: str) -> int:
    return list(SAMPLE).index(name)


def test_a_file_under_its_own_names_leaves_nothing_to_ask() -> None:
    found = propose(table())
    assert found.is_settled
    assert found.plan.mapping == {name: n for n, name in enumerate(SAMPLE)}


def test_a_plan_is_kept_and_read_back() -> None:
    plan = ColumnPlan(
        {"notes": 3}, {"local_timezone": "US/Eastern"}, {"patient_dob": DateFormat.DAY_FIRST}
    )
    assert plan_of(plan.as_json()) == plan


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("local_timezone", "Clock"),
        ("expected_appointment_date_time", "When"),
        ("patient_dob", "Day A"),
        ("outbound_phone_number", "Dial me"),
    ],
)
def test_a_column_is_offered_by_what_is_in_it_and_confirmed_by_a_person(
    name: str, header: str
) -> None:
    found = propose(table(headers={name: header}))
    assert (found.plan.mapping[name], found.guessed) == (index_of(name), {name})
    assert not found.is_settled


@pytest.mark.parametrize(
    "headers",
    [
        {"outbound_phone_number": "Phone A", "patient_phone_number": "Phone B"},
        {"patient_dob": "Day A", "date_of_injury": "Day B"},
    ],
    ids=["office and patient phone", "birth and injury"],
)
def test_two_columns_of_one_kind_are_never_told_apart_by_their_cells(headers) -> None:
    found = propose(table(headers=headers))
    assert not found.guessed & headers.keys()
    assert not found.plan.mapping.keys() & headers.keys()


def test_two_columns_of_one_name_are_a_question() -> None:
    found = propose(table(headers={"notes": "Provider office"}))
    assert found.repeated == {"provider_office": [index_of("provider_office"), index_of("notes")]}
    assert not found.is_settled


def test_a_file_about_something_else_is_refused() -> None:
    with pytest.raises(FileRefused, match="No column of the calls file"):
        propose(read_table(b"Colour,Shape\nblue,round\n"))


@pytest.mark.parametrize("width", [3, 9, len(SAMPLE)])
def test_a_file_without_names_is_refused_without_a_word_of_its_first_patient(width: int) -> None:
    patient = ",".join(cell for cell in list(SAMPLE.values())[:width] if "," not in cell)
    with pytest.raises(FileRefused) as caught:
        propose(read_table(f"{patient}\n{patient}\n".encode()))
    assert "names of" in caught.value.message
    assert not any(cell in caught.value.message for cell in filter(None, SAMPLE.values()))


def test_columns_that_are_called_like_states_are_names() -> None:
    assert propose(table(headers={"external_reference_id": "ID", "notes": "MD"})).plan.mapping


US = {"patient_dob": "04/13/1967"}
EITHER = {"patient_dob": "04/05/1967"}


def test_a_column_of_one_format_is_read_in_it() -> None:
    read = table(EITHER, US)
    assert taken(read, propose(read)).plan.formats == {"patient_dob": DateFormat.MONTH_FIRST}


def test_a_few_other_dates_in_a_column_of_iso_dates_stay_a_persons_matter() -> None:
    read = table({}, US)
    found = taken(read, propose(read))
    assert (found.plan.formats, found.plan.hints["patient_dob"]) == ({}, DateFormat.MONTH_FIRST)


def test_a_column_that_could_be_either_is_asked_about_once() -> None:
    found = propose(table(EITHER))
    assert isinstance(found.unclear["patient_dob"], Ambiguous)
    remembered = ColumnPlan(found.plan.mapping, formats={"patient_dob": DateFormat.DAY_FIRST})
    again = propose(table(EITHER), remembered=remembered)
    assert again.is_settled
    assert again.plan.formats == remembered.formats


def test_the_deadlines_of_a_file_have_one_format() -> None:
    header = {"notes": "Call by"}
    sure = propose(table({"notes": "12/25/2026 5 PM"}, {"notes": "12/4/2026 5 PM"}, headers=header))
    assert sure.plan.hints["best_to_make_call_by"] == DateFormat.MONTH_FIRST
    unsure = propose(table({"notes": "12/4/2026 5 PM"}, headers=header))
    assert list(unsure.unclear) == ["best_to_make_call_by"]


def test_a_file_that_contradicts_what_is_remembered_is_asked_about_again() -> None:
    mapping = propose(table()).plan.mapping
    remembered = ColumnPlan(mapping, formats={"patient_dob": DateFormat.DAY_FIRST})
    found = propose(table(US), remembered=remembered)
    assert (found.plan.formats, list(found.unclear)) == ({}, ["patient_dob"])


@pytest.mark.parametrize(("aliases", "asked"), [(3, True), (1, False)])
def test_zones_in_other_words_are_asked_about_when_most_rows_have_them(
    aliases: int, asked: bool
) -> None:
    lines = [{"local_timezone": "US/Eastern"}] * aliases + [{}] * (4 - aliases)
    found = propose(table(*lines))
    assert (found.aliases, found.asks_about_zones) == (aliases, asked)
