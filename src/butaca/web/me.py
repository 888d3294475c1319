"""What is mine: who I am, what I keep, how I rated it."""

from http import HTTPStatus

from flask import Response

from butaca.core.models import Role
from butaca.web import exports, inputs, outputs
from butaca.web.answers import answer, entry_answer, my_page, own
from butaca.web.auth import requires
from butaca.web.context import current_request, current_user, services
from butaca.web.responses import (
    BODY,
    CATALOGUE,
    FAVORITE_NOT_FOUND,
    MOVIE_NOT_FOUND,
    RATING_NOT_FOUND,
)
from butaca.web.routes import OWN, OWN_MOVIES, Routes

bp = Routes("me", __name__, tag="Me")


@bp.get("/me")
@bp.answers(outputs.Person, headers=OWN)
@requires(Role.USER)
def show_me() -> Response:
    """Tell who I am.

    The name and the role of the owner of the token.
    """
    return own(answer(outputs.Person.of(current_user())))


@bp.get("/me/favorites")
@bp.input(inputs.FavoritesQuery, location="query", arg_name="query")
@bp.answers(outputs.FavoritePage, headers=(*OWN_MOVIES, "Link"))
@requires(Role.USER)
def list_favorites(query: inputs.FavoritesQuery) -> Response:
    """List the movies that I keep, each whole and with my rating.

    Sorted and filtered as asked; the filters add up. It needs neither TMDB nor the cache: what is
    kept stays readable while TMDB is away.
    """
    favorites, wanted = services().library.favorites, query.to_core()
    return my_page(outputs.FavoritePage, lambda user: favorites(user, wanted))


@bp.post("/me/favorites")
@bp.input(inputs.NewFavorite, arg_name="body")
@bp.answers(
    outputs.Favorite,
    200,
    201,
    headers=("Content-Language", "Location"),
    problems=(MOVIE_NOT_FOUND, *BODY, *CATALOGUE),
)
@requires(Role.USER)
def keep(body: inputs.NewFavorite) -> Response:
    """Keep a movie: 201, or 200 when I keep it already.

    To repeat it does no harm: the moment at which it was kept first stays. A movie that is known
    here already is kept without TMDB.
    """
    favorite, is_new = services().library.keep(current_user(), body.movie_id)
    location = {"Location": f"{current_request().path}/{body.movie_id}"}
    return entry_answer(outputs.Favorite, favorite, _made(is_new), location)


@bp.get("/me/favorites/<movie_id>")
@bp.input(inputs.LanguageQuery, location="query", arg_name="query")
@bp.answers(outputs.Favorite, headers=OWN_MOVIES, problems=(FAVORITE_NOT_FOUND,))
@requires(Role.USER)
def show_favorite(movie_id: int, query: inputs.LanguageQuery) -> Response:
    """Tell about one movie that I keep.

    The whole movie, my rating, and since when I keep it.
    """
    favorite = services().library.favorite(current_user(), movie_id, language=query.language)
    return own(entry_answer(outputs.Favorite, favorite))


@bp.delete("/me/favorites/<movie_id>")
@bp.answers(None, 204, problems=(FAVORITE_NOT_FOUND,))
@requires(Role.USER)
def forget(movie_id: int) -> Response:
    """Keep a movie no longer; my rating of it stays.

    A second time it is 404: whoever wants it gone can take that for done.
    """
    services().library.forget(current_user(), movie_id)
    return Response(status=HTTPStatus.NO_CONTENT)


@bp.get("/me/ratings")
@bp.input(inputs.RatingsQuery, location="query", arg_name="query")
@bp.answers(outputs.RatingPage, headers=(*OWN_MOVIES, "Link"))
@requires(Role.USER)
def list_ratings(query: inputs.RatingsQuery) -> Response:
    """List the movies that I rated, each whole.

    Those that I keep and those that I do not, sorted as asked. It needs neither TMDB nor the cache.
    """
    ratings, wanted = services().library.ratings, query.to_core()
    return my_page(outputs.RatingPage, lambda user: ratings(user, wanted))


@bp.get("/me/ratings/<movie_id>")
@bp.input(inputs.LanguageQuery, location="query", arg_name="query")
@bp.answers(outputs.Rating, headers=OWN_MOVIES, problems=(RATING_NOT_FOUND,))
@requires(Role.USER)
def show_rating(movie_id: int, query: inputs.LanguageQuery) -> Response:
    """Tell how I rated one movie.

    The whole movie, my stars, when I gave them first, and when I changed them last.
    """
    rating = services().library.rating(current_user(), movie_id, language=query.language)
    return own(entry_answer(outputs.Rating, rating))


@bp.put("/me/ratings/<movie_id>")
@bp.input(inputs.StarsGiven, arg_name="body")
@bp.answers(
    outputs.Rating,
    200,
    201,
    headers=("Content-Language",),
    problems=(MOVIE_NOT_FOUND, *BODY, *CATALOGUE),
)
@requires(Role.USER)
def rate(movie_id: int, body: inputs.StarsGiven) -> Response:
    """Rate a movie (201), or replace the stars that it has (200).

    It need not be a favorite. A movie that is known here already is rated without TMDB.
    """
    rating, is_new = services().library.rate(current_user(), movie_id, body.stars)
    return entry_answer(outputs.Rating, rating, _made(is_new))


@bp.patch("/me/ratings/<movie_id>")
@bp.input(inputs.StarsGiven, arg_name="body")
@bp.answers(outputs.Rating, headers=("Content-Language",), problems=(RATING_NOT_FOUND, *BODY))
@requires(Role.USER)
def correct(movie_id: int, body: inputs.StarsGiven) -> Response:
    """Correct the stars of a movie that I rated.

    Unlike PUT, it never makes a rating: where there is none to correct, it is 404.
    """
    rating = services().library.correct(current_user(), movie_id, body.stars)
    return entry_answer(outputs.Rating, rating)


@bp.delete("/me/ratings/<movie_id>")
@bp.answers(None, 204, problems=(RATING_NOT_FOUND,))
@requires(Role.USER)
def unrate(movie_id: int) -> Response:
    """Take my rating back; whether I keep the movie stays as it is.

    A second time it is 404: whoever wants it gone can take that for done.
    """
    services().library.unrate(current_user(), movie_id)
    return Response(status=HTTPStatus.NO_CONTENT)


@bp.get("/me/export")
@bp.input(inputs.ExportQuery, location="query", arg_name="query")
@bp.answers(
    outputs.Export,
    headers=("Cache-Control", "Content-Disposition"),
    texts={"text/csv": exports.CSV_MEANING},
)
@requires(Role.USER)
def export_mine(query: inputs.ExportQuery) -> Response:
    """Hand out all that I keep and rated, as a file.

    In the order of movie IDs, whatever there is of it, in one answer. Read it to its end: an export
    that broke off on the way cannot be parsed.
    """
    return exports.download(services().library.export(current_user()), query.format)


def _made(is_new: bool) -> HTTPStatus:
    return HTTPStatus.CREATED if is_new else HTTPStatus.OK
