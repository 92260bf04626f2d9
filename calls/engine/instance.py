"""Whose database this is. Two installations that call from copies of one database would call twice.

An installation knows itself by INSTANCE_ID; without it, by a random id in a file of its own together with the
machine and the place of that file. The place of the database belongs to it too: on PostgreSQL the server's own
id and the name, in SQLite the path. What was copied elsewhere is another one.
"""

import os
import secrets
import tempfile
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

from django.conf import settings
from django.db import connection

from calls.models import Installation

MACHINE_ID = Path("/etc/machine-id")


def identity() -> str:
    """Of this process: 32 hex digits."""
    if settings.INSTANCE_ID:  # of several machines, whose paths need not be the same
        parts = [settings.INSTANCE_ID, place_on_server()]
    else:
        path = Path(settings.INSTANCE_FILE).resolve()
        parts = [id_in(path), text_of(MACHINE_ID), str(path), place_of_database()]
    return blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()


def id_in(path: Path) -> str:
    """The id in the file, written at the first look. Empty where it can be neither read nor written: then
    the machine and the place have to do."""
    with suppress(OSError):
        if not path.exists():
            write_once(path, secrets.token_hex(16))
    return text_of(path)


def write_once(path: Path, text: str) -> None:
    """Whole or not at all, and the first of several processes wins."""
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    try:
        with open(handle, "w") as file:
            file.write(text + "\n")
        os.chmod(draft, 0o644)  # an id and no secret; web and worker may be two users
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        os.unlink(draft)


def text_of(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def place_of_database() -> str:
    if connection.vendor != "sqlite":
        return place_on_server()
    return str(Path(connection.settings_dict["NAME"]).resolve())


def place_on_server() -> str:
    """Which database of which PostgreSQL server, however it is addressed; empty with SQLite."""
    if connection.vendor != "postgresql":
        return ""
    return asked_place(str(connection.settings_dict["NAME"]))


@lru_cache(maxsize=8)
def asked_place(name: str) -> str:
    """A restored dump has another name or another server. Once per process: every page asks who we are."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT has_function_privilege('pg_control_system()', 'execute')")
        may_ask = cursor.fetchone()[0]
        cursor.execute(
            "SELECT system_identifier::text FROM pg_control_system()" if may_ask else "SELECT ''"
        )
        return f"{cursor.fetchone()[0]} {name}"


def owner() -> str:
    """The identity that the database keeps; empty while nobody has used it."""
    found = Installation.objects.values_list("instance_id", flat=True)
    return found.filter(pk=Installation.SINGLETON).first() or ""


def moved_in(*, now: datetime) -> str:
    """This installation's identity, after taking a database that nobody has used before."""
    me = identity()
    if not owner():
        Installation.load()
        Installation.objects.filter(instance_id="").update(instance_id=me, adopted_at=now)
    return me
