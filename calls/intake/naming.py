"""Which office a row belongs to, and the name under which Evergrove knows it (R12, R13)."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from django.db.models import Q
from django.db.models.functions import Lower

from calls.intake.inserting import Inserter
from calls.intake.validating import NormalisedRow
from calls.models import Entity
from calls.models.entity import office_identity

CITY_AND_STATE = re.compile(r",\s*([^,\d][^,]*?),?\s+([A-Z]{2})\b(?:\s+\d{5}(?:-\d{4})?)?\s*$")
NAME_LENGTH = 255
OF_OFFICE = ("identity", "name", "upstream_name", "address", "state", "timezone")
ASKED_AHEAD = 3  # candidates of a name that are looked up together

Place = tuple[str, str, str]


@dataclass
class EntityBook:
    """The offices met in one upload; each is looked up or created once."""

    by_place: dict[Place, Entity] = field(default_factory=dict)
    by_identity: dict[str, Entity] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)

    def entities_of(self, rows: Sequence[NormalisedRow]) -> list[Entity]:
        """The office of each row, found with few queries or created. Call in a transaction."""
        places = list(map(place_of, rows))
        wanted = {
            place: row
            for place, row in zip(places, rows, strict=True)
            if place not in self.by_place
        }
        if wanted:
            self.find(wanted)
        return [self.by_place[place] for place in places]

    def entity_of(self, row: NormalisedRow) -> Entity:
        return self.entities_of([row])[0]

    def find(self, wanted: Mapping[Place, NormalisedRow]) -> None:
        """Places may be spellings of one office, of one met before too."""
        identities = {place: identity_of(row) for place, row in wanted.items()}
        found = self.by_identity | {
            entity.identity: entity
            for entity in Entity.objects.filter(
                identity__in=set(identities.values()) - self.by_identity.keys()
            )
        }
        missing = {
            identity: wanted[place]
            for place, identity in identities.items()
            if identity not in found
        }
        self.by_identity = found | self.create(missing)
        self.by_place |= {
            place: self.by_identity[identity] for place, identity in identities.items()
        }

    def create(self, offices: Mapping[str, NormalisedRow]) -> dict[str, Entity]:
        """New offices by their identity."""
        if not offices:
            return {}
        names = FreeNames.among(offices.values())
        fresh = [self.new_entity(identity, row, names) for identity, row in offices.items()]
        # Another upload may create the same office at this moment: it is theirs then.
        new_offices = Inserter(Entity, OF_OFFICE, {})
        columns = {name: [getattr(entity, name) for entity in fresh] for name in OF_OFFICE}
        new_offices.insert(new_offices.prepared(columns), unless_there=True)
        found = {e.identity: e for e in Entity.objects.filter(identity__in=offices)}
        for identity in offices.keys() - found.keys():  # only its name was taken in that moment
            entity = self.new_entity(
                identity, offices[identity], FreeNames.among([offices[identity]])
            )
            entity.save()
            found[identity] = entity
        return found

    def new_entity(self, identity: str, row: NormalisedRow, names: "FreeNames") -> Entity:
        name = names.take(row.provider_office, row.provider_office_address)
        if name != row.provider_office:
            self.notices.append(
                f"Another office is called {row.provider_office} already, with another address or "
                f"time zone. Evergrove will know this one as {name}, so that neither changes the "
                "other's hours."
            )
        return Entity(
            identity=identity,
            name=row.provider_office,
            upstream_name=name,
            address=row.provider_office_address,
            state=row.provider_state or "",
            timezone=row.local_timezone,
        )


@dataclass
class FreeNames:
    """Hands out names that no other office has, in whatever case; `taken` are casefolded."""

    taken: set[str]

    @classmethod
    def among(cls, rows: Iterable[NormalisedRow]) -> "FreeNames":
        """With what is taken of the names that these rows may ask for, read in one query."""
        wanted = {name for row in rows for name in first_names(row)}
        lowered = Entity.objects.annotate(lowered=Lower("upstream_name"))
        # LOWER knows only ASCII on SQLite, hence the names as they are too.
        same = Q(lowered__in={name.lower() for name in wanted}) | Q(upstream_name__in=wanted)
        found = lowered.filter(same).values_list("upstream_name", flat=True) if wanted else []
        return cls({name.casefold() for name in found})

    def take(self, name: str, address: str) -> str:
        """The plain name while no other office has it; then with city and state, address, or a number."""
        for number, candidate in enumerate(name_candidates(name, address)):
            if candidate.casefold() not in self.taken and (
                number < ASKED_AHEAD or is_free(candidate)
            ):
                self.taken.add(candidate.casefold())
                return candidate
        raise AssertionError("the candidates never end")


def is_free(name: str) -> bool:
    return not Entity.objects.filter(upstream_name__iexact=name).exists()


def first_names(row: NormalisedRow) -> list[str]:
    candidates = name_candidates(row.provider_office, row.provider_office_address)
    return list(islice(candidates, ASKED_AHEAD))


def place_of(row: NormalisedRow) -> Place:
    """The office as it is spelt in a row: quicker to compare than its identity."""
    return row.provider_office, row.provider_office_address, row.local_timezone


def identity_of(row: NormalisedRow) -> str:
    return office_identity(row.provider_office, row.provider_office_address, row.local_timezone)


def name_candidates(name: str, address: str) -> Iterable[str]:
    yield name
    if match := CITY_AND_STATE.search(address):
        yield qualified(name, f"{match[1]}, {match[2]}")
    yield qualified(name, address)
    number = 2
    while True:
        yield qualified(name, f"{number}")
        number += 1


def qualified(name: str, qualifier: str) -> str:
    """`name (qualifier)` within the column, the name shortened last."""
    short = qualifier[: NAME_LENGTH // 2]
    return f"{name[: NAME_LENGTH - len(short) - 3]} ({short})"
