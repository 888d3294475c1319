"""Single calls over a connection that is kept: to try what is answered, and to time it."""

import json
import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPMessage
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from benchmarks.surroundings import AUTHORIZED


class Answer(NamedTuple):
    """What was answered, and after how many seconds."""

    status: int
    headers: HTTPMessage
    body: bytes
    seconds: float

    @property
    def json(self) -> Any:
        """Return what the body says."""
        return json.loads(self.body)


class Caller:
    """Somebody who calls an origin over one connection."""

    def __init__(self, origin: str) -> None:
        self._connection = HTTPConnection(urlsplit(origin).netloc, timeout=30)

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] = AUTHORIZED,
    ) -> Answer:
        """Ask, and wait for all of the answer."""
        content = None if body is None else json.dumps(body)
        declared = {} if body is None else {"Content-Type": "application/json"}
        started = time.perf_counter()
        self._connection.request(method, path, content, {**headers, **declared})
        response = self._connection.getresponse()
        answered = response.read()
        seconds = time.perf_counter() - started
        return Answer(response.status, response.headers, answered, seconds)

    def get(self, path: str, headers: Mapping[str, str] = AUTHORIZED) -> Answer:
        """Ask for something."""
        return self.ask("GET", path, headers=headers)
