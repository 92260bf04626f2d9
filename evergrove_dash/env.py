"""python -m evergrove_dash.env: write a `.env` with new secrets where there is none; leave one that is there."""

import base64
import os
import secrets
import sys
from pathlib import Path

PATH = Path(__file__).resolve().parent.parent / ".env"


def new_settings() -> str:
    """A key lost is data lost: FIELD_ENCRYPTION_KEYS belongs into the backup."""
    return (
        f"SECRET_KEY={secrets.token_urlsafe(48)}\n"
        "# The keys of the encrypted columns, newest first. Without them those columns are lost.\n"
        f"FIELD_ENCRYPTION_KEYS={base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()}\n"
        "# The password of the account `coordinator`, which exists in practice mode alone.\n"
        f"PRACTICE_PASSWORD={secrets.token_urlsafe(12)}\n"
        "# Without an API key the dashboard practises: a stand-in answers and no phone rings.\n"
        "#API_KEY=\n"
    )


def write_once(path: Path) -> bool:
    """Only its owner may read the file; False when it was there already."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with open(handle, "w") as file:
        file.write(new_settings())
    return True


if __name__ == "__main__" and write_once(PATH):
    sys.stdout.write(f"Wrote {PATH.name} with new secrets.\n")
