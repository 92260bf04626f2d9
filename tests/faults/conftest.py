from tests.engine.conftest import clock, lab

__all__ = ["clock", "lab"]
