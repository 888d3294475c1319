"""GET requests to TMDB, with timeouts, retries and a deadline."""

import gzip
import io
import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from typing import Any, NoReturn
from urllib.parse import urlencode
from zlib import error as ZlibError  # noqa: N812

import requests
from prometheus_client import CollectorRegistry, Counter, Histogram
from pydantic_core import from_json
from urllib3.exceptions import InvalidHeader, ReadTimeoutError
from urllib3.util.retry import Retry

from butaca import trace
from butaca.adapters.deadline import deadline_in, seconds_left
from butaca.adapters.tmdb.deadline import DeadlineAdapter
from butaca.core.errors import (
    CatalogueAccessDenied,
    CatalogueFailed,
    CatalogueInvalidResponse,
    CatalogueMalformedResponse,
    CatalogueTimedOut,
    CatalogueUnavailable,
)

log = logging.getLogger("butaca.tmdb")

MAX_BODY_SIZE = 4 * 2**20
"""The maximum uncompressed size of a body in bytes: many times that of TMDB's largest."""

CHUNK_SIZE = 64 * 2**10

SUCCESS = "success"
FAILURES: Mapping[type[CatalogueFailed], str] = {
    CatalogueInvalidResponse: "invalid_response",
    CatalogueMalformedResponse: "malformed_response",
    CatalogueAccessDenied: "access_denied",
    CatalogueTimedOut: "timed_out",
    CatalogueUnavailable: "unavailable",
}
OUTCOMES = (SUCCESS, *FAILURES.values())
"""The outcomes of a call to TMDB, and of a single attempt."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The timeouts and retries of a call; times are in seconds."""

    connect_timeout: float = 1.0
    read_timeout: float = 3.0
    retries: int = 3
    backoff: float = 0.2
    deadline: float = 6.0
    connections: int = 8


class _TransientFailure(Exception):
    """A failure that may be retried, after `retry_after` seconds at the earliest."""

    def __init__(self, error: CatalogueFailed, retry_after: float = 0.0) -> None:
        super().__init__(error)
        self.error = error
        self.retry_after = retry_after


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Ignore redirects; do not parse the Location header, which may be malformed."""


class _Metrics:
    """The metrics of calls to TMDB."""

    def __init__(self, registry: CollectorRegistry | None) -> None:
        self.seconds = Histogram(
            "butaca_tmdb_call_duration_seconds",
            "Duration of calls to TMDB, including retries, by outcome.",
            ("outcome",),
            registry=registry,
        )
        self.attempt_seconds = Histogram(
            "butaca_tmdb_attempt_duration_seconds",
            "Duration of single attempts of calls to TMDB, by outcome.",
            ("outcome",),
            registry=registry,
        )
        for each in (self.seconds, self.attempt_seconds):
            for outcome in OUTCOMES:
                each.labels(outcome)  # Initializes the series at zero.
        self.retries = Counter(
            "butaca_tmdb_retries", "Retries of calls to TMDB.", registry=registry
        )


class TmdbHttp:
    """A thread-safe HTTP client for TMDB.

    The token is sent in a header only, because query strings end up in logs.
    """

    def __init__(
        self,
        base_url: str,
        token: str,
        limits: Limits | None = None,
        sleep: Callable[[float], None] = time.sleep,
        registry: CollectorRegistry | None = None,
    ) -> None:
        self._base_url = base_url
        self._limits = limits or Limits()
        self._sleep = sleep
        self._session = _Session()
        self._session.trust_env = False  # A ~/.netrc would replace our Authorization header.
        self._session.headers.update(
            {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        )
        adapter = DeadlineAdapter(pool_maxsize=self._limits.connections)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        self._metrics = _Metrics(registry)

    def get(self, path: str, params: Mapping[str, str | int]) -> dict[str, Any] | None:
        """Return the JSON object at a path, or `None` if TMDB returns 404.

        Raises CatalogueFailed if no attempt succeeds before the deadline.
        """
        with _timed(self._metrics.seconds), deadline_in(self._limits.deadline):
            return self._get_with_retries(path, params)

    def _get_with_retries(
        self, path: str, params: Mapping[str, str | int]
    ) -> dict[str, Any] | None:
        attempts, previous = 0, None
        while True:
            attempts += 1
            try:
                return self._attempt(path, params)
            except _TransientFailure as failure:
                failure.error = _error_to_report(failure, previous)
                failure.error.attempts = attempts
                previous = failure.error
                self._pause_or_give_up(failure, attempts)
            except CatalogueFailed as failure:
                failure.attempts = attempts
                raise

    def _pause_or_give_up(self, failure: _TransientFailure, attempts: int) -> None:
        pause = max(failure.retry_after, self._backoff(attempts))
        if attempts > self._limits.retries or pause >= seconds_left():
            raise failure.error from failure.__cause__
        self._metrics.retries.inc()
        log.info("tmdb.retrying", extra=_log_fields(failure.error, attempts, pause))
        self._sleep(pause)

    def _backoff(self, attempts: int) -> float:
        """Return the exponential backoff in seconds, with jitter to spread the retries of pods."""
        return self._limits.backoff * 2.0 ** (attempts - 1) * random.uniform(0.5, 1.0)  # noqa: S311

    def _attempt(self, path: str, params: Mapping[str, str | int]) -> dict[str, Any] | None:
        with _timed(self._metrics.attempt_seconds):
            return self._get_once(path, params)

    def _get_once(self, path: str, params: Mapping[str, str | int]) -> dict[str, Any] | None:
        response, body = self._send(path, params)
        match response.status_code:
            case HTTPStatus.OK:
                return _json_object(response, body)
            case HTTPStatus.NOT_FOUND:
                return None
            case HTTPStatus.UNAUTHORIZED as status:
                raise CatalogueAccessDenied(upstream_status=status)
            case status if _is_transient(status):
                raise _TransientFailure(
                    CatalogueUnavailable(upstream_status=status), _retry_after(response)
                )
            case status:
                raise CatalogueInvalidResponse(upstream_status=status)

    def _send(self, path: str, params: Mapping[str, str | int]) -> tuple[requests.Response, bytes]:
        timeout = (self._limits.connect_timeout, self._limits.read_timeout)
        try:
            request = self._request(path, params)
            # Streamed, so that the socket is closed even if the body cannot be decompressed.
            with self._session.send(request, timeout=timeout, stream=True) as response:
                return response, _body(response)
        # For a chunk of negative size, requests raises a plain ValueError.
        except (requests.RequestException, ValueError) as error:
            _raise_transient_failure(error)

    @cached_property
    def _request_template(self) -> requests.PreparedRequest:
        return self._session.prepare_request(requests.Request("GET", self._base_url))

    def _request(self, path: str, params: Mapping[str, str | int]) -> requests.PreparedRequest:
        """Copy a prepared request and set its URL; preparing each request would take 0.2 ms.

        Cookies that TMDB sets are not sent back: the token identifies us.
        """
        request = self._request_template.copy()
        request.url = f"{str(request.url).rstrip('/')}{path}?{urlencode(params)}"
        if current := trace.current():
            request.headers["traceparent"] = current.new_traceparent()
        return request


@contextmanager
def _timed(histogram: Histogram) -> Iterator[None]:
    """Record the duration of the enclosed code, by outcome."""
    started, outcome = time.perf_counter(), SUCCESS
    try:
        yield
    except (CatalogueFailed, _TransientFailure) as failure:
        error = failure.error if isinstance(failure, _TransientFailure) else failure
        outcome = FAILURES[type(error)]
        raise
    finally:
        histogram.labels(outcome).observe(time.perf_counter() - started)


def _log_fields(failure: CatalogueFailed, attempts: int, pause: float) -> dict[str, object]:
    return {
        "failure": type(failure).__name__,
        "upstream_status": failure.upstream_status,
        "attempts": attempts,
        "pause": round(pause, 3),
    }


def _is_transient(status: int) -> bool:
    """Return whether a retry may succeed. Some 5xx statuses come from CDNs in front of TMDB."""
    return status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def _raise_transient_failure(cause: requests.RequestException | ValueError) -> NoReturn:
    """Translate an error of requests. Raises _TransientFailure."""
    match cause:
        case requests.ReadTimeout():
            error: CatalogueFailed = CatalogueTimedOut()
        case (
            requests.exceptions.ChunkedEncodingError() | requests.exceptions.ContentDecodingError()
        ):
            error = CatalogueMalformedResponse()
        case requests.ConnectionError() if _is_body_timeout(cause):
            error = CatalogueTimedOut()
        case requests.RequestException():
            error = CatalogueUnavailable()
        case _:
            error = CatalogueMalformedResponse()
    raise _TransientFailure(error) from cause


def _error_to_report(
    failure: _TransientFailure, previous: CatalogueFailed | None
) -> CatalogueFailed:
    """Return the error of an attempt, or the previous one if no time was left to connect."""
    was_too_late = isinstance(failure.__cause__, requests.ConnectTimeout) and seconds_left() <= 0
    return previous if previous and was_too_late else failure.error


def _is_body_timeout(error: requests.ConnectionError) -> bool:
    return bool(error.args) and isinstance(error.args[0], ReadTimeoutError)


def _retry_after(response: requests.Response) -> float:
    """Return `Retry-After` in seconds; 0 if missing or malformed (RFC 9110, section 10.2.3)."""
    try:
        return float(Retry().get_retry_after(response.raw) or 0)
    except (InvalidHeader, ValueError):  # ValueError for the year 10000, or for 5 000 digits.
        return 0.0


def _body(response: requests.Response) -> bytes:
    """Read a body of at most MAX_BODY_SIZE bytes. Raises _TransientFailure."""
    body = bytearray()
    for chunk in response.iter_content(CHUNK_SIZE):
        body += chunk
        _check_size(response, body)
    return bytes(body)


def _check_size(response: requests.Response, body: bytes | bytearray) -> None:
    if len(body) > MAX_BODY_SIZE:
        raise _TransientFailure(_malformed(response))


def _json_object(response: requests.Response, body: bytes) -> dict[str, Any]:
    """Parse a body as a JSON object. Raises _TransientFailure if that fails."""
    try:
        text = _decompressed(body)
        _check_size(response, text)
        content = from_json(text, allow_inf_nan=False)
    except (ValueError, OSError, EOFError, ZlibError) as error:
        raise _TransientFailure(_malformed(response)) from error
    if not isinstance(content, dict):
        raise _TransientFailure(_malformed(response))
    return content


def _decompressed(body: bytes) -> bytes:
    """Decompress a gzip body without Content-Encoding, such as TMDB sent for hours on 2026-05-20.

    A megabyte may decompress to a gigabyte, so decompression stops just above the size limit.
    """
    if not body.startswith(b"\x1f\x8b"):
        return body
    with gzip.open(io.BytesIO(body)) as stream:
        return stream.read(MAX_BODY_SIZE + 1)


def _malformed(response: requests.Response) -> CatalogueFailed:
    return CatalogueMalformedResponse(upstream_status=response.status_code)
