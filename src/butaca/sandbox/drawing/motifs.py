"""The motifs of genres."""

from collections.abc import Callable, Mapping, Sequence
from random import Random

from butaca.sandbox.drawing import patterns, scenes
from butaca.sandbox.drawing.ink import Canvas

Motif = Callable[[Canvas, Random], str]


def motif(genre_ids: Sequence[int], canvas: Canvas, rng: Random) -> str:
    """Draw one of the first two genres, or moons if there is no genre."""
    drawable = [MOTIFS[genre_id] for genre_id in genre_ids if genre_id in MOTIFS]
    return rng.choice(drawable[:2] or [scenes.moons])(canvas, rng)


MOTIFS: Mapping[int, Motif] = {
    12: scenes.mountains,
    14: scenes.crescent,
    16: patterns.bubbles,
    18: scenes.moons,
    27: patterns.teeth,
    28: patterns.slashes,
    35: patterns.confetti,
    36: scenes.columns,
    37: scenes.desert,
    53: patterns.target,
    80: patterns.blinds,
    99: patterns.film,
    878: scenes.planet,
    9648: patterns.keyhole,
    10402: patterns.sound,
    10749: patterns.rings,
    10751: scenes.hills,
    10752: scenes.searchlights,
}
