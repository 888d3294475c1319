"""What is mine: who I am, what I keep, how I rated it."""

from http import HTTPStatus

from flask import Response, request

from butaca.core.models import Role
from butaca.web import inputs, outputs
from butaca.web.answers import answer, own, own_page
from butaca.web.auth import requires
from butaca.web.context import current_user, services
from butaca.web.contract import BODY, CATALOGUE, OWN, Routes

bp = Routes("me", __name__, tag="Me")


@bp.get("/me")
@bp.answers(outputs.Person, headers=OWN)
@requires(Role.USER)
def show_me() -> Response:
    """Tell who I am."""
    return own(answer(outputs.Person.of(current_user())))


@bp.get("/me/favorites")
@bp.input(inputs.FavoritesQuery, location="query", arg_name="query")
@bp.answers(outputs.FavoritePage, headers=(*OWN, "Link"))
@requires(Role.USER)
def list_favorites(query: inputs.FavoritesQuery) -> Response:
    """List the movies that I keep, each whole and with my rating."""
    page = services().library.favorites(current_user(), query.to_core())
    return own_page(outputs.FavoritePage.of(page))


@bp.post("/me/favorites")
@bp.input(inputs.NewFavorite, arg_name="body")
@bp.answers(outputs.Favorite, 200, 201, headers=("Location",), problems=(404, *BODY, *CATALOGUE))
@requires(Role.USER)
def keep(body: inputs.NewFavorite) -> Response:
    """Keep a movie: 201, or 200 when I keep it already."""
    favorite, is_new = services().library.keep(current_user(), body.movie_id)
    place = {"Location": f"{request.path}/{body.movie_id}"}
    return answer(outputs.Favorite.of(favorite), _made(is_new), place)


@bp.get("/me/favorites/<movie_id>")
@bp.input(inputs.LanguageQuery, location="query", arg_name="query")
@bp.answers(outputs.Favorite, headers=OWN, problems=(404,))
@requires(Role.USER)
def show_favorite(movie_id: int, query: inputs.LanguageQuery) -> Response:
    """Tell about one movie that I keep."""
    favorite = services().library.favorite(current_user(), movie_id, language=query.language)
    return own(answer(outputs.Favorite.of(favorite)))


@bp.delete("/me/favorites/<movie_id>")
@bp.answers(None, 204, problems=(404,))
@requires(Role.USER)
def forget(movie_id: int) -> Response:
    """Keep a movie no longer; my rating of it stays."""
    services().library.forget(current_user(), movie_id)
    return Response(status=HTTPStatus.NO_CONTENT)


@bp.get("/me/ratings")
@bp.input(inputs.RatingsQuery, location="query", arg_name="query")
@bp.answers(outputs.RatingPage, headers=(*OWN, "Link"))
@requires(Role.USER)
def list_ratings(query: inputs.RatingsQuery) -> Response:
    """List the movies that I rated, each whole."""
    page = services().library.ratings(current_user(), query.to_core())
    return own_page(outputs.RatingPage.of(page))


@bp.get("/me/ratings/<movie_id>")
@bp.input(inputs.LanguageQuery, location="query", arg_name="query")
@bp.answers(outputs.Rating, headers=OWN, problems=(404,))
@requires(Role.USER)
def show_rating(movie_id: int, query: inputs.LanguageQuery) -> Response:
    """Tell how I rated one movie."""
    rating = services().library.rating(current_user(), movie_id, language=query.language)
    return own(answer(outputs.Rating.of(rating)))


@bp.put("/me/ratings/<movie_id>")
@bp.input(inputs.StarsGiven, arg_name="body")
@bp.answers(outputs.Rating, 200, 201, problems=(404, *BODY, *CATALOGUE))
@requires(Role.USER)
def rate(movie_id: int, body: inputs.StarsGiven) -> Response:
    """Rate a movie (201), or replace the stars that it has (200)."""
    rating, is_new = services().library.rate(current_user(), movie_id, body.stars)
    return answer(outputs.Rating.of(rating), _made(is_new))


@bp.patch("/me/ratings/<movie_id>")
@bp.input(inputs.StarsGiven, arg_name="body")
@bp.answers(outputs.Rating, problems=(404, *BODY))
@requires(Role.USER)
def correct(movie_id: int, body: inputs.StarsGiven) -> Response:
    """Correct the stars of a movie that I rated."""
    rating = services().library.correct(current_user(), movie_id, body.stars)
    return answer(outputs.Rating.of(rating))


@bp.delete("/me/ratings/<movie_id>")
@bp.answers(None, 204, problems=(404,))
@requires(Role.USER)
def unrate(movie_id: int) -> Response:
    """Take my rating back; whether I keep the movie stays as it is."""
    services().library.unrate(current_user(), movie_id)
    return Response(status=HTTPStatus.NO_CONTENT)


def _made(is_new: bool) -> HTTPStatus:
    return HTTPStatus.CREATED if is_new else HTTPStatus.OK
