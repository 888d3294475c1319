"""Measure how the cost of a request grows with connections, threads, page size and data."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from benchmarks.calls import Client
from benchmarks.compared_servers import BARE, FAVORITES, PEER_POPULAR, POPULAR, bare_flask
from benchmarks.load import CONNECTIONS, Target
from benchmarks.processes import Server
from benchmarks.rounds import Series, side_by_side
from benchmarks.seeding import create_users_with_favorites, fill_cache
from benchmarks.testbed import AUTHORIZED, Testbed

LONG_TTL = {"CACHE_TTL_SECONDS": "36000"}
BEND_THRESHOLD = 1.25
"""A line bends upward if a cost is more than this many times the lowest cost before it."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes at which each curve is measured."""

    connections: Sequence[int] = (1, 2, 4, 8, 16, 32, 64, 128, 256)
    threads: Sequence[int] = (1, 2, 4, 8, 16, 32)
    page_sizes: Sequence[int] = (1, 5, 20, 50, 100)
    favorites: Sequence[int] = (20, 100, 1_000, 10_000)
    keys: Sequence[int] = (1, 10, 100, 1_000, 10_000, 100_000)


FULL = Sizes()
SMALL = Sizes((1, 16), (1, 8), (1, 20), (20, 100), (1, 100))


@dataclass(frozen=True, slots=True)
class Point:
    """One measurement of a line: a size, and the target to load."""

    line: str
    size: int
    target: Target
    connections: int = CONNECTIONS

    @property
    def name(self) -> str:
        """Return a name that is unique within the curve."""
        return f"{self.line}, {self.size}"


@dataclass(frozen=True, slots=True)
class Curve:
    """The cost of a request, or of a movie in it, in seconds of the server at each size."""

    title: str
    sizes: str
    points: Sequence[Point]
    series: dict[str, Series]
    is_per_movie: bool = False

    def lines(self) -> dict[str, list[tuple[int, Series]]]:
        """Return the points of each line, from the smallest size to the largest."""
        names = dict.fromkeys(point.line for point in self.points)
        return {
            name: [(p.size, self.series[p.name]) for p in self.points if p.line == name]
            for name in names
        }

    def cost(self, size: int, series: Series) -> float:
        """Return the cost at a size in seconds, per movie if the curve is."""
        return series.cost / size if self.is_per_movie else series.cost

    def rise(self, line: str) -> float:
        """Return the largest ratio between a cost and the lowest cost at any smaller size."""
        costs = [self.cost(size, series) for size, series in self.lines()[line]]
        return max(cost / min(costs[: position + 1]) for position, cost in enumerate(costs))


@dataclass(frozen=True, slots=True)
class Growth:
    """The measurement of all curves."""

    testbed: Testbed
    rounds: int
    seconds: float
    sizes: Sizes

    def curves(self, pod: Server, bare: Server) -> Iterator[Curve]:
        """Measure the curves one after the other."""
        yield self.connections(pod, bare)
        yield self.threads(Client(bare.origin).get(PEER_POPULAR).body)
        with self.testbed.pod(**LONG_TTL) as caching_pod:
            tokens = create_users_with_favorites(self.testbed.database_url, self.sizes.favorites)
            yield self.page_sizes(caching_pod, tokens[max(tokens)])
            yield self.favorites(caching_pod, tokens)
            yield self.keys(caching_pod)

    def connections(self, pod: Server, bare: Server) -> Curve:
        """Vary the number of concurrent connections."""
        targets = {"Butaca: warm GET": _target(pod, POPULAR), BARE: _bare(bare)}
        points = [
            Point(line, number, target, connections=number)
            for line, target in targets.items()
            for number in self.sizes.connections
        ]
        return self._measure("Connections", "connections", points)

    def threads(self, body: bytes) -> Curve:
        """Vary the number of threads, with one server for each number."""
        with ExitStack() as stack:
            points = []
            for number in self.sizes.threads:
                pod = stack.enter_context(self.testbed.pod(**LONG_TTL, THREADS=str(number)))
                flask = stack.enter_context(bare_flask(self.testbed, body, number))
                Client(pod.origin).get(POPULAR)
                points.append(Point("Butaca: warm GET", number, _target(pod, POPULAR)))
                points.append(Point(BARE, number, _bare(flask)))
            return self._measure("Threads", "threads", points)

    def page_sizes(self, pod: Server, token: str) -> Curve:
        """Vary the number of favorites on a page."""
        points = [
            Point("Butaca: favorites", size, _target(pod, f"{FAVORITES}?page_size={size}", token))
            for size in self.sizes.page_sizes
        ]
        return self._measure("Page size", "movies on a page", points, is_per_movie=True)

    def favorites(self, pod: Server, tokens: dict[int, str]) -> Curve:
        """Vary the number of favorites of a user, with twenty on a page."""
        points = [
            Point("Butaca: 20 favorites", number, _target(pod, FAVORITES, token))
            for number, token in tokens.items()
        ]
        return self._measure("Favorites per user", "favorites", points)

    def keys(self, pod: Server) -> Curve:
        """Vary the number of cached responses, all requested equally often."""
        paths = fill_cache(self.testbed, pod, max(self.sizes.keys))
        points = [
            Point("Butaca: warm GET", number, replace(_target(pod, ""), paths=paths[:number]))
            for number in self.sizes.keys
        ]
        return self._measure("Keys in the cache", "keys", points)

    def _measure(
        self, title: str, sizes: str, points: list[Point], *, is_per_movie: bool = False
    ) -> Curve:
        connections = {point.name: point.connections for point in points}
        targets = [replace(point.target, name=point.name) for point in points]
        series = side_by_side(
            targets,
            self.rounds,
            lambda target: target.load(self.seconds, connections[target.name]),
            title.lower(),
        )
        return Curve(title, sizes, points, series, is_per_movie)


def _target(pod: Server, path: str, token: str | None = None) -> Target:
    headers = {"Authorization": f"Bearer {token}"} if token else AUTHORIZED
    return Target("", pod, (path,), headers)


def _bare(server: Server) -> Target:
    return Target("", server, (PEER_POPULAR,), AUTHORIZED)
