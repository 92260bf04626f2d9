"""The fields of a call row: names, labels, order and the headers people give them. A table, no logic."""

from typing import Final, NamedTuple


class Field(NamedTuple):
    """One field of the upload, the form and the API.

    `asked` completes "Enter ..."; `patient` marks data that no log or message repeats; `synonyms`
    are headers that mean this field, compared without case, spaces and punctuation.
    """

    name: str
    label: str
    asked: str
    synonyms: tuple[str, ...]
    required: bool = True
    patient: bool = False
    cap: int = 255


FIELDS: Final = (
    Field(
        "external_reference_id",
        "Row reference",
        "a row reference",
        (
            *("reference", "reference id", "reference number", "external reference", "ref"),
            *("external id", "ext ref id", "external ref id", "ref id", "ref number", "row id"),
            *("unique id", "record id", "source id", "case reference"),
        ),
    ),
    Field(
        "organization_name",
        "Organization",
        "an organization",
        ("organization", "organisation", "organisation name", "org", "org name", "network"),
    ),
    Field(
        "patient_name",
        "Patient name",
        "a patient name",
        (
            *("patient", "patient full name", "pt name", "full name", "claimant"),
            *("claimant name", "injured worker", "injured worker name", "iw name", "member name"),
            *("employee name", "name of patient"),
        ),
        patient=True,
    ),
    Field(
        "patient_ssn",
        "SSN",
        "an SSN",
        (
            *("social security number", "social security", "ss number", "pt ssn", "claimant ssn"),
            *("ssn last 4", "last 4 ssn", "last 4 of ssn", "ssn4", "ssn number"),
        ),
        required=False,
        patient=True,
    ),
    Field(
        "patient_dob",
        "Date of birth",
        "a date of birth",
        (
            *("dob", "birth date", "birthday", "pt dob", "patient date of birth", "d o b"),
            *("patient birth date", "claimant dob", "claimant date of birth", "iw dob"),
        ),
        patient=True,
    ),
    Field(
        "patient_phone_number",
        "Patient phone",
        "a patient phone",
        (
            *("patient telephone", "patient tel", "pt phone", "pt phone number", "patient cell"),
            *("patient mobile", "claimant phone", "claimant phone number", "iw phone"),
            *("injured worker phone", "patient contact number", "patient home phone"),
        ),
        required=False,
        patient=True,
    ),
    Field(
        "date_of_injury",
        "Date of injury",
        "a date of injury",
        (
            *("doi", "injury date", "d o i", "date injured", "loss date", "date of loss", "dol"),
            *("accident date", "date of accident", "doa", "patient doi"),
        ),
        patient=True,
    ),
    Field(
        "expected_appointment_date_time",
        "Appointment",
        "an appointment",
        (
            *("appointment date time", "appt date time", "appt", "appt datetime", "appt time"),
            *("appointment time", "appointment datetime", "expected appointment", "ie date time"),
            *("expected appt", "expected appt date time", "appointment date and time", "ie appt"),
            *("appt date and time", "date and time of appointment", "scheduled appointment"),
            *("initial evaluation date time", "initial eval date time", "ie appointment"),
            *("appointment date", "appt date", "ie date", "visit date time"),
        ),
    ),
    Field(
        "local_timezone",
        "Time zone",
        "a time zone",
        ("timezone", "tz", "local tz", "office timezone", "provider timezone", "clinic timezone"),
    ),
    Field(
        "service_modality",
        "Service modality",
        "a service modality",
        (
            *("modality", "service", "service type", "type of service", "discipline"),
            *("therapy type", "treatment type", "specialty"),
        ),
    ),
    Field(
        "claim_number",
        "Claim number",
        "a claim number",
        ("claim", "claim id", "wc claim number", "insurance claim number", "file number"),
        required=False,
        patient=True,
    ),
    Field(
        "insurer_group_name",
        "Insurer group",
        "an insurer group",
        (
            *("insurer", "insurer group", "insurer name", "insurance", "insurance company"),
            *("insurance group", "insurance carrier", "carrier", "carrier name", "payer"),
            *("payor", "payer name", "payor name", "client", "client name"),
        ),
    ),
    Field(
        "body_part",
        "Body part",
        "a body part",
        ("body parts", "injured body part", "part of body", "injury location", "body region"),
        patient=True,
    ),
    Field(
        "provider_office",
        "Provider office",
        "a provider office",
        (
            *("provider", "provider name", "office", "office name", "clinic", "clinic name"),
            *("facility", "facility name", "provider office name", "provider facility"),
            *("location name", "practice", "practice name", "pt clinic"),
        ),
    ),
    Field(
        "provider_office_address",
        "Provider address",
        "a provider address",
        (
            *(
                "provider office full address",
                "office address",
                "clinic address",
                "location address",
            ),
            *("facility address", "practice address", "provider location", "provider full address"),
        ),
        cap=2000,
    ),
    Field(
        "provider_state",
        "Provider state",
        "a provider state",
        ("state", "office state", "clinic state", "facility state", "provider office state", "st"),
        required=False,
    ),
    Field(
        "outbound_phone_number",
        "Provider phone",
        "a provider phone",
        (
            *("provider phone number", "outbound phone", "office phone", "office phone number"),
            *("clinic phone", "clinic phone number", "facility phone", "facility phone number"),
            *("provider telephone", "provider tel", "provider office phone", "phone to call"),
            *("provider office phone number", "number to call", "practice phone", "call phone"),
            *("clinic telephone", "office telephone", "provider contact number", "dial number"),
        ),
    ),
    Field(
        "eoc_number",
        "EOC number",
        "an EOC number",
        ("eoc", "eoc id", "episode of care", "episode of care number", "episode number"),
    ),
    Field(
        "notes",
        "Notes",
        "notes",
        ("note", "comment", "comments", "remarks", "call notes", "instructions", "caller notes"),
        required=False,
        patient=True,
        cap=2000,
    ),
    Field(
        "objective",
        "Objective",
        "an objective",
        ("call objective", "purpose", "call purpose", "call type"),
        required=False,
    ),
    Field(
        "best_to_make_call_by",
        "Call by",
        "a call-by time",
        ("call before", "deadline", "call deadline", "best to call by", "make call by", "due by"),
        required=False,
    ),
)

FIELD: Final = {field.name: field for field in FIELDS}
OPTIONAL_COLUMNS: Final = frozenset(field.name for field in FIELDS if not field.required)
