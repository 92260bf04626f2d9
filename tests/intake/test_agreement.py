"""What our rules accept, the documents accept too: their other reading is the sandbox's own validation."""

import json
from datetime import datetime
from types import SimpleNamespace
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from calls.engine.scheduling import call_input
from calls.evergrove.bodies import ScheduleBody
from calls.intake.fields import FIELDS
from calls.intake.validating import check_row
from calls.models import CallRow, Entity
from sandbox import validation
from tests.intake.samples import NOW, SAMPLE

ENTITY = "11111111-1111-4111-8111-111111111111"
TOOLS = SimpleNamespace(clock=lambda: NOW, rules=SimpleNamespace(ssn_policy="as_given"))

PHONES = st.sampled_from(("(212) 555-0199", "+12125550100", "1-800-555-0199", "416 555 0123")) | (
    st.from_regex(r"[2-9][0-9]{2}[2-9][0-9]{6}", fullmatch=True)
)
DATES = st.dates(min_value=datetime(1900, 1, 1).date()).map(str)
MOMENTS = st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2100, 1, 1)).map(
    lambda moment: moment.isoformat(timespec="seconds")
)
SPECIAL = {
    "outbound_phone_number": PHONES,
    "patient_phone_number": PHONES | st.just("NONE"),
    "patient_ssn": st.from_regex(r"[0-9]{4}|[0-9]{3}-?[0-9]{2}-?[0-9]{4}", fullmatch=True),
    "patient_dob": DATES,
    "date_of_injury": DATES,
    "expected_appointment_date_time": MOMENTS,
    "local_timezone": st.sampled_from(("America/New_York", "US/Eastern", "Pacific/Guam", "EST")),
    "provider_state": st.sampled_from(("NY", "puerto rico", "d.c.", "", "XX")),
    "objective": st.sampled_from(("", "RESCHEDULE", "confirm attendance")),
    "best_to_make_call_by": st.just("") | MOMENTS,
}
CELLS = st.fixed_dictionaries(
    {}, optional={f.name: SPECIAL.get(f.name, st.text(max_size=40)) for f in FIELDS}
)


@settings(max_examples=300, deadline=None)
@given(CELLS)
def test_what_is_accepted_here_is_accepted_by_the_documents(cells: dict[str, str]) -> None:
    values = check_row({**SAMPLE, **cells}, line=2, now=NOW).values
    if values is None:
        return
    fields = {field.name: getattr(values, field.name) for field in FIELDS}
    row = CallRow(entity=Entity(entity_id=UUID(ENTITY)), **fields)
    body = json.loads(ScheduleBody(calls=(call_input(row, TOOLS),)).wire())
    organizations = frozenset({values.organization_name})
    found = validation.calls(body, organizations=organizations, entities={ENTITY: None})
    assert [call.external_reference_id for call in found] == [values.external_reference_id]
