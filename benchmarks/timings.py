"""Time single calls over one connection: warm and cold GETs, and writes."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median, quantiles
from urllib.parse import urlsplit

from benchmarks.calls import Answer, Caller
from benchmarks.contenders import ASKING, FAVORITES, PEER_POPULAR, POPULAR, asking_flask
from benchmarks.processes import Server
from benchmarks.progress import bar
from benchmarks.testbed import TMDB_TOKEN, Surroundings
from butaca.operator_error import OperatorError
from tests.faults.pods import new_path

_AS_BUTACA = {"Authorization": f"Bearer {TMDB_TOKEN}", "Accept-Encoding": "gzip, deflate"}


@dataclass(slots=True)
class Timing:
    """The seconds of each call of one kind."""

    name: str
    seconds: list[float] = field(default_factory=list)

    @property
    def p50(self) -> float:
        """Return the median."""
        return median(self.seconds)

    @property
    def p99(self) -> float:
        """Return the 99th percentile."""
        return quantiles(self.seconds, n=100)[98]


@dataclass(slots=True)
class Timings:
    """The timings of all kinds of calls, over the same rounds."""

    bare: Timing = field(default_factory=lambda: Timing("bare Flask"))
    warm: Timing = field(default_factory=lambda: Timing("Butaca: warm GET"))
    upstream: Timing = field(default_factory=lambda: Timing("the sandbox, directly"))
    asking: Timing = field(default_factory=lambda: Timing(ASKING))
    cold: Timing = field(default_factory=lambda: Timing("Butaca: cold GET"))
    post: Timing = field(default_factory=lambda: Timing("Butaca: POST of a favorite"))
    delete: Timing = field(default_factory=lambda: Timing("Butaca: DELETE of a favorite"))

    @property
    def added(self) -> float:
        """Return the seconds that Butaca adds to those of its upstream on a cold GET."""
        return self.cold.p50 - self.upstream.p50


def timings(around: Surroundings, bare: Server, rounds: int) -> Timings:
    """Time each kind of call once per round. Raises OperatorError if a call fails."""
    prefix = urlsplit(around.tmdb.url).path
    with ExitStack() as stack:
        tmdb = stack.enter_context(around.tmdb_apart())
        url = f"{tmdb.origin}{prefix}"
        pod = stack.enter_context(around.pod(TMDB_BASE_URL=url))
        asking = stack.enter_context(asking_flask(around, url))
        return _timings(
            Caller(pod.origin),
            Caller(bare.origin),
            Caller(asking.origin),
            Caller(tmdb.origin),
            prefix,
            rounds,
        )


def _timings(
    butaca: Caller, flask: Caller, asking: Caller, sandbox: Caller, prefix: str, rounds: int
) -> Timings:
    told, movie_id = Timings(), _not_kept(butaca)
    for _ in bar(range(rounds), "one call at a time"):
        path = new_path()
        _note(told.bare, 200, flask.get(PEER_POPULAR))
        _note(told.warm, 200, butaca.get(POPULAR))
        _note(told.upstream, 200, sandbox.get(f"{prefix}/movie{path[7:]}", _AS_BUTACA))
        _note(told.asking, 200, asking.get(path))
        _note(told.cold, 200, butaca.get(f"/api/v1{path}"))
        _note(told.post, 201, butaca.ask("POST", FAVORITES, {"movie_id": movie_id}))
        _note(told.delete, 204, butaca.ask("DELETE", f"{FAVORITES}/{movie_id}"))
    return told


def _not_kept(butaca: Caller) -> int:
    """Return a movie that is not among the twenty favorites."""
    kept = {each["movie"]["id"] for each in butaca.get(FAVORITES).json["results"]}
    movies = butaca.get(f"{POPULAR}?page=2").json["results"]
    return next(int(movie["id"]) for movie in movies if movie["id"] not in kept)


def _note(timing: Timing, status: int, answer: Answer) -> None:
    if answer.status != status:
        raise OperatorError(f"{timing.name}: {answer.status} {answer.body[:200]!r}")
    timing.seconds.append(answer.seconds)
