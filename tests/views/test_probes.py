"""What a load balancer asks: without sign-in, and without a word that tells anything."""

import pytest
from django.db import OperationalError
from django.test import override_settings

from calls.views import probes


def test_health_needs_neither_sign_in_nor_database(client):
    response = client.get("/healthz")
    assert (response.status_code, response.content) == (200, b"ok")
    assert response.headers["Cache-Control"] == "no-store"
    assert not response.cookies


@pytest.mark.django_db
def test_it_is_ready_when_the_tables_are_those_of_this_version(client):
    response = client.get("/readyz")
    assert (response.status_code, response.content) == (200, b"ok")
    assert not response.cookies


@pytest.mark.django_db
def test_it_is_not_ready_before_the_migrations(client, monkeypatch):
    wanted = probes.migrations_of_code() | {("calls", "9999_of_tomorrow")}
    monkeypatch.setattr(probes, "migrations_of_code", lambda: wanted)
    response = client.get("/readyz")
    assert (response.status_code, response.content) == (503, b"not ready")


def test_it_is_not_ready_without_a_database_and_tells_no_reason(client, monkeypatch):
    def fail(connection):
        raise OperationalError("could not connect to 10.0.0.7 as dash")

    monkeypatch.setattr(probes, "MigrationRecorder", fail)
    response = client.get("/readyz")
    assert (response.status_code, response.content) == (503, b"not ready")


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_they_can_only_be_read(client, path):
    assert client.post(path).status_code == 405


@override_settings(SECURE_SSL_REDIRECT=True)
def test_a_probe_without_tls_is_answered_and_a_page_is_not(client):
    assert client.get("/healthz").status_code == 200
    assert client.get("/").status_code == 301
