"""A directory of recorded responses, and the calls to which they belong."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from butaca.sandbox.answers import Answer
from butaca.sandbox.call import Call
from butaca.sandbox.drawing.pictures import Picture

Params = frozenset[tuple[str, str]]
# Calls with these parameters are the same as calls without them. Dates only restrict the changes.
DEFAULTS: Params = frozenset({("language", "en-US"), ("page", "1"), ("include_adult", "false")})
ASIDE = ("append_to_response", "start_date", "end_date", "region")


@dataclass(frozen=True, slots=True)
class Folder:
    """`popular/page-N.json`, `movie/<id>.json`, and `recorded/` with metadata per request."""

    recorded: Mapping[tuple[str, Params], Answer]
    pages: Mapping[int, Answer]
    details: Mapping[int, Answer]

    @classmethod
    def at(cls, path: Path) -> "Folder":
        """Read all files. Raises NotADirectoryError if there is no such directory."""
        if not path.is_dir():
            raise NotADirectoryError(f"not a directory of recorded responses: {path}")
        return cls(
            recorded=dict(_recording(meta) for meta in sorted(path.glob("recorded/*.meta.json"))),
            pages=_numbered(path.glob("popular/page-*.json")),
            details=_numbered(path.glob("movie/*.json")),
        )

    def exact(self, call: Call) -> Answer | None:
        """Return the recording of exactly this call."""
        return self.recorded.get((call.path, params(call)))

    def items(self) -> Iterable[dict[str, Any]]:
        """Return every movie of the popular pages once, most popular first."""
        pages = (json.loads(self.pages[number].body) for number in sorted(self.pages))
        return {item["id"]: item for page in pages for item in page["results"]}.values()

    def pictures(self) -> Iterable[tuple[str, Picture]]:
        """Return the picture for each path of a poster or a backdrop."""
        recorded = [one for one in self.recorded.values() if one.status == HTTPStatus.OK]
        for answer in (*recorded, *self.pages.values(), *self.details.values()):
            content = json.loads(answer.body)
            for item in content.get("results", [content]):
                yield from _drawn(item)


def params(call: Call) -> Params:
    """Return the parameters that distinguish two calls of the same path."""
    return frozenset((name, value) for name, value in call.params.items() if name not in ASIDE) - (
        DEFAULTS
    )


def _recording(meta: Path) -> tuple[tuple[str, Params], Answer]:
    written = json.loads(meta.read_bytes())
    call = Call.to(written["request"].removeprefix("GET "))
    body = meta.with_name(meta.name.removesuffix(".meta.json") + ".json").read_bytes()
    return (call.path, params(call)), Answer(written["status"], body)


def _numbered(files: Iterable[Path]) -> dict[int, Answer]:
    return {int(file.stem.removeprefix("page-")): Answer(200, file.read_bytes()) for file in files}


def _drawn(item: Mapping[str, Any]) -> Iterable[tuple[str, Picture]]:
    for field in ("poster_path", "backdrop_path"):
        if path := item.get(field):
            yield path, _picture(item, is_poster=field == "poster_path")


def _picture(item: Mapping[str, Any], *, is_poster: bool) -> Picture:
    genres = item.get("genre_ids") or [one["id"] for one in item.get("genres", ())]
    year = item.get("release_date", "")[:4]
    return Picture(item["id"], item["title"], year, tuple(genres), is_poster=is_poster)
