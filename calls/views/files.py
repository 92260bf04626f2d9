"""Files that are sent with a form: in memory and never on the disk, whatever their size."""

from io import BytesIO
from typing import Any

from django import forms
from django.conf import settings
from django.core.files.uploadedfile import InMemoryUploadedFile, UploadedFile
from django.core.files.uploadhandler import FileUploadHandler

from calls.intake.loading import limits
from calls.intake.reading import too_large


class MemoryOnly(FileUploadHandler):
    """Keeps the files of one request while they fit; what does not is counted and thrown away.

    Such a file has no content, and a size that `small_enough` refuses: the form says what is wrong.
    """

    def handle_raw_input(
        self,
        input_data: Any,
        META: Any,  # noqa: N803 - Django's name
        content_length: int,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        """Of a request that cannot fit, fields and all, nothing is kept from the beginning."""
        self.request_size, self.room = content_length, limits().max_bytes
        if content_length > self.room + settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            self.room = 0

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self.kept = BytesIO()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self.room -= len(raw_data)
        if self.room < 0:  # and so it stays: no file is kept in part
            self.kept = BytesIO()
        else:
            self.kept.write(raw_data)

    def file_complete(self, file_size: int) -> "UploadedFile[Any]":
        size = file_size if self.room >= 0 else max(file_size, self.request_size)
        self.kept.seek(0)
        return InMemoryUploadedFile(
            self.kept,
            self.field_name,
            self.file_name,
            self.content_type,
            size,
            self.charset,
            self.content_type_extra,
        )


def small_enough(file: "UploadedFile[Any]") -> None:
    """The validator of every file field."""
    most, size = limits().max_bytes, file.size or 0
    if size > most:
        raise forms.ValidationError(too_large(size, most).message)
