"""Flask with Flask-Caching on Redis, as its documentation shows it; gunicorn's gthread runs it."""

import requests
from flask import Flask, Response, jsonify
from flask_caching import Cache

from benchmarks.peers.tmdb import HEADERS, REDIS_URL, SECONDS, URL, with_pictures

app = Flask(__name__)
app.config["CACHE_TYPE"] = "RedisCache"
app.config["CACHE_REDIS_URL"] = REDIS_URL
cache = Cache(app)
tmdb = requests.Session()
tmdb.headers.update(HEADERS)


@app.get("/movies/popular")
@cache.cached(timeout=SECONDS, query_string=True)
def popular() -> Response:
    """Return a page of popular movies: the whole answer is kept, so that none is written anew."""
    answer = tmdb.get(URL, timeout=5)
    answer.raise_for_status()
    return jsonify(with_pictures(answer.json()))
