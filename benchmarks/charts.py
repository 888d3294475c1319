"""SVG charts for light and dark mode, written without a library."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

Point = tuple[float, float]

_STYLE = """
  .paper { fill: #fbf7f0 } .t { fill: #2b2138; font-size: 13px } .b { font-weight: 700 }
  .s { fill: #6a5f78; font-size: 11px } .m { text-anchor: middle } .e { text-anchor: end }
  .grid { stroke: #e4dacb; stroke-width: 1 } .wanted { stroke: #c0392b; stroke-dasharray: 5 4 }
  .line { fill: none; stroke-width: 2.2 }
  .l0 { stroke: #5b3f8c } .l1 { stroke: #c98a12 } .f0 { fill: #5b3f8c } .f1 { fill: #f2b84b }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #17131d } .t { fill: #f1ebfa } .s { fill: #b3a6c6 } .grid { stroke: #362c44 }
    .l0 { stroke: #a98be0 } .f0 { fill: #a98be0 } .wanted { stroke: #ff8a7a }
  }
"""
_FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"
_LEFT, _TOP, _BOTTOM = 56, 62, 44


@dataclass(frozen=True, slots=True)
class Panel:
    """A line chart. The y axis begins at 0; the x axis may be logarithmic."""

    title: str
    x_label: str
    y_label: str
    lines: dict[str, Sequence[Point]]
    is_logarithmic: bool = True
    goal: float | None = None


def bars(title: str, rows: Sequence[tuple[str, float, str, bool]]) -> str:
    """Draw a bar chart. A row has a name, a value, a note, and whether it is Butaca."""
    longest = max(value for _, value, _, _ in rows)
    height = 56 + 30 * len(rows)
    return _drawing(760, height, title, _bars(title, rows, 390 / longest))


def panels(title: str, charts: Sequence[Panel], columns: int = 2) -> str:
    """Draw line charts side by side."""
    width, height = 380, 270
    rows = math.ceil(len(charts) / columns)
    parts = (
        f'<g transform="translate({position % columns * width} {position // columns * height})">'
        f"{''.join(_panel(panel, width, height))}</g>"
        for position, panel in enumerate(charts)
    )
    return _drawing(width * min(columns, len(charts)), height * rows, title, parts)


def _drawing(width: int, height: int, title: str, parts: Iterable[str]) -> str:
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="{_FONT}" role="img" aria-labelledby="t">\n'
        f'<title id="t">{escape(title)}</title>\n<style>{_STYLE}</style>\n'
        f'<rect class="paper" width="{width}" height="{height}" rx="12"/>\n{body}\n</svg>\n'
    )


def _bars(title: str, rows: Sequence[tuple[str, float, str, bool]], scale: float) -> Iterator[str]:
    yield _text(20, 30, title, "t b")
    for position, (name, value, note, is_butaca) in enumerate(rows):
        y = 48 + 30 * position
        yield _text(200, y + 15, name, "t e")
        width = max(value * scale, 1)
        color, size = f"f{int(not is_butaca)}", f'width="{width:.1f}" height="20"'
        yield f'<rect class="{color}" x="210" y="{y}" {size} rx="4"/>'
        yield _text(218 + width, y + 15, note, "s")


def _panel(panel: Panel, width: int, height: int) -> Iterator[str]:
    right, floor = width - 28, height - _BOTTOM
    points = [point for line in panel.lines.values() for point in line]
    top = _round_up(max([y for _, y in points] + [panel.goal or 0]))
    sizes = sorted({x for x, _ in points})
    x_of = _scale(sizes[0], sizes[-1], _LEFT, right, is_logarithmic=panel.is_logarithmic)
    y_of = _scale(0, top, floor, _TOP, is_logarithmic=False)
    yield _text(_LEFT, 24, panel.title, "t b")
    yield _text(_LEFT, 40, panel.y_label, "s")
    for part in range(5):
        yield _grid(_LEFT, right, y_of(top * part / 4), f"{top * part / 4:g}")
    for x in _ticks(sizes, is_logarithmic=panel.is_logarithmic):
        yield _text(x_of(x), floor + 16, f"{x:,.0f}".replace(",", " "), "s m")
    yield _text((_LEFT + right) / 2, floor + 34, panel.x_label, "s m")
    if panel.goal is not None:
        y = y_of(panel.goal)
        yield f'<line class="wanted" x1="{_LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>'
    for number, (name, line) in enumerate(panel.lines.items()):
        yield from _line(number, [(x_of(x), y_of(y)) for x, y in line])
        yield _legend(number, name, right)


def _line(number: int, points: Sequence[Point]) -> Iterator[str]:
    coordinates = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    yield f'<polyline class="line l{number}" points="{coordinates}"/>'
    for x, y in points:
        yield f'<circle class="f{number}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>'


def _legend(number: int, name: str, right: float) -> str:
    y = 24 + 16 * number
    return f'<circle class="f{number}" cx="{right}" cy="{y - 4}" r="4"/>' + _text(
        right - 10, y, name, "s e"
    )


def _grid(left: float, right: float, y: float, label: str) -> str:
    line = f'<line class="grid" x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>'
    return line + _text(left - 8, y + 4, label, "s e")


def _scale(
    lowest: float, highest: float, start: float, end: float, *, is_logarithmic: bool
) -> Callable[[float], float]:
    """Return a function that maps a value to its coordinate between `start` and `end`."""
    transform = math.log if is_logarithmic else float
    span = (transform(highest) - transform(lowest)) or 1.0
    return lambda value: start + (transform(value) - transform(lowest)) / span * (end - start)


def _ticks(sizes: Sequence[float], *, is_logarithmic: bool) -> Sequence[float]:
    """Return the labels of the x axis: each measured size, or five even steps."""
    if is_logarithmic:
        return sizes
    return [sizes[0] + (sizes[-1] - sizes[0]) * part / 4 for part in range(5)]


def _round_up(value: float) -> float:
    """Return the next round number whose quarters are round as well."""
    power = 10.0 ** math.floor(math.log10(value)) if value > 0 else 1.0
    return next(
        step * power for step in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10) if step * power >= value
    )


def _text(x: float, y: float, text: str, classes: str) -> str:
    return f'<text class="{classes}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'
