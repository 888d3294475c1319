"""Recorded TMDB responses pass through the whole service without losses or additions."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from flask.testing import FlaskClient

from butaca.app import create_app, prepare
from butaca.settings import Settings
from tests.builders import CONSUMER_TOKEN
from tests.processes import running, wait_for_line

RECORDINGS = Path(__file__).parents[3] / "shared" / "tmdb"
IMAGES = "https://image.tmdb.org/t/p"
OFTEN_EMPTY = ("overview", "release_date", "tagline", "homepage", "imdb_id")

pytestmark = pytest.mark.skipif(
    not RECORDINGS.is_dir(), reason="TMDB's recorded responses are not next to this checkout"
)


@pytest.fixture(scope="module")
def client(
    migrated_sqlite: Path, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FlaskClient]:
    """The whole service over `butaca sandbox --data`."""
    database = shutil.copy(migrated_sqlite, tmp_path_factory.mktemp("recordings"))
    own_redis = redis_url.replace("/0", "/1")
    with redis.Redis.from_url(own_redis) as connection:
        connection.flushdb()
    with running("sandbox", "--port", "0", "--data", str(RECORDINGS)) as sandbox:
        url = wait_for_line(sandbox, "The sandbox is at").split()[4].rstrip(";")
        settings = Settings(
            database_url=f"sqlite:///{database}",
            redis_url=own_redis,
            tmdb_token="sandbox-token",
            tmdb_base_url=url,
            demo_users=True,
            rate_limit_reads="100000/minute",
        )
        prepare(settings)
        client = create_app(settings).test_client()
        client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {CONSUMER_TOKEN}"
        yield client


def expected_movie(recorded: dict[str, Any]) -> dict[str, Any]:
    """Return a recorded movie in the format of our API."""
    missing = {name: None for name in OFTEN_EMPTY if recorded.get(name) == ""}
    poster, backdrop = recorded["poster_path"], recorded["backdrop_path"]
    movie = {
        **recorded,
        **missing,
        "poster_url": poster and f"{IMAGES}/w500{poster}",
        "backdrop_url": backdrop and f"{IMAGES}/w1280{backdrop}",
    }
    if "runtime" in movie:
        movie["runtime"] = movie["runtime"] or None
    return movie


@pytest.mark.parametrize("page", range(1, 21))
def test_recorded_page_is_served_completely_and_in_order(client: FlaskClient, page: int) -> None:
    recorded = json.loads((RECORDINGS / "popular" / f"page-{page}.json").read_text())
    response = client.get(f"/api/v1/movies/popular?page={page}").json
    assert response == {
        "page": page,
        "page_size": 20,
        "total_pages": min(recorded["total_pages"], 500),
        "total_results": recorded["total_results"],
        "results": [expected_movie(movie) for movie in recorded["results"]],
    }


def test_every_recorded_movie_is_served_completely(client: FlaskClient) -> None:
    files = sorted((RECORDINGS / "movie").glob("*.json"))
    assert len(files) > 400
    for file in files:
        response = client.get(f"/api/v1/movies/{file.stem}").json
        assert response == expected_movie(json.loads(file.read_text())), file.name


def test_genre_names_match_those_of_every_recorded_movie(client: FlaskClient) -> None:
    movies = [json.loads(file.read_text()) for file in (RECORDINGS / "movie").glob("*.json")]
    recorded = {genre["id"]: genre["name"] for movie in movies for genre in movie["genres"]}
    response = client.get("/api/v1/movies/genres").json
    assert response is not None
    genres = {genre["id"]: genre["name"] for genre in response["genres"]}
    assert len(genres) == 19
    assert recorded.items() <= genres.items()


def test_recorded_movie_is_stored_completely_as_a_favorite(client: FlaskClient) -> None:
    for file in sorted((RECORDINGS / "movie").glob("*.json"))[::5]:
        response = client.post("/api/v1/me/favorites", json={"movie_id": int(file.stem)})
        assert response.json is not None
        assert response.json["movie"] == expected_movie(json.loads(file.read_text())), file.name
