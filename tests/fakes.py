"""In-memory fakes of every port, which behave as the ports specify."""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from threading import Lock
from typing import Any

from butaca.adapters.cache.entries import CacheEntry, Lease
from butaca.core.errors import CatalogueFailed, MovieNotFound, NameTaken
from butaca.core.listing import ListQuery, SortBy, SortKey
from butaca.core.models import (
    Favorite,
    Fetched,
    Freshness,
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
from butaca.core.ports import Bearer, MovieNotStored, PopularQuery, SearchQuery
from butaca.core.translations import localized


@dataclass
class FakeClock:
    """A clock that tests advance, with the wall-clock time and the seconds since its start."""

    moment: datetime = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
    seconds: float = 0.0

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        self.seconds += seconds
        self.moment += timedelta(seconds=seconds)


@dataclass
class FakeCatalogue:
    """A catalogue of given records that raises `failure` if a test sets it."""

    records: dict[int, MovieRecord] = field(default_factory=dict)
    pages: dict[int, Page[Movie]] = field(default_factory=dict)
    genres_in: dict[str, tuple[Genre, ...]] = field(default_factory=dict)
    failure: CatalogueFailed | None = None
    freshness: Freshness = field(default_factory=Freshness)
    calls: list[object] = field(default_factory=list)

    def add(self, *records: MovieRecord) -> None:
        self.records |= {record.details.id: record for record in records}

    def popular(self, query: PopularQuery) -> Fetched[Page[Movie]]:
        self._called(query)
        return Fetched(self.pages.get(query.page) or _empty_page(query.page), self.freshness)

    def search(self, query: SearchQuery) -> Fetched[Page[Movie]]:
        self._called(query)
        movies = [movie for page in self.pages.values() for movie in page.results]
        matches = tuple(movie for movie in movies if query.text.lower() in movie.title.lower())
        return Fetched(replace(_empty_page(query.page), results=matches), self.freshness)

    def details(self, movie_id: int, language: str) -> Fetched[MovieDetails]:
        self._called((movie_id, language))
        record = self._record(movie_id)
        movie, _ = localized(record, language)
        return Fetched(movie, self.freshness)

    def record(self, movie_id: int) -> Fetched[MovieRecord]:
        self._called(movie_id)
        return Fetched(self._record(movie_id), self.freshness)

    def genres(self, language: str) -> Fetched[tuple[Genre, ...]]:
        self._called(language)
        return Fetched(self.genres_in.get(language, ()), self.freshness)

    def _called(self, call: object) -> None:
        self.calls.append(call)
        if self.failure:
            raise self.failure

    def _record(self, movie_id: int) -> MovieRecord:
        if movie_id not in self.records:
            raise MovieNotFound
        return self.records[movie_id]


def _empty_page(page: int) -> Page[Movie]:
    return Page(results=(), page=page, page_size=20, total_results=0, total_pages=1)


@dataclass(frozen=True)
class _Rated:
    stars: Stars
    rated_at: datetime
    corrected_at: datetime | None = None


@dataclass
class FakeLibrary:
    """Favorites and ratings in dicts, the reference model for the tests of the real stores."""

    movies: dict[int, MovieRecord] = field(default_factory=dict)
    favorited: dict[tuple[int, int], datetime] = field(default_factory=dict)
    rated: dict[tuple[int, int], _Rated] = field(default_factory=dict)

    def save_movie(self, record: MovieRecord, at: datetime) -> None:
        self.movies[record.details.id] = record

    def add_favorite(self, user_id: int, movie_id: int, at: datetime) -> tuple[Favorite, bool]:
        self._require_movie(movie_id)
        is_new = (user_id, movie_id) not in self.favorited
        self.favorited.setdefault((user_id, movie_id), at)
        return self._favorite(user_id, movie_id, None), is_new

    def remove_favorite(self, user_id: int, movie_id: int) -> bool:
        return self.favorited.pop((user_id, movie_id), None) is not None

    def clear_favorites(self, user_id: int) -> int:
        keys = [key for key in self.favorited if key[0] == user_id]
        for key in keys:
            del self.favorited[key]
        return len(keys)

    def find_favorite(
        self, user_id: int, movie_id: int, language: str | None = None
    ) -> Favorite | None:
        if (user_id, movie_id) not in self.favorited:
            return None
        return self._favorite(user_id, movie_id, language)

    def _favorite(self, user_id: int, movie_id: int, language: str | None) -> Favorite:
        rated = self.rated.get((user_id, movie_id))
        movie, text_language = localized(self.movies[movie_id], language)
        return Favorite(
            movie=movie,
            rating=rated.stars if rated else None,
            favorited_at=self.favorited[user_id, movie_id],
            language=text_language,
        )

    def favorites(self, user_id: int, query: ListQuery) -> Page[Favorite]:
        ids = self._ordered(
            (movie for user, movie in self.favorited if user == user_id), user_id, query
        )
        found = (self.find_favorite(user_id, movie, query.language) for movie in ids)
        return _paginate([each for each in found if each], query)

    def rate(self, user_id: int, movie_id: int, stars: Stars, at: datetime) -> tuple[Rating, bool]:
        self._require_movie(movie_id)
        is_new = (user_id, movie_id) not in self.rated
        self.rated.setdefault((user_id, movie_id), _Rated(stars, at))
        return self._replace_stars(user_id, movie_id, stars, at), is_new

    def update_rating(
        self, user_id: int, movie_id: int, stars: Stars, at: datetime
    ) -> Rating | None:
        if (user_id, movie_id) not in self.rated:
            return None
        return self._replace_stars(user_id, movie_id, stars, at)

    def _replace_stars(self, user_id: int, movie_id: int, stars: Stars, at: datetime) -> Rating:
        rated = self.rated[user_id, movie_id]
        if rated.stars != stars:
            self.rated[user_id, movie_id] = replace(rated, stars=stars, corrected_at=at)
        return self._rating(user_id, movie_id, None)

    def remove_rating(self, user_id: int, movie_id: int) -> bool:
        return self.rated.pop((user_id, movie_id), None) is not None

    def find_rating(
        self, user_id: int, movie_id: int, language: str | None = None
    ) -> Rating | None:
        if (user_id, movie_id) not in self.rated:
            return None
        return self._rating(user_id, movie_id, language)

    def _rating(self, user_id: int, movie_id: int, language: str | None) -> Rating:
        rated = self.rated[user_id, movie_id]
        movie, text_language = localized(self.movies[movie_id], language)
        return Rating(
            movie=movie,
            stars=rated.stars,
            rated_at=rated.rated_at,
            corrected_at=rated.corrected_at,
            language=text_language,
        )

    def ratings(self, user_id: int, query: ListQuery) -> Page[Rating]:
        ids = self._ordered(
            (movie for user, movie in self.rated if user == user_id), user_id, query
        )
        found = (self.find_rating(user_id, movie, query.language) for movie in ids)
        return _paginate([each for each in found if each], query)

    def marks(self, user_id: int, movie_ids: Iterable[int]) -> Mapping[int, Mark]:
        rated = {movie: self.rated.get((user_id, movie)) for movie in movie_ids}
        return {
            movie: Mark((user_id, movie) in self.favorited, each.stars if each else None)
            for movie, each in rated.items()
        }

    def user_movies(self, user_id: int, after: int, limit: int) -> tuple[UserMovie, ...]:
        movie_ids = sorted(
            movie
            for user, movie in {*self.favorited, *self.rated}
            if user == user_id and movie > after
        )
        return tuple(self._user_movie(user_id, movie) for movie in movie_ids[:limit])

    def _user_movie(self, user_id: int, movie_id: int) -> UserMovie:
        rated = self.rated.get((user_id, movie_id))
        return UserMovie(
            movie=self.movies[movie_id].details,
            favorited_at=self.favorited.get((user_id, movie_id)),
            stars=rated.stars if rated else None,
            rated_at=rated.rated_at if rated else None,
            corrected_at=rated.corrected_at if rated else None,
        )

    def _require_movie(self, movie_id: int) -> None:
        if movie_id not in self.movies:
            raise MovieNotStored

    def _matches(self, movie_id: int, user_id: int, query: ListQuery) -> bool:
        wanted, record = query.filter, self.movies[movie_id]
        rated = self.rated.get((user_id, movie_id))
        released = record.details.release_date
        titles = {record.details.title} | {
            each.title or ""
            for each in record.translations
            if each.language == (query.language or "").partition("-")[0]
        }
        return all(
            (
                wanted.rated is None or wanted.rated == (rated is not None),
                wanted.favorite is None
                or wanted.favorite == ((user_id, movie_id) in self.favorited),
                wanted.min_rating is None or (rated and rated.stars >= wanted.min_rating),
                wanted.genre is None or wanted.genre in {g.id for g in record.details.genres},
                wanted.year_from is None or (released and released.year >= wanted.year_from),
                wanted.year_to is None or (released and released.year <= wanted.year_to),
                wanted.title is None or any(_folded(wanted.title) in _folded(t) for t in titles),
            )
        )

    def _ordered(self, movie_ids: Iterable[int], user_id: int, query: ListQuery) -> list[int]:
        ids = sorted(movie for movie in movie_ids if self._matches(movie, user_id, query))
        for by in reversed(query.sort):  # Sorting is stable, so the first key comes last.
            ids = self._ordered_by(ids, user_id, by)
        return ids

    def _ordered_by(self, ids: list[int], user_id: int, by: SortBy) -> list[int]:
        keys = {movie: self._key(movie, user_id, by.key) for movie in ids}
        present = [movie for movie in ids if keys[movie] is not None]
        missing = [movie for movie in ids if keys[movie] is None]
        return sorted(present, key=lambda movie: keys[movie], reverse=by.descending) + missing

    def _key(self, movie_id: int, user_id: int, key: SortKey) -> Any:
        details = self.movies[movie_id].details
        rated = self.rated.get((user_id, movie_id))
        match key:
            case SortKey.RELEASE_DATE:
                return details.release_date
            case SortKey.TITLE:
                return _folded(details.title)
            case SortKey.RATING:
                return rated and rated.stars.halves
            case SortKey.RATED_AT:
                return rated and rated.rated_at
            case SortKey.FAVORITED_AT:
                return self.favorited.get((user_id, movie_id))


def _folded(title: str) -> bytes:
    folded = unicodedata.normalize("NFKD", title).casefold()
    return "".join(c for c in folded if not unicodedata.combining(c)).encode()


def _paginate(entries: list[Any], query: ListQuery) -> Page[Any]:
    start = (query.page - 1) * query.page_size
    return Page(
        results=tuple(entries[start : start + query.page_size]),
        page=query.page,
        page_size=query.page_size,
        total_results=len(entries),
        total_pages=-(-len(entries) // query.page_size),
    )


@dataclass
class FakeMovies:
    """The stored movies of a library and the times of their fetches and checks, in dicts."""

    library: FakeLibrary = field(default_factory=FakeLibrary)
    stored: dict[int, StoredMovie] = field(default_factory=dict)

    def movies(self, after: int, limit: int) -> Sequence[StoredMovie]:
        ids = sorted(movie_id for movie_id in self.stored if movie_id > after)[:limit]
        return [replace(self.stored[each], is_referenced=self._is_referenced(each)) for each in ids]

    def save_movie(self, record: MovieRecord, at: datetime) -> None:
        self.library.save_movie(record, at)
        movie_id = record.details.id
        self.stored[movie_id] = StoredMovie(movie_id, fetched_at=at, checked_at=at)

    def mark_unchanged(self, movie_ids: Iterable[int], at: datetime) -> None:
        for movie_id in self.stored.keys() & set(movie_ids):
            self.stored[movie_id] = replace(self.stored[movie_id], checked_at=at)

    def mark_gone(self, movie_id: int, at: datetime) -> None:
        if movie := self.stored.get(movie_id):
            gone_at = movie.gone_at or at
            self.stored[movie_id] = replace(movie, checked_at=at, gone_at=gone_at)

    def drop_unreferenced(self, movie_ids: Iterable[int]) -> int:
        unreferenced = [
            each for each in self.stored.keys() & set(movie_ids) if not self._is_referenced(each)
        ]
        for movie_id in unreferenced:
            del self.stored[movie_id], self.library.movies[movie_id]
        return len(unreferenced)

    def _is_referenced(self, movie_id: int) -> bool:
        marks = [*self.library.favorited, *self.library.rated]
        return any(each == movie_id for _user_id, each in marks)


@dataclass
class FakeChanges:
    """Lists of changed movies by day, which raise `failure` if a test sets it.

    `pages` overrides the number of pages that every list reports.
    """

    changed: dict[int, date] = field(default_factory=dict)
    page_size: int = 100
    pages: int | None = None
    failure: CatalogueFailed | None = None
    calls: list[tuple[date, date, int]] = field(default_factory=list)

    def changes(self, first: date, last: date, page: int = 1) -> Page[int]:
        self.calls.append((first, last, page))
        if self.failure:
            raise self.failure
        ids = sorted(each for each, day in self.changed.items() if first <= day <= last)
        start = (page - 1) * self.page_size
        found = tuple(ids[start : start + self.page_size])
        pages = self.pages or max(-(-len(ids) // self.page_size), 1)
        return Page(found, page, self.page_size, total_results=len(ids), total_pages=pages)


@dataclass
class FakeAccounts:
    """Users and tokens in dicts."""

    users: dict[int, User] = field(default_factory=dict)
    bearers: dict[str, Bearer] = field(default_factory=dict)
    created: dict[str, datetime] = field(default_factory=dict)
    last_id: int = 1000

    def find_bearer(self, token_sha256: str) -> Bearer | None:
        return self.bearers.get(token_sha256)

    def find_user(self, user_id: int) -> User | None:
        return self.users.get(user_id)

    def grant_token(self, user: User, token_sha256: str, at: datetime) -> bool:
        is_name_taken = any(each.name == user.name for each in self.users.values() if each != user)
        if is_name_taken or self.users.setdefault(user.id, user) != user:
            return False
        self.bearers.setdefault(token_sha256, Bearer(user, token_sha256))
        self.created.setdefault(token_sha256, at)
        if self.bearers[token_sha256].user == user:
            self.bearers[token_sha256] = replace(self.bearers[token_sha256], revoked_at=None)
        return self.bearers[token_sha256].user == user

    def revoke_by_digest(self, token_sha256: str, at: datetime) -> bool:
        bearer = self.bearers.get(token_sha256)
        if bearer is None or bearer.revoked_at is not None:
            return False
        self.bearers[token_sha256] = replace(bearer, revoked_at=at)
        return True

    def add_user(self, name: str, role: Role, at: datetime) -> User:
        if self.find_user_by_name(name):
            raise NameTaken
        user = User(max([self.last_id, *self.users]) + 1, name, role)
        self.users[user.id] = user
        return user

    def find_user_by_name(self, name: str) -> User | None:
        return next((user for user in self.users.values() if user.name == name), None)

    def set_role(self, user_id: int, role: Role) -> bool:
        if (user := self.users.get(user_id)) is None:
            return False
        self.users[user_id] = changed = replace(user, role=role)
        self.bearers = {
            sha256: replace(each, user=changed) if each.user == user else each
            for sha256, each in self.bearers.items()
        }
        return True

    def remove_user(self, user_id: int) -> bool:
        user = self.users.pop(user_id, None)
        self.last_id = max(self.last_id, user_id if user else 0)
        for sha256 in [key for key, each in self.bearers.items() if each.user == user]:
            del self.bearers[sha256], self.created[sha256]
        return user is not None

    def all_users(self) -> tuple[User, ...]:
        return tuple(self.users[user_id] for user_id in sorted(self.users))

    def add_token(
        self, owner: User, token_sha256: str, at: datetime, expires_at: datetime | None
    ) -> Token:
        self.bearers[token_sha256] = Bearer(owner, token_sha256, expires_at)
        self.created[token_sha256] = at
        return self.tokens()[-1]

    def find_token(self, token_id: int) -> Token | None:
        return next((token for token in self.tokens() if token.id == token_id), None)

    def tokens(self, user_id: int | None = None) -> tuple[Token, ...]:
        tokens = (
            Token(number, each.user, self.created[sha256], each.expires_at, each.revoked_at)
            for number, (sha256, each) in enumerate(self.bearers.items(), start=1)
        )
        return tuple(each for each in tokens if user_id in {None, each.owner.id})

    def revoke_token(self, token_id: int, at: datetime) -> bool:
        return any(
            self.revoke_by_digest(sha256, at)
            for number, sha256 in enumerate(self.bearers, start=1)
            if number == token_id
        )

    def revoke_tokens(self, user_id: int, at: datetime) -> tuple[int, ...]:
        token_ids = [token.id for token in self.tokens(user_id)]
        return tuple(token_id for token_id in token_ids if self.revoke_token(token_id, at))


@dataclass
class FakeCache:
    """A cache in a dict, on a clock that tests advance."""

    clock: FakeClock = field(default_factory=FakeClock)
    entries: dict[str, tuple[bytes, float]] = field(default_factory=dict)
    leased: set[str] = field(default_factory=set)
    is_down: bool = False

    def get(self, key: str) -> CacheEntry[bytes] | None:
        if self.is_down or key not in self.entries:
            return None
        body, put_at = self.entries[key]
        return CacheEntry(body, self.clock.seconds - put_at)

    def put(self, key: str, body: bytes, lease: Lease | None = None) -> bool:
        if self.is_down:
            return False
        self.entries[key] = (body, self.clock.seconds)
        if lease:
            self._release(lease)
        return True

    @contextmanager
    def lease(self, key: str, seconds: float) -> Iterator[Lease]:
        leads = self.is_down or key not in self.leased
        self.leased |= {key} if leads else set()
        lease = Lease(leads, self.get(key), token=key if leads else None)
        try:
            yield lease
        finally:
            self._release(lease)

    def _release(self, lease: Lease) -> None:
        self.leased -= {lease.token}
        lease.token = None


@dataclass
class FakeHealth:
    """The health of an upstream, on a clock that tests advance."""

    clock: FakeClock = field(default_factory=FakeClock)
    cooldown: float = 5.0
    probe_timeout: float = 6.0
    cooldown_until: float = 0.0
    rejected_until: float = 0.0
    is_unhealthy: bool = False
    invalid_until: dict[str, float] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock, repr=False)

    def cooldown_left(self, key: str) -> float:
        until = max(self.cooldown_until, self.rejected_until, self.invalid_until.get(key, 0.0))
        return max(until - self.clock.seconds, 0.0)

    def claim_call(self) -> float:
        with self.lock:
            left = max(max(self.cooldown_until, self.rejected_until) - self.clock.seconds, 0.0)
            if self.is_unhealthy and not left:
                self.cooldown_until = self.clock.seconds + self.probe_timeout
            return left

    def record_failure(self) -> None:
        self.is_unhealthy = True
        self.cooldown_until = self.clock.seconds + self.cooldown

    def record_rejected_api_key(self) -> None:
        self.is_unhealthy = True
        self.rejected_until = self.clock.seconds + self.cooldown

    def record_success(self) -> None:
        self.is_unhealthy = False
        self.cooldown_until = self.rejected_until = 0.0

    def record_invalid_response(self, key: str) -> None:
        self.invalid_until[key] = self.clock.seconds + self.cooldown
        self.record_success()


@dataclass
class FakeRateLimiter:
    """A limiter that allows every call unless a test sets `wait`."""

    wait: int = 0
    calls: list[tuple[str, str]] = field(default_factory=list)

    def seconds_to_wait(self, caller: str, kind: str) -> int:
        self.calls.append((caller, kind))
        return self.wait
