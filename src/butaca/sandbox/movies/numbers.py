"""Invented but reproducible numbers: ratings, popularity, budget and revenue."""

from dataclasses import dataclass
from random import Random

from butaca.sandbox.movies.movies import Movie

NO_VOTES_PROBABILITY = 0.04


@dataclass(frozen=True, slots=True)
class Numbers:
    """The invented numbers of a movie."""

    popularity: float
    vote_average: float
    vote_count: int
    budget: int
    revenue: int


def generate_numbers(movie: Movie) -> Numbers:
    """Return the numbers of a movie; unreleased movies and some others have no votes."""
    rng = Random(movie.id)  # noqa: S311
    # TMDB does not order strictly by the popularity that it returns.
    popularity = round(640 / (1 + movie.rank / 6) * rng.uniform(0.92, 1.08), 4)
    has_no_votes = movie.status != "Released" or rng.random() < NO_VOTES_PROBABILITY
    votes = 0 if has_no_votes else rng.randrange(3, 32_000)
    average = 0.0 if has_no_votes else round(rng.uniform(4.2, 8.8), 3)
    budget = rng.choice((0, rng.randrange(1, 260) * 1_000_000))
    return Numbers(popularity, average, votes, budget, int(budget * rng.uniform(0.4, 6.0)))
