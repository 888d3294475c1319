"""The library: keeping, rating, listing and forgetting movies."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from butaca.core.clock import utc_now
from butaca.core.errors import FavoriteNotFound, RatingNotFound
from butaca.core.listing import ListQuery
from butaca.core.models import Favorite, Mark, Page, Rating, Stars, User
from butaca.core.ports import LibraryStore, MovieCatalogue

audit = logging.getLogger("butaca.audit")


@dataclass(frozen=True, slots=True)
class Library:
    """The movies that people keep and rate. Every method may raise LibraryUnavailable."""

    store: LibraryStore
    catalogue: MovieCatalogue
    now: Callable[[], datetime] = utc_now

    def keep(self, user: User, movie_id: int) -> tuple[Favorite, bool]:
        """Keep a movie; return it as kept, and whether that is new.

        Raises MovieNotFound, CatalogueFailed.
        """
        self._bring_home(movie_id)
        return self.store.add_favorite(user.id, movie_id, self.now())

    def favorite(self, user: User, movie_id: int, *, language: str | None = None) -> Favorite:
        """Return one favorite. Raises FavoriteNotFound."""
        if (favorite := self.store.find_favorite(user.id, movie_id, language)) is None:
            raise FavoriteNotFound
        return favorite

    def favorites(self, user: User, query: ListQuery) -> Page[Favorite]:
        """Return a page of somebody's favorites."""
        return self.store.favorites(user.id, query)

    def forget(self, user: User, movie_id: int) -> None:
        """Take a movie off the favorites; its rating stays. Raises FavoriteNotFound."""
        if not self.store.remove_favorite(user.id, movie_id):
            raise FavoriteNotFound

    def clear(self, owner: User, *, by: User) -> int:
        """Take all movies off somebody's favorites; return how many. Ratings stay."""
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
        self._bring_home(movie_id)
        return self.store.rate(user.id, movie_id, stars, self.now())

    def correct(self, user: User, movie_id: int, stars: Stars) -> Rating:
        """Replace the stars of a rated movie. Raises RatingNotFound."""
        rating = self.store.correct_rating(user.id, movie_id, stars, self.now())
        if rating is None:
            raise RatingNotFound
        return rating

    def rating(self, user: User, movie_id: int, *, language: str | None = None) -> Rating:
        """Return one rating. Raises RatingNotFound."""
        if (rating := self.store.find_rating(user.id, movie_id, language)) is None:
            raise RatingNotFound
        return rating

    def ratings(self, user: User, query: ListQuery) -> Page[Rating]:
        """Return a page of somebody's ratings."""
        return self.store.ratings(user.id, query)

    def unrate(self, user: User, movie_id: int) -> None:
        """Take a rating back; the favorite stays. Raises RatingNotFound."""
        if not self.store.remove_rating(user.id, movie_id):
            raise RatingNotFound

    def marks(self, user: User, movie_ids: Iterable[int]) -> Mapping[int, Mark]:
        """Return what these movies are to somebody."""
        return self.store.marks(user.id, movie_ids)

    def _bring_home(self, movie_id: int) -> None:
        # What is at home already can be kept and rated even while the catalogue is down.
        if not self.store.has_movie(movie_id):
            fetched = self.catalogue.record(movie_id)
            age = timedelta(seconds=fetched.freshness.age)
            self.store.save_movie(fetched.value, self.now() - age)
