"""The domain models: movies, users, favorites and ratings."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum, StrEnum
from typing import Generic, TypeVar

from butaca.core.errors import StarsOutOfRange

T = TypeVar("T")

MAX_PAGE = 500
"""The last page that TMDB serves, whatever its `total_pages` is; above, it returns 400."""

MAX_ID = 2**31 - 1
"""The largest movie or user ID that every store can hold."""

DEFAULT_LANGUAGE = "en-US"
"""TMDB's default language. Butaca's own default is a setting."""


@dataclass(frozen=True, slots=True)
class Movie:
    """A movie in a list, with TMDB's field names; missing texts are `None`."""

    id: int
    title: str
    original_title: str
    original_language: str
    overview: str | None = None
    release_date: date | None = None
    genre_ids: tuple[int, ...] = ()
    popularity: float = 0.0
    vote_average: float = 0.0
    vote_count: int = 0
    adult: bool = False
    video: bool = False
    poster_path: str | None = None
    backdrop_path: str | None = None


@dataclass(frozen=True, slots=True)
class Genre:
    """A genre, named in the language of the response."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Collection:
    """The series that a movie belongs to."""

    id: int
    name: str
    poster_path: str | None = None
    backdrop_path: str | None = None


@dataclass(frozen=True, slots=True)
class Company:
    """A production company; `origin_country` is an ISO 3166-1 code."""

    id: int
    name: str
    logo_path: str | None = None
    origin_country: str | None = None


@dataclass(frozen=True, slots=True)
class Country:
    """A country of production."""

    iso_3166_1: str
    name: str


@dataclass(frozen=True, slots=True)
class SpokenLanguage:
    """A language spoken in a movie."""

    iso_639_1: str
    name: str
    english_name: str | None = None


@dataclass(frozen=True, slots=True, weakref_slot=True)
class MovieDetails:
    """The details of a movie, with TMDB's field names; missing texts are `None`.

    `runtime` is in minutes; `budget` and `revenue` are in US dollars, 0 if unknown. Source:
    https://developer.themoviedb.org/reference/movie-details.
    """

    id: int
    title: str
    original_title: str
    original_language: str
    overview: str | None = None
    tagline: str | None = None
    release_date: date | None = None
    runtime: int | None = None
    status: str | None = None
    genres: tuple[Genre, ...] = ()
    popularity: float = 0.0
    vote_average: float = 0.0
    vote_count: int = 0
    adult: bool = False
    video: bool = False
    budget: int = 0
    revenue: int = 0
    homepage: str | None = None
    imdb_id: str | None = None
    origin_country: tuple[str, ...] = ()
    belongs_to_collection: Collection | None = None
    production_companies: tuple[Company, ...] = ()
    production_countries: tuple[Country, ...] = ()
    spoken_languages: tuple[SpokenLanguage, ...] = ()
    poster_path: str | None = None
    backdrop_path: str | None = None


@dataclass(frozen=True, slots=True)
class Translation:
    """A movie's texts in one language and region; `None` if not translated."""

    language: str
    region: str
    title: str | None = None
    overview: str | None = None
    tagline: str | None = None
    homepage: str | None = None
    runtime: int | None = None


@dataclass(frozen=True, slots=True)
class MovieRecord:
    """A complete movie: its details, the language of those, and all translations."""

    details: MovieDetails
    translations: tuple[Translation, ...] = ()
    language: str = DEFAULT_LANGUAGE


@dataclass(frozen=True, slots=True)
class StoredMovie:
    """A stored movie, and how current it is.

    `fetched_at` is the time of the last fetch; `checked_at`, that of the last fetch or check;
    `gone_at`, the time since when upstream no longer has it; `is_referenced`, whether any user has
    favorited or rated it.
    """

    id: int
    fetched_at: datetime
    checked_at: datetime
    gone_at: datetime | None = None
    is_referenced: bool = True


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Page(Generic[T]):
    """One page of a longer list. Pages are numbered from 1."""

    results: tuple[T, ...]
    page: int
    page_size: int
    total_results: int
    total_pages: int


class Source(Enum):
    """How the catalogue obtained a response."""

    HIT = "hit"
    MISS = "miss"
    COLLAPSED = "collapsed"
    """From the upstream call of another request."""
    STALE = "stale"
    COOLDOWN = "cooldown"
    UPDATING = "updating"
    """From the cache, stale, while a fresh response is being fetched."""
    BUSY = "busy"


@dataclass(frozen=True, slots=True)
class Freshness:
    """Where a response comes from, and how old it is. `age` and `ttl` are in seconds.

    `ttl` is the time left during which the same call is not sent upstream again; it is negative for
    a stale response. `upstream_status` is the HTTP status with which upstream failed.
    """

    source: Source = Source.MISS
    age: int = 0
    ttl: int = 0
    stored: bool = False
    upstream_status: int | None = None


@dataclass(frozen=True, slots=True)
class Fetched(Generic[T]):
    """A response of the catalogue, with its freshness."""

    value: T
    freshness: Freshness = Freshness()


class Role(StrEnum):
    """The permissions of a user. An ADMIN has all those of a USER."""

    USER = "USER"
    ADMIN = "ADMIN"

    def includes(self, other: "Role") -> bool:
        """Return whether this role has all permissions of `other`."""
        return self is other or self is Role.ADMIN


@dataclass(frozen=True, slots=True)
class User:
    """A user of the API."""

    id: int
    name: str
    role: Role


class TokenState(StrEnum):
    """The state of a token."""

    VALID = "valid"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Token:
    """A token as operators see it: its owner and its lifetime, without the secret."""

    id: int
    owner: User
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def state(self, at: datetime) -> TokenState:
        """Return the state at a given time. At `expires_at` itself the token has expired."""
        if self.revoked_at is not None:
            return TokenState.REVOKED
        is_expired = self.expires_at is not None and at >= self.expires_at
        return TokenState.EXPIRED if is_expired else TokenState.VALID


@dataclass(frozen=True, slots=True, order=True)
class Stars:
    """A rating from 0 to 5 in steps of 0.5, stored exactly as half stars (0 to 10)."""

    halves: int

    def __post_init__(self) -> None:
        if not 0 <= self.halves <= 10:  # noqa: PLR2004
            raise StarsOutOfRange

    @classmethod
    def of(cls, number: float) -> "Stars":
        """Convert a number of stars, such as 4.5. Raises StarsOutOfRange."""
        # Check the range first: NaN and the infinities cannot be converted to an integer.
        if isinstance(number, bool) or not 0 <= number <= 5 or number * 2 % 1:  # noqa: PLR2004
            raise StarsOutOfRange
        return cls(int(number * 2))

    @property
    def number(self) -> float:
        """The number of stars, such as 4.5."""
        return self.halves / 2


@dataclass(frozen=True, slots=True)
class Favorite:
    """A user's favorite, with the stars that the user gave it, if any.

    `language` is that of the movie's texts.
    """

    movie: MovieDetails
    rating: Stars | None
    favorited_at: datetime
    language: str = DEFAULT_LANGUAGE


@dataclass(frozen=True, slots=True)
class Rating:
    """A user's rating of a movie. `language` is that of the movie's texts."""

    movie: MovieDetails
    stars: Stars
    rated_at: datetime
    corrected_at: datetime | None = None
    language: str = DEFAULT_LANGUAGE


@dataclass(frozen=True, slots=True)
class Mark:
    """Whether a movie is a favorite of the requesting user, and how the user rated it."""

    favorite: bool = False
    rating: Stars | None = None


@dataclass(frozen=True, slots=True)
class UserMovie:
    """A movie that a user has favorited, rated, or both. Fields that do not apply are `None`."""

    movie: MovieDetails
    favorited_at: datetime | None = None
    stars: Stars | None = None
    rated_at: datetime | None = None
    corrected_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Export:
    """All favorites and ratings of a user at a given time; pages are fetched on iteration."""

    user: User
    exported_at: datetime
    pages: Iterator[tuple[UserMovie, ...]]
