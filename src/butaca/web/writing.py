"""Bodies in JSON. What is the same for many is written once, and copied into what is not."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain

from butaca.core import models
from butaca.web import outputs
from butaca.web.once import Once
from butaca.web.outputs import Answer

_NOTHING = models.Mark()


class Gapped:
    """A text in JSON, and the places in it where a name has this empty value.

    No string within the JSON looks like one: there each quotation mark has a backslash.
    """

    def __init__(self, text: str, name: str, empty: str) -> None:
        *pieces, self._end = text.split(f'"{name}":{empty}')
        self._pieces = [f'{piece}"{name}":' for piece in pieces]

    def fill(self, values: Iterable[str]) -> str:
        """Return the text with these values, each of them JSON, in place of the empty ones."""
        filled = zip(self._pieces, values, strict=True)
        return "".join((*chain.from_iterable(filled), self._end))


class Unmarked:
    """What is told of some movies, with gaps for what each is to whoever asks."""

    def __init__(self, text: str, movie_ids: Sequence[int]) -> None:
        self.size, self.movie_ids = len(text), movie_ids
        self._text = Gapped(text, "me", "null")

    def mark(self, marks: Mapping[int, models.Mark]) -> str:
        """Return it with what the movies are to somebody; those that are left out are nothing."""
        return self._text.fill(_mark(marks.get(movie_id, _NOTHING)) for movie_id in self.movie_ids)


class Writer:
    """Writes answers.

    A page of movies takes 20 times as long to be shaped and written as to be copied.
    """

    def __init__(self, image_base_url: str) -> None:
        self._image_base_url = image_base_url
        self._movies: Once[str] = Once()
        self._unmarked: Once[Unmarked] = Once()

    def write(self, body: Answer) -> str:
        """Write a body; what was never set of it is left out."""
        return body.model_dump_json(exclude_unset=True, context=self._image_base_url)

    def write_with_movies(self, body: Answer, movies: Iterable[models.MovieDetails]) -> str:
        """Write what somebody keeps or rated, with the movie of each."""
        return Gapped(self.write(body), "movie", "{}").fill(map(self._movie, movies))

    def unmarked(
        self, shape: type[outputs.MoviePage] | type[outputs.MovieDetails], told: object
    ) -> Unmarked:
        """Write what the catalogue tells but for what each movie is to whoever asks."""
        return self._unmarked(told, lambda: self._leave_gaps(shape.of(told)))

    def _movie(self, movie: models.MovieDetails) -> str:
        return self._movies(movie, lambda: self.write(outputs.MovieDetails.of(movie)))

    def _leave_gaps(self, body: outputs.MoviePage | outputs.MovieDetails) -> Unmarked:
        movies = body.results if isinstance(body, outputs.MoviePage) else [body]
        for movie in movies:
            movie.me = None
        return Unmarked(self.write(body), [movie.id for movie in movies])


@lru_cache(maxsize=32)
def _mark(mark: models.Mark) -> str:
    return outputs.Mark.of(mark).model_dump_json()
