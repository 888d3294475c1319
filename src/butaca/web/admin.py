"""Administration routes: the favorites of any user, by user ID."""

from flask import Response

from butaca.core.models import Role
from butaca.web import inputs, outputs
from butaca.web.auth import requires
from butaca.web.context import current_user, services
from butaca.web.response_builders import json_response, page_response
from butaca.web.responses import FORBIDDEN, USER_NOT_FOUND
from butaca.web.routes import PRIVATE_MOVIE_HEADERS, Routes

bp = Routes("admin", __name__, tag="Administration")


@bp.get("/users/<user_id>/favorites")
@bp.input(inputs.FavoritesQuery, location="query", arg_name="query")
@bp.responses(
    outputs.FavoritePage,
    {200: "One page of the user's favorites."},
    headers=(*PRIVATE_MOVIE_HEADERS, "Link"),
    problems=(FORBIDDEN, USER_NOT_FOUND),
)
@requires(Role.ADMIN)
def list_user_favorites(user_id: int, query: inputs.FavoritesQuery) -> Response:
    """List a user's favorites.

    Requires the `ADMIN` role. Returns each favorite with the full movie details and that user's
    rating. Sorting, filters and `language` work as for your own favorites.
    """
    owner = services().accounts.user(user_id)
    page = services().library.favorites(owner, query.to_core())
    return page_response(outputs.FavoritePage, page)


@bp.delete("/users/<user_id>/favorites")
@bp.responses(
    outputs.ClearedFavorites,
    {200: "The number of favorites that were deleted."},
    problems=(FORBIDDEN, USER_NOT_FOUND),
)
@requires(Role.ADMIN)
def clear_user_favorites(user_id: int) -> Response:
    """Delete all favorites of a user.

    Requires the `ADMIN` role. The user's ratings are kept. Returns the number of deleted
    favorites, which is 0 if you repeat the request. A successful request is recorded in the audit
    log.
    """
    owner = services().accounts.user(user_id)
    deleted = services().library.clear_favorites(owner, by=current_user())
    return json_response(outputs.ClearedFavorites(user_id=owner.id, deleted=deleted))
