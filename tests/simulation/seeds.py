"""Seeds that once broke an invariant, each with what mended it. `test_simulation` runs them for ever."""

REGRESSIONS: dict[int, str] = {}
