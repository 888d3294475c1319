"""The example exchanges in the contract. `python -m tests.web.exchanges FILE` records them."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from butaca.adapters.sql import Database, SqlAccounts, SqlLibrary
from butaca.adapters.sql.schema import migrate
from butaca.adapters.tmdb import TmdbCatalogue, TmdbHttp
from butaca.core.accounts import Accounts
from butaca.core.library import Library
from butaca.core.movies import Movies
from butaca.sandbox import Sandbox
from butaca.sandbox.server import DEFAULT_TOKEN
from butaca.web import Services, WebOptions, create_web
from butaca.web.examples import Exchange
from tests.builders import ADMIN_TOKEN, CONSUMER_TOKEN
from tests.contract_client import ContractClient
from tests.fakes import FakeClock, FakeRateLimiter

IMAGE_BASE_URL = "http://127.0.0.1:8001/t/p"
"""The base URL of images in `make run`."""

FAVORITES, RATINGS = "/api/v1/me/favorites", "/api/v1/me/ratings"
RATING = f"{RATINGS}/550"
REQUESTS = (
    ("me", "getMe", "GET /api/v1/me", None, 200),
    ("popular", "listPopularMovies", "GET /api/v1/movies/popular", None, 200),
    ("movie", "getMovie", "GET /api/v1/movies/550", None, 200),
    ("first", "addFavorite", f"POST {FAVORITES}", {"movie_id": 550}, 201),
    ("again", "addFavorite", f"POST {FAVORITES}", {"movie_id": 550}, 200),
    ("first", "rateMovie", f"PUT {RATING}", {"stars": 4}, 201),
    ("replaced", "rateMovie", f"PUT {RATING}", {"stars": 4.5}, 200),
    ("corrected", "updateRating", f"PATCH {RATING}", {"stars": 5}, 200),
    ("favorite", "getFavorite", f"GET {FAVORITES}/550?language=es", None, 200),
    ("rating", "getRating", f"GET {RATING}", None, 200),
    ("marked", "searchMovies", "GET /api/v1/movies/search?query=fight&include=me", None, 200),
    ("dramas", "listFavorites", f"GET {FAVORITES}?genre=18&sort=-rating,title", None, 200),
    ("ratings", "listRatings", f"GET {RATINGS}?min_rating=4&favorite=true", None, 200),
    ("json", "exportMe", "GET /api/v1/me/export", None, 200),
    ("csv", "exportMe", "GET /api/v1/me/export?format=csv", None, 200),
    ("theirs", "listUserFavorites", "GET /api/v1/users/2/favorites", None, 200),
    ("cleared", "clearUserFavorites", "DELETE /api/v1/users/2/favorites", None, 200),
    ("spanish", "listGenres", "GET /api/v1/movies/genres?language=es", None, 200),
)


def exchanges() -> list[Exchange]:
    """Send all requests to a service that uses the sandbox, one minute apart."""
    clock = FakeClock()
    with Sandbox() as tmdb, empty_database() as database:
        client = make_client(make_services(tmdb, database, clock))
        return [record(client, clock, *each) for each in REQUESTS]


@contextmanager
def empty_database() -> Iterator[Database]:
    with TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/butaca.db")
        migrate(database)
        yield database
        database.close()


def make_services(tmdb: Sandbox, database: Database, clock: FakeClock) -> Services:
    catalogue = TmdbCatalogue(TmdbHttp(tmdb.url, DEFAULT_TOKEN), "en-US")
    accounts = Accounts(SqlAccounts(database), clock.now)
    accounts.enable_demo_users()
    return Services(
        movies=Movies(catalogue),
        library=Library(SqlLibrary(database), catalogue, clock.now),
        accounts=accounts,
        rate_limiter=FakeRateLimiter(),
        check_database=database.ping,
    )


def make_client(services: Services) -> ContractClient:
    app = create_web(services, WebOptions(image_base_url=IMAGE_BASE_URL))
    return ContractClient(app, app.response_class)


def record(
    client: ContractClient,
    clock: FakeClock,
    name: str,
    operation: str,
    request: str,
    *request_body_and_status: Any,
) -> Exchange:
    request_body, status = request_body_and_status
    method, target = request.split()
    token = ADMIN_TOKEN if "/users/" in target else CONSUMER_TOKEN
    clock.advance(60)
    response = client.open(
        target, method=method, json=request_body, headers={"Authorization": f"Bearer {token}"}
    )
    assert response.status_code == status, response.text
    response_body = response.json if response.is_json else response.text
    media_type = str(response.mimetype)
    return Exchange(name, operation, request, status, request_body, media_type, response_body)


if __name__ == "__main__":
    text = json.dumps([asdict(each) for each in exchanges()], ensure_ascii=False, indent=1)
    Path(sys.argv[1]).write_text(text + "\n", encoding="utf-8")
