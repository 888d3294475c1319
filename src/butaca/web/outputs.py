"""What comes out: the answers of the contract, read off entities of the core."""

from datetime import date, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AliasPath,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SerializationInfo,
)
from pydantic.json_schema import SkipJsonSchema

from butaca.core.models import Role


class Answer(BaseModel):
    """Something that is answered, read off an entity of the core by its attributes."""

    model_config = ConfigDict(from_attributes=True)

    @classmethod
    def of(cls, entity: object) -> Self:
        """Return an entity in this shape."""
        return cls.model_validate(entity)

    @classmethod
    def gap(cls) -> Any:
        """Return what is written as `{}`, for something else to be put there."""
        return cls.model_construct()


Stars = Annotated[
    float,
    BeforeValidator(lambda stars: stars.number),
    Field(description="0 to 5 in steps of 0.5.", examples=[4.5]),
]
Moment = Annotated[
    datetime,
    Field(description="UTC, RFC 3339."),
]


class Mark(Answer):
    """What a movie is to me."""

    favorite: bool
    rating: Stars | None


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


def _no_default(schema: dict[str, Any]) -> None:
    """Let no client take what may be left out for something that is always there."""
    del schema["default"]


Me = Annotated[
    Mark | SkipJsonSchema[None],
    Field(description="There with `include=me`, and only then.", json_schema_extra=_no_default),
]


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


def _of_movie(name: str) -> Any:
    return Field(validation_alias=AliasPath("movie", name))


_GAP = MovieDetails.gap()
WholeMovie = Annotated[MovieDetails, BeforeValidator(lambda _: _GAP)]
"""A gap until it is written: what many keep is written once for all."""


class Favorite(Answer):
    """A movie that I keep."""

    movie: WholeMovie
    rating: Stars | None
    favorited_at: Moment


class Rating(Answer):
    """The stars that I gave a movie."""

    movie: WholeMovie
    stars: Stars
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


class ExportedMovie(Answer):
    """All that a movie is to me. What is null in `favorited_at` or in `stars`, it is not."""

    id: Annotated[int, _of_movie("id")]
    imdb_id: Annotated[str | None, _of_movie("imdb_id")]
    title: Annotated[str, _of_movie("title"), Field(description="In the default language.")]
    original_title: Annotated[str, _of_movie("original_title")]
    release_date: Annotated[date | None, _of_movie("release_date")]
    favorited_at: Moment | None
    stars: Stars | None
    rated_at: Moment | None
    corrected_at: Moment | None


class Export(Answer):
    """All that is mine, in the order of movie IDs. Only what can be read as JSON is whole."""

    exported_at: Moment
    user: Person
    movies: list[ExportedMovie]


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

    type: Annotated[
        str,
        Field(
            description="`urn:butaca:problem:` and the code.",
            examples=["urn:butaca:problem:movie-not-found"],
        ),
    ]
    title: str
    status: int
    detail: str
    code: Annotated[
        str,
        Field(
            description="For programs. There may be more one day: take one that you do not know "
            "for its status.",
            examples=["movie-not-found"],
        ),
    ]
    instance: Annotated[str, Field(description="The path that was asked for.")]
    request_id: Annotated[str, Field(description="What to look for in the log.")]
    errors: Annotated[
        list[FieldError],
        Field(description="With status 422, and only then.", json_schema_extra=_no_default),
    ] = []
