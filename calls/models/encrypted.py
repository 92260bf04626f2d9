"""A text column that is ciphertext in the database, in its backups and in its write-ahead log."""

import base64
import json
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.core.exceptions import FieldError, ImproperlyConfigured
from django.db import models

PREFIX = "enc1:"


def derived_key(secret: str, purpose: str) -> bytes:
    """A 32-byte key for one purpose, so that no two uses share key material."""
    return HKDF(SHA256(), 32, salt=None, info=purpose.encode()).derive(secret.encode())


@lru_cache(maxsize=4)
def _cipher(keys: tuple[str, ...], secret: str) -> MultiFernet:
    if not keys:
        return MultiFernet([Fernet(base64.urlsafe_b64encode(derived_key(secret, "columns")))])
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError as error:
        raise ImproperlyConfigured(
            "FIELD_ENCRYPTION_KEYS must hold url-safe base64 keys of 32 bytes, newest first."
        ) from error


def cipher() -> MultiFernet:
    return _cipher(tuple(settings.FIELD_ENCRYPTION_KEYS), settings.SECRET_KEY)


def encrypted(text: str) -> str:
    return PREFIX + cipher().encrypt(text.encode()).decode()


def decrypted(value: str) -> str:
    """Raises ValueError for a wrong key and for a plain value."""
    if not value.startswith(PREFIX):
        raise ValueError("An encrypted column holds a value that is not encrypted.")
    try:
        return cipher().decrypt(value.removeprefix(PREFIX)).decode()
    except InvalidToken:
        raise ValueError("An encrypted column cannot be read with the present keys.") from None


class EncryptedTextField(models.TextField):  # type: ignore[type-arg]  # not generic at run time
    """Text that is encrypted on the way in and decrypted on the way out.

    It fails closed: a wrong key or a plain value in the column raises instead of passing text on.
    Only `isnull` can be asked of it; ciphertexts of equal values differ.
    """

    def get_prep_value(self, value: Any) -> str | None:
        text = super().get_prep_value(value)
        return text if text is None else encrypted(text)

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> str | None:
        return None if value is None else decrypted(value)

    def get_lookup(self, lookup_name: str) -> Any:
        if lookup_name != "isnull":
            raise FieldError("An encrypted column cannot be searched.")
        return super().get_lookup(lookup_name)


class EncryptedJSONField(EncryptedTextField):
    """Lists and dictionaries, kept as encrypted JSON."""

    _pyi_private_set_type: Any  # for the type checker, which would take it for text
    _pyi_private_get_type: Any

    def get_prep_value(self, value: Any) -> str | None:
        return None if value is None else super().get_prep_value(json.dumps(value))

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> Any:
        text = super().from_db_value(value, expression, connection)
        return None if text is None else json.loads(text)
