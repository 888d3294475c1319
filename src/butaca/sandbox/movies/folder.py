"""A directory of recorded responses, and the calls to which they belong."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from butaca.sandbox.call import Call
from butaca.sandbox.drawing.pictures import Picture
from butaca.sandbox.responses import Response

Params = frozenset[tuple[str, str]]
# Calls with these parameters are the same as calls without them. Dates only restrict the changes.
DEFAULT_PARAMS: Params = frozenset(
    {("language", "en-US"), ("page", "1"), ("include_adult", "false")}
)
IGNORED_PARAMS = ("append_to_response", "start_date", "end_date", "region")


@dataclass(frozen=True, slots=True)
class RecordingFolder:
    """`popular/page-N.json`, `movie/<id>.json`, and `recorded/` with metadata per request."""

    recorded: Mapping[tuple[str, Params], Response]
    pages: Mapping[int, Response]
    details: Mapping[int, Response]

    @classmethod
    def read(cls, path: Path) -> "RecordingFolder":
        """Read all files. Raises NotADirectoryError if there is no such directory."""
        if not path.is_dir():
            raise NotADirectoryError(f"not a directory of recorded responses: {path}")
        return cls(
            recorded=dict(map(_read_recording, sorted(path.glob("recorded/*.meta.json")))),
            pages=_read_numbered(path.glob("popular/page-*.json")),
            details=_read_numbered(path.glob("movie/*.json")),
        )

    def find(self, call: Call) -> Response | None:
        """Return the recording of exactly this call."""
        return self.recorded.get((call.path, relevant_params(call)))

    def items(self) -> Iterable[dict[str, Any]]:
        """Return every movie of the popular pages once, most popular first."""
        pages = (json.loads(self.pages[number].body) for number in sorted(self.pages))
        return {item["id"]: item for page in pages for item in page["results"]}.values()

    def pictures(self) -> Iterable[tuple[str, Picture]]:
        """Return the picture for each path of a poster or a backdrop."""
        recorded = [each for each in self.recorded.values() if each.status == HTTPStatus.OK]
        for response in (*recorded, *self.pages.values(), *self.details.values()):
            content = json.loads(response.body)
            for item in content.get("results", [content]):
                yield from _pictures_of(item)


def relevant_params(call: Call) -> Params:
    """Return the parameters that distinguish two calls of the same path."""
    params = {(name, value) for name, value in call.params.items() if name not in IGNORED_PARAMS}
    return frozenset(params - DEFAULT_PARAMS)


def _read_recording(meta: Path) -> tuple[tuple[str, Params], Response]:
    metadata = json.loads(meta.read_bytes())
    call = Call.parse(metadata["request"].removeprefix("GET "))
    body = meta.with_name(meta.name.removesuffix(".meta.json") + ".json").read_bytes()
    return (call.path, relevant_params(call)), Response(metadata["status"], body)


def _read_numbered(files: Iterable[Path]) -> dict[int, Response]:
    return {
        int(file.stem.removeprefix("page-")): Response(200, file.read_bytes()) for file in files
    }


def _pictures_of(item: Mapping[str, Any]) -> Iterable[tuple[str, Picture]]:
    for field in ("poster_path", "backdrop_path"):
        if path := item.get(field):
            yield path, _picture(item, is_poster=field == "poster_path")


def _picture(item: Mapping[str, Any], *, is_poster: bool) -> Picture:
    genres = item.get("genre_ids") or [genre["id"] for genre in item.get("genres", ())]
    year = item.get("release_date", "")[:4]
    return Picture(item["id"], item["title"], year, tuple(genres), is_poster=is_poster)
