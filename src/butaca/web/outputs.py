"""Response schemas: the bodies of the contract, created from entities of the core."""

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


class ResponseModel(BaseModel):
    """A response body, or a part of one, read from the attributes of a core entity."""

    model_config = ConfigDict(from_attributes=True)

    @classmethod
    def of(cls, entity: object) -> Self:
        """Convert an entity of the core to this schema."""
        return cls.model_validate(entity)

    @classmethod
    def placeholder(cls) -> Any:
        """Return an instance that is serialized as `{}`, to be replaced in the JSON."""
        return cls.model_construct()


Stars = Annotated[
    float,
    BeforeValidator(lambda stars: stars.number),
    Field(description="The number of stars, from 0 to 5 in steps of 0.5.", examples=[4.5]),
]
Timestamp = Annotated[datetime, Field(description="In UTC (RFC 3339).")]


class Mark(ResponseModel):
    """Whether a movie is one of your favorites, and how you rated it."""

    favorite: Annotated[bool, Field(description="Whether the movie is one of your favorites.")]
    rating: Annotated[Stars | None, Field(description="Your rating, or `null` if you have none.")]


def _image_url(size: str) -> PlainSerializer:
    def url(path: str | None, info: SerializationInfo[str]) -> str | None:
        return path and f"{info.context}/{size}{path}"

    return PlainSerializer(url, return_type=str | None)


PosterUrl = Annotated[
    str | None,
    Field(
        validation_alias="poster_path",
        description="The URL of the poster, in an image 500 pixels wide.",
    ),
    _image_url("w500"),
]
BackdropUrl = Annotated[
    str | None,
    Field(
        validation_alias="backdrop_path",
        description="The URL of the backdrop, in an image 1280 pixels wide.",
    ),
    _image_url("w1280"),
]


def _drop_default(schema: dict[str, Any]) -> None:
    """Drop the default, so that generated clients do not treat the field as always present."""
    del schema["default"]


Me = Annotated[
    Mark | SkipJsonSchema[None],
    Field(
        description="Present only if the request has `include=me`.", json_schema_extra=_drop_default
    ),
]

MovieId = Annotated[int, Field(description="The TMDB ID of the movie.")]
Title = Annotated[str, Field(description="The title, in the requested language if translated.")]
OriginalTitle = Annotated[str, Field(description="The title in the original language.")]
OriginalLanguage = Annotated[str, Field(description="The original language (ISO 639-1).")]
Overview = Annotated[str | None, Field(description="A summary of the movie.")]
ReleaseDate = Annotated[date | None, Field(description="The release date.")]
Popularity = Annotated[float, Field(description="TMDB's popularity score.")]
VoteAverage = Annotated[float, Field(description="The average of the votes on TMDB, 0 to 10.")]
VoteCount = Annotated[int, Field(description="The number of votes on TMDB.")]
Adult = Annotated[bool, Field(description="Whether TMDB classifies the movie as adult.")]
Video = Annotated[bool, Field(description="TMDB's `video` flag.")]
ImagePath = Annotated[str | None, Field(description="TMDB's path of the image.")]
ImdbId = Annotated[str | None, Field(description="The IMDb ID of the movie.")]
FavoritedAt = Annotated[
    Timestamp,
    Field(description="When the movie was added to the favorites, in UTC (RFC 3339)."),
]
RatedAt = Annotated[
    Timestamp, Field(description="When the movie was first rated, in UTC (RFC 3339).")
]
CorrectedAt = Annotated[
    Timestamp | None,
    Field(
        description="When the stars were last changed, in UTC (RFC 3339), or `null` if they never "
        "were."
    ),
]


class Movie(ResponseModel):
    """A movie in a list."""

    id: MovieId
    title: Title
    original_title: OriginalTitle
    original_language: OriginalLanguage
    overview: Overview
    release_date: ReleaseDate
    genre_ids: Annotated[
        list[int],
        Field(
            description="The TMDB IDs of the genres. `GET /api/v1/movies/genres` lists their names."
        ),
    ]
    popularity: Popularity
    vote_average: VoteAverage
    vote_count: VoteCount
    adult: Adult
    video: Video
    poster_path: ImagePath
    poster_url: PosterUrl
    backdrop_path: ImagePath
    backdrop_url: BackdropUrl
    me: Me = None


class Genre(ResponseModel):
    """A genre."""

    id: Annotated[int, Field(description="The TMDB ID of the genre.")]
    name: Annotated[str, Field(description="The name of the genre.")]


class GenreList(ResponseModel):
    """All genres of movies."""

    genres: Annotated[list[Genre], Field(description="The genres, in TMDB's order.")]

    @classmethod
    def of(cls, entity: object) -> Self:
        """Convert a sequence of genres to this schema."""
        return cls.model_validate({"genres": entity})


class Collection(ResponseModel):
    """The collection that a movie belongs to, such as a series of movies."""

    id: Annotated[int, Field(description="The TMDB ID of the collection.")]
    name: Annotated[str, Field(description="The name of the collection.")]
    poster_path: ImagePath
    backdrop_path: ImagePath


class Company(ResponseModel):
    """A company that produced a movie."""

    id: Annotated[int, Field(description="The TMDB ID of the company.")]
    name: Annotated[str, Field(description="The name of the company.")]
    logo_path: ImagePath
    origin_country: Annotated[
        str | None, Field(description="The country of the company (ISO 3166-1).")
    ]


class Country(ResponseModel):
    """A country in which a movie was produced."""

    iso_3166_1: Annotated[str, Field(description="The ISO 3166-1 code of the country.")]
    name: Annotated[str, Field(description="The name of the country.")]


class SpokenLanguage(ResponseModel):
    """A language that is spoken in a movie."""

    iso_639_1: Annotated[str, Field(description="The ISO 639-1 code of the language.")]
    name: Annotated[str, Field(description="The name of the language.")]
    english_name: Annotated[str | None, Field(description="The English name of the language.")]


class MovieDetails(ResponseModel):
    """A movie with every field of TMDB's movie details."""

    id: MovieId
    title: Title
    original_title: OriginalTitle
    original_language: OriginalLanguage
    overview: Overview
    tagline: Annotated[str | None, Field(description="The tagline.")]
    release_date: ReleaseDate
    runtime: Annotated[int | None, Field(description="The runtime in minutes.")]
    status: Annotated[str | None, Field(description="TMDB's status, such as `Released`.")]
    genres: Annotated[list[Genre], Field(description="The genres.")]
    popularity: Popularity
    vote_average: VoteAverage
    vote_count: VoteCount
    adult: Adult
    video: Video
    budget: Annotated[int, Field(description="The budget in US dollars, or 0 if unknown.")]
    revenue: Annotated[int, Field(description="The revenue in US dollars, or 0 if unknown.")]
    homepage: Annotated[str | None, Field(description="The URL of the movie's website.")]
    imdb_id: ImdbId
    origin_country: Annotated[list[str], Field(description="The countries of origin (ISO 3166-1).")]
    belongs_to_collection: Collection | None
    production_companies: Annotated[
        list[Company], Field(description="The companies that produced the movie.")
    ]
    production_countries: Annotated[
        list[Country], Field(description="The countries in which the movie was produced.")
    ]
    spoken_languages: Annotated[
        list[SpokenLanguage], Field(description="The languages that are spoken in the movie.")
    ]
    poster_path: ImagePath
    poster_url: PosterUrl
    backdrop_path: ImagePath
    backdrop_url: BackdropUrl
    me: Me = None


def _movie_field(name: str) -> Any:
    return Field(validation_alias=AliasPath("movie", name))


_PLACEHOLDER = MovieDetails.placeholder()
MoviePlaceholder = Annotated[MovieDetails, BeforeValidator(lambda _: _PLACEHOLDER)]
"""A movie is serialized once and copied into the JSON of all its favorites and ratings."""


class Favorite(ResponseModel):
    """A favorite movie of a user."""

    movie: MoviePlaceholder
    rating: Annotated[
        Stars | None, Field(description="The user's rating, or `null` if there is none.")
    ]
    favorited_at: FavoritedAt


class Rating(ResponseModel):
    """A user's rating of a movie."""

    movie: MoviePlaceholder
    stars: Stars
    rated_at: RatedAt
    corrected_at: CorrectedAt


class Page(ResponseModel):
    """One page of a longer list."""

    page: Annotated[int, Field(description="The number of this page, counting from 1.")]
    page_size: Annotated[int, Field(description="The maximum number of results per page.")]
    total_pages: Annotated[int, Field(description="The number of pages.")]
    total_results: Annotated[int, Field(description="The number of results on all pages.")]


class MoviePage(Page):
    """One page of movies, in TMDB's order."""

    results: Annotated[list[Movie], Field(description="The movies on this page.")]


class FavoritePage(Page):
    """One page of favorites."""

    results: Annotated[list[Favorite], Field(description="The favorites on this page.")]


class RatingPage(Page):
    """One page of ratings."""

    results: Annotated[list[Rating], Field(description="The ratings on this page.")]


class User(ResponseModel):
    """A user."""

    id: Annotated[int, Field(description="The ID of the user.")]
    name: Annotated[str, Field(description="The name of the user.")]
    role: Role


class ExportedMovie(ResponseModel):
    """A movie that is a favorite, rated, or both."""

    id: Annotated[MovieId, _movie_field("id")]
    imdb_id: Annotated[ImdbId, _movie_field("imdb_id")]
    title: Annotated[
        str,
        _movie_field("title"),
        Field(description="The title in the service's default language."),
    ]
    original_title: Annotated[OriginalTitle, _movie_field("original_title")]
    release_date: Annotated[ReleaseDate, _movie_field("release_date")]
    favorited_at: Annotated[
        Timestamp | None,
        Field(
            description="When the movie was added to the favorites, in UTC (RFC 3339), or `null` "
            "if it is not a favorite."
        ),
    ]
    stars: Annotated[
        Stars | None,
        Field(
            description="The number of stars, from 0 to 5 in steps of 0.5, or `null` if the movie "
            "is not rated."
        ),
    ]
    rated_at: Annotated[
        Timestamp | None,
        Field(
            description="When the movie was first rated, in UTC (RFC 3339), or `null` if it is "
            "not rated."
        ),
    ]
    corrected_at: CorrectedAt


class Export(ResponseModel):
    """All favorites and ratings of a user. An export that was interrupted is not valid JSON."""

    exported_at: Annotated[
        Timestamp, Field(description="When the export was created, in UTC (RFC 3339).")
    ]
    user: User
    movies: Annotated[
        list[ExportedMovie],
        Field(description="The movies that are favorites or rated, ordered by movie ID."),
    ]


class ClearedFavorites(ResponseModel):
    """The result of deleting all favorites of a user."""

    user_id: Annotated[int, Field(description="The ID of the user.")]
    deleted: Annotated[int, Field(description="The number of favorites that were deleted.")]


class FieldError(ResponseModel):
    """An invalid part of a request."""

    location: Annotated[
        Literal["query", "path", "body"], Field(description="The part of the request.")
    ]
    field: Annotated[
        str,
        Field(
            description="The name of the parameter or field, or `body` if the body as a whole is "
            "invalid."
        ),
    ]
    message: Annotated[str, Field(description="What is wrong with it.")]


class Problem(ResponseModel):
    """An error response (RFC 9457)."""

    type: Annotated[
        str,
        Field(
            description="A URI that identifies the kind of problem: `urn:butaca:problem:` "
            "followed by the code.",
            examples=["urn:butaca:problem:movie-not-found"],
        ),
    ]
    title: Annotated[
        str,
        Field(description="A short summary of the kind of problem. Its wording may change."),
    ]
    status: Annotated[int, Field(description="The HTTP status code.")]
    detail: Annotated[
        str,
        Field(
            description="A sentence that explains the problem and is safe to show to users. Its "
            "wording may change."
        ),
    ]
    code: Annotated[
        str,
        Field(
            description="Identifies the kind of problem, for programs. New codes may be added: "
            "treat an unknown code according to its status.",
            examples=["movie-not-found"],
        ),
    ]
    instance: Annotated[str, Field(description="The path of the request.")]
    request_id: Annotated[
        str, Field(description="Identifies the request in the server's log, as `X-Request-Id`.")
    ]
    errors: Annotated[
        list[FieldError],
        Field(
            description="What is invalid in the request. Present only if the status is 422.",
            json_schema_extra=_drop_default,
        ),
    ] = []
