"""One GET to TMDB, with its timeouts, its tries and its deadline."""

import gzip
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NoReturn
from zlib import error as ZlibError  # noqa: N812

import requests
from pydantic_core import from_json
from urllib3.exceptions import InvalidHeader, ReadTimeoutError
from urllib3.util.retry import Retry

from butaca.adapters.deadline import seconds_left, within
from butaca.adapters.tmdb.deadline import DeadlineAdapter
from butaca.core.errors import (
    CatalogueAnsweredNonsense,
    CatalogueFailed,
    CatalogueRefusedUs,
    CatalogueTimedOut,
    CatalogueUnavailable,
)

PASSING = {
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}
"""Statuses that another try may well not meet again."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how often TMDB is tried; all times in seconds."""

    connect_timeout: float = 1.0
    read_timeout: float = 3.0
    retries: int = 3
    backoff: float = 0.2
    deadline: float = 6.0
    connections: int = 8


class _Passing(Exception):
    """A failure that another try may mend, and for how many seconds TMDB asked us to wait."""

    def __init__(self, meaning: CatalogueFailed, retry_after: float = 0.0) -> None:
        super().__init__(meaning)
        self.meaning = meaning
        self.retry_after = retry_after


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Follow no redirect, and do not even look: a Location may be unreadable."""


class TmdbHttp:
    """TMDB over HTTP. Safe to share between threads.

    The token goes into the header and nowhere else: a query ends up in logs.
    """

    def __init__(
        self,
        base_url: str,
        token: str,
        limits: Limits | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._base_url = base_url.rstrip("/")
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

    def get(self, path: str, params: Mapping[str, str | int]) -> dict[str, Any] | None:
        """Return the JSON object at a path; `None` where TMDB says that there is no such thing.

        Raises CatalogueFailed when no try succeeds before the deadline.
        """
        with within(self._limits.deadline):
            return self._try_often(path, params)

    def _try_often(self, path: str, params: Mapping[str, str | int]) -> dict[str, Any] | None:
        tries = 0
        while True:
            tries += 1
            try:
                return self._try_once(path, params)
            except _Passing as failure:
                failure.meaning.tries = tries
                self._pause_or_give_up(failure, tries)
            except CatalogueFailed as failure:
                failure.tries = tries
                raise

    def _pause_or_give_up(self, failure: _Passing, tries: int) -> None:
        pause = max(failure.retry_after, self._backoff(tries))
        if tries > self._limits.retries or pause >= seconds_left():
            raise failure.meaning from failure.__cause__
        self._sleep(pause)

    def _backoff(self, tries: int) -> float:
        """Exponential, with jitter so that pods do not come back in step."""
        return self._limits.backoff * 2.0 ** (tries - 1) * random.uniform(0.5, 1.0)  # noqa: S311

    def _try_once(self, path: str, params: Mapping[str, str | int]) -> dict[str, Any] | None:
        response = self._send(path, params)
        match response.status_code:
            case HTTPStatus.OK:
                return _json_object(response)
            case HTTPStatus.NOT_FOUND:
                return None
            case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN as status:
                raise CatalogueRefusedUs(upstream_status=status)
            case status if status in PASSING:
                raise _Passing(CatalogueUnavailable(upstream_status=status), _wait_asked(response))
            case status:
                raise CatalogueAnsweredNonsense(upstream_status=status)

    def _send(self, path: str, params: Mapping[str, str | int]) -> requests.Response:
        # Reading is cut to the deadline where it happens; connecting is cut here.
        connect_timeout = max(min(self._limits.connect_timeout, seconds_left()), 0.001)
        timeout = (connect_timeout, self._limits.read_timeout)
        try:
            # Streamed, so that a body that cannot be unpacked does not leave its socket open.
            with self._session.get(
                self._base_url + path, params=params, timeout=timeout, stream=True
            ) as response:
                _ = response.content
                return response
        # A chunk of negative size leaves requests as a bare ValueError.
        except (requests.RequestException, ValueError) as error:
            _explain(error)


def _explain(error: requests.RequestException | ValueError) -> NoReturn:
    """Tell what a failure of requests means. Raises _Passing."""
    match error:
        case requests.ReadTimeout():
            meaning: CatalogueFailed = CatalogueTimedOut()
        case (
            requests.exceptions.ChunkedEncodingError() | requests.exceptions.ContentDecodingError()
        ):
            meaning = CatalogueAnsweredNonsense()
        case requests.ConnectionError() if _has_timed_out_in_its_body(error):
            meaning = CatalogueTimedOut()
        case requests.RequestException():
            meaning = CatalogueUnavailable()
        case _:
            meaning = CatalogueAnsweredNonsense()
    raise _Passing(meaning) from error


def _has_timed_out_in_its_body(error: requests.ConnectionError) -> bool:
    return bool(error.args) and isinstance(error.args[0], ReadTimeoutError)


def _wait_asked(response: requests.Response) -> float:
    """Read `Retry-After` in seconds; 0 where there is none that can be read (RFC 9110, 10.2.3)."""
    try:
        return float(Retry().get_retry_after(response.raw) or 0)
    except (InvalidHeader, ValueError):  # The latter for the year 10000, or for 5 000 digits.
        return 0.0


def _json_object(response: requests.Response) -> dict[str, Any]:
    """Read a body. Raises _Passing where it is not the JSON object that it should be."""
    try:
        body = from_json(_unpacked(response.content), allow_inf_nan=False)
    except (ValueError, OSError, EOFError, ZlibError) as error:
        raise _Passing(_nonsense(response)) from error
    if not isinstance(body, dict):
        raise _Passing(_nonsense(response))
    return body


def _unpacked(body: bytes) -> bytes:
    """Unpack gzip that nobody announced: on 2026-05-20 TMDB sent it so for hours."""
    return gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body


def _nonsense(response: requests.Response) -> CatalogueFailed:
    return CatalogueAnsweredNonsense(upstream_status=response.status_code)
