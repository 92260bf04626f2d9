"""What surrounds every page: headers, the way to sign-in, error pages, the addresses of accounts."""

import json
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.template.loader import get_template, render_to_string
from django.test import RequestFactory
from django.urls import NoReverseMatch, reverse

from evergrove_dash.errors import server_error
from evergrove_dash.middleware import security_headers

TEMPLATES = sorted((settings.BASE_DIR / "templates").rglob("*.html"))
STYLES = sorted((settings.BASE_DIR / "static/css").glob("*.css"))
SPRITE = (settings.BASE_DIR / "static/img/icons.svg").read_text()

not_collected = pytest.mark.filterwarnings("ignore:No directory at")  # static files, in a test run


def name_of(path: Path) -> str:
    return str(path.relative_to(settings.BASE_DIR))


def test_every_answer_carries_a_policy_without_inline_code():
    headers = security_headers(lambda request: HttpResponse())(RequestFactory().get("/")).headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"


@not_collected
def test_a_fragment_without_a_session_is_sent_to_sign_in_and_back_to_its_page(client):
    response = client.get(
        reverse("mfa_index"),
        headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/calls/?v=k3"},
    )
    assert response.status_code == 401
    assert response.headers["HX-Redirect"] == "/accounts/login/?next=/calls/%3Fv%3Dk3"


@not_collected
def test_a_page_without_a_session_is_redirected_to_sign_in(client):
    response = client.get(reverse("mfa_index"))
    assert response.status_code == 302
    assert response.url == "/accounts/login/?next=/accounts/2fa/"


@pytest.mark.parametrize("name", ["account_signup", "account_email", "account_reset_password"])
def test_nobody_can_make_an_account_or_mail_a_password_here(name):
    with pytest.raises(NoReverseMatch):
        reverse(name)


def test_a_fault_shows_a_reference_that_is_also_logged(caplog):
    response = server_error(RequestFactory().get("/calls/"))
    reference = re.search(r"Reference ([0-9a-f]{8})", response.content.decode())[1]
    assert response.status_code == 500
    assert reference in caplog.text


@pytest.mark.parametrize("status", ["400", "403", "403_csrf", "404", "500"])
def test_an_error_page_needs_no_context_and_offers_a_way_back(status):
    assert 'href="/"' in render_to_string(f"{status}.html")


@pytest.mark.parametrize("path", TEMPLATES, ids=name_of)
def test_a_template_compiles_and_has_nothing_the_policy_forbids(path):
    get_template(str(path.relative_to(settings.BASE_DIR / "templates")))
    source = path.read_text()
    assert not re.search(r"\sstyle=|hx-on|hx-vals=.js:|<script(?![^>]*\ssrc=)|\son[a-z]+=", source)


@pytest.mark.parametrize("path", TEMPLATES, ids=name_of)
def test_every_icon_named_in_a_template_is_in_the_sprite(path):
    source = path.read_text()
    for tag, name in re.findall(r"{% (icon|glyph) \"([a-z]+)\"", source):
        assert f'id="{tag[0]}-{name}"' in SPRITE


@pytest.mark.parametrize(
    "path", [path for path in STYLES if path.name != "tokens.css"], ids=name_of
)
def test_colours_are_named_in_the_tokens_only(path):
    assert not re.findall(r"#[0-9a-f]{3,8}\b|oklch\(|rgba?\(|hsla?\(", path.read_text())


def test_an_unchanged_poll_leaves_its_target_alone():
    """The first matching line wins, so 304 has to stand before [23].. in htmx's own configuration."""
    source = render_to_string("_htmx_config.html")
    config = json.loads(re.search(r"content='(.*?)'", source)[1])
    handling = config["responseHandling"]
    first = next(line for line in handling if re.fullmatch(line["code"], "304"))
    assert first["swap"] is False
    assert config["allowEval"] is False
    assert config["historyCacheSize"] == 0
