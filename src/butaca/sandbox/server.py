"""The sandbox itself: start it, break it, heal it, count, stop it."""

from pathlib import Path
from threading import Event, Thread
from types import TracebackType

from butaca.sandbox.calls import Calls
from butaca.sandbox.desk import PICTURES, FrontDesk
from butaca.sandbox.endpoints import Source
from butaca.sandbox.faults import Fault
from butaca.sandbox.films.folder import Folder
from butaca.sandbox.films.movies import own_movies
from butaca.sandbox.films.own import OwnMovies
from butaca.sandbox.films.recorded import RecordedMovies
from butaca.sandbox.listener import Listener

POLL_SECONDS = 0.02
OPEN_SESAME = "sandbox-token"


class Sandbox:
    """A TMDB on the loopback, with movies of its own or with recorded answers.

    `data` is a folder of recordings, `token` the only good Bearer token, `latency` the seconds
    that every call under /3 takes, `inflate_totals` whether the popular list claims more pages
    than TMDB gives. With `port=0` the first start chooses a port and later starts keep it: a
    stopped sandbox really refuses connections, and comes back at the same address.
    """

    def __init__(
        self,
        data: Path | str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        token: str = OPEN_SESAME,
        latency: float = 0.0,
        *,
        inflate_totals: bool = True,
    ) -> None:
        """Read the movies. Raises NotADirectoryError when `data` is no folder."""
        source = _source(data, inflate_totals=inflate_totals)
        self._desk = FrontDesk(source, token=token, latency=latency)
        self._host, self._port = host, port
        self._listener: Listener | None = None
        self._thread: Thread | None = None
        self._stopped = Event()

    @property
    def url(self) -> str:
        """The base of the API, for TMDB_BASE_URL."""
        return f"{self._origin}/3"

    @property
    def image_url(self) -> str:
        """The base of the pictures, for TMDB_IMAGE_BASE_URL."""
        return self._origin + PICTURES.rstrip("/")

    @property
    def control_url(self) -> str:
        """Where faults are switched and calls are read over HTTP."""
        return f"{self._origin}/_sandbox"

    @property
    def calls(self) -> Calls:
        """How often which path under /3 was called, over all starts."""
        return self._desk.calls

    def break_with(self, *faults: Fault) -> None:
        """Switch on more faults; the first that concerns a call strikes it."""
        self._desk.breakage.add(*faults)

    def heal(self) -> None:
        """Switch off all faults; calls that hang end without an answer."""
        self._desk.breakage.replace()

    def start(self) -> None:
        """Listen, in a thread of its own. Raises OSError when the port is taken."""
        self._listener = Listener((self._host, self._port), self._desk)
        self._port = self._listener.server_port
        self._desk.breakage.rearm()
        self._stopped.clear()
        self._thread = Thread(target=self._listener.serve_forever, args=(POLL_SECONDS,))
        self._thread.daemon = True
        self._thread.start()

    def stop(self) -> None:
        """Stop listening and end every call; from now on connections are really refused."""
        if not self._listener or not self._thread:
            return
        self._listener.shutdown()
        self._listener.server_close()
        self._desk.breakage.release()
        self._listener.hang_up()
        self._thread.join()
        self._listener = self._thread = None
        self._stopped.set()

    def serve_forever(self) -> None:
        """Serve until `stop` is called from elsewhere, or this thread is interrupted."""
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
        return OwnMovies(own_movies(), inflate_totals=inflate_totals)
    return RecordedMovies(Folder.at(Path(data)))
