"""Landscape motifs: skies, hills and ruins."""

from random import Random

from butaca.sandbox.drawing.ink import (
    Canvas,
    circle,
    ellipse,
    path,
    polygon,
    rect,
    ridge,
    scatter,
    stars,
)


def mountains(canvas: Canvas, rng: Random) -> str:
    """Draw a sun behind mountain ranges, for adventure."""
    sun = circle(rng.uniform(0.25, 0.75) * canvas.width, 270, 105, 0.85)
    return sun + "".join(ridge(canvas, rng, 400 + 85 * row, 0.14) for row in range(5))


def moons(canvas: Canvas, rng: Random) -> str:
    """Draw two overlapping moons, for drama."""
    middle, apart, size = canvas.width / 2, rng.randrange(70, 130), rng.randrange(150, 200)
    return circle(middle - apart, 330, size, 0.42) + circle(middle + apart, 390, size * 0.8, 0.5)


def hills(canvas: Canvas, rng: Random) -> str:
    """Draw balloons over round hills, for family."""
    ground = "".join(
        ellipse(x, 820, 330 + width, 260, opacity * 0.7)
        for x, width, opacity in scatter(canvas, rng, number=4, largest=150)
    )
    return ground + "".join(
        ellipse(x, y := rng.randrange(90, 420), 44, 56, 0.8) + rect(x - 1, y + 56, 2, 90, 0.6)
        for x, _, _ in scatter(canvas, rng, number=5, largest=9)
    )


def crescent(canvas: Canvas, rng: Random) -> str:
    """Draw a crescent moon among stars, for fantasy."""
    x = rng.uniform(0.35, 0.65) * canvas.width
    moon = path(f"M{x:.0f} 130a190 190 0 1 0 150 300a160 160 0 1 1 -150 -300z", 0.9)
    return moon + stars(canvas, rng, number=60)


def columns(canvas: Canvas, rng: Random) -> str:
    """Draw columns, some of them broken, for history."""
    step = 100
    return "".join(
        rect(x, y := rng.choice((190, 190, 330, 450)), 58, 900 - y, 0.4)
        + rect(x - 10, y - 24, 78, 18, 0.65)
        for x in range(40, canvas.width, step)
    )


def planet(canvas: Canvas, rng: Random) -> str:
    """Draw a planet with its ring, for science fiction."""
    x, y, size = rng.uniform(0.35, 0.65) * canvas.width, 330, rng.randrange(120, 170)
    belt = (
        f'<ellipse cx="{x:.0f}" cy="{y}" rx="{size * 1.75:.0f}" ry="{size * 0.42:.0f}" '
        f'fill="none" stroke-width="12" opacity="0.6" '
        f'transform="rotate({rng.randrange(-30, -7)} {x:.0f} {y})"/>'
    )
    return stars(canvas, rng, number=70) + circle(x, y, size, 0.85) + belt


def searchlights(canvas: Canvas, rng: Random) -> str:
    """Draw searchlights in the night, for war."""
    return "".join(
        polygon([(x, 760), (at := rng.randrange(canvas.width), 0), (at + 170, 0)], 0.28)
        for x, _, _ in scatter(canvas, rng, number=6, largest=9)
    )


def desert(canvas: Canvas, rng: Random) -> str:
    """Draw a large sun behind table mountains, for western."""
    x = rng.uniform(0.3, 0.7) * canvas.width
    tables = (
        polygon([(at, 640), (at + 40, 500), (at + 190, 500), (at + 240, 640)], 0.5)
        for at in range(-60, canvas.width, 290)
    )
    return circle(x, 430, 210, 0.85) + "".join(tables) + rect(0, 640, canvas.width, 260, 0.5)
