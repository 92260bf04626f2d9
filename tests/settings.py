"""The product's settings with what a test run needs: fixed keys, quick hashing, no manifest, no network."""

import os

os.environ.update(
    SECRET_KEY="tests-only-not-a-secret-0123456789-abcdefghijklmnopqrstuvwxyz",
    API_KEY="",
    API_KEY_FILE="",
    API_URL="",
    INSTANCE_ID="tests",
    ALLOWED_HOSTS="testserver,localhost,127.0.0.1",
)

from evergrove_dash.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
STATIC_ROOT = BASE_DIR / "static"  # noqa: F405 - WhiteNoise warns about a folder that is not there
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
