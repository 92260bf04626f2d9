"""A change of keys without a missed beat: the next key is tried first, the present one stands behind it (R3)."""

from collections.abc import Callable
from typing import Any, TypeVar

from calls.evergrove.answers import Answer
from calls.evergrove.bodies import Body
from calls.evergrove.client import Evergrove
from calls.evergrove.errors import Endpoint, KeyRefused

_Answered = TypeVar("_Answered", bound=Answer)


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
        last_look: Callable[[], None] = lambda: None,
    ) -> _Answered:
        if self.next_key_works is not False:
            try:
                answer = self._next._ask(endpoint, path, shape, body, about, last_look)
            except KeyRefused:
                self.next_key_works = False
            else:
                self.next_key_works = True
                return answer
        return super()._ask(endpoint, path, shape, body, about, last_look)
