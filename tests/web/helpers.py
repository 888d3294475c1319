"""Helpers that add favorites and ratings to a `FakeBackend`, and one valid call of every route."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from werkzeug.test import TestResponse

from butaca.core.models import Genre, MovieRecord, Role, Stars, User
from butaca.web.auth import required_role
from tests.builders import ADMIN, CONSUMER, NOON, make_movie, make_page, make_record
from tests.conftest import FakeBackend
from tests.contract_client import ContractClient

API = "/api/v1"
BODIES: dict[str, dict[str, Any]] = {
    "POST": {"movie_id": 13},
    "PUT": {"stars": 4.5},
    "PATCH": {"stars": 3},
}
_QUERIES = {f"{API}/movies/search": "?query=movie"}


@dataclass(frozen=True)
class Call:
    """A valid call of one route, and the role that it requires."""

    method: str
    rule: str
    role: Role

    @property
    def path(self) -> str:
        """Return the path for movie 550 and user 2, with the required query parameters."""
        path = self.rule.replace("<movie_id>", "550").replace("<user_id>", "2")
        return path + _QUERIES.get(path, "")

    def __str__(self) -> str:
        return f"{self.method} {self.rule}"

    def send(self, client: ContractClient, **changes: Any) -> TestResponse:
        return client.open(
            **{"path": self.path, "method": self.method, "json": BODIES.get(self.method), **changes}
        )


def calls() -> Iterator[Call]:
    """Yield every method of every route of the API, as registered in the app."""
    app = FakeBackend().client().application
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith(f"{API}/"):
            role = required_role(app.view_functions[rule.endpoint])
            for method in (rule.methods or set()) - {"OPTIONS"}:
                yield Call(method, re.sub(r"<\w+:", "<", rule.rule), role)


CALLS = sorted(calls(), key=str)
READS = [call for call in CALLS if call.method in {"GET", "HEAD"}]
WRITES = [call for call in CALLS if call not in READS]
ADMIN_CALLS = [call for call in CALLS if call.role is Role.ADMIN]
USER_CALLS = [call for call in CALLS if call not in ADMIN_CALLS]


def add_favorites(backend: FakeBackend, *records: MovieRecord, user: User = CONSUMER) -> None:
    """Add movies to the favorites of a user, one hour apart."""
    for record in records:
        backend.store.save_movie(record, NOON)
        backend.store.add_favorite(user.id, record.details.id, backend.clock.now())
        backend.clock.advance(3600)


def add_rating(
    backend: FakeBackend, record: MovieRecord, stars: float, user: User = CONSUMER
) -> None:
    """Rate a movie as a user."""
    backend.store.save_movie(record, NOON)
    backend.store.rate(user.id, record.details.id, Stars.of(stars), backend.clock.now())
    backend.clock.advance(3600)


def add_sample_data(backend: FakeBackend) -> None:
    """Add two movies to TMDB. One of them is a favorite of both users and rated by both."""
    backend.catalogue.add(make_record(13), make_record(550))
    backend.catalogue.pages[1] = make_page(make_movie(13), make_movie(550))
    backend.catalogue.genres_in["en-US"] = (Genre(28, "Action"), Genre(18, "Drama"))
    for user in (ADMIN, CONSUMER):
        add_favorites(backend, make_record(550), user=user)
        add_rating(backend, make_record(550), 4.5, user=user)
