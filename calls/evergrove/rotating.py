"""A change of keys without a missed beat: the next key is tried first, the present one stands behind it (R3)."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from calls.evergrove.answers import Answer
from calls.evergrove.bodies import Body
from calls.evergrove.client import Evergrove
from calls.evergrove.errors import Endpoint, KeyRefused, NotSent

_Answered = TypeVar("_Answered", bound=Answer)
TRIGGER_SECONDS = 5.0  # a trigger is not repeated later than its intent may be sent


class RotatingEvergrove(Evergrove):
    """Asks with the next key until that is refused, from then on with the present one.

    Only 401 and 403 lead to the second attempt: what was refused for its key was not processed.
    `next_key_works` is None until Evergrove has said something about the next key.
    """

    def __init__(self, *, api_key: str, next_key: str, **options: Any) -> None:
        super().__init__(api_key=api_key, **options)
        self._next = Evergrove(api_key=next_key, **options)
        self.next_key_works: bool | None = None

    def close(self) -> None:
        self._next.close()
        super().close()

    def _ask(
        self,
        endpoint: Endpoint,
        path: str,
        shape: type[_Answered],
        body: Body | None = None,
        about: Callable[[_Answered], bool] = lambda answer: True,
    ) -> _Answered:
        started = time.monotonic()
        if self.next_key_works is not False:
            try:
                answer = self._next._ask(endpoint, path, shape, body, about)
            except KeyRefused:
                self.next_key_works = False
            else:
                self.next_key_works = True
                return answer
        if endpoint is Endpoint.TRIGGER and time.monotonic() - started > TRIGGER_SECONDS:
            raise NotSent("held back, the next key was refused too late")
        return super()._ask(endpoint, path, shape, body, about)
