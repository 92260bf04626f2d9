"""Whose database this is. Two installations that call from copies of one database would call twice.

An installation knows itself by INSTANCE_ID; without it, by a random id in a file of its own together with the
machine, the place of that file and, with SQLite, of the database. What was copied elsewhere is another one.
"""

import os
import secrets
import tempfile
from contextlib import suppress
from datetime import datetime
from hashlib import blake2b
from pathlib import Path

from django.conf import settings
from django.db import connection

from calls.models import Installation

MACHINE_ID = Path("/etc/machine-id")


def identity() -> str:
    """Of this process: 32 hex digits."""
    if settings.INSTANCE_ID:
        parts = [settings.INSTANCE_ID]
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
        return ""
    return str(Path(connection.settings_dict["NAME"]).resolve())


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
