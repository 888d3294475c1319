"""Time single calls over one connection: warm and cold GETs, and writes."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median, quantiles
from urllib.parse import urlsplit

from benchmarks.calls import Client, Response
from benchmarks.compared_servers import (
    FAVORITES,
    FORWARDING,
    PEER_POPULAR,
    POPULAR,
    forwarding_flask,
)
from benchmarks.processes import Server
from benchmarks.progress import progress_bar
from benchmarks.testbed import TMDB_TOKEN, Testbed
from butaca.operator_error import OperatorError
from tests.faults.pods import new_path

_UPSTREAM_HEADERS = {"Authorization": f"Bearer {TMDB_TOKEN}", "Accept-Encoding": "gzip, deflate"}


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
    forwarding: Timing = field(default_factory=lambda: Timing(FORWARDING))
    cold: Timing = field(default_factory=lambda: Timing("Butaca: cold GET"))
    post: Timing = field(default_factory=lambda: Timing("Butaca: POST of a favorite"))
    delete: Timing = field(default_factory=lambda: Timing("Butaca: DELETE of a favorite"))

    @property
    def added(self) -> float:
        """Return the seconds that Butaca adds to those of its upstream on a cold GET."""
        return self.cold.p50 - self.upstream.p50


def measure_timings(testbed: Testbed, bare: Server, rounds: int) -> Timings:
    """Time each kind of call once per round. Raises OperatorError if a call fails."""
    prefix = urlsplit(testbed.tmdb.url).path
    with ExitStack() as stack:
        tmdb = stack.enter_context(testbed.separate_tmdb())
        url = f"{tmdb.origin}{prefix}"
        pod = stack.enter_context(testbed.pod(TMDB_BASE_URL=url))
        forwarding = stack.enter_context(forwarding_flask(testbed, url))
        return _measure_rounds(
            Client(pod.origin),
            Client(bare.origin),
            Client(forwarding.origin),
            Client(tmdb.origin),
            prefix,
            rounds,
        )


def _measure_rounds(
    butaca: Client, flask: Client, forwarding: Client, sandbox: Client, prefix: str, rounds: int
) -> Timings:
    result, movie_id = Timings(), _movie_outside_favorites(butaca)
    for _ in progress_bar(range(rounds), "one call at a time"):
        path = new_path()
        _record(result.bare, 200, flask.get(PEER_POPULAR))
        _record(result.warm, 200, butaca.get(POPULAR))
        _record(result.upstream, 200, sandbox.get(f"{prefix}/movie{path[7:]}", _UPSTREAM_HEADERS))
        _record(result.forwarding, 200, forwarding.get(path))
        _record(result.cold, 200, butaca.get(f"/api/v1{path}"))
        _record(result.post, 201, butaca.request("POST", FAVORITES, {"movie_id": movie_id}))
        _record(result.delete, 204, butaca.request("DELETE", f"{FAVORITES}/{movie_id}"))
    return result


def _movie_outside_favorites(butaca: Client) -> int:
    """Return a movie that is not among the twenty favorites."""
    favorites = {each["movie"]["id"] for each in butaca.get(FAVORITES).json["results"]}
    movies = butaca.get(f"{POPULAR}?page=2").json["results"]
    return next(int(movie["id"]) for movie in movies if movie["id"] not in favorites)


def _record(timing: Timing, status: int, response: Response) -> None:
    if response.status != status:
        raise OperatorError(f"{timing.name}: {response.status} {response.body[:200]!r}")
    timing.seconds.append(response.seconds)
