"""A change of keys without a missed beat: the next key is tried first, the present one stands behind it (R3)."""

from collections.abc import Callable
from threading import Lock
from typing import Any, TypeVar
from uuid import UUID

from calls.evergrove.answers import Answer
from calls.evergrove.bodies import Body
from calls.evergrove.client import Evergrove
from calls.evergrove.errors import Endpoint, EvergroveError, KeyRefused, NotFound

_Answered = TypeVar("_Answered", bound=Answer)


class RotatingEvergrove(Evergrove):
    """Asks with the next key until that is refused, from then on with the present one.

    Only 401 and 403 lead to the second attempt: what was refused for its key was not processed.
    `next_key_works` is None until Evergrove has said something about the next key.

    `known_request`: a request of ours that the next key has to know before it is used. A key of another
    tenant is answered 404, as if the request did not exist; the rows would be blamed for that.
    """

    def __init__(
        self, *, api_key: str, next_key: str, known_request: UUID | None = None, **options: Any
    ) -> None:
        super().__init__(api_key=api_key, **options)
        self._next = Evergrove(api_key=next_key, **options)
        self.next_key_works: bool | None = None
        self._known_request = known_request
        self._is_proven = known_request is None
        self._proving = Lock()

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
        if self._may_use_next():
            try:
                answer = self._next._ask(endpoint, path, shape, body, about, last_look)
            except KeyRefused:
                self.next_key_works = False
            else:
                self.next_key_works = True
                return answer
        return super()._ask(endpoint, path, shape, body, about, last_look)

    def _may_use_next(self) -> bool:
        """Once it has shown that it knows our requests, or where there is none to show it with."""
        with self._proving:  # asked once: while the API is out of order nobody waits for it again
            if self._known_request is not None:
                self.next_key_works = self._knows(self._known_request)
                self._is_proven, self._known_request = self.next_key_works is True, None
        return self._is_proven and self.next_key_works is not False

    def _knows(self, request_id: UUID) -> bool | None:
        """None: the answer says nothing about the key."""
        try:
            self._next.poll(request_id)
        except (KeyRefused, NotFound):
            return False
        except EvergroveError:
            return None
        return True
