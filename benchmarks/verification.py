"""A server is measured only after it has responded correctly."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from benchmarks.calls import Client, Response
from benchmarks.load import Target
from butaca.operator_error import OperatorError

REQUIRED_HEADERS = (
    "Content-Security-Policy",
    "Cross-Origin-Resource-Policy",
    "Referrer-Policy",
    "Strict-Transport-Security",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "X-Request-Id",
    "Cache-Control",
    "ETag",
    "Vary",
)
"""Headers that every response of Butaca has. Their cost is part of the measurement."""


MAX_ATTEMPTS = 9
"""Number of responses that may still be misses, or be refreshed in the background."""


@dataclass(frozen=True, slots=True)
class VerifiedTarget:
    """A target and the response that it must give once it is warm."""

    target: Target
    status: int = 200
    body: bytes | None = None
    movies: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers that it must have, with the required prefixes of their values."""
    is_butaca: bool = False
    is_cached: Callable[[Target], bool] = lambda _: True

    @property
    def name(self) -> str:
        """Return the name of the target."""
        return self.target.name

    def verify(self) -> None:
        """Send requests until it is warm, and verify the response. Raises OperatorError."""
        errors = [*self._errors(self._warm_response())]
        if not self.is_cached(self.target):
            errors.append("nothing is cached")
        if errors:
            raise OperatorError(f"{self.name} does not respond correctly: {'; '.join(errors)}")

    def _warm_response(self) -> Response:
        """Return the first response with all required headers, or the last of several attempts."""
        client = Client(self.target.server.origin)
        response = self._request(client)
        for _ in range(MAX_ATTEMPTS):
            response = self._request(client)
            if not [*self._missing(response)]:
                break
        return response

    def _request(self, client: Client) -> Response:
        return client.get(self.target.paths[0], self.target.headers)

    def _errors(self, response: Response) -> Iterator[str]:
        if response.status != self.status:
            yield f"status {response.status}, not {self.status}"
            return
        if self.body is not None and response.body != self.body:
            yield f"a different body of {len(response.body)} bytes"
        if self.movies is not None and len(response.json["results"]) != self.movies:
            yield f"not {self.movies} movies"
        yield from self._missing(response)

    def _missing(self, response: Response) -> Iterator[str]:
        for name, start in self.headers.items():
            if not str(response.headers.get(name)).startswith(start):
                yield f"{name}: {response.headers.get(name)}, not {start}"
        for name in REQUIRED_HEADERS if self.is_butaca else ():
            if name not in response.headers:
                yield f"no {name}"
