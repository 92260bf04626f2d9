"""What a request says, and the rules every request has to keep before an endpoint sees it."""

import hmac
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from sandbox.answers import Refusal

ON_ARRIVAL = "sandbox.on_arrival"
LARGEST_BODY = 10 * 1024 * 1024


@dataclass(frozen=True)
class Incoming:
    """One HTTP request out of a WSGI environ."""

    environ: dict[str, Any]

    @property
    def method(self) -> str:
        return str(self.environ["REQUEST_METHOD"])

    @property
    def path(self) -> str:
        return str(self.environ.get("PATH_INFO", ""))

    def arrive(self) -> None:
        """The connection stands and the request is about to act: told to who asked for it in the environ."""
        if (told := self.environ.get(ON_ARRIVAL)) is not None:
            told()

    def query(self, name: str) -> str | None:
        """The last value given, as strict servers take it; None without one."""
        values = parse_qs(self.environ.get("QUERY_STRING", ""), keep_blank_values=True).get(name)
        return values[-1] if values else None

    def header(self, name: str) -> str:
        return str(self.environ.get(f"HTTP_{name}", ""))

    def require_key(self, key: str) -> None:
        given = self.header("AUTHORIZATION").encode("latin-1")
        if not hmac.compare_digest(given, f"Bearer {key}".encode()):
            raise Refusal.saying(401, "Invalid or missing API key", www_authenticate="Bearer")

    def require_json(self) -> None:
        """The two headers every request must include; a GET has no content to be of a type."""
        if _kind(self.header("ACCEPT")) != "application/json":
            raise Refusal.saying(406, "Accept must be application/json")
        kind = _kind(str(self.environ.get("CONTENT_TYPE", "")))
        if self.method == "POST" and kind != "application/json":
            raise Refusal.saying(415, "Content-Type must be application/json")

    def json(self) -> Any:
        """Raises Refusal: 413 for a body over the cap, 400 for one that is not JSON."""
        content = self._content()
        try:
            return json.loads(content, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            raise Refusal.saying(400, "The body is not valid JSON") from None

    def _content(self) -> bytes:
        length = self.environ.get("CONTENT_LENGTH") or ""
        declared = int(length) if length.isdecimal() else LARGEST_BODY + 1
        if length and declared > LARGEST_BODY:
            raise Refusal.saying(413, "The body is too large")
        content: bytes = self.environ["wsgi.input"].read(declared)
        if len(content) > LARGEST_BODY:
            raise Refusal.saying(413, "The body is too large")
        return content


def _kind(header: str) -> str:
    return header.partition(";")[0].strip().lower()


def _no_constant(name: str) -> None:
    raise ValueError("NaN and Infinity are not JSON")
