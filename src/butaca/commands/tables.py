"""Output of rows on stdout: as a table, or as JSON."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import click

Row = Mapping[str, object]


def print_rows(rows: Iterable[Row], columns: Sequence[str], *, as_json: bool) -> None:
    """Print these columns of rows. Times are in UTC (RFC 3339), as in the API."""
    plain_rows = [{column: _to_plain(row[column]) for column in columns} for row in rows]
    if as_json:
        click.echo(json.dumps(plain_rows, ensure_ascii=False, indent=2))
    else:
        cells = [[_cell(value) for value in row.values()] for row in plain_rows]
        click.echo("\n".join(_lines([[column.upper() for column in columns], *cells])))


def _lines(cells: Sequence[Sequence[str]]) -> Iterable[str]:
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        padded = (text.ljust(width) for text, width in zip(row, widths, strict=True))
        yield "  ".join(padded).rstrip()


def _cell(value: object) -> str:
    return "-" if value is None else str(value)


def _to_plain(value: object) -> object:
    return format_time(value) if isinstance(value, datetime) else value


def format_time(value: datetime) -> str:
    """Format a time to the second in UTC, such as 2026-05-01T12:00:00Z."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
