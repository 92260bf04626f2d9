"""The stand-in without a socket: an httpx transport whose lost connections look like real ones."""

import httpx  # noqa: TID251 - tests speak to the stand-in as the client does

from sandbox import Sandbox
from sandbox.answers import ConnectionLost

SENDING = "http11.send_request_headers.started"


class SandboxTransport(httpx.BaseTransport):
    """Raises ConnectError for `refused`, ReadTimeout where a fault hangs, ReadError for the rest.

    Only a refused connection leaves no trace event, as nothing of the request has left then.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self._wsgi = httpx.WSGITransport(app=sandbox)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        try:
            response = self._wsgi.handle_request(request)
        except ConnectionLost as lost:
            raise _as_seen(request, lost) from None
        _trace(request)
        return response


def _as_seen(request: httpx.Request, lost: ConnectionLost) -> httpx.TransportError:
    if lost.refused:
        return httpx.ConnectError("refused", request=request)
    _trace(request)
    if lost.hang:
        return httpx.ReadTimeout("no answer", request=request)
    return httpx.ReadError("connection closed", request=request)


def _trace(request: httpx.Request) -> None:
    trace = request.extensions.get("trace")
    if trace is not None:
        trace(SENDING, {"request": request})
