"""Helpers that add favorites and ratings to a world, and one valid call for every route."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from werkzeug.test import TestResponse

from butaca.core.models import Genre, MovieRecord, Stars, User
from tests.builders import ADMIN, CONSUMER, NOON, make_movie, make_page, make_record
from tests.conftest import World
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
    """A valid call of one route."""

    method: str
    rule: str

    @property
    def path(self) -> str:
        """Return the path with the movie 550 and the user 2."""
        path = self.rule.replace("<movie_id>", "550").replace("<user_id>", "2")
        return path + _QUERIES.get(path, "")

    def __str__(self) -> str:
        return f"{self.method} {self.rule}"

    def by(self, client: ContractClient, **changes: Any) -> TestResponse:
        return client.open(
            **{"path": self.path, "method": self.method, "json": BODIES.get(self.method), **changes}
        )


def calls() -> Iterator[Call]:
    """Yield every method of every route of the API, as registered in the app."""
    for rule in World().client().application.url_map.iter_rules():
        if rule.rule.startswith(f"{API}/"):
            for method in (rule.methods or set()) - {"OPTIONS"}:
                yield Call(method, re.sub(r"<\w+:", "<", rule.rule))


CALLS = sorted(calls(), key=str)
READS = [call for call in CALLS if call.method in {"GET", "HEAD"}]
WRITES = [call for call in CALLS if call not in READS]
ADMINS = [call for call in CALLS if "/users/" in call.rule]
EVERYBODYS = [call for call in CALLS if call not in ADMINS]


def keep(world: World, *records: MovieRecord, user: User = CONSUMER) -> None:
    """Add movies to the favorites of a user, one hour apart."""
    for record in records:
        world.store.save_movie(record, NOON)
        world.store.add_favorite(user.id, record.details.id, world.clock.now())
        world.clock.move(3600)


def rate(world: World, record: MovieRecord, stars: float, user: User = CONSUMER) -> None:
    """Rate a movie as a user."""
    world.store.save_movie(record, NOON)
    world.store.rate(user.id, record.details.id, Stars.of(stars), world.clock.now())
    world.clock.move(3600)


def furnish(world: World) -> None:
    """Give TMDB two movies, one of which both users have as a favorite and have rated."""
    world.catalogue.add(make_record(13), make_record(550))
    world.catalogue.pages[1] = make_page(make_movie(13), make_movie(550))
    world.catalogue.genres_in["en-US"] = (Genre(28, "Action"), Genre(18, "Drama"))
    for user in (ADMIN, CONSUMER):
        keep(world, make_record(550), user=user)
        rate(world, make_record(550), 4.5, user=user)
