"""What the core needs of the world outside, and nothing about who provides it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from butaca.core.listing import ListQuery
from butaca.core.models import (
    Favorite,
    Fetched,
    Mark,
    Movie,
    MovieDetails,
    MovieRecord,
    Page,
    Rating,
    Stars,
    User,
)


@dataclass(frozen=True, slots=True)
class PopularQuery:
    """Which page of the popular movies; `region` is ISO 3166-1."""

    language: str
    page: int = 1
    region: str | None = None


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """Which movies to look for by title; `year` is of a release."""

    text: str
    language: str
    page: int = 1
    region: str | None = None
    year: int | None = None


class MovieCatalogue(Protocol):
    """Where movies come from. Every method may raise CatalogueFailed."""

    def popular(self, query: PopularQuery) -> Fetched[Page[Movie]]:
        """Return one page, in upstream's order, no movie twice."""

    def search(self, query: SearchQuery) -> Fetched[Page[Movie]]:
        """Return one page of what was found, in upstream's order, no movie twice."""

    def details(self, movie_id: int, language: str) -> Fetched[MovieDetails]:
        """Return one movie in a language. Raises MovieNotFound."""

    def record(self, movie_id: int) -> Fetched[MovieRecord]:
        """Return one movie with all its translations. Raises MovieNotFound."""


class LibraryStore(Protocol):
    """Where favorites and ratings are kept. Every method may raise LibraryUnavailable.

    A method is one short transaction. What repeats a write changes nothing and says so.
    """

    def has_movie(self, movie_id: int) -> bool:
        """Tell whether the movie is stored."""

    def save_movie(self, record: MovieRecord, at: datetime) -> None:
        """Store a movie whole, as fetched at a moment, or replace what was stored of it."""

    def add_favorite(self, user_id: int, movie_id: int, at: datetime) -> tuple[Favorite, bool]:
        """Make a stored movie a favorite; return it, and whether it is a new one."""

    def remove_favorite(self, user_id: int, movie_id: int) -> bool:
        """Tell whether there was one to remove."""

    def clear_favorites(self, user_id: int) -> int:
        """Remove all of somebody's favorites; return how many there were."""

    def find_favorite(
        self, user_id: int, movie_id: int, language: str | None = None
    ) -> Favorite | None:
        """Return a favorite with its texts in a language."""

    def favorites(self, user_id: int, query: ListQuery) -> Page[Favorite]:
        """Return one page of favorites. The order is total: the movie ID breaks ties."""

    def rate(self, user_id: int, movie_id: int, stars: Stars, at: datetime) -> tuple[Rating, bool]:
        """Rate a stored movie, or correct its rating; return it, and whether it is a new one."""

    def correct_rating(
        self, user_id: int, movie_id: int, stars: Stars, at: datetime
    ) -> Rating | None:
        """Replace the stars, if there is a rating to correct; return it."""

    def remove_rating(self, user_id: int, movie_id: int) -> bool:
        """Tell whether there was one to remove."""

    def find_rating(
        self, user_id: int, movie_id: int, language: str | None = None
    ) -> Rating | None:
        """Return a rating with the movie's texts in a language."""

    def ratings(self, user_id: int, query: ListQuery) -> Page[Rating]:
        """Return one page of ratings. The order is total: the movie ID breaks ties."""

    def marks(self, user_id: int, movie_ids: Iterable[int]) -> Mapping[int, Mark]:
        """Return what these movies are to somebody; those that are nothing may be left out."""


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whom a token speaks for. Of the token itself only the SHA-256 (hexadecimal) is kept."""

    user: User
    token_sha256: str
    expires_at: datetime | None = None
    revoked_at: datetime | None = None


class AccountStore(Protocol):
    """Where people and their tokens are kept. Every method may raise LibraryUnavailable."""

    def find_bearer(self, token_sha256: str) -> Bearer | None:
        """Return whom a token speaks for, revoked and expired ones included."""

    def find_user(self, user_id: int) -> User | None:
        """Return somebody by ID."""

    def let_in(self, user: User, token_sha256: str, at: datetime) -> bool:
        """Store somebody with a token, or make that token valid again.

        Tells whether it is so: not where the ID, the name or the token is somebody else's.
        """

    def revoke(self, token_sha256: str, at: datetime) -> bool:
        """Tell whether there was a valid token to revoke."""
