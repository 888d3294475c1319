"""Invented numbers: what people thought of a movie, and what it cost. The same for ever."""

from dataclasses import dataclass
from random import Random

from butaca.sandbox.films.movies import Movie

UNSEEN_SHARE = 0.04


@dataclass(frozen=True, slots=True)
class Numbers:
    """What nobody counted."""

    popularity: float
    vote_average: float
    vote_count: int
    budget: int
    revenue: int


def numbers(movie: Movie) -> Numbers:
    """Return the numbers of a movie; unreleased ones have no votes, and some others neither."""
    dice = Random(movie.id)  # noqa: S311
    # TMDB's order is not strictly by the popularity that it shows.
    popularity = round(640 / (1 + movie.rank / 6) * dice.uniform(0.92, 1.08), 4)
    unseen = movie.status != "Released" or dice.random() < UNSEEN_SHARE
    votes = 0 if unseen else dice.randrange(3, 32_000)
    average = 0.0 if unseen else round(dice.uniform(4.2, 8.8), 3)
    budget = dice.choice((0, dice.randrange(1, 260) * 1_000_000))
    return Numbers(popularity, average, votes, budget, int(budget * dice.uniform(0.4, 6.0)))
