"""Bare Flask: one route, one answer of given bytes, under the server that Butaca runs under.

`python -m benchmarks.peers.bare PORT THREADS FILE` answers with the bytes of a file.
"""

import sys
from pathlib import Path

from flask import Flask, Response

from butaca import server

HOST = "127.0.0.1"


def create(body: bytes) -> Flask:
    """Return an app that has one answer."""
    app = Flask(__name__)

    @app.get("/movies/popular")
    def popular() -> Response:
        return Response(body, mimetype="application/json")

    return app


def serve(app: Flask, port: int, threads: int) -> None:
    """Serve an app until somebody ends it."""
    server.load = lambda *_, **__: app  # type: ignore[assignment]
    with server.bind(HOST, port) as listener:
        server.serve(listener, threads)


if __name__ == "__main__":
    serve(create(Path(sys.argv[3]).read_bytes()), int(sys.argv[1]), int(sys.argv[2]))
