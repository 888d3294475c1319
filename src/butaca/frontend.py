"""The example front end: its files, and a small static file server."""

import json
import sys
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from butaca.operator_error import cannot_listen

HOST = "127.0.0.1"
TMDB_IMAGES = "https://image.tmdb.org"
CONFIG = "/config.json"

_FOLDER = "examples/frontend"
_HERE = Path(__file__).parent
FOLDERS = (_HERE / _FOLDER, _HERE.parents[1] / _FOLDER)
"""Where the files are: in an installed wheel, or next to the sources."""

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
_DEFAULT_TYPE = "text/plain; charset=utf-8"


def find_folder() -> Path | None:
    """Return the directory of the files, if they are installed."""
    return next((folder for folder in FOLDERS if (folder / "index.html").is_file()), None)


@dataclass(frozen=True, slots=True)
class Config:
    """The configuration of the page: the URL of the API, and the initial token."""

    api: str
    images: str = TMDB_IMAGES
    token: str = ""

    def as_json(self) -> bytes:
        """Return the JSON that the page reads."""
        return json.dumps({"api": self.api, "token": self.token}).encode()

    @property
    def policy(self) -> str:
        """The Content-Security-Policy: the page's own files, the API, and images."""
        image_origins = {origin_of(self.images): None, TMDB_IMAGES: None}
        return (
            "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; "
            f"connect-src 'self' {origin_of(self.api)}; img-src 'self' {' '.join(image_origins)}; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )


def origin_of(url: str) -> str:
    """Return the origin of a URL: its scheme, host and port."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


class Frontend(ThreadingHTTPServer):
    """Serves the page. Files are read on each request, so that they can be edited meanwhile."""

    daemon_threads = True

    def __init__(self, folder: Path, port: int, config: Config) -> None:
        """Listen on a loopback port, 0 for any. Raises OperatorError."""
        self.folder, self.config = folder, config
        try:
            super().__init__((HOST, port), _RequestHandler)
        except OSError as error:
            raise cannot_listen(port, HOST, error) from error

    @property
    def url(self) -> str:
        """The origin of the page."""
        return f"http://{HOST}:{self.server_port}"

    def find(self, path: str) -> tuple[str, bytes] | None:
        """Return the media type and the content of a path.

        Only files in the directory are matched by name, so no path can lead out of it.
        """
        if path == CONFIG:
            return _TYPES[".json"], self.config.as_json()
        name = "index.html" if path == "/" else path.removeprefix("/")
        file = self._files().get(name)
        return (_TYPES.get(file.suffix, _DEFAULT_TYPE), file.read_bytes()) if file else None

    def _files(self) -> dict[str, Path]:
        paths = (path for path in self.folder.rglob("*") if path.is_file())
        return {path.relative_to(self.folder).as_posix(): path for path in paths}

    def server_bind(self) -> None:
        """Bind without the reverse DNS lookup of HTTPServer."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore disconnected browsers; print the traceback of every other error."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _RequestHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Frontend

    def do_GET(self) -> None:
        self._respond()

    def do_HEAD(self) -> None:
        self._respond()

    def _respond(self) -> None:
        found = self.server.find(unquote(urlsplit(self.path).path))
        media_type, body = found or (_DEFAULT_TYPE, b"Not found.\n")
        self.send_response(HTTPStatus.OK if found else HTTPStatus.NOT_FOUND)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", self.server.config.policy)
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Log nothing."""
