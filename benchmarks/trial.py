"""Trials: a server is measured only after it has responded correctly."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from benchmarks.calls import Answer, Caller
from benchmarks.load import Target
from butaca.operator_error import OperatorError

PROTECTIONS = (
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


TRIES = 9
"""Number of responses that may still be misses, or be refreshed in the background."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A target and the response that it must give once it is warm."""

    target: Target
    status: int = 200
    body: bytes | None = None
    movies: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    """Prefixes that the values of these headers must have."""
    is_butaca: bool = False
    is_kept: Callable[[Target], bool] = lambda _: True

    @property
    def name(self) -> str:
        """Return the name of the target."""
        return self.target.name

    def check(self) -> None:
        """Send requests until it is warm, and verify the response. Raises OperatorError."""
        faults = [*self._faults(self._warm_answer())]
        if not self.is_kept(self.target):
            faults.append("nothing is cached")
        if faults:
            raise OperatorError(f"{self.name} does not respond correctly: {'; '.join(faults)}")

    def _warm_answer(self) -> Answer:
        """Return the first response with all required headers, or the last of several tries."""
        caller = Caller(self.target.server.origin)
        answer = self._ask(caller)
        for _ in range(TRIES):
            answer = self._ask(caller)
            if not [*self._missing(answer)]:
                break
        return answer

    def _ask(self, caller: Caller) -> Answer:
        return caller.get(self.target.paths[0], self.target.headers)

    def _faults(self, answer: Answer) -> Iterator[str]:
        if answer.status != self.status:
            yield f"status {answer.status}, not {self.status}"
            return
        if self.body is not None and answer.body != self.body:
            yield f"a different body of {len(answer.body)} bytes"
        if self.movies is not None and len(answer.json["results"]) != self.movies:
            yield f"not {self.movies} movies"
        yield from self._missing(answer)

    def _missing(self, answer: Answer) -> Iterator[str]:
        for name, start in self.headers.items():
            if not str(answer.headers.get(name)).startswith(start):
                yield f"{name}: {answer.headers.get(name)}, not {start}"
        for name in PROTECTIONS if self.is_butaca else ():
            if name not in answer.headers:
                yield f"no {name}"
