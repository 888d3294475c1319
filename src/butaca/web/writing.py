"""Writes bodies as JSON. Parts that many responses share are written once and copied."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from itertools import chain

from pydantic import TypeAdapter

from butaca.core import models
from butaca.web import outputs
from butaca.web.identity_cache import IdentityCache
from butaca.web.outputs import Answer

_NOTHING = models.Mark()


class JsonTemplate:
    """A JSON body with gaps: the places at which a name has a certain empty value.

    No string in the JSON can look like a gap, because its quotation marks are escaped.
    """

    def __init__(self, body: bytes, name: bytes, empty: bytes) -> None:
        *pieces, self._end = body.split(b'"%s":%s' % (name, empty))
        self._pieces = [b'%s"%s":' % (piece, name) for piece in pieces]

    def fill(self, values: Iterable[bytes]) -> bytes:
        """Return the body with these JSON values in its gaps."""
        filled = zip(self._pieces, values, strict=True)
        return b"".join((*chain.from_iterable(filled), self._end))


class MovieTemplate:
    """A body with movies, with gaps for the marks of the user who requests it."""

    def __init__(self, body: bytes, movie_ids: Sequence[int]) -> None:
        self.size, self.movie_ids = len(body), movie_ids
        self._body = JsonTemplate(body, b"me", b"null")

    def mark(self, marks: Mapping[int, models.Mark]) -> bytes:
        """Return the body with a user's marks. Movies without a mark are not theirs."""
        return self._body.fill(_mark(marks.get(movie_id, _NOTHING)) for movie_id in self.movie_ids)


class Writer:
    """Writes response bodies.

    Validating and serializing a page of movies takes 20 times as long as copying it.
    """

    def __init__(self, image_base_url: str) -> None:
        self._image_base_url = image_base_url
        self._movies: IdentityCache[bytes] = IdentityCache()
        self._unmarked: IdentityCache[MovieTemplate] = IdentityCache()

    def write(self, answer: Answer) -> bytes:
        """Write a response body. Fields that were never set are omitted."""
        adapter = _adapter(type(answer))
        return adapter.dump_json(answer, exclude_unset=True, context=self._image_base_url)

    def write_with_movies(self, answer: Answer, movies: Iterable[models.MovieDetails]) -> bytes:
        """Write favorites or ratings, each with its movie."""
        return JsonTemplate(self.write(answer), b"movie", b"{}").fill(map(self._movie, movies))

    def unmarked(
        self, shape: type[outputs.MoviePage] | type[outputs.MovieDetails], told: object
    ) -> MovieTemplate:
        """Write a response of the catalogue, with gaps for the marks of a user."""
        return self._unmarked(told, lambda: self._leave_gaps(shape.of(told)))

    def _movie(self, movie: models.MovieDetails) -> bytes:
        return self._movies(movie, lambda: self.write(outputs.MovieDetails.of(movie)))

    def _leave_gaps(self, answer: outputs.MoviePage | outputs.MovieDetails) -> MovieTemplate:
        movies = answer.results if isinstance(answer, outputs.MoviePage) else [answer]
        for movie in movies:
            movie.me = None
        return MovieTemplate(self.write(answer), [movie.id for movie in movies])


@cache
def _adapter(shape: type[Answer]) -> TypeAdapter[Answer]:
    """Return the adapter that writes a model to bytes. A model itself can only write a string."""
    return TypeAdapter(shape)


@lru_cache(maxsize=32)
def _mark(mark: models.Mark) -> bytes:
    return _adapter(outputs.Mark).dump_json(outputs.Mark.of(mark))
