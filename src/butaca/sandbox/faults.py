"""The kinds of faults of TMDB, and how to write them."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Any

KINDS: Mapping[str, str] = {
    "refuse": "accepts the call and closes the connection without a response",
    "hang": "accepts the call and does not respond until cleared or stopped",
    "delay": "responds correctly after `seconds`",
    "drip": "sends the headers, then one byte of the body every `seconds`",
    "drip-headers": "sends one byte every `seconds`, including the headers",
    "reset": "resets the connection (RST) in the middle of the body",
    "cut": "announces the whole body, sends half of it and closes the connection",
    "429": "too many requests, code 25; with Retry-After if `retry_after` is given",
    "500": "internal error, code 11",
    "502": "no connection to the backend, code 43",
    "502-html": "the gateway's own page in HTML",
    "503": "service offline, code 9",
    "503-maintenance": "maintenance, code 46",
    "504": "the backend timed out, code 24",
    "504-html": "the gateway's own page in HTML",
    "401": "invalid API key, code 7",
    "404": "not found, code 34",
    "truncated": "200 with truncated JSON",
    "object": "200 with {}",
    "list": "200 with []",
    "null": "200 with null",
    "gzip": "200 with gzip bytes and no Content-Encoding",
    "deleted": "the movies in `ids` are deleted: 404 code 34, and `adult: null` in the changes",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of failure, and the calls to which it applies.

    `paths` is a shell-style pattern (`/3/movie/*`); `times` is the number of calls, None for all;
    `probability` is from 0 to 1. Raises ValueError if a field is invalid.
    """

    kind: str
    paths: str = "*"
    times: int | None = None
    probability: float = 1.0
    seconds: float = 1.0
    retry_after: int | str | None = None
    ids: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Validate the fields."""
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind of fault {self.kind!r}; known: {', '.join(KINDS)}")
        if self.times is not None and self.times < 1:
            raise ValueError(f"times must be 1 or more, not {self.times}")
        if not 0 <= self.probability <= 1:
            raise ValueError(f"probability must be from 0 to 1, not {self.probability}")
        if not 0 <= self.seconds < float("inf"):
            raise ValueError(f"seconds must be 0 or more, not {self.seconds}")
        if "\n" in str(self.retry_after) or "\r" in str(self.retry_after):
            raise ValueError("retry_after must be one line")
        if (self.kind == "deleted") != bool(self.ids):
            raise ValueError("ids belong to the kind 'deleted', which needs them")

    def matches(self, path: str) -> bool:
        """Return whether the fault applies to a path."""
        if not fnmatchcase(path, self.paths):
            return False
        return self.kind != "deleted" or _movie_id(path) in self.ids

    def as_json(self) -> dict[str, Any]:
        """Return all fields, as `PUT /_sandbox/faults` accepts them."""
        return asdict(self)


def parse_faults(text: str) -> tuple[Fault, ...]:
    """Parse faults: a JSON list, or a comma-separated list of `kind[:paths[:times]]`.

    Raises ValueError with a message for the user.
    """
    if text.strip().startswith(("[", "{")):
        return _parse_json(text)
    return tuple(_parse_short(part.strip()) for part in text.split(",") if part.strip())


def _parse_json(text: str) -> tuple[Fault, ...]:
    try:
        data = json.loads(text)
    except ValueError as error:
        raise ValueError(f"faults are not JSON: {error}") from error
    return tuple(_build_fault(fields) for fields in _as_list(data))


def _as_list(data: Any) -> Iterable[Any]:
    return data if isinstance(data, list) else [data]


def _parse_short(text: str) -> Fault:
    kind, _, rest = text.partition(":")
    paths, _, times = rest.partition(":")
    if times and not times.isdecimal():
        raise ValueError(f"times must be a whole number in {text!r}")
    return Fault(kind, paths=paths or "*", times=int(times) if times else None)


def _build_fault(fields: Any) -> Fault:
    if not isinstance(fields, dict) or "kind" not in fields:
        raise ValueError(f"a fault is an object with a kind, not {fields!r}")
    for name, value in fields.items():
        _check_field(name, value)
    kind, ids = str(fields["kind"]), tuple(fields.get("ids", ()))
    return Fault(**{**fields, "kind": kind, "ids": ids})


def _check_field(name: str, value: Any) -> None:
    if name not in _FIELD_TYPES:
        raise ValueError(f"unknown field {name!r} of a fault; known: {', '.join(_FIELD_TYPES)}")
    if not _has_valid_type(name, value):
        raise ValueError(f"field {name!r} of a fault cannot be {value!r}")


def _has_valid_type(name: str, value: Any) -> bool:
    if isinstance(value, list):
        return name == "ids" and all(type(movie_id) is int for movie_id in value)
    return isinstance(value, _FIELD_TYPES[name]) and not isinstance(value, bool)


def _movie_id(path: str) -> int | None:
    match path.split("/"):
        case ["", "3", "movie", movie_id, *_] if movie_id.isdecimal():
            return int(movie_id)
    return None


_FIELD_TYPES: Mapping[str, tuple[type, ...]] = {
    "kind": (str, int),
    "paths": (str,),
    "times": (int, type(None)),
    "probability": (int, float),
    "seconds": (int, float),
    "retry_after": (int, str, type(None)),
    "ids": (list,),
}
