"""The sandbox served by a thread of the test, which hears of every moment of a request while the worker waits."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from socketserver import ThreadingMixIn
from threading import Event, Lock, Thread
from typing import Any
from uuid import UUID
from wsgiref.simple_server import ServerHandler, WSGIRequestHandler, WSGIServer

from sandbox.answers import Answer, ConnectionLost
from sandbox.application import Route, Sandbox
from sandbox.incoming import Incoming
from sandbox.ledger import Entry
from tests.processes.family import Proc, descendants
from tests.processes.judging import Queued
from tests.processes.world import KEY, World

SYN_SENT = "02"  # in /proc/net/tcp
CLIENT_PORT, ASKED = "client.port", "standin.asked"  # in the environ

# What happens at a moment of a request, told the process that asked; True: its connection ends without effect.
Act = Callable[[Proc], bool | None]


@dataclass(frozen=True)
class Point:
    """`endpoint`: as in the ledger, or `look`, a poll that asks for attempts. `moment`: `received`, nothing has
    happened yet; `applied`, the effect has, the answer has not left; `answered`, it has left. `about`: part of
    what the request is about."""

    endpoint: str
    moment: str
    about: str = ""


class Standin(Sandbox):
    """Acts are taken once each, while the request is held up."""

    def __init__(self, supervisor: Callable[[], int], **options: Any) -> None:
        super().__init__(api_key=KEY, **options)
        self.supervisor = supervisor
        self.acts: list[tuple[Point, Act]] = []
        self.guard = Lock()

    def at(self, point: Point, act: Act) -> None:
        self.acts.append((point, act))

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        return Told(super().__call__(environ, start_response), self, environ)

    def _serve(self, route: Route, incoming: Incoming, entry: Entry) -> Answer:
        body = route.body(incoming)  # it can be read once
        asked = Asked(
            self.name_of(route.endpoint, incoming), self.about(body), self.asker(incoming)
        )
        incoming.environ[ASKED] = asked
        if self.reach(asked, "received"):
            raise ConnectionLost
        answer = super()._serve(replace(route, body=lambda _: body), incoming, entry)
        self.reach(asked, "applied")
        return answer

    def name_of(self, endpoint: str, incoming: Incoming) -> str:
        looks = endpoint == "poll" and incoming.query("include_call_attempts") == "true"
        return "look" if looks else endpoint

    def about(self, body: Any) -> tuple[str, ...]:
        """The office's name, or the references of the calls."""
        if isinstance(body, tuple):
            return (self.reference(body[0]),)
        calls = [call["external_reference_id"] for call in body.get("calls", [])]
        ids = body.get("scheduled_request_ids", [])
        return (body.get("name", ""), *calls, *map(self.reference, ids))

    def reference(self, request_id: str) -> str:
        return str(self.store.requests[request_id].external_reference_id)

    def asker(self, incoming: Incoming) -> Proc | None:
        """Found out while it waits: with the answer it closes the connection."""
        waiting = bool(self.acts)
        return asked_by(incoming.environ[CLIENT_PORT], self.supervisor()) if waiting else None

    def reach(self, asked: "Asked", moment: str) -> bool:
        with self.guard:
            act = self.take(asked, moment)
        return act is not None and asked.by is not None and bool(act(asked.by))

    def take(self, asked: "Asked", moment: str) -> Act | None:
        for place, (point, act) in enumerate(self.acts):
            here = (point.endpoint, point.moment) == (asked.endpoint, moment)
            if here and any(point.about in one for one in asked.about):
                del self.acts[place]
                return act
        return None

    @property
    def queued(self) -> list[Queued]:
        return [
            Queued(UUID(one.id), str(one.external_reference_id), len(one.starts), one.triggers)
            for one in self.ledger.requests
        ]


@dataclass(frozen=True)
class Asked:
    endpoint: str
    about: tuple[str, ...]
    by: Proc | None


class Told:
    """An answer's body; the server closes it when it has been written."""

    def __init__(self, body: Any, standin: Standin, environ: dict[str, Any]) -> None:
        self.body, self.standin, self.environ = body, standin, environ

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.body)

    def __len__(self) -> int:
        return len(self.body)

    def close(self) -> None:
        if ASKED in self.environ:
            self.standin.reach(self.environ[ASKED], "answered")


def asked_by(port: int, supervisor: int) -> Proc:
    """The process of the worker that holds the other end of a connection from `port`."""
    local, sockets = f"0100007F:{port:04X}", set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        parts = line.split()
        if parts[1] == local:
            sockets.add(f"socket:[{parts[9]}]")
    for proc in descendants(supervisor):
        if sockets & links_of(proc):
            return proc
    raise LookupError("nobody of this worker has asked")


def links_of(proc: Proc) -> set[str]:
    found = set()
    try:
        for path in Path(f"/proc/{proc.pid}/fd").iterdir():
            found.add(str(path.readlink()))
    except OSError:  # it ended meanwhile, or closed the file
        pass
    return found


class Server(ThreadingMixIn, WSGIServer):
    """While its doors are shut, whoever connects waits in the kernel, all but the first."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.doors = Event()
        self.doors.set()

    def get_request(self) -> Any:
        self.doors.wait()
        return super().get_request()

    def shut_doors(self) -> None:
        self.doors.clear()
        self.socket.listen(0)

    def open_doors(self) -> None:
        self.socket.listen(self.request_queue_size)
        self.doors.set()

    @property
    def connecting(self) -> int:
        """Connections that somebody is waiting for."""
        there = f"0100007F:{self.server_address[1]:04X}"
        parts = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return sum(one[2:4] == [there, SYN_SENT] for one in parts)

    def handle_error(self, request: object, client_address: object) -> None:
        """Who asked may have been killed."""


class QuietHandler(ServerHandler):
    def log_exception(self, exc_info: object) -> None:
        """A connection that a fault cuts."""


class Handler(WSGIRequestHandler):
    def handle(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if self.parse_request():
            environ = {**self.get_environ(), CLIENT_PORT: self.client_address[1]}
            handler = QuietHandler(self.rfile, self.wfile, self.get_stderr(), environ)
            handler.request_handler = self  # type: ignore[attr-defined]
            handler.run(self.server.get_app())  # type: ignore[attr-defined]

    def log_message(self, *args: object) -> None:
        """No access log."""


@contextmanager
def served(world: World, standin: Standin) -> Iterator[Server]:
    with Server(("127.0.0.1", world.port), Handler) as server:
        server.set_app(standin)
        thread = Thread(target=server.serve_forever, args=[0.05], daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.open_doors()
            server.shutdown()
            thread.join()
