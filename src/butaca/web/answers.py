"""Answers: a body in the shape of its schema, and the headers that go with it."""

from collections.abc import Mapping
from hashlib import blake2b
from http import HTTPStatus
from urllib.parse import quote, urlencode

from flask import Response, request
from pydantic import BaseModel

from butaca.core.models import Freshness, Source
from butaca.web.context import options, set_freshness
from butaca.web.outputs import Page


def answer(
    body: BaseModel, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None
) -> Response:
    """Answer with a body; what was never set of it is left out."""
    text = body.model_dump_json(exclude_unset=True, context=options().image_base_url)
    return Response(text, status, headers, mimetype="application/json")


def own(response: Response) -> Response:
    """Let whoever asked keep an answer about themselves, if they ask each time."""
    return _conditional(response, "private, no-cache")


def own_page(page: Page) -> Response:
    """Answer with a page of a list of somebody's own."""
    return own(answer(page, headers=page_links(page)))


def cached(response: Response, freshness: Freshness, *, is_personal: bool = False) -> Response:
    """Tell how an answer of the catalogue was come by, and how long it may be kept."""
    set_freshness(freshness)
    response.headers["Age"] = str(freshness.age)
    response.headers["Cache-Status"] = f"butaca; {_cache_status(freshness)}"
    seconds = max(freshness.ttl, 0)
    return _conditional(
        response, "private, no-cache" if is_personal else f"private, max-age={seconds}"
    )


def _cache_status(freshness: Freshness) -> str:
    """Write a member of `Cache-Status` (RFC 9211)."""
    match freshness.source:
        case Source.HIT:
            return f"hit; ttl={freshness.ttl}"
        case Source.COOLDOWN | Source.UPDATING | Source.BUSY as reason:
            return f"hit; ttl={freshness.ttl}; detail={reason.value}"
        case Source.STALE:
            status = freshness.upstream_status
            return f"fwd=stale; fwd-status={status}" if status else "fwd=stale"
        case source:
            stored = "; stored" if freshness.stored else ""
            collapsed = "; collapsed" if source is Source.COLLAPSED else ""
            return f"fwd=miss{stored}{collapsed}"


def _conditional(response: Response, cache_control: str) -> Response:
    """Name what is answered, and spare whoever has it already (RFC 9110, 13.1.2)."""
    response.headers["Cache-Control"] = cache_control
    response.set_etag(blake2b(response.get_data(), digest_size=16).hexdigest())
    response.make_conditional(request)
    return response


def page_links(page: Page) -> dict[str, str]:
    """Return the `Link` header of a page (RFC 8288)."""
    last = max(page.total_pages, 1)
    numbers = {"first": 1, "prev": page.page - 1, "next": page.page + 1, "last": last}
    links = [f'<{_at(n)}>; rel="{rel}"' for rel, n in numbers.items() if 1 <= n <= last]
    return {"Link": ", ".join(links)}


def _at(page: int) -> str:
    return f"{quote(request.path)}?{urlencode({**request.args, 'page': page})}"
