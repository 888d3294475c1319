"""The headers and the compression of TMDB's responses."""

import gzip
from dataclasses import replace
from hashlib import md5
from http import HTTPStatus
from zlib import crc32

from butaca.sandbox.responses import Response

MIN_MAX_AGE, MAX_MAX_AGE = 600, 28_800


def with_cache_headers(response: Response, target: str) -> Response:
    """Add a weak ETag to a 200, and a max-age that depends on the target only."""
    if response.status != HTTPStatus.OK:
        return response
    max_age = MIN_MAX_AGE + crc32(target.encode()) % (MAX_MAX_AGE - MIN_MAX_AGE)
    tag = md5(response.body, usedforsecurity=False).hexdigest()
    headers = {
        "Cache-Control": f"public, max-age={max_age}",
        "ETag": f'W/"{tag}"',
        **response.headers,
    }
    return replace(response, headers=headers)


def compress(response: Response, accept_encoding: str) -> Response:
    """Compress the response with gzip, if the client accepts that."""
    headers = {**response.headers, "Vary": "Accept-Encoding, Origin"}
    if "gzip" not in accept_encoding or not response.body:
        return replace(response, headers=headers)
    body = gzip.compress(response.body, compresslevel=1, mtime=0)
    return replace(response, body=body, headers={**headers, "Content-Encoding": "gzip"})
