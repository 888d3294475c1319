"""Request schemas: the query parameters and bodies of the contract."""

import re
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from butaca.core.errors import InvalidSortOrder, StarsOutOfRange
from butaca.core.listing import (
    FAVORITE_KEYS,
    RATING_KEYS,
    Filter,
    ListQuery,
    SortKey,
    SortOrder,
    fold_text,
    sort_order,
)
from butaca.core.models import MAX_ID, MAX_PAGE, Stars
from butaca.core.translations import LANGUAGE_PATTERN
from butaca.web.error_messages import error_message, integer_range

MAX_BODY_SIZE = 16 * 1024
"""The maximum size of a request body, in bytes. No route needs more than a few dozen."""

MAX_PAGE_SIZE = 100
_MAX_LIST_PAGE = 1_000_000
_FIRST_YEAR, _LAST_YEAR = 1870, 2100
_MAX_LENGTH = 200


def _digits(value: Any) -> Any:
    """Reject spellings of integers that Python accepts, such as `1.0`, `1_0` and `+1`."""
    if isinstance(value, str) and not value.isdigit():
        raise ValueError(value)
    return value


def _json_number(value: Any) -> Any:
    """Reject `true` and `"3"`, which JSON distinguishes from numbers."""
    if isinstance(value, bool | str):
        raise ValueError(value)  # noqa: TRY004 - pydantic does not catch TypeError.
    return value


def _true_or_false(value: Any) -> Any:
    """Reject the other texts that pydantic accepts as a boolean, such as `yes` and `1`."""
    if isinstance(value, str) and value not in {"true", "false"}:
        raise ValueError(value)
    return value


def _stars_in_query(value: Any) -> Stars:
    if not re.fullmatch(r"[0-9](\.[05])?", value):
        raise ValueError(value)
    return _stars(float(value))


def _stars(value: Any) -> Stars:
    try:
        return Stars.of(value)
    except (StarsOutOfRange, TypeError) as error:
        raise ValueError(value) from error


def _more_than_accents(text: str) -> str:
    """Reject a text of only spaces and accents. Searches ignore accents, so it would match all."""
    if not fold_text(text).strip():
        raise ValueError(text)
    return text


_LANGUAGES = "`xx` (ISO 639-1) or `xx-YY` (with an ISO 3166-1 region), such as `es-AR`."
_YEARS = f"({_FIRST_YEAR} to {_LAST_YEAR})"

Digits = BeforeValidator(_digits)
Language = Annotated[
    str,
    Field(
        pattern=LANGUAGE_PATTERN,
        description=f"The language of the movie texts: {_LANGUAGES} Defaults to the default "
        "language of the service.",
        examples=["es-AR"],
    ),
    error_message("Must be a language code such as `es` or `es-AR`."),
]
StoredLanguage = Annotated[
    Language,
    Field(
        description=f"The language of the movie texts: {_LANGUAGES} Each text comes from "
        "the translations stored with the movie: an exact match first, then another region of the "
        "same language, then the default language of the service, which is also used without this "
        "parameter.",
    ),
]
GenreLanguage = Annotated[
    Language,
    Field(
        description=f"The language of the names: {_LANGUAGES} Defaults to the default language of "
        "the service.",
    ),
]
Region = Annotated[
    str,
    Field(
        pattern=r"^[A-Z]{2}$",
        description="An ISO 3166-1 country code, such as `AR`, which is passed to TMDB as its "
        "`region` parameter.",
        examples=["AR"],
    ),
    error_message("Must be a country code such as `AR`."),
]
PageNumber = Annotated[
    int,
    Field(
        ge=1,
        le=MAX_PAGE,
        description=f"The page to return, from 1 to {MAX_PAGE}. Defaults to 1.",
        examples=[2],
    ),
    Digits,
    error_message(integer_range(1, MAX_PAGE)),
]
ListPageNumber = Annotated[
    int,
    Field(
        ge=1,
        le=_MAX_LIST_PAGE,
        description=f"The page to return, from 1 to {_MAX_LIST_PAGE}. Defaults to 1.",
        examples=[2],
    ),
    Digits,
    error_message(integer_range(1, _MAX_LIST_PAGE)),
]
PageSize = Annotated[
    int,
    Field(
        ge=1,
        le=MAX_PAGE_SIZE,
        description=f"The number of results per page, from 1 to {MAX_PAGE_SIZE}. Defaults to 20.",
        examples=[50],
    ),
    Digits,
    error_message(integer_range(1, MAX_PAGE_SIZE)),
]
GenreId = Annotated[
    int, Field(ge=0, le=MAX_ID, examples=[18]), Digits, error_message(integer_range(0, MAX_ID))
]
TrueOrFalse = Annotated[
    bool,
    BeforeValidator(_true_or_false),
    Field(examples=[True]),
    error_message("Must be `true` or `false`."),
]
SearchText = Annotated[
    str,
    Field(
        min_length=1,
        max_length=_MAX_LENGTH,
        pattern=r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$",
        examples=["fight"],
    ),
    error_message(
        f"Must be 1 to {_MAX_LENGTH} characters, not only spaces, and without control characters."
    ),
]
TitleFilter = Annotated[
    SearchText,
    AfterValidator(_more_than_accents),
    error_message(
        f"Must be 1 to {_MAX_LENGTH} characters, not only spaces or accents, and without control "
        "characters."
    ),
]
Year = Annotated[
    int,
    Field(ge=_FIRST_YEAR, le=_LAST_YEAR, examples=[1999]),
    Digits,
    error_message(integer_range(_FIRST_YEAR, _LAST_YEAR)),
]
Include = Annotated[
    Literal["me"],
    Field(
        description="With `me`, every movie has a field `me`, which contains whether the movie is "
        "one of your favorites and how you rated it.",
        examples=["me"],
    ),
    error_message("Must be `me`."),
]
_STARS_SCHEMA = {"type": "number", "minimum": 0, "maximum": 5, "multipleOf": 0.5, "examples": [4.5]}
StarsNumber = Annotated[
    Stars,
    BeforeValidator(_stars),
    error_message(StarsOutOfRange.message),
    WithJsonSchema(
        {
            **_STARS_SCHEMA,
            "description": "The number of stars, from 0 to 5 in steps of 0.5. 0 is a rating. To "
            "have no rating, delete it.",
        }
    ),
]
StarsInQuery = Annotated[
    Stars,
    BeforeValidator(_stars_in_query),
    error_message(StarsOutOfRange.message),
    WithJsonSchema(_STARS_SCHEMA),
]
MovieId = Annotated[
    int,
    Field(ge=0, le=MAX_ID, description="The TMDB ID of the movie.", examples=[550]),
    BeforeValidator(_json_number),
    error_message(integer_range(0, MAX_ID)),
]


class Query(BaseModel):
    """A query string. Undeclared parameters are rejected before it is parsed."""

    model_config = ConfigDict(extra="forbid")


class PopularQuery(Query):
    """The query parameters for popular movies."""

    page: PageNumber = 1
    language: Language | None = None
    region: Region | None = None
    include: Include | None = None


class SearchQuery(PopularQuery):
    """The query parameters for a search."""

    query: Annotated[
        SearchText,
        Field(description=f"The words to search for in titles, up to {_MAX_LENGTH} characters."),
    ]
    year: Annotated[
        Year | None,
        Field(description=f"Return only movies with a release in this year {_YEARS}."),
    ] = None


class DetailsQuery(Query):
    """The query parameters for the details of a movie."""

    language: Language | None = None
    include: Include | None = None


class GenresQuery(Query):
    """The query parameters for the genres."""

    language: GenreLanguage | None = None


class LanguageQuery(Query):
    """The query parameters for a favorite or a rating."""

    language: StoredLanguage | None = None


def _sort_by(default: str, keys: tuple[SortKey, ...]) -> Any:
    """Return the type of a sort order, which clients send as a comma-separated list of `keys`."""
    words = "|".join(keys)
    schema = {
        "type": "string",
        # The lookahead rejects a repeated key.
        "pattern": rf"^(?!.*({words}).*\1)-?({words})(,-?({words}))*$",
        "description": "The sort order: a comma-separated list of "
        f"{', '.join(f'`{key}`' for key in keys)}, each at most once. Prefix a key with `-` for "
        "descending order. Movies without a release date or a rating come last in either "
        "direction. Titles are sorted as stored, in the default language of the service. Ties are "
        f"broken by movie ID. Defaults to `{default}`.",
        "examples": [f"{default},title"],
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
    except InvalidSortOrder as error:
        raise ValueError(str(error)) from error


class _ListQuery(LanguageQuery):
    page: ListPageNumber = 1
    page_size: PageSize = 20
    sort: SortOrder
    min_rating: Annotated[
        StarsInQuery | None,
        Field(
            description="Return only movies rated with at least this many stars, from 0 to 5 in "
            "steps of 0.5."
        ),
    ] = None
    genre: Annotated[
        GenreId | None,
        Field(
            description="Return only movies of the genre with this TMDB ID. `GET "
            "/api/v1/movies/genres` lists the IDs."
        ),
    ] = None
    year_from: Annotated[
        Year | None,
        Field(description=f"Return only movies released in this year {_YEARS} or later."),
    ] = None
    year_to: Annotated[
        Year | None,
        Field(description=f"Return only movies released in this year {_YEARS} or earlier."),
    ] = None
    q: Annotated[
        TitleFilter | None,
        Field(
            description="Return only movies whose title contains this text, up to "
            f"{_MAX_LENGTH} characters. Both the stored title and the title in `language` are "
            "searched. Case and accents are ignored, so the text must not consist of spaces and "
            "accents only."
        ),
    ] = None

    def to_core(self) -> ListQuery:
        """Return the query as the core's type."""
        return ListQuery(self.sort, self.page, self.page_size, self.language, self.to_filter())

    def to_filter(self) -> Filter:
        """Return the filters as the core's type."""
        return Filter(
            min_rating=self.min_rating,
            genre=self.genre,
            year_from=self.year_from,
            year_to=self.year_to,
            title=self.q,
        )


class FavoritesQuery(_ListQuery):
    """The query parameters for a list of favorites."""

    sort: _sort_by("-release_date,-rating", FAVORITE_KEYS)  # type: ignore[valid-type]
    rated: Annotated[
        TrueOrFalse | None,
        Field(
            description="With `true`, return only favorites that have a rating. With `false`, "
            "return only favorites that have none."
        ),
    ] = None

    def to_filter(self) -> Filter:
        """Return the filters as the core's type."""
        return replace(super().to_filter(), rated=self.rated)


class RatingsQuery(_ListQuery):
    """The query parameters for a list of ratings."""

    sort: _sort_by("-rated_at", RATING_KEYS)  # type: ignore[valid-type]
    favorite: Annotated[
        TrueOrFalse | None,
        Field(
            description="With `true`, return only ratings of movies that are favorites. With "
            "`false`, return only ratings of movies that are not."
        ),
    ] = None

    def to_filter(self) -> Filter:
        """Return the filters as the core's type."""
        return replace(super().to_filter(), favorite=self.favorite)


class ExportQuery(Query):
    """The query parameters for an export."""

    format: Annotated[
        Literal["json", "csv"],
        Field(
            description="The format of the file: `json` contains everything, `csv` has the columns "
            "that Letterboxd imports. Defaults to `json`.",
            examples=["csv"],
        ),
        error_message("Must be `json` or `csv`."),
    ] = "json"


class Body(BaseModel):
    """A request body. Undeclared fields are rejected."""

    model_config = ConfigDict(extra="forbid")


class NewFavorite(Body):
    """The movie to add to the favorites."""

    movie_id: MovieId


class RatingInput(Body):
    """The rating to give to a movie."""

    stars: StarsNumber
