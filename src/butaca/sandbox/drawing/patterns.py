"""Abstract motifs: beams, rings and teeth."""

from random import Random

from butaca.sandbox.drawing.ink import Canvas, circle, path, polygon, rect, ring, scatter


def slashes(canvas: Canvas, rng: Random) -> str:
    """Draw beams across the picture, for action."""
    lean = rng.randrange(180, 420)
    return "".join(
        polygon([(x, 0), (x + width, 0), (x + width - lean, 900), (x - lean, 900)], opacity)
        for x, width, opacity in scatter(canvas, rng, number=9, largest=120)
    )


def bubbles(canvas: Canvas, rng: Random) -> str:
    """Draw bouncing balls, for animation."""
    return "".join(
        circle(x, rng.randrange(40, 640), 18 + width, opacity)
        for x, width, opacity in scatter(canvas, rng, number=15, largest=110)
    )


def confetti(canvas: Canvas, rng: Random) -> str:
    """Draw confetti over a grin, for comedy."""
    grin = path(f"M{canvas.width / 2 - 190} 330a190 190 0 0 0 380 0z", 0.8)
    return grin + "".join(
        f'<rect x="{x:.0f}" y="{rng.randrange(0, 620)}" width="26" height="11" '
        f'opacity="{opacity:.2f}" transform="rotate({rng.randrange(180)} {x:.0f} 300)"/>'
        for x, _, opacity in scatter(canvas, rng, number=46, largest=30)
    )


def blinds(canvas: Canvas, rng: Random) -> str:
    """Draw light through blinds, for crime."""
    lean = rng.choice((-150, 150))
    return "".join(
        polygon(
            [(0, y), (canvas.width, y + lean), (canvas.width, y + lean + 26), (0, y + 26)],
            opacity=0.12 + 0.045 * (row % 9),
        )
        for row, y in enumerate(range(-160, 800, 62))
    )


def teeth(canvas: Canvas, rng: Random) -> str:
    """Draw teeth from above and from below, for horror."""
    above = [(x, rng.randrange(130, 380)) for x in range(0, canvas.width, 60)]
    below = [(x + 30, rng.randrange(560, 760)) for x in range(-60, canvas.width, 75)]
    upper = (polygon([(x, 0), (x + 60, 0), (x + 30, y)], 0.75) for x, y in above)
    lower = (polygon([(x, 900), (x + 75, 900), (x + 37, y)], 0.35) for x, y in below)
    return "".join((*upper, *lower))


def sound(canvas: Canvas, rng: Random) -> str:
    """Draw the bars of an equalizer, for music."""
    return "".join(
        rect(x, 480 - (tall := rng.randrange(50, 380)), 26, tall, 0.75)
        + rect(x, 490, 26, tall / 3, 0.25)
        for x in range(34, canvas.width - 30, 42)
    )


def keyhole(canvas: Canvas, rng: Random) -> str:
    """Draw rings around a keyhole, for mystery."""
    x, y = canvas.width / 2, rng.randrange(270, 340)
    hole = circle(x, y, 62, 0.9) + polygon([(x, y), (x + 62, y + 220), (x - 62, y + 220)], 0.9)
    return hole + "".join(ring(x, y + 50, 170 + 75 * n, 3, 0.5 - n / 20) for n in range(9))


def rings(canvas: Canvas, rng: Random) -> str:
    """Draw two linked rings, for romance."""
    x, size = canvas.width / 2, rng.randrange(130, 170)
    linked = ring(x - size * 0.6, 330, size, 20, 0.9) + ring(x + size * 0.6, 330, size, 20, 0.7)
    return linked + "".join(
        circle(at, rng.randrange(60, 640), 6 + width, opacity * 0.6)
        for at, width, opacity in scatter(canvas, rng, number=20, largest=22)
    )


def target(canvas: Canvas, rng: Random) -> str:
    """Draw a target with crosshairs, for thriller."""
    x, y = rng.uniform(0.3, 0.7) * canvas.width, rng.randrange(280, 380)
    circles = "".join(ring(x, y, 50 + 62 * n, 14, 0.85 - n * 0.13) for n in range(6))
    return circles + rect(0, y - 2, canvas.width, 4, 0.5) + rect(x - 2, 0, 4, 900, 0.5)


def film(canvas: Canvas, rng: Random) -> str:
    """Draw a film strip, for documentary."""
    y = rng.randrange(200, 280)
    holes = (rect(x, y + at, 34, 22, 0.9) for x in range(10, canvas.width, 68) for at in (-50, 250))
    frames = (rect(x, y, 250, 220, 0.4) for x in range(-60, canvas.width, 270))
    return "".join((*holes, *frames))
