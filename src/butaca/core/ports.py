"""What the core needs of the world outside, and nothing about who provides it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from butaca.core.listing import ListQuery
from butaca.core.models import (
    Entry,
    Favorite,
    Fetched,
    Mark,
    Movie,
    MovieDetails,
    MovieRecord,
    Page,
    Rating,
    Role,
    Stars,
    StoredMovie,
    Token,
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


class MovieNotStored(Exception):
    """What was to be written stands on a movie that is not stored, or no longer."""


class LibraryStore(Protocol):
    """Where favorites and ratings are kept. Every method may raise LibraryUnavailable.

    A method is one short transaction. What repeats a write changes nothing and says so.
    """

    def save_movie(self, record: MovieRecord, at: datetime) -> None:
        """Store a movie whole, as fetched at a moment, or replace what was stored of it."""

    def add_favorite(self, user_id: int, movie_id: int, at: datetime) -> tuple[Favorite, bool]:
        """Make a movie a favorite; return it, and whether it is a new one.

        Raises MovieNotStored.
        """

    def remove_favorite(self, user_id: int, movie_id: int) -> bool:
        """Tell whether there was one to remove."""

    def clear_favorites(self, user_id: int) -> int:
        """Remove all of somebody's favorites; return how many there were."""

    def find_favorite(
        self, user_id: int, movie_id: int, language: str | None = None
    ) -> Favorite | None:
        """Return a favorite with its texts in a language."""

    def favorites(self, user_id: int, query: ListQuery) -> Page[Favorite]:
        """Return one page of the favorites that pass a filter.

        The order is total: the movie ID breaks ties.
        """

    def rate(self, user_id: int, movie_id: int, stars: Stars, at: datetime) -> tuple[Rating, bool]:
        """Rate a movie, or correct its rating; return it, and whether it is a new one.

        Raises MovieNotStored.
        """

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
        """Return one page of the ratings that pass a filter.

        The order is total: the movie ID breaks ties.
        """

    def marks(self, user_id: int, movie_ids: Iterable[int]) -> Mapping[int, Mark]:
        """Return what these movies are to somebody; those that are nothing may be left out."""

    def entries(self, user_id: int, after: int, limit: int) -> tuple[Entry, ...]:
        """Return what somebody keeps or rated, in the order of movie IDs: those above `after`.

        Fewer than `limit` are the last ones. The texts are as stored.
        """


class ChangeLists(Protocol):
    """Where upstream tells which movies changed. Every method may raise CatalogueFailed."""

    def changes(self, first: date, last: date, page: int = 1) -> Page[int]:
        """Return one page of the IDs of movies that changed from one day (UTC) to another.

        The days are at most 14 apart. `total_pages` may be more than `MAX_PAGE`, as which no more
        can be asked for.
        """


class MovieStore(Protocol):
    """Where movies are kept for whoever keeps or rates them. May raise LibraryUnavailable.

    A method is one short transaction. Several may refresh at once.
    """

    def movies(self, after: int, limit: int) -> Sequence[StoredMovie]:
        """Return the next stored movies with an ID greater than `after`, by ID."""

    def save_movie(self, record: MovieRecord, at: datetime) -> None:
        """Store a movie whole, as fetched at a moment; it is not gone, if it was."""

    def mark_unchanged(self, movie_ids: Iterable[int], at: datetime) -> None:
        """Remember that at a moment these movies were upstream as they are here."""

    def mark_gone(self, movie_id: int, at: datetime) -> None:
        """Remember that at a moment upstream did not have this movie any more."""

    def drop_unkept(self, movie_ids: Iterable[int]) -> int:
        """Drop those of these movies that nobody keeps or rates; return how many."""


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


class PeopleStore(Protocol):
    """Where operators keep people and their tokens. Every method may raise LibraryUnavailable."""

    def add_user(self, name: str, role: Role, at: datetime) -> User:
        """Store somebody new, under an ID above 1000. Raises NameTaken."""

    def find_user(self, user_id: int) -> User | None:
        """Return somebody by ID."""

    def find_user_named(self, name: str) -> User | None:
        """Return somebody by exactly this name."""

    def everybody(self) -> tuple[User, ...]:
        """Return everybody, in the order of their IDs."""

    def add_token(
        self, owner: User, token_sha256: str, at: datetime, expires_at: datetime | None
    ) -> Token:
        """Let somebody call with a new token, from a moment on and until another, if any."""

    def find_token(self, token_id: int) -> Token | None:
        """Return a token by ID, revoked and expired ones included."""

    def tokens(self, user_id: int | None = None) -> tuple[Token, ...]:
        """Return somebody's tokens, or everybody's, in the order of their IDs."""

    def revoke_token(self, token_id: int, at: datetime) -> bool:
        """Tell whether there was such a token that had not been revoked."""
