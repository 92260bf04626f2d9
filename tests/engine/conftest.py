import pytest

from tests.engine.lab import Clock, Lab


@pytest.fixture
def clock(monkeypatch):
    """The one clock of engine, stand-in and people's actions."""
    clock = Clock()
    monkeypatch.setattr("django.utils.timezone.now", clock)
    for user in ("calls.actions", "calls.engine.tools"):
        monkeypatch.setattr(f"{user}.shared_clock", lambda: clock)
    return clock


@pytest.fixture
def lab(db, clock, monkeypatch):
    monkeypatch.setattr("calls.actions.wake", lambda name: None)
    lab = Lab(clock)
    yield lab
    lab.tools.client.close()
