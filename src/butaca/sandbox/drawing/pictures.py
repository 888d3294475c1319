"""Posters and backdrops, drawn as SVG. The picture of a movie is always the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from unicodedata import east_asian_width
from xml.sax.saxutils import escape

from butaca.sandbox.drawing.ink import PALETTES, Canvas
from butaca.sandbox.drawing.motifs import motif
from butaca.sandbox.responses import Response

# As in GET /3/configuration, with the width of the original.
SIZES: Mapping[str, Mapping[str, int]] = {
    "poster": {
        "w92": 92,
        "w154": 154,
        "w185": 185,
        "w342": 342,
        "w500": 500,
        "w780": 780,
        "original": 2000,
    },
    "backdrop": {"w300": 300, "w780": 780, "w1280": 1280, "original": 1920},
}
FONT = "'Avenir Next Condensed','Futura','Oswald','DejaVu Sans Condensed','Arial Narrow',sans-serif"
SHORT_LINE, LONG_WORD, MAX_LINES = 13, 18, 5


@dataclass(frozen=True, slots=True)
class Picture:
    """What to draw."""

    movie_id: int
    title: str
    year: str
    genre_ids: tuple[int, ...]
    is_poster: bool

    @property
    def canvas(self) -> Canvas:
        """The size in the units of the drawing: 2:3 or 16:9."""
        return Canvas(600, 900) if self.is_poster else Canvas(1600, 900)


def picture_response(picture: Picture | None, size: str) -> Response:
    """Return the picture in one of TMDB's sizes, or a 404 without a body, as from a CDN."""
    sizes = SIZES["poster" if picture and picture.is_poster else "backdrop"]
    if picture is None or size not in sizes:
        return Response(404, b"", "text/plain")
    headers = {"Cache-Control": "public, max-age=31536000"}
    return Response(200, svg(picture, sizes[size]).encode(), "image/svg+xml", headers)


def svg(picture: Picture, width: int) -> str:
    """Draw a picture with a width in pixels; only posters have a title, as at TMDB."""
    rng, canvas = Random(picture.movie_id), picture.canvas  # noqa: S311
    *sky, ink = rng.choice(PALETTES)
    drawn = motif(picture.genre_ids, canvas, rng)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" '
        f'height="{round(width * canvas.height / canvas.width)}" '
        f'viewBox="0 0 {canvas.width} {canvas.height}" role="img">'
        f"<title>{escape(picture.title)}</title>{_gradients(sky, rng)}"
        f'<rect width="100%" height="100%" fill="url(#sky)"/>'
        f'<g fill="{ink}" stroke="{ink}" stroke-width="0">{drawn}</g>'
        f'<rect width="100%" height="100%" fill="url(#shade)"/>'
        f"{_poster_text(picture) if picture.is_poster else ''}</svg>"
    )


def wrap(title: str, longest: int) -> list[str]:
    """Break a title into lines at spaces, and within words that are too long."""
    lines: list[str] = []
    for word in title.split():
        for part in _split_word(word, longest):
            if lines and _display_width(f"{lines[-1]} {part}") <= longest:
                lines[-1] += f" {part}"
            else:
                lines.append(part)
    return lines


def _gradients(sky: Sequence[str], rng: Random) -> str:
    stops = zip((0, 0.5, 1), sky, strict=True)
    return (
        f'<defs><linearGradient id="sky" x1="0" y1="0" x2="{rng.choice((0, 0.4, 0.8))}" y2="1">'
        + "".join(f'<stop offset="{at}" stop-color="{color}"/>' for at, color in stops)
        + '</linearGradient><linearGradient id="shade" x1="0" y1="0" x2="0" y2="1">'
        '<stop offset="0.45" stop-color="#000" stop-opacity="0"/>'
        '<stop offset="1" stop-color="#000" stop-opacity="0.72"/></linearGradient></defs>'
    )


def _poster_text(picture: Picture) -> str:
    # Set long titles in a smaller size, until they fit into the lower half.
    widest = max(map(_display_width, picture.title.split()), default=0)
    longest = max(SHORT_LINE, min(widest, LONG_WORD))
    while len(wrap(picture.title, longest)) > MAX_LINES:
        longest += 4
    lines = wrap(picture.title, longest)
    size = round(62 * SHORT_LINE / longest)
    bottom = picture.canvas.height - 92
    rows = [
        _text_line(line, size, bottom - (len(lines) - 1 - number) * size * 1.12)
        for number, line in enumerate(lines)
    ]
    return "".join(rows) + _year(picture)


def _text_line(line: str, size: int, y: float) -> str:
    return (
        f'<text x="44" y="{y:.0f}" font-family="{FONT}" font-size="{size}" font-weight="700" '
        f'fill="#fff">{escape(line)}</text>'
    )


def _year(picture: Picture) -> str:
    y = picture.canvas.height - 42
    return (
        f'<rect x="46" y="{y - 9}" width="56" height="4" fill="#fff" opacity="0.8"/>'
        f'<text x="118" y="{y}" font-family="{FONT}" font-size="26" letter-spacing="5" '
        f'fill="#fff" opacity="0.85">{escape(picture.year)}</text>'
    )


def _split_word(word: str, longest: int) -> Sequence[str]:
    parts, room = [""], longest
    for letter in word:
        if (room := room - _display_width(letter)) < 0:
            parts.append("")
            room = longest - _display_width(letter)
        parts[-1] += letter
    return parts


def _display_width(text: str) -> int:
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)
