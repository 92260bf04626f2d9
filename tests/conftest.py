"""How `make test` spreads the suite over the cores."""

import pytest
from xdist.scheduler import LoadScopeScheduling

ONE_AFTER_THE_OTHER = ("tests/browser/", "tests/processes/")


class OnTheirOwn(LoadScopeScheduling):
    """Each test by itself; those that start processes in one worker: side by side they starve each other."""

    def _split_scope(self, nodeid: str) -> str:
        return "processes" if nodeid.startswith(ONE_AFTER_THE_OTHER) else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling:
    return OnTheirOwn(config, log)
