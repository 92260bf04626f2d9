from collections import Counter, defaultdict

from tests.faults.table import COMMAND, PAGE, faults, page_with, table
from tests.simulation.guards import GUARDS

RELIABILITY = PAGE.with_name("reliability.md")


def test_the_page_names_every_fault_with_what_must_happen():
    assert PAGE.read_text() == page_with(table()), f"docs/operations.md is old: run {COMMAND}"


def test_every_fault_has_a_name_of_its_own_and_says_what_must_happen():
    known = faults()
    assert [name for name, count in Counter(one.name for one in known).items() if count > 1] == []
    assert [one.name for one in known if not one.must.endswith(".")] == []
    assert len(known) >= 50


def test_the_reliability_page_names_every_guard_and_what_breaks_without_it():
    broken = defaultdict(list)
    for guard in GUARDS:
        broken[f"`{guard.name}`"].append(guard.code)
    lines = [line.strip("| ").split(" | ") for line in RELIABILITY.read_text().splitlines()]
    told = {cells[0]: cells[-1].split(", ") for cells in lines if cells[0] in broken}
    assert told == broken
