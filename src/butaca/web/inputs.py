"""What goes in: the queries and bodies of the contract."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from butaca.core.errors import SortUnknown, StarsOutOfRange
from butaca.core.listing import (
    FAVORITE_KEYS,
    RATING_KEYS,
    ListQuery,
    SortKey,
    SortOrder,
    sort_order,
)
from butaca.core.models import MAX_ID, MAX_PAGE, Stars
from butaca.core.translations import LANGUAGE

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
PageNumber = Annotated[int, Field(ge=1, le=MAX_PAGE, description="Counted from 1."), Digits]
ListPageNumber = Annotated[int, Field(ge=1, le=1_000_000, description="Counted from 1."), Digits]
PageSize = Annotated[int, Field(ge=1, le=MAX_PAGE_SIZE, description="How many at a time."), Digits]
Year = Annotated[int, Field(ge=1870, le=2100, description="Of a release."), Digits]
Include = Annotated[
    Literal["me"],
    Field(description="`me` adds to every movie whether I keep it and how I rated it."),
]
StarsNumber = Annotated[
    Stars,
    BeforeValidator(_stars),
    WithJsonSchema(
        {
            "type": "number",
            "minimum": 0,
            "maximum": 5,
            "multipleOf": 0.5,
            "description": "In steps of 0.5. 0 is a rating; to have no rating, delete it.",
            "examples": [4.5],
        }
    ),
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

    stars: StarsNumber
