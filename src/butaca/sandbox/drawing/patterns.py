"""Abstract motifs: beams, rings and teeth."""

from random import Random

from butaca.sandbox.drawing.ink import Canvas, circle, path, polygon, rect, ring, scattered


def slashes(canvas: Canvas, dice: Random) -> str:
    """Draw beams across the picture, for action."""
    lean = dice.randrange(180, 420)
    return "".join(
        polygon([(x, 0), (x + wide, 0), (x + wide - lean, 900), (x - lean, 900)], opacity)
        for x, wide, opacity in scattered(canvas, dice, number=9, largest=120)
    )


def bubbles(canvas: Canvas, dice: Random) -> str:
    """Draw bouncing balls, for animation."""
    return "".join(
        circle(x, dice.randrange(40, 640), 18 + wide, opacity)
        for x, wide, opacity in scattered(canvas, dice, number=15, largest=110)
    )


def confetti(canvas: Canvas, dice: Random) -> str:
    """Draw confetti over a grin, for comedy."""
    grin = path(f"M{canvas.width / 2 - 190} 330a190 190 0 0 0 380 0z", 0.8)
    return grin + "".join(
        f'<rect x="{x:.0f}" y="{dice.randrange(0, 620)}" width="26" height="11" '
        f'opacity="{opacity:.2f}" transform="rotate({dice.randrange(180)} {x:.0f} 300)"/>'
        for x, _, opacity in scattered(canvas, dice, number=46, largest=30)
    )


def blinds(canvas: Canvas, dice: Random) -> str:
    """Draw light through blinds, for crime."""
    lean = dice.choice((-150, 150))
    return "".join(
        polygon(
            [(0, y), (canvas.width, y + lean), (canvas.width, y + lean + 26), (0, y + 26)],
            opacity=0.12 + 0.045 * (row % 9),
        )
        for row, y in enumerate(range(-160, 800, 62))
    )


def teeth(canvas: Canvas, dice: Random) -> str:
    """Draw teeth from above and from below, for horror."""
    above = [(x, dice.randrange(130, 380)) for x in range(0, canvas.width, 60)]
    below = [(x + 30, dice.randrange(560, 760)) for x in range(-60, canvas.width, 75)]
    upper = (polygon([(x, 0), (x + 60, 0), (x + 30, y)], 0.75) for x, y in above)
    lower = (polygon([(x, 900), (x + 75, 900), (x + 37, y)], 0.35) for x, y in below)
    return "".join((*upper, *lower))


def sound(canvas: Canvas, dice: Random) -> str:
    """Draw the bars of an equalizer, for music."""
    return "".join(
        rect(x, 480 - (tall := dice.randrange(50, 380)), 26, tall, 0.75)
        + rect(x, 490, 26, tall / 3, 0.25)
        for x in range(34, canvas.width - 30, 42)
    )


def keyhole(canvas: Canvas, dice: Random) -> str:
    """Draw rings around a keyhole, for mystery."""
    x, y = canvas.width / 2, dice.randrange(270, 340)
    hole = circle(x, y, 62, 0.9) + polygon([(x, y), (x + 62, y + 220), (x - 62, y + 220)], 0.9)
    return hole + "".join(ring(x, y + 50, 170 + 75 * one, 3, 0.5 - one / 20) for one in range(9))


def rings(canvas: Canvas, dice: Random) -> str:
    """Draw two linked rings, for romance."""
    x, size = canvas.width / 2, dice.randrange(130, 170)
    linked = ring(x - size * 0.6, 330, size, 20, 0.9) + ring(x + size * 0.6, 330, size, 20, 0.7)
    return linked + "".join(
        circle(at, dice.randrange(60, 640), 6 + wide, opacity * 0.6)
        for at, wide, opacity in scattered(canvas, dice, number=20, largest=22)
    )


def target(canvas: Canvas, dice: Random) -> str:
    """Draw a target with crosshairs, for thriller."""
    x, y = dice.uniform(0.3, 0.7) * canvas.width, dice.randrange(280, 380)
    circles = "".join(ring(x, y, 50 + 62 * one, 14, 0.85 - one * 0.13) for one in range(6))
    return circles + rect(0, y - 2, canvas.width, 4, 0.5) + rect(x - 2, 0, 4, 900, 0.5)


def film(canvas: Canvas, dice: Random) -> str:
    """Draw a film strip, for documentary."""
    y = dice.randrange(200, 280)
    holes = (rect(x, y + at, 34, 22, 0.9) for x in range(10, canvas.width, 68) for at in (-50, 250))
    frames = (rect(x, y, 250, 220, 0.4) for x in range(-60, canvas.width, 270))
    return "".join((*holes, *frames))
