"""The stand-in without a socket: an httpx transport whose lost connections look like real ones."""

from collections.abc import Iterable
from typing import Any

import httpx  # noqa: TID251 - tests speak to the stand-in as the client does

from sandbox import Sandbox
from sandbox.answers import ConnectionLost
from sandbox.incoming import ON_ARRIVAL

SENDING = "http11.send_request_headers.started"


class SandboxTransport(httpx.BaseTransport):
    """Raises ConnectError for `refused`, ReadTimeout where a fault hangs, ReadError for the rest.

    The trace hears of the sending before anything happens; of a refused connection it hears nothing.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        arrived = False

        def arrive() -> None:
            nonlocal arrived
            if not arrived:
                arrived = True
                if (trace := request.extensions.get("trace")) is not None:
                    trace(SENDING, {"request": request})

        def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            return self._sandbox({**environ, ON_ARRIVAL: arrive}, start_response)

        try:
            response = httpx.WSGITransport(app=application).handle_request(request)
        except ConnectionLost as lost:
            raise _as_seen(request, lost) from None
        arrive()  # one that was turned away at the door
        return response


def _as_seen(request: httpx.Request, lost: ConnectionLost) -> httpx.TransportError:
    if lost.refused:
        return httpx.ConnectError("refused", request=request)
    if lost.hang:
        return httpx.ReadTimeout("no answer", request=request)
    return httpx.ReadError("connection closed", request=request)
