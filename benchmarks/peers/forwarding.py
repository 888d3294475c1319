"""Bare Flask that forwards what `requests` fetched from TMDB, and does nothing else.

`python -m benchmarks.peers.forwarding PORT THREADS`
"""

import sys

import requests
from flask import Flask, Response, request

from benchmarks.peers.bare import serve
from benchmarks.peers.tmdb import HEADERS, URL


def create() -> Flask:
    """Return an app that calls TMDB on every request."""
    app, tmdb = Flask(__name__), requests.Session()
    tmdb.headers.update(HEADERS)
    tmdb.trust_env = False  # As in Butaca. Otherwise each call looks for proxies and ~/.netrc.

    @app.get("/movies/popular")
    def popular() -> Response:
        response = tmdb.get(URL, params=request.args.to_dict(), timeout=5)
        return Response(response.content, response.status_code, mimetype="application/json")

    return app


if __name__ == "__main__":
    serve(create(), int(sys.argv[1]), int(sys.argv[2]))
