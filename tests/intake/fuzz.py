"""Bytes into the reader and the loader for some minutes: nothing raises, nothing is slow. `make fuzz MINUTES=5`.

Starts from the corpus of odd files and damages, cuts, joins and repeats them.
"""

import io
import os
import random
import sys
import time
import zipfile
from collections.abc import Callable

from calls.intake.reading import FileRefused, Limits, read_table
from tests.data.make import corpus

LONGEST = 2.0  # seconds
LIMITS = Limits(max_bytes=2 * 1024 * 1024, max_rows=500)
SHREDS = (
    b'"',
    b",",
    b";",
    b"\t",
    b"\r",
    b"\n",
    b"\x00",
    b"\xff\xfe",
    b"=",
    b"1E+10",
    b"\xc3",
    b"<",
    b"'",
)


class TooSlow(AssertionError):
    pass


def damaged(data: bytes, rng: random.Random) -> bytes:
    """A file like `data`, with a few of its bytes, or of the parts of its archive, no longer right."""
    if data.startswith(b"PK") and rng.random() < 0.7:
        try:
            return damaged_inside(data, rng)
        except zipfile.BadZipFile:
            pass
    return mangled(data, rng)


def mangled(data: bytes, rng: random.Random) -> bytes:
    text = bytearray(data or b"a,b\n")
    for _ in range(rng.randrange(1, 9)):
        at = rng.randrange(len(text) + 1)
        match rng.randrange(5):
            case 0:
                text[at : at + 1] = rng.choice(SHREDS)
            case 1:
                text[at:at] = rng.choice(SHREDS) * rng.choice((1, 2, 50, 3000))
            case 2:
                del text[at : at + rng.choice((1, 10, 1000))]
            case 3:
                text[at:at] = text[: rng.randrange(len(text) + 1)][:5000]
            case 4:
                text[at:at] = rng.randbytes(rng.randrange(1, 20))
        text = text or bytearray(b"x")
    return bytes(text)


def damaged_inside(data: bytes, rng: random.Random) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    chosen = rng.choice(list(parts))
    parts[chosen] = mangled(parts[chosen], rng)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


def read(data: bytes) -> None:
    try:
        for _ in read_table(data, LIMITS).rows:
            pass
    except FileRefused:
        pass


def fuzz(seconds: float, seed: int, *uses: Callable[[bytes], None]) -> int:
    """How many files were tried. Raises TooSlow, or whatever was not to be raised, after naming the seed."""
    rng, until, tried = random.Random(seed), time.monotonic() + seconds, 0
    files = [odd.data for odd in corpus()]
    while time.monotonic() < until:
        data = damaged(rng.choice(files), rng)
        for use in uses:
            started = time.process_time()
            try:
                use(data)
            except Exception as error:
                raise AssertionError(f"seed {seed}, file {tried}: {error!r}") from error
            if time.process_time() - started > LONGEST:
                raise TooSlow(f"seed {seed}, file {tried}")
        tried += 1
    return tried


def main(minutes: float) -> None:
    """In a database of its own, in memory."""
    os.environ |= {"DJANGO_SETTINGS_MODULE": "tests.settings", "DATABASE_URL": "sqlite://:memory:"}
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    seed = int(time.time())
    tried = fuzz(minutes * 60, seed, read, load)
    print(f"{tried:,} files, seed {seed}: nothing raised, none was slow")  # noqa: T201


def load(data: bytes) -> None:
    """Read, plan, check and store, in a transaction that is taken back."""
    from django.db import transaction

    from calls.intake.loading import load_file
    from calls.intake.planning import propose

    with transaction.atomic():
        try:
            propose(read_table(data, LIMITS))
            load_file(data, name="fuzz")
        except FileRefused:
            pass
        transaction.set_rollback(True)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
