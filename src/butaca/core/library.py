"""The library: users' favorites and ratings."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from butaca.core.clock import utc_now
from butaca.core.errors import FavoriteNotFound, LibraryBusy, RatingNotFound
from butaca.core.listing import ListQuery
from butaca.core.models import Export, Favorite, Mark, Page, Rating, Stars, User, UserMovie
from butaca.core.ports import LibraryStore, MovieCatalogue, MovieNotStored

T = TypeVar("T")
EXPORT_PAGE_SIZE = 500
"""The number of movies that an export fetches, and holds in memory, at a time."""

audit = logging.getLogger("butaca.audit")

MAX_ATTEMPTS = 4
"""The maximum number of attempts to favorite or rate a movie that refreshes drop concurrently."""


@dataclass(frozen=True, slots=True)
class Library:
    """Users' favorites and ratings. Every method may raise LibraryUnavailable."""

    store: LibraryStore
    catalogue: MovieCatalogue
    now: Callable[[], datetime] = utc_now

    def add_favorite(self, user: User, movie_id: int) -> tuple[Favorite, bool]:
        """Add a movie to the favorites; return the favorite, and whether it is new.

        Raises MovieNotFound, CatalogueFailed.
        """
        return self._with_stored_movie(
            movie_id, lambda: self.store.add_favorite(user.id, movie_id, self.now())
        )

    def favorite(self, user: User, movie_id: int, *, language: str | None = None) -> Favorite:
        """Return one favorite. Raises FavoriteNotFound."""
        if (favorite := self.store.find_favorite(user.id, movie_id, language)) is None:
            raise FavoriteNotFound
        return favorite

    def favorites(self, user: User, query: ListQuery) -> Page[Favorite]:
        """Return a page of a user's favorites."""
        return self.store.favorites(user.id, query)

    def remove_favorite(self, user: User, movie_id: int) -> None:
        """Remove a movie from the favorites; its rating stays. Raises FavoriteNotFound."""
        if not self.store.remove_favorite(user.id, movie_id):
            raise FavoriteNotFound

    def clear_favorites(self, owner: User, *, by: User) -> int:
        """Remove all favorites of a user; return how many there were. Ratings stay."""
        deleted = self.store.clear_favorites(owner.id)
        audit.info(
            "favorites.cleared",
            extra={"actor_id": by.id, "owner_id": owner.id, "deleted": deleted},
        )
        return deleted

    def rate(self, user: User, movie_id: int, stars: Stars) -> tuple[Rating, bool]:
        """Rate a movie, or replace its stars; return the rating, and whether it is new.

        Raises MovieNotFound, CatalogueFailed.
        """
        return self._with_stored_movie(
            movie_id, lambda: self.store.rate(user.id, movie_id, stars, self.now())
        )

    def update_rating(self, user: User, movie_id: int, stars: Stars) -> Rating:
        """Replace the stars of an existing rating. Raises RatingNotFound."""
        rating = self.store.update_rating(user.id, movie_id, stars, self.now())
        if rating is None:
            raise RatingNotFound
        return rating

    def rating(self, user: User, movie_id: int, *, language: str | None = None) -> Rating:
        """Return one rating. Raises RatingNotFound."""
        if (rating := self.store.find_rating(user.id, movie_id, language)) is None:
            raise RatingNotFound
        return rating

    def ratings(self, user: User, query: ListQuery) -> Page[Rating]:
        """Return a page of a user's ratings."""
        return self.store.ratings(user.id, query)

    def delete_rating(self, user: User, movie_id: int) -> None:
        """Remove a rating; the favorite stays. Raises RatingNotFound."""
        if not self.store.remove_rating(user.id, movie_id):
            raise RatingNotFound

    def marks(self, user: User, movie_ids: Iterable[int]) -> Mapping[int, Mark]:
        """Return whether and how a user has favorited and rated these movies."""
        return self.store.marks(user.id, movie_ids)

    def export(self, user: User) -> Export:
        """Return all favorites and ratings of a user, ordered by movie ID, in constant memory.

        The first page is loaded; each further page is fetched when it is requested, which may raise
        LibraryUnavailable. A movie that changes between two pages may or may not be included;
        every other movie is included exactly once.
        """
        first = self.store.user_movies(user.id, after=-1, limit=EXPORT_PAGE_SIZE)
        return Export(user, self.now(), self._pages(user, first))

    def _pages(self, user: User, page: tuple[UserMovie, ...]) -> Iterator[tuple[UserMovie, ...]]:
        while page:
            after, is_last = page[-1].movie.id, len(page) < EXPORT_PAGE_SIZE
            yield page
            page = ()  # Release it before fetching the next one.
            if not is_last:
                page = self.store.user_movies(user.id, after, EXPORT_PAGE_SIZE)

    def _with_stored_movie(self, movie_id: int, write: Callable[[], T]) -> T:
        """Run a write that requires the movie to be stored; fetch and store the movie if it is not.

        A movie that is already stored can be favorited and rated even while the catalogue is down.
        """
        for _ in range(MAX_ATTEMPTS):
            with suppress(MovieNotStored):
                return write()
            # A refresh may drop the movie again before the write, because no user has it yet.
            self._fetch_and_store(movie_id)
        raise LibraryBusy

    def _fetch_and_store(self, movie_id: int) -> None:
        fetched = self.catalogue.record(movie_id)
        age = timedelta(seconds=fetched.freshness.age)
        self.store.save_movie(fetched.value, self.now() - age)
