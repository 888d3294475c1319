"""What the peers fetch and cache: a page of TMDB's popular movies, with image URLs."""

import os
from typing import Any

URL = os.environ["TMDB_BASE_URL"] + "/movie/popular"
HEADERS = {"Authorization": f"Bearer {os.environ['TMDB_TOKEN']}"}
REDIS_URL = os.environ["REDIS_URL"]
SECONDS = 30
"""Time-to-live of a cached response, as in Butaca."""

_IMAGES = "https://image.tmdb.org/t/p"


def with_image_urls(page: dict[str, Any]) -> dict[str, Any]:
    """Add the image URLs that Butaca adds, so that all bodies have about the same size."""
    for movie in page["results"]:
        movie["poster_url"] = f"{_IMAGES}/w500{movie['poster_path']}"
        movie["backdrop_url"] = f"{_IMAGES}/w1280{movie['backdrop_path']}"
    return page
