"""Bodies in JSON. What is the same for many is written once, and copied into what is not."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from itertools import chain

from pydantic import TypeAdapter

from butaca.core import models
from butaca.web import outputs
from butaca.web.once import Once
from butaca.web.outputs import Answer

_NOTHING = models.Mark()


class Gapped:
    """A body in JSON, and the places in it where a name has this empty value.

    No string within the JSON looks like one: there each quotation mark has a backslash.
    """

    def __init__(self, body: bytes, name: bytes, empty: bytes) -> None:
        *pieces, self._end = body.split(b'"%s":%s' % (name, empty))
        self._pieces = [b'%s"%s":' % (piece, name) for piece in pieces]

    def fill(self, values: Iterable[bytes]) -> bytes:
        """Return the body with these values, each of them JSON, in place of the empty ones."""
        filled = zip(self._pieces, values, strict=True)
        return b"".join((*chain.from_iterable(filled), self._end))


class Unmarked:
    """What is told of some movies, with gaps for what each is to whoever asks."""

    def __init__(self, body: bytes, movie_ids: Sequence[int]) -> None:
        self.size, self.movie_ids = len(body), movie_ids
        self._body = Gapped(body, b"me", b"null")

    def mark(self, marks: Mapping[int, models.Mark]) -> bytes:
        """Return it with what the movies are to somebody; those that are left out are nothing."""
        return self._body.fill(_mark(marks.get(movie_id, _NOTHING)) for movie_id in self.movie_ids)


class Writer:
    """Writes answers.

    A page of movies takes 20 times as long to be shaped and written as to be copied.
    """

    def __init__(self, image_base_url: str) -> None:
        self._image_base_url = image_base_url
        self._movies: Once[bytes] = Once()
        self._unmarked: Once[Unmarked] = Once()

    def write(self, answer: Answer) -> bytes:
        """Write an answer; what was never set of it is left out."""
        adapter = _adapter(type(answer))
        return adapter.dump_json(answer, exclude_unset=True, context=self._image_base_url)

    def write_with_movies(self, answer: Answer, movies: Iterable[models.MovieDetails]) -> bytes:
        """Write what somebody keeps or rated, with the movie of each."""
        return Gapped(self.write(answer), b"movie", b"{}").fill(map(self._movie, movies))

    def unmarked(
        self, shape: type[outputs.MoviePage] | type[outputs.MovieDetails], told: object
    ) -> Unmarked:
        """Write what the catalogue tells but for what each movie is to whoever asks."""
        return self._unmarked(told, lambda: self._leave_gaps(shape.of(told)))

    def _movie(self, movie: models.MovieDetails) -> bytes:
        return self._movies(movie, lambda: self.write(outputs.MovieDetails.of(movie)))

    def _leave_gaps(self, answer: outputs.MoviePage | outputs.MovieDetails) -> Unmarked:
        movies = answer.results if isinstance(answer, outputs.MoviePage) else [answer]
        for movie in movies:
            movie.me = None
        return Unmarked(self.write(answer), [movie.id for movie in movies])


@cache
def _adapter(shape: type[Answer]) -> TypeAdapter[Answer]:
    """Return who writes a shape into bytes: a model itself writes a string, to be encoded again."""
    return TypeAdapter(shape)


@lru_cache(maxsize=32)
def _mark(mark: models.Mark) -> bytes:
    return _adapter(outputs.Mark).dump_json(outputs.Mark.of(mark))
