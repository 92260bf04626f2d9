"""A file that is sent stays in memory, and one that is too large is refused where it was chosen."""

import tempfile
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from calls.models import Batch
from tests.factories import make_batch
from tests.views.test_uploads import file_of, send, user

__all__ = ["user"]

pytestmark = pytest.mark.django_db
MEGABYTE = 1024**2
TOO_LARGE = "The calls file must be smaller than 1 MB. This one has"
SIZES = [MEGABYTE + 1, 2 * MEGABYTE, 9 * MEGABYTE]  # the last one is seen by its Content-Length


@pytest.fixture(autouse=True)
def nowhere_to_write(settings, monkeypatch, tmp_path):
    """No folder for temporary files, so that writing one fails."""
    settings.UPLOAD_MAX_MB = 1
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "not there"))


def file(size):
    return SimpleUploadedFile("calls.csv", b"x" * size, content_type="text/csv")


@pytest.mark.parametrize("size", SIZES)
def test_a_calls_file_that_is_too_large_is_refused_in_memory(client, user, size):
    response = send(client, file(size))
    assert response.status_code == 422
    assert TOO_LARGE in response.content.decode()
    assert not Batch.objects.exists()


@pytest.mark.parametrize("size", SIZES)
def test_so_is_a_file_of_known_answers(client, user, size):
    address = reverse("batch_suppress", args=[make_batch().pk])
    response = client.post(address, {"file": file(size)})
    assert response.status_code == 422
    assert TOO_LARGE in response.content.decode()


def test_several_files_have_the_room_of_one(client, user):
    files = {f"other-{number}": file(MEGABYTE - 9) for number in range(2)}
    response = client.post(reverse("upload"), {**files, "file": file_of({}), "token": uuid4().hex})
    assert response.status_code == 422
    assert TOO_LARGE in response.content.decode()


def test_a_file_of_nearly_the_greatest_size_is_read(client, user):
    small = file_of({}).read()
    padded = small + b"\n" * (MEGABYTE - len(small))
    assert send(client, SimpleUploadedFile("calls.csv", padded)).status_code == 302


def test_a_form_without_files_takes_none_to_the_disk(client, user):
    assert client.post(reverse("search"), {"q": "x", "f": file(9 * MEGABYTE)}).status_code == 302
