"""python -m sandbox --port 8900"""

import argparse
import os
from collections.abc import Sequence

from sandbox.application import DEFAULT_KEY, DEFAULT_ORGANIZATIONS, Sandbox
from sandbox.server import serve


def options(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="sandbox", description="A stand-in for the Evergrove API."
    )
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--store", help="an SQLite file that keeps requests across restarts")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before every answer")
    parser.add_argument("--pace", type=float, default=1.0, help="stretches the seconds of a call")
    parser.add_argument("--threads", type=int, default=96)
    parser.add_argument("--organizations", default=",".join(DEFAULT_ORGANIZATIONS))
    return parser.parse_args(given)


def main() -> None:
    chosen = options()

    def build() -> Sandbox:
        return Sandbox(
            api_key=os.environ.get("SANDBOX_API_KEY", DEFAULT_KEY),
            organizations=[name.strip() for name in chosen.organizations.split(",")],
            store=chosen.store,
            latency=chosen.latency,
            pace=chosen.pace,
        )

    serve(build, host=chosen.host, port=chosen.port, threads=chosen.threads)


if __name__ == "__main__":
    main()
