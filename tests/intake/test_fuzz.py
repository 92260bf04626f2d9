import pytest

from tests.intake.fuzz import fuzz, load, read


@pytest.mark.django_db
def test_no_damaged_file_raises_or_is_slow() -> None:
    assert fuzz(2.0, 55, read, load) > 5
