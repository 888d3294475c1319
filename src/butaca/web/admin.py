"""Administration: the favorites of anybody, by user ID."""

from flask import Response

from butaca.core.models import Role
from butaca.web import inputs, outputs
from butaca.web.answers import answer, own_page
from butaca.web.auth import requires
from butaca.web.context import current_user, services
from butaca.web.responses import FORBIDDEN, USER_NOT_FOUND
from butaca.web.routes import OWN_MOVIES, Routes

bp = Routes("admin", __name__, tag="Administration")


@bp.get("/users/<user_id>/favorites")
@bp.input(inputs.FavoritesQuery, location="query", arg_name="query")
@bp.answers(
    outputs.FavoritePage, headers=(*OWN_MOVIES, "Link"), problems=(FORBIDDEN, USER_NOT_FOUND)
)
@requires(Role.ADMIN)
def list_favorites_of(user_id: int, query: inputs.FavoritesQuery) -> Response:
    """List the movies that somebody keeps, each whole and with their rating.

    For ADMINs. Sorted, filtered and translated as one's own favorites are.
    """
    owner = services().accounts.person(user_id)
    page = services().library.favorites(owner, query.to_core())
    return own_page(outputs.FavoritePage, page)


@bp.delete("/users/<user_id>/favorites")
@bp.answers(outputs.Cleared, problems=(FORBIDDEN, USER_NOT_FOUND))
@requires(Role.ADMIN)
def clear_favorites_of(user_id: int) -> Response:
    """Delete all the favorites of somebody; their ratings stay.

    For ADMINs. Tells how many there were, which is 0 when asked again; leaves a line in the audit
    log.
    """
    owner = services().accounts.person(user_id)
    deleted = services().library.clear(owner, by=current_user())
    return answer(outputs.Cleared(user_id=owner.id, deleted=deleted))
