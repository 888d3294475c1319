"""Bare Flask that asks: it passes on what requests fetched from TMDB, and does nothing else.

`python -m benchmarks.peers.asking PORT THREADS`
"""

import sys

import requests
from flask import Flask, Response, request

from benchmarks.peers.bare import serve
from benchmarks.peers.tmdb import HEADERS, URL


def create() -> Flask:
    """Return an app that asks each time."""
    app, tmdb = Flask(__name__), requests.Session()
    tmdb.headers.update(HEADERS)
    tmdb.trust_env = False  # As Butaca has it: else each call looks for proxies and a ~/.netrc.

    @app.get("/movies/popular")
    def popular() -> Response:
        answer = tmdb.get(URL, params=request.args.to_dict(), timeout=5)
        return Response(answer.content, answer.status_code, mimetype="application/json")

    return app


if __name__ == "__main__":
    serve(create(), int(sys.argv[1]), int(sys.argv[2]))
