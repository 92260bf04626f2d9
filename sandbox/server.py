"""The stand-in as a process: gunicorn with one worker of many threads, so that there is one store."""

import os
from collections.abc import Callable, Mapping
from typing import Any

from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]

from sandbox.application import Sandbox

KEEP_CONNECTIONS = 1000


class Server(BaseApplication):  # type: ignore[misc]
    """`build` runs inside the worker, which alone opens the store's file."""

    def __init__(self, build: Callable[[], Sandbox], options: Mapping[str, Any]) -> None:
        self._build = build
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Sandbox:
        return self._build()


def serve(build: Callable[[], Sandbox], *, host: str, port: int, threads: int) -> None:
    """Serves until SIGTERM or SIGINT, then ends within about a second."""
    options = {
        "bind": f"{host}:{port}",
        "proc_name": "sandbox",
        "workers": 1,
        "worker_class": "gthread",
        "threads": threads,
        "worker_connections": KEEP_CONNECTIONS + threads,
        "backlog": 1024,
        "keepalive": 75,
        "graceful_timeout": 1,
        "loglevel": os.environ.get("SANDBOX_LOG_LEVEL", "warning"),
        "control_socket_disable": True,
    }
    Server(build, options).run()
