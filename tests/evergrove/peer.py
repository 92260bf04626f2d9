"""A server on loopback that speaks raw bytes, for the answers no well-behaved server gives."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from typing import Self

Script = Callable[[socket.socket], None]


class Peer:
    """Runs `script` on every connection and counts them. Closing it waits for its threads."""

    def __init__(self, script: Script) -> None:
        self.connections = 0
        self._script = script
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)
            assert not thread.is_alive()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(5)
        with connection, contextlib.suppress(OSError):
            self._script(connection)


def read_request(connection: socket.socket) -> bytes:
    """One whole request, or nothing when the client has gone."""
    seen = b""
    while b"\r\n\r\n" not in seen:
        if not (more := connection.recv(65_536)):
            return b""
        seen += more
    head, _, body = seen.partition(b"\r\n\r\n")
    length = next(
        (
            int(line[15:])
            for line in head.lower().splitlines()
            if line.startswith(b"content-length:")
        ),
        0,
    )
    while len(body) < length:
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def answering(*parts: bytes) -> Script:
    """Answers every request of a connection with the same bytes, and keeps it open."""

    def script(connection: socket.socket) -> None:
        while read_request(connection):
            connection.sendall(b"".join(parts))

    return script


def json_answer(body: bytes, *, status: str = "200 OK", headers: bytes = b"") -> bytes:
    length = str(len(body)).encode()
    return (
        b"HTTP/1.1 " + status.encode() + b"\r\nContent-Type: application/json\r\nContent-Length: "
        + length + b"\r\n" + headers + b"\r\n" + body
    )  # fmt: skip
