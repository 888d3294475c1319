"""Administration: the favorites of anybody, by user ID."""

from flask import Response

from butaca.core.models import Role
from butaca.web import schemas
from butaca.web.answers import answer, own_page
from butaca.web.auth import requires
from butaca.web.context import current_user, services
from butaca.web.contract import OWN, Routes

bp = Routes("admin", __name__, tag="Administration")


@bp.get("/users/<user_id>/favorites")
@bp.input(schemas.FavoritesQuery, location="query", arg_name="query")
@bp.answers(schemas.FavoritePage, headers=(*OWN, "Link"), problems=(403, 404))
@requires(Role.ADMIN)
def list_favorites_of(user_id: int, query: schemas.FavoritesQuery) -> Response:
    """List the movies that somebody keeps, each whole and with their rating."""
    owner = services().accounts.person(user_id)
    page = services().library.favorites(owner, query.to_core())
    return own_page(schemas.FavoritePage.of(page))


@bp.delete("/users/<user_id>/favorites")
@bp.answers(schemas.Cleared, problems=(403, 404))
@requires(Role.ADMIN)
def clear_favorites_of(user_id: int) -> Response:
    """Delete all the favorites of somebody; their ratings stay."""
    owner = services().accounts.person(user_id)
    deleted = services().library.clear(owner, by=current_user())
    return answer(schemas.Cleared(user_id=owner.id, deleted=deleted))
