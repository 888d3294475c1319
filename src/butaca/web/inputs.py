"""What goes in: the queries and bodies of the contract."""

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from butaca.core.errors import SortUnknown, StarsOutOfRange
from butaca.core.listing import (
    FAVORITE_KEYS,
    RATING_KEYS,
    Filter,
    ListQuery,
    SortKey,
    SortOrder,
    sort_order,
)
from butaca.core.models import MAX_ID, MAX_PAGE, Stars
from butaca.core.translations import LANGUAGE

MAX_BODY = 16 * 1024
"""Bytes. The largest body that any route has a use for is a few dozen."""

MAX_PAGE_SIZE = 100


def _digits(value: Any) -> Any:
    """Refuse what Python takes for a number, and a URL should not: `1.0`, `1_0`."""
    if isinstance(value, str) and not value.isdigit():
        raise ValueError("Input should be a whole number")
    return value


def _json_number(value: Any) -> Any:
    """Keep `true` and `"3"` apart from numbers, as JSON does."""
    if isinstance(value, bool | str):
        raise ValueError("Input should be a number")  # noqa: TRY004 - pydantic collects these
    return value


def _yes_or_no(value: Any) -> Any:
    """Take the words of JSON, and none of the others that Python people know."""
    if isinstance(value, str) and value not in {"true", "false"}:
        raise ValueError("Input should be true or false")
    return value


def _written_stars(value: Any) -> Stars:
    if not re.fullmatch(r"[0-9](\.[05])?", value):
        raise ValueError(StarsOutOfRange.message)
    return _stars(float(value))


def _stars(value: Any) -> Stars:
    try:
        return Stars.of(value)
    except (StarsOutOfRange, TypeError) as error:
        raise ValueError(StarsOutOfRange.message) from error


Digits = BeforeValidator(_digits)
Language = Annotated[
    str,
    Field(
        pattern=LANGUAGE,
        description="`xx` (ISO 639-1) or `xx-YY` (with ISO 3166-1), such as `es-AR`.",
        examples=["es-AR"],
    ),
]
Region = Annotated[
    str,
    Field(pattern=r"^[A-Z]{2}$", description="ISO 3166-1, such as `AR`.", examples=["AR"]),
]
PageNumber = Annotated[
    int, Field(ge=1, le=MAX_PAGE, description="Counted from 1.", examples=[2]), Digits
]
ListPageNumber = Annotated[
    int, Field(ge=1, le=1_000_000, description="Counted from 1.", examples=[2]), Digits
]
PageSize = Annotated[
    int, Field(ge=1, le=MAX_PAGE_SIZE, description="How many at a time.", examples=[50]), Digits
]
GenreId = Annotated[int, Field(ge=0, le=MAX_ID, examples=[18]), Digits]
YesOrNo = Annotated[bool, BeforeValidator(_yes_or_no), Field(examples=[True])]
Words = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200,
        pattern=r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$",
        examples=["fight"],
    ),
]
Year = Annotated[int, Field(ge=1870, le=2100, examples=[1999]), Digits]
Include = Annotated[
    Literal["me"],
    Field(
        description="`me` adds to every movie whether I keep it and how I rated it.",
        examples=["me"],
    ),
]
_HALVES = {"type": "number", "minimum": 0, "maximum": 5, "multipleOf": 0.5, "examples": [4.5]}
StarsNumber = Annotated[
    Stars,
    BeforeValidator(_stars),
    WithJsonSchema(
        {**_HALVES, "description": "In steps of 0.5. 0 is a rating; to have no rating, delete it."}
    ),
]
StarsInQuery = Annotated[Stars, BeforeValidator(_written_stars), WithJsonSchema(_HALVES)]
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

    query: Annotated[Words, Field(description="Words of the title.")]
    year: Annotated[Year | None, Field(description="Of a release.")] = None


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
    except SortUnknown as error:
        raise ValueError(str(error)) from error


class _ListQuery(LanguageQuery):
    page: ListPageNumber = 1
    page_size: PageSize = 20
    sort: SortOrder

    def to_core(self) -> ListQuery:
        """Return the query in the core's words."""
        return ListQuery(self.sort, self.page, self.page_size, self.language, self.to_filter())

    def to_filter(self) -> Filter:
        """Return what entries must be like, in the core's words."""
        return Filter()


class FavoritesQuery(_ListQuery):
    """Which of the favorites, and in which order."""

    sort: _sort_by("-release_date,-rating", FAVORITE_KEYS)  # type: ignore[valid-type]
    rated: Annotated[YesOrNo | None, Field(description="Only those with, or without, stars.")] = (
        None
    )
    min_rating: Annotated[
        StarsInQuery | None, Field(description="Only those with so many stars or more.")
    ] = None
    genre: Annotated[GenreId | None, Field(description="TMDB's ID of a genre.")] = None
    year_from: Annotated[Year | None, Field(description="Released in that year or later.")] = None
    year_to: Annotated[Year | None, Field(description="Released in that year or earlier.")] = None
    q: Annotated[
        Words | None,
        Field(
            description="Part of the title, as stored or in `language`, whatever the case and "
            "the accents."
        ),
    ] = None

    def to_filter(self) -> Filter:
        """Return what favorites must be like, in the core's words."""
        return Filter(
            rated=self.rated,
            min_rating=self.min_rating,
            genre=self.genre,
            year_from=self.year_from,
            year_to=self.year_to,
            title=self.q,
        )


class RatingsQuery(_ListQuery):
    """Which of the ratings, and in which order."""

    sort: _sort_by("-rated_at", RATING_KEYS)  # type: ignore[valid-type]


class ExportQuery(Query):
    """In which format to hand out all that is mine."""

    format: Annotated[
        Literal["json", "csv"],
        Field(
            description="`csv` has the columns that Letterboxd imports; `json` has everything.",
            examples=["csv"],
        ),
    ] = "json"


class Body(BaseModel):
    """A request body. What it does not name is refused."""

    model_config = ConfigDict(extra="forbid")


class NewFavorite(Body):
    """The movie to keep."""

    movie_id: MovieId


class StarsGiven(Body):
    """The stars to give."""

    stars: StarsNumber
