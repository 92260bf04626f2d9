"""Every odd file of tests/data comes to what its table says."""

import pytest

from calls.intake.loading import load_file
from calls.intake.reading import FileRefused
from calls.models import Batch
from tests.data.make import Odd, corpus


@pytest.mark.django_db
@pytest.mark.parametrize("odd", corpus(), ids=lambda odd: odd.name)
def test_an_odd_file_comes_to_what_it_must(odd: Odd) -> None:
    if odd.code:
        with pytest.raises(FileRefused) as caught:
            load_file(odd.data, name=odd.name)
        assert caught.value.code == odd.code
        assert not Batch.objects.exists()
        return
    batch = load_file(odd.data, name=odd.name)
    said = [p["message"] for line in batch.rejected_lines.all() for p in line.problems]
    assert (batch.accepted, batch.rejected) == (odd.accepted, odd.rejected), said
