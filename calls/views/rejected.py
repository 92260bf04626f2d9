"""A rejected line as the review shows it: the fields that are wrong, or what became of it."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from django.db.models import Q, QuerySet

from calls.intake import summing
from calls.intake.cells import clean
from calls.intake.fields import FIELD
from calls.intake.filerules import FileRules, rules_of
from calls.intake.guiding import IVR_GUIDE
from calls.intake.kinds import is_social_security
from calls.intake.settling import REFERENCE, added_of, cells_of
from calls.models import Batch, CallRow, RejectedLine

LONG = {"notes", "provider_office_address"}
# Never written into a page, not even to mend it: it is typed again.
SECRET = {"patient_ssn"}
# Shown only where it is wrong.
MASKED = {"patient_ssn", "patient_dob", "patient_phone_number"}
# A contradiction may lie in the other field as well.
RELATED = {("date_of_injury", "before_birth"): "patient_dob"}
EARLIER_CALL = {
    "reference_already_sent",
    "reference_withdrawn",
    "reference_moved_on",
    "known_reference",
    "unchanged",
}


class Entry(NamedTuple):
    """One field of a line to be mended."""

    name: str
    id: str
    label: str
    value: str
    problems: list[dict[str, Any]]
    suggestion: str
    hint: str
    is_long: bool
    has_extension: bool


class Correction(NamedTuple):
    """What was in the file and what a person made of it; of masked fields only that they were mended."""

    label: str
    before: str
    after: str
    hidden: bool


def settled_lines(batch: Batch) -> QuerySet[RejectedLine]:
    return batch.rejected_lines.filter(Q(row__isnull=False) | Q(is_skipped=True))


def shown_lines(batch: Batch, lines: Iterable[RejectedLine]) -> list[dict[str, Any]]:
    """Each line for `_review_line.html`; one query more where calls of earlier batches are concerned."""
    rules, found = rules_of(batch), list(lines)
    earlier = earlier_calls(found, rules)
    return [shown_line(line, rules, earlier) for line in found]


def shown_line(
    line: RejectedLine, rules: FileRules, earlier: Mapping[str, CallRow]
) -> dict[str, Any]:
    texts = rules.texts(cells_of(line), added_of(line))
    state = "fixed" if line.row_id else "skipped" if line.is_skipped else "open"
    problems = list(summing.told(line.problems))
    return {
        "number": line.line,
        "rejected": line,
        "state": state,
        "patient": texts.get("patient_name", ""),
        "office": texts.get("provider_office", ""),
        "entries": entries(line, texts, problems) if state == "open" else [],
        "of_row": [problem for problem in problems if not problem["column"]],
        "extra": extra_cells(cells_of(line), rules),
        "corrections": corrections(line, texts, rules),
        "guide": added_of(line).get(IVR_GUIDE, ""),
        "earlier": earlier.get(clean(texts.get(REFERENCE, ""))) if names_a_call(line) else None,
    }


def entries(
    line: RejectedLine, texts: Mapping[str, str], problems: list[dict[str, Any]]
) -> list[Entry]:
    """The fields that are wrong, in the order of the fields."""
    wrong = {problem["column"] for problem in problems}
    wrong |= {
        other
        for problem in problems
        if (other := RELATED.get((problem["column"], problem["code"])))
    }
    return [
        entry(line, name, texts.get(name, ""), [p for p in problems if p["column"] == name])
        for name in FIELD
        if name in wrong
    ]


def entry(line: RejectedLine, name: str, text: str, problems: list[dict[str, Any]]) -> Entry:
    has_extension = any(p["code"] == "extension" and p["suggestion"] for p in problems)
    offers = [p["suggestion"] for p in problems if p["suggestion"] and p["code"] != "extension"]
    return Entry(
        name=name,
        id=f"f-{line.line}-{name}",
        label=FIELD[name].label,
        value="" if name in SECRET else text,
        problems=problems,
        suggestion=offers[0] if offers else "",
        hint="Type it again, the last 4 digits or NONE" if name in SECRET else "",
        is_long=name in LONG,
        has_extension=has_extension,
    )


def corrections(line: RejectedLine, texts: Mapping[str, str], rules: FileRules) -> list[Correction]:
    if line.original_cells is None:
        return []
    cells = cells_of(RejectedLine(cells=line.original_cells))
    was, extra = rules.texts(cells, {}), extra_cells(cells, rules)
    dropped = [] if extra_cells(cells_of(line), rules) == extra else [extra]
    return [
        *(Correction("Extra cells", text, "", hidden=False) for text in dropped),
        *(
            Correction(FIELD[name].label, was.get(name, ""), text, name in MASKED)
            for name in FIELD
            if (text := texts.get(name, "")) != was.get(name, "")
        ),
    ]


def extra_cells(cells: list[str], rules: FileRules) -> str:
    """What stands beyond the last column, but for an SSN that was moved there."""
    texts = [text for cell in cells[rules.width :] if (text := clean(cell))]
    return ", ".join("•••-••-••••" if is_social_security(text) else text for text in texts)


def names_a_call(line: RejectedLine) -> bool:
    return any(problem["code"] in EARLIER_CALL for problem in line.problems)


def earlier_calls(lines: list[RejectedLine], rules: FileRules) -> dict[str, CallRow]:
    """The calls whose reference these lines have, by it."""
    references = {
        clean(rules.texts(cells_of(line), added_of(line)).get(REFERENCE, ""))
        for line in lines
        if names_a_call(line)
    }
    if not references:
        return {}
    rows = CallRow.objects.filter(external_reference_id__in=references)
    return {row.external_reference_id: row for row in rows.only("external_reference_id")}
