"""The headers and the compression of TMDB's responses."""

import gzip
from dataclasses import replace
from hashlib import md5
from http import HTTPStatus
from zlib import crc32

from butaca.sandbox.answers import Answer

SHORTEST_AGE, LONGEST_AGE = 600, 28_800


def dressed(answer: Answer, target: str) -> Answer:
    """Add a weak ETag to a 200, and a max-age that depends on the target only."""
    if answer.status != HTTPStatus.OK:
        return answer
    age = SHORTEST_AGE + crc32(target.encode()) % (LONGEST_AGE - SHORTEST_AGE)
    tag = md5(answer.body, usedforsecurity=False).hexdigest()
    headers = {"Cache-Control": f"public, max-age={age}", "ETag": f'W/"{tag}"', **answer.headers}
    return replace(answer, headers=headers)


def compressed(answer: Answer, accepted: str) -> Answer:
    """Compress the response with gzip, if the client accepts that."""
    headers = {**answer.headers, "Vary": "Accept-Encoding, Origin"}
    if "gzip" not in accepted or not answer.body:
        return replace(answer, headers=headers)
    body = gzip.compress(answer.body, compresslevel=1, mtime=0)
    return replace(answer, body=body, headers={**headers, "Content-Encoding": "gzip"})
