"""What Butaca talks about: movies, the people who keep them, and their stars."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum, StrEnum
from typing import Generic, TypeVar

from butaca.core.errors import StarsOutOfRange

T = TypeVar("T")

MAX_PAGE = 500
"""TMDB answers 400 from page 501 on, whatever its `total_pages` says."""

MAX_ID = 2**31 - 1
"""The largest movie or user ID that any of our stores can hold."""


@dataclass(frozen=True, slots=True)
class Movie:
    """A movie as it stands in a list, in TMDB's words; absent texts are `None`."""

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
    """A genre, named in the language of its movie's answer."""

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
    """A company that produced a movie; `origin_country` is ISO 3166-1."""

    id: int
    name: str
    logo_path: str | None = None
    origin_country: str | None = None


@dataclass(frozen=True, slots=True)
class Country:
    """A country that produced a movie."""

    iso_3166_1: str
    name: str


@dataclass(frozen=True, slots=True)
class SpokenLanguage:
    """A language that is spoken in a movie."""

    iso_639_1: str
    name: str
    english_name: str | None = None


@dataclass(frozen=True, slots=True, weakref_slot=True)
class MovieDetails:
    """All that TMDB tells of one movie, in TMDB's words; absent texts are `None`.

    `runtime` is in minutes, `budget` and `revenue` in US dollars, 0 when unknown.
    Source: https://developer.themoviedb.org/reference/movie-details.
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
    """A movie's texts in one language and region; `None` where nobody translated one."""

    language: str
    region: str
    title: str | None = None
    overview: str | None = None
    tagline: str | None = None
    homepage: str | None = None
    runtime: int | None = None


@dataclass(frozen=True, slots=True)
class MovieRecord:
    """A movie whole: its details, in which language they are, and every translation."""

    details: MovieDetails
    translations: tuple[Translation, ...] = ()
    language: str = "en-US"


@dataclass(frozen=True, slots=True)
class StoredMovie:
    """A movie that is stored, and how true that is.

    `fetched_at` is when it was fetched; `checked_at`, when it was last fetched, found unchanged or
    found gone; `gone_at`, since when upstream does not have it.
    """

    id: int
    fetched_at: datetime
    checked_at: datetime
    gone_at: datetime | None = None
    is_kept: bool = True


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Page(Generic[T]):
    """One page of a longer list. Pages are counted from 1."""

    results: tuple[T, ...]
    page: int
    page_size: int
    total_results: int
    total_pages: int


class Source(Enum):
    """Where an answer of the catalogue came from."""

    HIT = "hit"
    MISS = "miss"
    COLLAPSED = "collapsed"
    """Somebody else's call brought it."""
    STALE = "stale"
    COOLDOWN = "cooldown"
    UPDATING = "updating"
    """Somebody else is fetching it anew."""
    BUSY = "busy"


@dataclass(frozen=True, slots=True)
class Freshness:
    """How an answer was come by, and how old it is. `age` and `ttl` are in seconds.

    `ttl` is what is left of the time in which the same call does not go out again; it
    is negative for a stale answer. `upstream_status` is the status that upstream failed with.
    """

    source: Source = Source.MISS
    age: int = 0
    ttl: int = 0
    stored: bool = False
    upstream_status: int | None = None


@dataclass(frozen=True, slots=True)
class Fetched(Generic[T]):
    """An answer of the catalogue, and how fresh it is."""

    value: T
    freshness: Freshness = Freshness()


class Role(StrEnum):
    """What a person may do. An ADMIN may do all that a USER may."""

    USER = "USER"
    ADMIN = "ADMIN"

    def includes(self, other: "Role") -> bool:
        """Tell whether whoever has this role may do what `other` may."""
        return self is other or self is Role.ADMIN


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may call."""

    id: int
    name: str
    role: Role


class TokenState(StrEnum):
    """Whether a token is good."""

    VALID = "valid"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Token:
    """A token as operators know it: whose it is and until when, not what its bearer sends."""

    id: int
    owner: User
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def state(self, at: datetime) -> TokenState:
        """Tell what it is at a moment; from the moment it expires on, it has expired."""
        if self.revoked_at is not None:
            return TokenState.REVOKED
        is_over = self.expires_at is not None and at >= self.expires_at
        return TokenState.EXPIRED if is_over else TokenState.VALID


@dataclass(frozen=True, slots=True, order=True)
class Stars:
    """A rating from 0 to 5 in steps of a half, held exactly as half stars (0 to 10)."""

    halves: int

    def __post_init__(self) -> None:
        if not 0 <= self.halves <= 10:  # noqa: PLR2004
            raise StarsOutOfRange

    @classmethod
    def of(cls, number: float) -> "Stars":
        """Read a number of stars, such as 4.5. Raises StarsOutOfRange."""
        # Compared before anything is computed: NaN and infinities have no integer.
        if isinstance(number, bool) or not 0 <= number <= 5 or number * 2 % 1:  # noqa: PLR2004
            raise StarsOutOfRange
        return cls(int(number * 2))

    @property
    def number(self) -> float:
        """The stars as people write them: 4.5."""
        return self.halves / 2


@dataclass(frozen=True, slots=True)
class Favorite:
    """A movie that somebody keeps, and the stars they gave it, if any.

    `language` is that of the movie's texts.
    """

    movie: MovieDetails
    rating: Stars | None
    favorited_at: datetime
    language: str = "en-US"


@dataclass(frozen=True, slots=True)
class Rating:
    """The stars that somebody gave a movie. `language` is that of the movie's texts."""

    movie: MovieDetails
    stars: Stars
    rated_at: datetime
    corrected_at: datetime | None = None
    language: str = "en-US"


@dataclass(frozen=True, slots=True)
class Mark:
    """What a movie is to whoever asks: a favorite or not, rated or not."""

    favorite: bool = False
    rating: Stars | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """All that a movie is to somebody: a favorite, rated, or both. What it is not is `None`."""

    movie: MovieDetails
    favorited_at: datetime | None = None
    stars: Stars | None = None
    rated_at: datetime | None = None
    corrected_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Export:
    """All that is somebody's, as of a moment; the pages come one by one, as they are asked for."""

    user: User
    exported_at: datetime
    pages: Iterator[tuple[Entry, ...]]
