"""The sample file of practice mode: synthetic people at made-up offices. Pure: the same day gives the same file.

Numbers are 555-01xx, which nobody has. The last two digits choose what the sandbox makes of a call
(sandbox/README.md); every office has a few ordinary lines and one or two with a story of their own.
"""

import csv
import io
import random
from datetime import date, timedelta
from typing import Final, NamedTuple

ROWS: Final = 200
APPOINTMENT_DAYS: Final = 4  # working days before today
LINES_WITH_A_STORY: Final = 58  # and above; below are ordinary answers

Row = dict[str, str]


class Office(NamedTuple):
    """`lines`: the last two digits of its phone numbers."""

    name: str
    address: str
    state: str
    zone: str
    area: str
    lines: tuple[int, ...]

    def phone(self, line: int) -> str:
        return f"+1{self.area}55501{line:02}"


OFFICES: Final = (
    Office(
        "Harborview Physical Therapy", "18 Water St, New York, NY 10004", "NY",
        "America/New_York", "212", (1, 2, 8, 11, 67, 99),
    ),
    Office(
        "Harborview Physical Therapy", "940 Pacific Ave, Tacoma, WA 98402", "WA",
        "America/Los_Angeles", "253", (3, 4, 12, 70),
    ),
    Office(
        "Lakeshore Rehab Center", "233 N Michigan Ave, Chicago, IL 60601", "IL",
        "America/Chicago", "312", (5, 6, 18, 20, 63),
    ),
    Office(
        "Mesa Verde Spine & Sport", "1550 Larimer St, Denver, CO 80202", "CO",
        "America/Denver", "303", (7, 9, 21, 28, 68),
    ),
    Office(
        "Saguaro Hand Clinic", "2400 E Camelback Rd, Phoenix, AZ 85016", "AZ",
        "America/Phoenix", "602", (10, 13, 22, 62),
    ),
    Office(
        "Golden Gate Occupational Health", "455 Market St, San Francisco, CA 94105", "CA",
        "America/Los_Angeles", "415", (14, 15, 23, 38, 75, 82),
    ),
    Office(
        "Bayou City Orthopedics", "1001 Texas Ave, Houston, TX 77002", "TX",
        "America/Chicago", "713", (16, 17, 24, 69, 85),
    ),
    Office(
        "Peachtree Recovery Partners", "191 Peachtree St NE, Atlanta, GA 30303", "GA",
        "America/New_York", "404", (19, 25, 26, 48, 78),
    ),
    Office(
        "Motor City Work Rehab", "500 Woodward Ave, Detroit, MI 48226", "MI",
        "America/Detroit", "313", (27, 29, 30, 73),
    ),
    Office(
        "Circle City Therapy Group", "30 S Meridian St, Indianapolis, IN 46204", "IN",
        "America/Indiana/Indianapolis", "317", (31, 32, 58, 71, 86),
    ),
    Office(
        "Denali Physical Therapy", "510 L St, Anchorage, AK 99501", "AK",
        "America/Anchorage", "907", (33, 34, 35, 66),
    ),
    Office(
        "Aloha Rehabilitation", "1099 Alakea St, Honolulu, HI 96813", "HI",
        "Pacific/Honolulu", "808", (36, 37, 39, 40, 84),
    ),
)  # fmt: skip

FIRST_NAMES: Final = (
    *("Amara", "Benjamin", "Carla", "Dmitri", "Elena", "Farid", "Grace", "Hiro", "Imani", "Jonas"),
    *("Keiko", "Luis", "Mireille", "Nadia", "Oscar", "Priya", "Quentin", "Rosa", "Samuel", "Tara"),
)
LAST_NAMES: Final = (
    *("Achterberg", "Bellweather", "Castellanos", "Delgado", "Eastman", "Fontaine", "Greenfield"),
    *("Holloway", "Ibarra", "Jankowski", "Kowalczyk", "Lindqvist", "Marchetti", "Núñez", "Okafor"),
    *("Pemberton", "Quispe", "Rasmussen", "Silverthorne", "Tremblay"),
)
ORGANIZATIONS: Final = ("SPNet", "SPNet", "SPNet West", "SPNet East")
MODALITIES: Final = ("Physical Therapy", "Physical Therapy", "Occupational Therapy", "Chiropractic")
BODY_PARTS: Final = ("Left shoulder", "Right knee", "Lower back", "Right wrist", "Neck", "Ankle")
INSURERS: Final = ("Acme Insurer Group", "Summit Casualty", "Prairie Mutual")
SSNS: Final = ("987-65-4320", "987654321", "4322", "", "NONE")  # of the range kept for advertising
PATIENT_LINES: Final = range(88, 98)  # no office's
NOTES: Final = ("", "", "", "Ask for the front desk.", "Patient prefers mornings.")

HUMAN_PHONES: Final = ("({0}) {1}-{2}", "{0}.{1}.{2}", "1-{0}-{1}-{2}", "{0} {1} {2}")


def sample_file(today: date) -> str:
    """CSV text: ROWS rows, of which `len(SPOILT) + 1` are refused and one waits as a possible duplicate."""
    text = io.StringIO()
    rows = sample_rows(today)
    writer = csv.DictWriter(text, rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def sample_rows(today: date) -> list[Row]:
    rng = random.Random(today.toordinal())
    rows = [
        sample_row(number, office, line, today, rng)
        for number, (office, line) in enumerate(calls_to_make(rng), 1)
    ]
    for number, template in enumerate(HUMAN_PHONES):
        humanise(rows[10 + number * 7], template)
    spoil(rows, today)
    return rows


def calls_to_make(rng: random.Random) -> list[tuple[Office, int]]:
    """Every line once, the ordinary ones again until the file is full, in no order."""
    lines = [(office, line) for office in OFFICES for line in office.lines]
    ordinary = [one for one in lines if one[1] < LINES_WITH_A_STORY]
    again = [ordinary[number % len(ordinary)] for number in range(ROWS - len(lines))]
    return rng.sample(lines + again, ROWS)


def sample_row(number: int, office: Office, line: int, today: date, rng: random.Random) -> Row:
    day = f"{today:%y%m%d}"
    visit_day = rng.choice(working_days_before(today))
    visit = f"{visit_day}T{rng.randrange(8, 17):02}:{rng.choice(('00', '30'))}:00"
    return {
        "external_reference_id": f"SAMPLE-{day}-{number:03}",
        "organization_name": rng.choice(ORGANIZATIONS),
        "patient_name": f"{rng.choice(FIRST_NAMES)} {rng.choice(LAST_NAMES)}",
        "patient_ssn": rng.choice(SSNS),
        "patient_dob": str(date(1958, 1, 1) + timedelta(days=rng.randrange(16_000))),
        "patient_phone_number": rng.choice(
            ("", f"+1{office.area}55501{rng.choice(PATIENT_LINES)}")
        ),
        "date_of_injury": str(today - timedelta(days=rng.randrange(20, 120))),
        "expected_appointment_date_time": visit,
        "local_timezone": office.zone,
        "service_modality": rng.choice(MODALITIES),
        "claim_number": rng.choice(("Not Available", *[f"WC-{day}-{number + 4000}"] * 9)),
        "insurer_group_name": rng.choice(INSURERS),
        "body_part": rng.choice(BODY_PARTS),
        "provider_office": office.name,
        "provider_office_address": office.address,
        "provider_state": office.state,
        "outbound_phone_number": office.phone(line),
        "eoc_number": f"EOC-{day}-{number:03}",
        "notes": rng.choice(NOTES),
    }


def working_days_before(today: date) -> list[date]:
    days = (today - timedelta(days=ago) for ago in range(1, 2 * APPOINTMENT_DAYS + 3))
    return [day for day in days if day.weekday() < 5][:APPOINTMENT_DAYS]


def humanise(row: Row, template: str) -> None:
    """The number as a person writes it: the upload makes it +1 and ten digits, and shows the change."""
    digits = row["outbound_phone_number"][2:]
    row["outbound_phone_number"] = template.format(digits[:3], digits[3:6], digits[6:])


# What goes wrong in real files: column and value of a row that is refused, with an explanation.
SPOILT: Final = (
    ("outbound_phone_number", "(212) 555-0142 ext. 7"),
    ("outbound_phone_number", "555-0117"),
    ("local_timezone", "EST"),
    ("patient_ssn", "98765432"),  # a spreadsheet dropped the zero
    ("patient_dob", "4/13/67"),
    ("organization_name", ""),
    ("expected_appointment_date_time", "{yesterday}"),
)


def spoil(rows: list[Row], today: date) -> None:
    """Spoil every 25th row, repeat a reference, and let one case come twice under two references."""
    yesterday = str(working_days_before(today)[0])
    for number, (column, value) in enumerate(SPOILT, 1):
        rows[number * 25 - 3][column] = value.format(yesterday=yesterday)
    rows[-4]["external_reference_id"] = rows[-9]["external_reference_id"]
    case = rows[60]
    rows[-2] |= {**case, "external_reference_id": rows[-2]["external_reference_id"]}
