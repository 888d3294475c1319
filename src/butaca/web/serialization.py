"""Serializes response bodies to JSON. Parts that many responses share are serialized once."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from itertools import chain

from pydantic import TypeAdapter

from butaca.core import models
from butaca.web import outputs
from butaca.web.identity_cache import IdentityCache
from butaca.web.outputs import ResponseModel

_NO_MARK = models.Mark()


class JsonTemplate:
    """A JSON body with placeholders: the places at which a name has a certain empty value.

    No string in the JSON can look like a placeholder, because its quotation marks are escaped.
    """

    def __init__(self, body: bytes, name: bytes, empty: bytes) -> None:
        *pieces, self._end = body.split(b'"%s":%s' % (name, empty))
        self._pieces = [b'%s"%s":' % (piece, name) for piece in pieces]

    def fill(self, values: Iterable[bytes]) -> bytes:
        """Return the body with its placeholders replaced by these JSON values, in order.

        Raises ValueError if there are more or fewer values than placeholders.
        """
        filled = zip(self._pieces, values, strict=True)
        return b"".join((*chain.from_iterable(filled), self._end))


class MovieTemplate:
    """A body with movies, with placeholders for the marks of a user."""

    def __init__(self, body: bytes, movie_ids: Sequence[int]) -> None:
        self.size, self.movie_ids = len(body), movie_ids
        self._body = JsonTemplate(body, b"me", b"null")

    def render(self, marks: Mapping[int, models.Mark]) -> bytes:
        """Return the body with the marks of a user, by movie ID. Other movies have no mark."""
        return self._body.fill(
            _mark_json(marks.get(movie_id, _NO_MARK)) for movie_id in self.movie_ids
        )


class Serializer:
    """Serializes response bodies, and caches the JSON of movies.

    Validating and serializing a page of movies takes 20 times as long as copying it.
    """

    def __init__(self, image_base_url: str) -> None:
        self._image_base_url = image_base_url
        self._movies: IdentityCache[bytes] = IdentityCache()
        self._templates: IdentityCache[MovieTemplate] = IdentityCache()

    def serialize(self, body: ResponseModel) -> bytes:
        """Serialize a response body. Fields that were never set are omitted."""
        adapter = _adapter(type(body))
        return adapter.dump_json(body, exclude_unset=True, context=self._image_base_url)

    def serialize_with_movies(
        self, body: ResponseModel, movies: Iterable[models.MovieDetails]
    ) -> bytes:
        """Serialize favorites or ratings, each with its movie."""
        return JsonTemplate(self.serialize(body), b"movie", b"{}").fill(
            map(self._movie_json, movies)
        )

    def movie_template(
        self, schema: type[outputs.MoviePage] | type[outputs.MovieDetails], entity: object
    ) -> MovieTemplate:
        """Serialize movies of the catalogue, with placeholders for the marks of a user."""
        return self._templates(entity, lambda: self._make_template(schema.of(entity)))

    def _movie_json(self, movie: models.MovieDetails) -> bytes:
        return self._movies(movie, lambda: self.serialize(outputs.MovieDetails.of(movie)))

    def _make_template(self, body: outputs.MoviePage | outputs.MovieDetails) -> MovieTemplate:
        movies = body.results if isinstance(body, outputs.MoviePage) else [body]
        for movie in movies:
            movie.me = None
        return MovieTemplate(self.serialize(body), [movie.id for movie in movies])


@cache
def _adapter(schema: type[ResponseModel]) -> TypeAdapter[ResponseModel]:
    """Return an adapter, which serializes to bytes. A model itself only serializes to a string."""
    return TypeAdapter(schema)


@lru_cache(maxsize=32)
def _mark_json(mark: models.Mark) -> bytes:
    return _adapter(outputs.Mark).dump_json(outputs.Mark.of(mark))
