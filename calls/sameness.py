"""The same thing twice: a case (R54), an office (R13), or a question whose answer is known already."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Lower
from django.utils import timezone

from calls.actions import Refused, User, note_batch, note_office
from calls.engine import claiming
from calls.intake.cells import clean, says_absent
from calls.intake.columns import claimed_columns
from calls.intake.loading import limits
from calls.intake.reading import FileRefused, SheetToChoose, read_table
from calls.intake.tables import Table
from calls.models import Batch, CallRow, Entity
from calls.tasks import wake
from calls.vocabulary import WITHDRAWABLE, BatchState, EventKind, HoldReason, Phase

EVIDENCE = "evidence"
NAMESAKES_SHOWN = 20
NO_CLAIM = "not available"  # what Evergrove is told instead of a claim number (R26)
SHEETS_READ = 5
NAMES = REFERENCE, CLAIM = "external_reference_id", "claim_number"


# --- The same case twice --------------------------------------------------------------------------
@transaction.atomic
def accept_duplicates(*, rows: QuerySet[CallRow], by: User) -> int:
    """A person says that these possible duplicates are to be called. Returns how many."""
    now = timezone.now()
    held = rows.filter(hold_reason=HoldReason.POSSIBLE_DUPLICATE)
    ids = list(held.values_list("pk", flat=True))
    let_go = CallRow.objects.filter(pk__in=ids, hold_reason=HoldReason.POSSIBLE_DUPLICATE)
    number = let_go.update(hold_reason="", fence=F("fence") + 1, next_at=now, changed_at=now)
    released = CallRow.objects.filter(pk__in=ids, hold_reason="").only("pk", "phase")
    reason = HoldReason.POSSIBLE_DUPLICATE
    claiming.record_events(released, kind=EventKind.RELEASED, now=now, detail=reason, actor=by)
    wake("dispatch")
    return number


# --- Two offices of one name ----------------------------------------------------------------------
def namesakes(batch: Batch) -> list[tuple[Entity, Entity]]:
    """(new office, known office of the same name) of this batch, as many as a person can decide (R13)."""
    named_here = Exists(batch.rows.filter(entity=OuterRef("pk")))
    renamed = Entity.objects.exclude(upstream_name=F("name")).filter(named_here, entity_id=None)
    fresh = list(renamed.order_by("name", "pk")[:NAMESAKES_SHOWN])
    if not fresh:
        return []
    names = {office.name for office in fresh}
    # Both: SQLite lowers only the letters of ASCII.
    same = Q(lowered__in={name.lower() for name in names}) | Q(upstream_name__in=names)
    found = Entity.objects.annotate(lowered=Lower("upstream_name")).filter(same)
    known = {office.upstream_name.casefold(): office for office in found}
    return [
        (office, known[office.name.casefold()])
        for office in fresh
        if office.name.casefold() in known
    ]


@transaction.atomic
def join_offices(*, batch: Batch, office: Entity, into: Entity, by: User) -> int:
    """The rows of a draft that name `office` mean `into`: it is called with that one's hours. Raises Refused.

    The rows keep the address that the file gave. Returns how many there are.
    """
    draft = Batch.objects.select_for_update().filter(pk=batch.pk, state=BatchState.DRAFT).first()
    if draft is None:
        raise Refused("Offices are joined only until the batch is started.")
    now = timezone.now()
    mine = batch.rows.filter(entity=office, phase=Phase.READY)
    number = mine.update(entity=into, fence=F("fence") + 1, changed_at=now)
    Entity.objects.filter(pk=office.pk, entity_id=None, rows=None, claimed_by="").delete()
    draft.notices = [said for said in draft.notices if f"as {office.upstream_name}, so" not in said]
    draft.save(update_fields=["notices"])
    note_office(into, EventKind.OFFICE_SAVED, by=by, now=now, detail="joined")
    return number


# --- What is known already ------------------------------------------------------------------------
@dataclass(frozen=True)
class Evidence:
    """Cases whose answer is known, each as (reference, claim number): one of them may be "".

    Both are casefolded: programs do not agree on upper and lower case.
    """

    known: frozenset[tuple[str, str]]

    @property
    def cases(self) -> int:
        return len(self.known)

    def rows_of(self, batch: Batch) -> QuerySet[CallRow]:
        """The calls of the batch that it makes needless and that were not started yet.

        A reference counts before the claim, unless it is another system's and no row has it.
        """
        ours = {text.casefold() for text in batch.rows.values_list(REFERENCE, flat=True)}
        references = {reference for reference, _ in self.known if reference in ours}
        claims = {claim for reference, claim in self.known if claim and reference not in ours}
        rows = batch.rows.filter(phase__in=WITHDRAWABLE)
        found = [
            pk
            for pk, reference, claim in rows.values_list("pk", REFERENCE, CLAIM)
            if reference.casefold() in references or claim.casefold() in claims
        ]
        return rows.filter(pk__in=found)


def read_evidence(data: bytes) -> Evidence:
    """Read a file with a column of row references, of claim numbers or of both. Raises FileRefused."""
    table = evidence_table(data)
    references, claims = (columns_for(table, name) for name in NAMES)
    lines = (
        (first_text(line.cells, references).casefold(), first_text(line.cells, claims).casefold())
        for line in table.rows
    )
    return Evidence(frozenset(line for line in lines if any(line)))


def evidence_table(data: bytes) -> Table:
    """The file as a table, of a workbook the only sheet that names cases. Raises FileRefused."""
    try:
        sheets = [read_table(data, limits())]
    except SheetToChoose as several:
        if len(several.sheets) > SHEETS_READ:
            raise one_sheet() from None
        sheets = list(sheets_of(data, several.sheets))
    found = [table for table in sheets if any(columns_for(table, name) for name in NAMES)]
    if len(found) > 1:
        raise one_sheet()
    if not found:
        raise FileRefused(
            "missing_columns",
            "The file must have a column of row references or of claim numbers",
        )
    return found[0]


def sheets_of(data: bytes, names: list[str]) -> Iterator[Table]:
    """Those of the sheets that can be read: a legend beside the cases need not be a table."""
    for name in names:
        with contextlib.suppress(FileRefused):
            yield read_table(data, limits(), sheet=name)


def one_sheet() -> FileRefused:
    return FileRefused(
        "several_sheets", "More than one sheet could name the cases. Leave one sheet in the file"
    )


def columns_for(table: Table, name: str) -> list[int]:
    return claimed_columns(table.headers).get(name, [])


def first_text(cells: list[str], columns: list[int]) -> str:
    texts = (clean(cells[at]) for at in columns)
    return next((text for text in texts if names_a_case(text)), "")


def names_a_case(text: str) -> bool:
    """Not one of the words for "none": calls without a claim number carry them too."""
    return not says_absent(text) and text.casefold() != NO_CLAIM


@transaction.atomic
def suppress(*, rows: QuerySet[CallRow], by: User) -> int:
    """Withdraw calls of one batch whose answer is known; what was started meanwhile goes on. Returns how many."""
    ids = list(rows.values_list("pk", flat=True))
    if not ids:
        raise Refused("None of these calls can be withdrawn any more.")
    now, chosen = timezone.now(), CallRow.objects.filter(pk__in=ids)
    number = claiming.withdraw(chosen, now=now, by=by, detail=EVIDENCE)
    batch = Batch.objects.get(rows=ids[0])
    note_batch(batch, EventKind.WITHDRAWN, by=by, now=now, detail=str(number))
    return number
