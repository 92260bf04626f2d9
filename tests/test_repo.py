"""What must hold for the repository as a whole."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import NoReverseMatch, URLPattern, URLResolver, get_resolver, reverse

ROOT = Path(__file__).resolve().parent.parent
OPEN_PAGES = {
    *("account_login", "account_logout", "account_inactive", "admin:login", "mfa_authenticate"),
    *("healthz", "readyz"),
}
A_VALUE = {"pk": 1, "app_label": "calls", "object_id": 1, "content_type_id": 1, "url": "x"}


@pytest.mark.django_db
def test_no_migration_is_missing() -> None:
    call_command("makemigrations", "calls", check=True, dry_run=True, verbosity=0)


def test_the_deployment_check_is_clean() -> None:
    production = os.environ | {
        "DJANGO_SETTINGS_MODULE": "evergrove_dash.settings",
        "SECRET_KEY": "only-for-this-check-0123456789-abcdefghijklmnopqrstuvwxyz",
        "API_KEY": "only-for-this-check",
        "ALLOWED_HOSTS": "dash.example.com",
        "DATABASE_URL": "sqlite://:memory:",
    }
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT,
        env=production,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def addresses() -> list[tuple[str, str]]:
    """(name, address) of every page, with a made-up value for each part of the address."""
    return sorted(set(walk(get_resolver(), "", {})))


def walk(
    resolver: URLResolver, namespace: str, outer: dict[str, object]
) -> Iterator[tuple[str, str]]:
    for pattern in resolver.url_patterns:
        wanted = outer | dict.fromkeys(pattern.pattern.regex.groupindex)
        if isinstance(pattern, URLResolver):
            inner = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            yield from walk(pattern, inner, wanted)
        elif found := address(pattern, namespace, wanted):
            yield found


def address(
    pattern: URLPattern, namespace: str, wanted: dict[str, object]
) -> tuple[str, str] | None:
    name = f"{namespace}{pattern.name}"
    try:
        return name, reverse(name, kwargs={key: A_VALUE.get(key, "x") for key in wanted})
    except NoReverseMatch:
        return None  # the admin's catch-all, and nameless redirects


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "path"), addresses(), ids=lambda value: value)
def test_every_address_needs_a_signed_in_user(name: str, path: str, client: Client) -> None:
    answer = client.get(path)
    if name in OPEN_PAGES:
        return
    assert answer.status_code == 302
    assert answer.url.startswith(("/accounts/login/", "/admin/login/"))


@pytest.mark.parametrize("wait", ["0", "-120", "0.5", "90000"])
def test_a_doubtful_trigger_cannot_be_looked_at_too_soon(wait: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import evergrove_dash.settings"],
        cwd=ROOT,
        env=os.environ | {"TRIGGER_CONFIRM_WAIT": wait},
        capture_output=True,
        text=True,
    )
    assert "TRIGGER_CONFIRM_WAIT must be between 1 and 86400 (seconds)." in done.stderr


def environment_names() -> list[str]:
    source = (ROOT / "evergrove_dash" / "settings.py").read_text()
    plain = re.findall(r'env\.(?:str|int|float|bool|list|db)\(\s*"([A-Z_]+)"', source)
    secret = re.findall(r'secret_from_env\("([A-Z_]+)"\)', source)
    return sorted({*plain, *secret, *(f"{name}_FILE" for name in secret)})


@pytest.mark.parametrize("name", environment_names())
def test_every_setting_is_named_in_the_readme(name: str) -> None:
    assert re.search(rf"\b{name}\b", (ROOT / "README.md").read_text())


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_the_locks_hold_hashes_and_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert "--hash=sha256:" in text
    assert "://" not in text


FORBIDDEN = {
    "style attribute": r"\sstyle\s*=",
    "inline script": r"<script(?![^>]*\bsrc=)[^>]*>",
    "inline style": r"<style\b",
    "event attribute": r"\son[a-z]+\s*=",
    "htmx event attribute": r"\shx-on",
    "htmx expression": r"""hx-(?:vals|headers)\s*=\s*["']js:""",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_template_needs_a_looser_content_policy(what: str) -> None:
    found = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "templates").rglob("*.html")
        if re.search(FORBIDDEN[what], path.read_text())
    ]
    assert found == []
