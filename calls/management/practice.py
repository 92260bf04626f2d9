"""What practice mode brings along: an account, and a sandbox that answers so that no phone rings."""

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import get_user_model

from evergrove_dash.signing_in import PRACTICE_EMAIL

USERNAME = "coordinator"
SANDBOX_STORE = "sandbox.sqlite3"
SANDBOX_UP_WITHIN = 20.0  # seconds


def practice_password() -> str:
    """`make install` writes one to .env; empty without it."""
    return os.environ.get("PRACTICE_PASSWORD", "")


def open_account() -> str:
    """Make sure that `coordinator` can sign in and see everything. Returns the password."""
    user, _ = get_user_model().objects.get_or_create(username=USERNAME)
    password = practice_password() or secrets.token_urlsafe(12)
    if not user.check_password(password):
        user.set_password(password)
    user.email = PRACTICE_EMAIL
    user.is_active = user.is_staff = user.is_superuser = True
    user.save()
    return password


def close_account() -> bool:
    """With a real key nobody may sign in with a password that stands in a file. True when it was still open."""
    user = get_user_model().objects.filter(email=PRACTICE_EMAIL, is_active=True).first()
    if user is None:
        return False
    user.is_active = False
    user.set_unusable_password()
    user.save(update_fields=["is_active", "password"])
    return True


@contextmanager
def sandbox_at_hand() -> Iterator[None]:
    """In practice mode a sandbox for as long as the block lasts, unless one answers already."""
    address = urlsplit(settings.API_URL)
    where = (address.hostname or "127.0.0.1", address.port or 80)
    if not settings.PRACTICE_MODE or is_answered(where):
        yield
        return
    process = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "sandbox", "--port", str(where[1]), "--store", SANDBOX_STORE],
        cwd=settings.BASE_DIR,
        env={**os.environ, "SANDBOX_API_KEY": settings.SANDBOX_API_KEY},
    )
    try:
        ends_at = time.monotonic() + SANDBOX_UP_WITHIN
        while not is_answered(where) and time.monotonic() < ends_at:
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(SANDBOX_UP_WITHIN)


def is_answered(where: tuple[str, int]) -> bool:
    with socket.socket() as probe:
        probe.settimeout(2.0)
        return probe.connect_ex(where) == 0
