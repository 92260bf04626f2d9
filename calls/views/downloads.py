"""Tables that are sent while they are written, however long they are."""

import logging
from collections.abc import Iterator

from django.http import StreamingHttpResponse

logger = logging.getLogger(__name__)

BYTE_ORDER_MARK = "\ufeff"  # without it Excel reads UTF-8 as Windows-1252
BROKEN = "The export broke off here. Rows are missing. Download it again.\r\n"


def csv_response(lines: Iterator[str], filename: str) -> StreamingHttpResponse:
    """A download named `filename`, which must not hold anything personal."""
    response = StreamingHttpResponse(whole_or_said(lines), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{filename}"'
    return response


def whole_or_said(lines: Iterator[str]) -> Iterator[str]:
    """The headers are long gone when a late row fails: then the file itself says that it is not whole."""
    yield BYTE_ORDER_MARK
    try:
        yield from lines
    except Exception as error:  # noqa: BLE001
        logger.error("an export broke off with %s", type(error).__name__)
        yield BROKEN
