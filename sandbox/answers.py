"""What the stand-in answers, and the ways in which it fails to."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

REASONS = {
    200: "OK",
    201: "Created",
    307: "Temporary Redirect",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    409: "Conflict",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


@dataclass(frozen=True)
class Answer:
    """One HTTP answer. `body` is what goes out; build it from a value with `Answer.of`."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"

    @classmethod
    def of(cls, value: Any, status: int = 200, **headers: str) -> Self:
        named = {name.replace("_", "-").title(): text for name, text in headers.items()}
        return cls(status, json.dumps(value, separators=(",", ":")).encode(), named)

    @property
    def value(self) -> Any:
        return json.loads(self.body)

    @property
    def line(self) -> str:
        return f"{self.status} {REASONS.get(self.status, 'Odd')}"

    def saying(self, value: Any) -> Self:
        """The same answer with another value in it."""
        return replace(self, body=json.dumps(value, separators=(",", ":")).encode())


class Refusal(Exception):
    """The request is answered with an error and has no effect."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.line)
        self.answer = answer

    @classmethod
    def saying(cls, status: int, detail: str, **headers: str) -> Self:
        return cls(Answer.of({"detail": detail}, status, **headers))


class ConnectionLost(Exception):
    """No answer: the connection ends. `refused`: it never came about. `hang`: seconds of silence
    that came first, so that a client with a shorter timeout gives up by itself."""

    def __init__(self, *, refused: bool = False, hang: float = 0.0) -> None:
        super().__init__("refused" if refused else "lost")
        self.refused = refused
        self.hang = hang
