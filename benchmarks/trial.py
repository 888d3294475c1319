"""Trials: who is not seen to answer what it should is not measured."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from benchmarks.calls import Answer, Caller
from benchmarks.load import Target
from butaca.complaint import Complaint

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
"""What every answer of Butaca has, and what it costs is measured with it."""


TRIES = 9
"""How often it may say that it had to fetch something first, or does so behind its answer."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A target, and what it must answer once it is warm."""

    target: Target
    status: int = 200
    body: bytes | None = None
    movies: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    """How the values of these headers begin."""
    is_butaca: bool = False
    is_kept: Callable[[Target], bool] = lambda _: True

    @property
    def name(self) -> str:
        """Return the name of who is tried, and of what."""
        return self.target.name

    def check(self) -> None:
        """Ask until it is warm, and look at the answer. Raises Complaint when it is not right."""
        faults = [*self._faults(self._warm_answer())]
        if not self.is_kept(self.target):
            faults.append("it keeps nothing")
        if faults:
            raise Complaint(f"{self.name} is not fit to be measured: {'; '.join(faults)}")

    def _warm_answer(self) -> Answer:
        """Return the first answer that was kept; the last of some, when none was."""
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
            yield f"{len(answer.body)} other bytes"
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
