"""Collects static files when they differ from those that were collected last."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command


def collect_if_stale() -> bool:
    """Compressing and hashing takes seconds, comparing does not. True when files were collected."""
    mark = Path(settings.STATIC_ROOT) / ".collected"
    present = digest()
    if mark.exists() and mark.read_text() == present:
        return False
    call_command("collectstatic", interactive=False, verbosity=0, clear=mark.parent.exists())
    mark.write_text(present)
    return True


def digest() -> str:
    return hashlib.sha256("\n".join(sorted(sources())).encode()).hexdigest()


def sources() -> Iterator[str]:
    for finder in get_finders():
        for path, storage in finder.list([]):
            seen = Path(storage.path(path)).stat()
            yield f"{path} {seen.st_size} {seen.st_mtime_ns}"
