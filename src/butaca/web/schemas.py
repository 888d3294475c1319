"""What goes in and what comes out: the shapes of the contract."""

from datetime import date, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SerializationInfo,
    WithJsonSchema,
)

from butaca.core.errors import SortUnknown
from butaca.core.listing import (
    FAVORITE_KEYS,
    RATING_KEYS,
    ListQuery,
    SortKey,
    SortOrder,
    sort_order,
)
from butaca.core.models import MAX_ID, MAX_PAGE, Role
from butaca.core.models import Stars as CoreStars

MAX_PAGE_SIZE = 100


def _digits(value: Any) -> Any:
    """Refuse what Python takes for a number, and a URL should not: `1.0`, `1_0`."""
    if isinstance(value, str) and not (value.isascii() and value.isdigit()):
        raise ValueError("Input should be a whole number")
    return value


def _json_number(value: Any) -> Any:
    """Keep `true` and `"3"` apart from numbers, as JSON does."""
    if isinstance(value, bool | str):
        raise ValueError("Input should be a number")  # noqa: TRY004 - pydantic collects these
    return value


Digits = BeforeValidator(_digits)
Language = Annotated[
    str,
    Field(
        pattern=r"^[a-z]{2}(-[A-Z]{2})?$",
        description="`xx` (ISO 639-1) or `xx-YY` (with ISO 3166-1), such as `es-AR`.",
        examples=["es-AR"],
    ),
]
Region = Annotated[
    str,
    Field(pattern=r"^[A-Z]{2}$", description="ISO 3166-1, such as `AR`.", examples=["AR"]),
]
PageNumber = Annotated[int, Field(ge=1, le=MAX_PAGE, description="Counted from 1."), Digits]
ListPageNumber = Annotated[int, Field(ge=1, le=1_000_000, description="Counted from 1."), Digits]
PageSize = Annotated[int, Field(ge=1, le=MAX_PAGE_SIZE, description="How many at a time."), Digits]
Year = Annotated[int, Field(ge=1870, le=2100, description="Of a release."), Digits]
Include = Annotated[
    Literal["me"],
    Field(description="`me` adds to every movie whether I keep it and how I rated it."),
]
Stars = Annotated[
    float,
    Field(
        ge=0,
        le=5,
        multiple_of=0.5,
        allow_inf_nan=False,
        description="0 to 5 in steps of 0.5. 0 is a rating; to have no rating, delete it.",
        examples=[4.5],
    ),
    BeforeValidator(_json_number),
]
MovieId = Annotated[
    int,
    Field(ge=0, le=MAX_ID, description="TMDB's ID of the movie.", examples=[550]),
    BeforeValidator(_json_number),
]


class Query(BaseModel):
    """A query string. What it does not name is refused before it is read."""

    model_config = ConfigDict(extra="forbid")


class PopularQuery(Query):
    """Which page of the popular movies."""

    page: PageNumber = 1
    language: Language | None = None
    region: Region | None = None
    include: Include | None = None


class SearchQuery(PopularQuery):
    """Which movies to look for."""

    query: Annotated[
        str,
        Field(
            min_length=1,
            max_length=200,
            pattern=r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$",
            description="Words of the title.",
            examples=["fight"],
        ),
    ]
    year: Year | None = None


class DetailsQuery(Query):
    """How to tell of one movie."""

    language: Language | None = None
    include: Include | None = None


class LanguageQuery(Query):
    """In which language to tell of one movie of my own."""

    language: Language | None = None


def _sort_by(default: str, keys: tuple[SortKey, ...]) -> Any:
    """Return the type of an order that is written as a comma list out of `keys`."""
    words = "|".join(keys)
    schema = {
        "type": "string",
        # The look-ahead: no key twice.
        "pattern": rf"^(?!.*({words}).*\1)-?({words})(,-?({words}))*$",
        "description": f"A comma list out of {', '.join(f'`{key}`' for key in keys)}, each once, "
        "with an optional `-` for descending. Movies that lack a date or a rating come last in "
        "either direction. Titles are sorted as stored, in the default language.",
    }
    return Annotated[
        SortOrder,
        BeforeValidator(lambda text: _sort_order(text, keys)),
        WithJsonSchema(schema),
        Field(default=default, validate_default=True),
    ]


def _sort_order(text: Any, keys: tuple[SortKey, ...]) -> SortOrder:
    try:
        return sort_order(text, keys)
    except SortUnknown as error:
        raise ValueError(str(error)) from error


class _ListQuery(LanguageQuery):
    page: ListPageNumber = 1
    page_size: PageSize = 20
    sort: SortOrder

    def to_core(self) -> ListQuery:
        """Return the query in the core's words."""
        return ListQuery(self.sort, self.page, self.page_size, self.language)


class FavoritesQuery(_ListQuery):
    """Which of the favorites, and in which order."""

    sort: _sort_by("-release_date,-rating", FAVORITE_KEYS)  # type: ignore[valid-type]


class RatingsQuery(_ListQuery):
    """Which of the ratings, and in which order."""

    sort: _sort_by("-rated_at", RATING_KEYS)  # type: ignore[valid-type]


class Body(BaseModel):
    """A request body. What it does not name is refused."""

    model_config = ConfigDict(extra="forbid")


class NewFavorite(Body):
    """The movie to keep."""

    movie_id: MovieId


class StarsGiven(Body):
    """The stars to give."""

    stars: Stars

    def to_core(self) -> CoreStars:
        """Return the stars in the core's words."""
        return CoreStars.of(self.stars)


class Answer(BaseModel):
    """Something that is answered, read off an entity of the core by its attributes."""

    model_config = ConfigDict(from_attributes=True)

    @classmethod
    def of(cls, entity: object) -> Self:
        """Return an entity in this shape."""
        return cls.model_validate(entity)


StarsOut = Annotated[
    float,
    BeforeValidator(lambda stars: stars.number),
    Field(description="0 to 5 in steps of 0.5.", examples=[4.5]),
]
Moment = Annotated[
    datetime,
    PlainSerializer(lambda at: at.isoformat().replace("+00:00", "Z"), return_type=str),
    Field(description="UTC, RFC 3339.", json_schema_extra={"format": "date-time"}),
]


class Mark(Answer):
    """What a movie is to me."""

    favorite: bool
    rating: StarsOut | None


def _picture(size: str) -> PlainSerializer:
    def url(path: str | None, info: SerializationInfo[str]) -> str | None:
        return path and f"{info.context}/{size}{path}"

    return PlainSerializer(url, return_type=str | None)


PosterUrl = Annotated[
    str | None,
    Field(validation_alias="poster_path", description="500 pixels wide, ready to use."),
    _picture("w500"),
]
BackdropUrl = Annotated[
    str | None,
    Field(validation_alias="backdrop_path", description="1280 pixels wide, ready to use."),
    _picture("w1280"),
]
Me = Annotated[Mark | None, Field(description="There with `include=me`, and only then.")]


class Movie(Answer):
    """A movie as it stands in a list."""

    id: int
    title: str
    original_title: str
    original_language: str
    overview: str | None
    release_date: date | None
    genre_ids: list[int]
    popularity: float
    vote_average: float
    vote_count: int
    adult: bool
    video: bool
    poster_path: str | None
    poster_url: PosterUrl
    backdrop_path: str | None
    backdrop_url: BackdropUrl
    me: Me = None


class Genre(Answer):
    """A genre."""

    id: int
    name: str


class Collection(Answer):
    """The series that a movie belongs to."""

    id: int
    name: str
    poster_path: str | None
    backdrop_path: str | None


class Company(Answer):
    """A company that produced a movie."""

    id: int
    name: str
    logo_path: str | None
    origin_country: str | None


class Country(Answer):
    """A country that produced a movie."""

    iso_3166_1: str
    name: str


class SpokenLanguage(Answer):
    """A language that is spoken in a movie."""

    iso_639_1: str
    name: str
    english_name: str | None


class MovieDetails(Answer):
    """All that TMDB tells of one movie."""

    id: int
    title: str
    original_title: str
    original_language: str
    overview: str | None
    tagline: str | None
    release_date: date | None
    runtime: Annotated[int | None, Field(description="Minutes.")]
    status: str | None
    genres: list[Genre]
    popularity: float
    vote_average: float
    vote_count: int
    adult: bool
    video: bool
    budget: Annotated[int, Field(description="US dollars; 0 when unknown.")]
    revenue: Annotated[int, Field(description="US dollars; 0 when unknown.")]
    homepage: str | None
    imdb_id: str | None
    origin_country: list[str]
    belongs_to_collection: Collection | None
    production_companies: list[Company]
    production_countries: list[Country]
    spoken_languages: list[SpokenLanguage]
    poster_path: str | None
    poster_url: PosterUrl
    backdrop_path: str | None
    backdrop_url: BackdropUrl
    me: Me = None


class Favorite(Answer):
    """A movie that I keep."""

    movie: MovieDetails
    rating: StarsOut | None
    favorited_at: Moment


class Rating(Answer):
    """The stars that I gave a movie."""

    movie: MovieDetails
    stars: StarsOut
    rated_at: Moment
    corrected_at: Moment | None


class Page(Answer):
    """One page of a longer list."""

    page: int
    page_size: int
    total_pages: int
    total_results: int


class MoviePage(Page):
    """One page of movies, in TMDB's order."""

    results: list[Movie]


class FavoritePage(Page):
    """One page of favorites."""

    results: list[Favorite]


class RatingPage(Page):
    """One page of ratings."""

    results: list[Rating]


class Person(Answer):
    """Somebody who may call."""

    id: int
    name: str
    role: Role


class Cleared(Answer):
    """How many favorites somebody had."""

    user_id: int
    deleted: int


class FieldError(Answer):
    """What is wrong with one part of a request."""

    location: Literal["query", "path", "body"]
    field: str
    message: str


class Problem(Answer):
    """Why a request was not met (RFC 9457)."""

    type: Annotated[str, Field(examples=["urn:butaca:problem:movie-not-found"])]
    title: str
    status: int
    detail: str
    code: Annotated[str, Field(description="For programs.", examples=["movie-not-found"])]
    instance: Annotated[str, Field(description="The path that was asked for.")]
    request_id: Annotated[str, Field(description="What to look for in the log.")]
    errors: Annotated[list[FieldError], Field(description="With status 422 only.")] = []
