"""Bare Flask: one route with a fixed response, on the same server as Butaca.

`python -m benchmarks.peers.bare PORT THREADS FILE` responds with the content of a file.
"""

import sys
from pathlib import Path

from flask import Flask, Response

from butaca import server

HOST = "127.0.0.1"


def create(body: bytes) -> Flask:
    """Return an app that always responds with this body."""
    app = Flask(__name__)

    @app.get("/movies/popular")
    def popular() -> Response:
        return Response(body, mimetype="application/json")

    return app


def serve(app: Flask, port: int, threads: int) -> None:
    """Serve an app until the process is stopped."""
    server.load = lambda *_, **__: app  # type: ignore[assignment]
    with server.bind(HOST, port) as listener:
        server.serve(listener, threads)


if __name__ == "__main__":
    serve(create(Path(sys.argv[3]).read_bytes()), int(sys.argv[1]), int(sys.argv[2]))
