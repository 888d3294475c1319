"""The sandbox: starting, stopping, faults and counts."""

from pathlib import Path
from threading import Event, Thread
from types import TracebackType

from butaca.sandbox.calls import Calls
from butaca.sandbox.control import export_command
from butaca.sandbox.endpoints import Source
from butaca.sandbox.faults import Fault
from butaca.sandbox.handler import PICTURES, RequestHandler
from butaca.sandbox.listener import Listener
from butaca.sandbox.movies.builtin import BuiltinMovies
from butaca.sandbox.movies.folder import RecordingFolder
from butaca.sandbox.movies.movies import builtin_movies
from butaca.sandbox.movies.recorded import RecordedMovies

POLL_SECONDS = 0.02
DEFAULT_TOKEN = "sandbox-token"  # noqa: S105 - only the sandbox accepts it


class Sandbox:
    """A stand-in for TMDB on a local port, with built-in movies or recorded responses.

    `data` is a directory of recordings; `token` is the only valid bearer token; `latency` is the
    duration of every call under /3, in seconds; `inflate_totals` makes the popular list announce
    more pages than TMDB serves. With `port=0`, the first start chooses a port, and later starts
    reuse it: a stopped sandbox refuses connections, and then returns at the same address.
    """

    def __init__(
        self,
        data: Path | str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        token: str = DEFAULT_TOKEN,
        latency: float = 0.0,
        *,
        inflate_totals: bool = True,
    ) -> None:
        """Read the movies. Raises NotADirectoryError if `data` is not a directory."""
        source = _source(data, inflate_totals=inflate_totals)
        self._handler = RequestHandler(source, token=token, latency=latency)
        self._host, self._port, self._token = host, port, token
        self._listener: Listener | None = None
        self._thread: Thread | None = None
        self._stopped = Event()

    @property
    def url(self) -> str:
        """The base URL of the API, for TMDB_BASE_URL."""
        return f"{self._origin}/3"

    @property
    def image_url(self) -> str:
        """The base URL of pictures, for TMDB_IMAGE_BASE_URL."""
        return self._origin + PICTURES.rstrip("/")

    @property
    def control_url(self) -> str:
        """The URL of the control API, for faults and counts."""
        return f"{self._origin}/_sandbox"

    @property
    def export_command(self) -> str:
        """The shell command with which Butaca uses this sandbox."""
        return export_command(self._origin, self._token)

    @property
    def calls(self) -> Calls:
        """The number of calls per path under /3, over all starts."""
        return self._handler.calls

    def inject(self, *faults: Fault) -> None:
        """Add faults after the active ones; the first that matches a call applies to it."""
        self._handler.faults.add(*faults)

    def clear_faults(self) -> None:
        """Remove all faults; hanging calls end without a response."""
        self._handler.faults.replace()

    def start(self) -> None:
        """Listen, in a background thread. Raises OSError if the port is in use."""
        self._listener = Listener((self._host, self._port), self._handler)
        self._port = self._listener.server_port
        self._handler.faults.rearm()
        self._stopped.clear()
        self._thread = Thread(target=self._listener.serve_forever, args=(POLL_SECONDS,))
        self._thread.daemon = True
        self._thread.start()

    def stop(self) -> None:
        """Stop listening and end every call; from now on connections are refused."""
        if not self._listener or not self._thread:
            return
        self._listener.shutdown()
        self._listener.server_close()
        self._handler.faults.release()
        self._listener.close_connections()
        self._thread.join()
        self._listener = self._thread = None
        self._stopped.set()

    def serve_forever(self) -> None:
        """Serve until `stop` is called from another thread, or this thread is interrupted."""
        if not self._listener:
            self.start()
        try:
            self._stopped.wait()
        finally:
            self.stop()

    def __enter__(self) -> "Sandbox":
        """Start."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()

    @property
    def _origin(self) -> str:
        return f"http://{self._host}:{self._port}"


def _source(data: Path | str | None, *, inflate_totals: bool) -> Source:
    if data is None:
        return BuiltinMovies(builtin_movies(), inflate_totals=inflate_totals)
    return RecordedMovies(RecordingFolder.read(Path(data)))
