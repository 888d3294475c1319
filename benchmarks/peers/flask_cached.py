"""Flask with Flask-Caching on Redis, following its documentation, on gunicorn with gthread."""

import requests
from flask import Flask, Response, jsonify
from flask_caching import Cache

from benchmarks.peers.tmdb import HEADERS, REDIS_URL, SECONDS, URL, with_image_urls

app = Flask(__name__)
app.config["CACHE_TYPE"] = "RedisCache"
app.config["CACHE_REDIS_URL"] = REDIS_URL
cache = Cache(app)
tmdb = requests.Session()
tmdb.headers.update(HEADERS)


@app.get("/movies/popular")
@cache.cached(timeout=SECONDS, query_string=True)
def popular() -> Response:
    """Return a page of popular movies. The whole response is cached, so no hit renders it again."""
    response = tmdb.get(URL, timeout=5)
    response.raise_for_status()
    return jsonify(with_image_urls(response.json()))
