"""The interfaces that the core requires of its adapters."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from butaca.core.listing import ListQuery
from butaca.core.models import (
    Favorite,
    Fetched,
    Genre,
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
    UserMovie,
)


@dataclass(frozen=True, slots=True)
class PopularQuery:
    """A query for a page of the popular movies; `region` is an ISO 3166-1 code."""

    language: str
    page: int = 1
    region: str | None = None


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """A search for movies by title; `year` is the year of release."""

    text: str
    language: str
    page: int = 1
    region: str | None = None
    year: int | None = None


class MovieCatalogue(Protocol):
    """A source of movies. Every method may raise CatalogueFailed."""

    def popular(self, query: PopularQuery) -> Fetched[Page[Movie]]:
        """Return one page, in upstream's order, without duplicates."""

    def search(self, query: SearchQuery) -> Fetched[Page[Movie]]:
        """Return one page of the matches, in upstream's order, without duplicates."""

    def details(self, movie_id: int, language: str) -> Fetched[MovieDetails]:
        """Return the details of a movie in a language. Raises MovieNotFound."""

    def record(self, movie_id: int) -> Fetched[MovieRecord]:
        """Return a movie with all its translations. Raises MovieNotFound."""

    def genres(self, language: str) -> Fetched[tuple[Genre, ...]]:
        """Return all genres of movies, named in a language, or in English where it has no name."""


class MovieNotStored(Exception):
    """A write refers to a movie that is not stored, or no longer stored."""


class LibraryStore(Protocol):
    """Storage for favorites and ratings. Every method may raise LibraryUnavailable.

    Each method is one short transaction. Repeating a write changes nothing, as its result shows.
    """

    def save_movie(self, record: MovieRecord, at: datetime) -> None:
        """Store a complete movie as fetched at a given time, or replace the stored one."""

    def add_favorite(self, user_id: int, movie_id: int, at: datetime) -> tuple[Favorite, bool]:
        """Make a movie a favorite; return the favorite, and whether it is new.

        Raises MovieNotStored.
        """

    def remove_favorite(self, user_id: int, movie_id: int) -> bool:
        """Remove a favorite; return whether there was one."""

    def clear_favorites(self, user_id: int) -> int:
        """Remove all favorites of a user; return how many there were."""

    def find_favorite(
        self, user_id: int, movie_id: int, language: str | None = None
    ) -> Favorite | None:
        """Return a favorite with the movie's texts in a language."""

    def favorites(self, user_id: int, query: ListQuery) -> Page[Favorite]:
        """Return one page of the favorites that match the filter.

        The order is total: ties are broken by the movie ID.
        """

    def rate(self, user_id: int, movie_id: int, stars: Stars, at: datetime) -> tuple[Rating, bool]:
        """Rate a movie, or replace its stars; return the rating, and whether it is new.

        Raises MovieNotStored.
        """

    def update_rating(
        self, user_id: int, movie_id: int, stars: Stars, at: datetime
    ) -> Rating | None:
        """Replace the stars of a rating; return it, or None if the user has not rated the movie."""

    def remove_rating(self, user_id: int, movie_id: int) -> bool:
        """Remove a rating; return whether there was one."""

    def find_rating(
        self, user_id: int, movie_id: int, language: str | None = None
    ) -> Rating | None:
        """Return a rating with the movie's texts in a language."""

    def ratings(self, user_id: int, query: ListQuery) -> Page[Rating]:
        """Return one page of the ratings that match the filter.

        The order is total: ties are broken by the movie ID.
        """

    def marks(self, user_id: int, movie_ids: Iterable[int]) -> Mapping[int, Mark]:
        """Return whether and how a user has favorited and rated these movies.

        Movies that are neither may be omitted.
        """

    def user_movies(self, user_id: int, after: int, limit: int) -> tuple[UserMovie, ...]:
        """Return the favorited and rated movies with IDs above `after`, ordered by movie ID.

        If there are fewer than `limit`, they are the last ones. The texts are as stored.
        """


class ChangeLists(Protocol):
    """A source of upstream's lists of changed movies. Every method may raise CatalogueFailed."""

    def changes(self, first: date, last: date, page: int = 1) -> Page[int]:
        """Return one page of the IDs of the movies that changed between two dates (UTC).

        The dates are at most 14 days apart. `total_pages` may exceed `MAX_PAGE`, but no page beyond
        that can be requested.
        """


class MovieStore(Protocol):
    """Storage for the movies that users have favorited or rated. May raise LibraryUnavailable.

    Each method is one short transaction. Several refreshes may run concurrently.
    """

    def movies(self, after: int, limit: int) -> Sequence[StoredMovie]:
        """Return up to `limit` stored movies with IDs above `after`, ordered by ID."""

    def save_movie(self, record: MovieRecord, at: datetime) -> None:
        """Store a complete movie as fetched at a given time; it is no longer marked as gone."""

    def mark_unchanged(self, movie_ids: Iterable[int], at: datetime) -> None:
        """Record that the stored copies of these movies were up to date at a given time."""

    def mark_gone(self, movie_id: int, at: datetime) -> None:
        """Record that upstream no longer had this movie at a given time."""

    def drop_unreferenced(self, movie_ids: Iterable[int]) -> int:
        """Delete those of these movies that no user has favorited or rated; return how many."""


@dataclass(frozen=True, slots=True)
class Bearer:
    """The owner of a token. Of the token itself, only the SHA-256 (hexadecimal) is stored."""

    user: User
    token_sha256: str
    expires_at: datetime | None = None
    revoked_at: datetime | None = None


class AccountStore(Protocol):
    """Storage for users and their tokens. Every method may raise LibraryUnavailable."""

    def find_bearer(self, token_sha256: str) -> Bearer | None:
        """Return the owner of a token, even if it is revoked or expired."""

    def find_user(self, user_id: int) -> User | None:
        """Return a user by ID."""

    def grant_token(self, user: User, token_sha256: str, at: datetime) -> bool:
        """Store a user with a token, or make that token valid again.

        Return False if the ID, the name or the token belongs to another user.
        """

    def revoke_by_digest(self, token_sha256: str, at: datetime) -> bool:
        """Revoke a token; return whether it existed and was not revoked before."""


class UserStore(Protocol):
    """Storage for the management of users and tokens. Every method may raise LibraryUnavailable."""

    def add_user(self, name: str, role: Role, at: datetime) -> User:
        """Store a new user with an ID above 1000. Raises NameTaken."""

    def find_user(self, user_id: int) -> User | None:
        """Return a user by ID."""

    def find_user_by_name(self, name: str) -> User | None:
        """Return the user with exactly this name."""

    def all_users(self) -> tuple[User, ...]:
        """Return all users, ordered by ID."""

    def set_role(self, user_id: int, role: Role) -> bool:
        """Change the role of a user; return whether the user exists."""

    def remove_user(self, user_id: int) -> bool:
        """Delete a user with all tokens, favorites and ratings; return whether the user existed.

        The ID is never assigned again.
        """

    def add_token(
        self, owner: User, token_sha256: str, at: datetime, expires_at: datetime | None
    ) -> Token:
        """Store a token of a user, created at `at`; without `expires_at`, it never expires."""

    def find_token(self, token_id: int) -> Token | None:
        """Return a token by ID, even if it is revoked or expired."""

    def tokens(self, user_id: int | None = None) -> tuple[Token, ...]:
        """Return the tokens of one user or of all users, ordered by ID."""

    def revoke_token(self, token_id: int, at: datetime) -> bool:
        """Revoke a token; return whether it existed and was not revoked before."""

    def revoke_tokens(self, user_id: int, at: datetime) -> tuple[int, ...]:
        """Revoke all tokens of a user; return the IDs of those not revoked before, in order."""
