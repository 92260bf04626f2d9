"""The table of faults in docs/operations.md, made of the tests: `python -m tests.faults.table` writes it anew.

In this folder a module is a kind of fault (its docstring), a test's name the fault, the first line of the test's
docstring what must happen. A test elsewhere says the same by `@pytest.mark.fault(kind, fault, what must happen)`.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "operations.md"
COMMAND = "python -m tests.faults.table"
BEGIN, END = f"<!-- faults: written by `{COMMAND}` -->\n", "<!-- end of faults -->\n"
KINDS = ("Network", "HTTP", "Database", "Clock", "Processes", "People")
WRITTEN = {"http": "HTTP", "json": "JSON", "tls": "TLS", "utc": "UTC"}


class Fault(NamedTuple):
    kind: str
    name: str
    must: str
    test: str


def faults() -> list[Fault]:
    """Every named fault: by kind, and within one those of this folder first."""
    here = sorted(Path(__file__).parent.glob("test_*.py"))
    elsewhere = [path for path in sorted(TESTS.rglob("test_*.py")) if path not in here]
    found = [fault for path in (*here, *elsewhere) for fault in faults_in(path)]
    return sorted(found, key=lambda fault: KINDS.index(fault.kind))


def faults_in(path: Path) -> Iterator[Fault]:
    tree = ast.parse(path.read_text())
    kind = ast.get_docstring(tree) if path.parent == Path(__file__).parent else None
    for name, test in functions(tree):
        where = f"{path.relative_to(TESTS.parent)}::{name}"
        for said in marks(test):
            yield Fault(*said, where)
        if kind and test.name.startswith("test_"):
            yield Fault(kind, words(test.name), first_line(test), where)


def functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            methods = (one for one in node.body if isinstance(one, ast.FunctionDef))
            yield from ((f"{node.name}::{method.name}", method) for method in methods)


def marks(test: ast.FunctionDef) -> Iterator[list[str]]:
    for mark in test.decorator_list:
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.fault":
            yield [ast.literal_eval(argument) for argument in mark.args]


def words(name: str) -> str:
    """`test_http_408` is written "HTTP 408"."""
    text = " ".join(WRITTEN.get(word, word) for word in name.split("_")[1:])
    return text[:1].upper() + text[1:]


def first_line(test: ast.FunctionDef) -> str:
    return (ast.get_docstring(test) or "").split("\n")[0]


def table() -> str:
    lines, known = [], faults()
    for kind in KINDS:
        lines += [f"**{kind}**", "", "| fault | what must happen | test |", "|---|---|---|"]
        own = [fault for fault in known if fault.kind == kind]
        lines += [f"| {fault.name} | {fault.must} | `{fault.test}` |" for fault in own]
        lines += [""]
    return "\n".join([f"{len(known)} faults.", "", *lines])


def page_with(text: str) -> str:
    """The page as it should be; the rest of it is left as it is."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    return before + BEGIN + text + END + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(page_with(table()))
