"""Copies of an SQLite file: made while others write, checked, and put back in one step."""

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

PATIENCE = 20.0  # seconds, for a lock that somebody else holds

Migration = tuple[str, str]  # application, name


class Unusable(Exception):
    """The file is not a whole database of ours; the message says what is wrong with it."""


def copy_to_new(source: Path, target: Path) -> None:
    """A consistent, checked copy that its owner alone may read. Raises FileExistsError, Unusable.

    There is no half a copy at any time: it gets its name when it is whole.
    """
    if target.exists():
        raise FileExistsError
    with draft_beside(target) as draft:
        write_over(draft, source)
        check(draft)
        sync(draft)
        os.link(draft, target)


@contextmanager
def draft_beside(target: Path) -> Iterator[Path]:
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")  # mode 600
    os.close(handle)
    draft = Path(name)
    try:
        yield draft
    finally:
        for leftover in draft.parent.glob(f"{draft.name}*"):
            leftover.unlink()


def write_over(target: Path, source: Path) -> None:
    """Put the content of `source` into `target` in one transaction: whoever has it open sees all or nothing."""
    with (
        trouble_with(f"{source.name} cannot be copied"),
        closing(connect(source, "?mode=ro")) as old,
        closing(connect(target)) as new,
    ):
        old.backup(new)


def check(path: Path) -> None:
    """Read all of a copy that nobody else has open, and make it one file that needs no other beside it."""
    with trouble_with("The copy is damaged"), closing(connect(path)) as copy:
        copy.execute("PRAGMA journal_mode=DELETE")
        found = [row[0] for row in copy.execute("PRAGMA integrity_check(1)")]
        if found != ["ok"]:
            raise sqlite3.DatabaseError(found[0])


def migrations_in(path: Path) -> set[Migration]:
    """Those that made its tables. Raises Unusable where it is no database of ours."""
    with (
        trouble_with(f"{path.name} is no database of Evergrove Dash"),
        closing(connect(path, "?mode=ro")) as database,
    ):
        return set(database.execute("SELECT app, name FROM django_migrations"))


@contextmanager
def trouble_with(what: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise Unusable(f"{what}: {error}.") from None


def connect(path: Path, options: str = "") -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path))}{options}", uri=True, timeout=PATIENCE)


def sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
