"""The colors and the basic SVG shapes of all pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

# Three gradient stops of the sky, and the color of the drawing.
PALETTES = (
    ("#0b1d2a", "#14576b", "#2aa198", "#f4e9cd"),
    ("#1f0a1c", "#7a1f3d", "#e0563b", "#ffd9a0"),
    ("#170b2e", "#4b2a7b", "#b05fb3", "#ffd6e8"),
    ("#0b1f17", "#1f5a44", "#7fae5b", "#f3f0c8"),
    ("#2a160d", "#8a4a22", "#e0a04b", "#fff1cf"),
    ("#0a1730", "#2b5c9e", "#7fc4e8", "#f1fbff"),
    ("#2a0f1c", "#a33a5f", "#f09a8c", "#fff0e0"),
    ("#11151c", "#39465a", "#8fa3b5", "#ffcf70"),
    ("#14140c", "#55552b", "#c2b35b", "#fffbe0"),
    ("#0b1038", "#2f3fa8", "#ff7a66", "#ffe8d6"),
    ("#071a26", "#0f4c5c", "#5fd0b8", "#fef6d8"),
    ("#160406", "#6e1019", "#c93b2b", "#ffe0c2"),
    ("#1a0f24", "#5b2455", "#f0b14a", "#fff3d1"),
    ("#101a3a", "#5a3f84", "#f2837b", "#ffe9c9"),
)


@dataclass(frozen=True, slots=True)
class Canvas:
    """The size of a picture; its lower part is for the title."""

    width: int
    height: int


def scatter(
    canvas: Canvas, rng: Random, *, number: int, largest: int
) -> list[tuple[float, int, float]]:
    """Return (x, width, opacity) for a number of items across the picture."""
    step = canvas.width / number
    return [
        ((n + rng.random()) * step, rng.randrange(largest), rng.uniform(0.15, 0.6))
        for n in range(number)
    ]


def ridge(canvas: Canvas, rng: Random, y: int, opacity: float) -> str:
    """Draw a mountain range around a height."""
    peaks = [(x, y + rng.randrange(-110, 110)) for x in range(0, canvas.width + 100, 100)]
    return polygon([(0, 900), *peaks, (canvas.width, 900)], opacity)


def stars(canvas: Canvas, rng: Random, *, number: int) -> str:
    """Draw stars in the upper part."""
    return "".join(
        circle(x, rng.randrange(0, 620), 1 + width, opacity + 0.3)
        for x, width, opacity in scatter(canvas, rng, number=number, largest=5)
    )


def circle(x: float, y: float, size: float, opacity: float) -> str:
    """Draw a filled circle."""
    return f'<circle cx="{x:.0f}" cy="{y:.0f}" r="{size:.0f}" opacity="{opacity:.2f}"/>'


def ellipse(x: float, y: float, rx: float, ry: float, opacity: float) -> str:
    """Draw a filled ellipse."""
    return (
        f'<ellipse cx="{x:.0f}" cy="{y:.0f}" rx="{rx:.0f}" ry="{ry:.0f}" opacity="{opacity:.2f}"/>'
    )


def ring(x: float, y: float, size: float, thickness: int, opacity: float) -> str:
    """Draw a circle that is not filled."""
    return (
        f'<circle cx="{x:.0f}" cy="{y:.0f}" r="{size:.0f}" fill="none" stroke-width="{thickness}" '
        f'opacity="{opacity:.2f}"/>'
    )


def rect(x: float, y: float, width: float, height: float, opacity: float) -> str:
    """Draw a rectangle, given its upper left corner."""
    return (
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{height:.0f}" '
        f'opacity="{opacity:.2f}"/>'
    )


def path(drawing: str, opacity: float) -> str:
    """Draw a filled path."""
    return f'<path d="{drawing}" opacity="{opacity:.2f}"/>'


def polygon(points: Sequence[tuple[float, float]], opacity: float) -> str:
    """Draw a filled polygon."""
    text = " ".join(f"{x:.0f},{y:.0f}" for x, y in points)
    return f'<polygon points="{text}" opacity="{opacity:.2f}"/>'
