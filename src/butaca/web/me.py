"""Routes for the calling user: their profile, favorites, ratings and export."""

from http import HTTPStatus

from flask import Response

from butaca.core.models import Role
from butaca.web import exports, inputs, outputs
from butaca.web.auth import requires
from butaca.web.context import current_request, current_user, services
from butaca.web.response_builders import (
    UntypedResponse,
    item_response,
    json_response,
    replayable_page_response,
    require_revalidation,
)
from butaca.web.responses import (
    BODY,
    CATALOGUE,
    FAVORITE_NOT_FOUND,
    MOVIE_NOT_FOUND,
    RATING_NOT_FOUND,
)
from butaca.web.routes import PRIVATE_HEADERS, PRIVATE_MOVIE_HEADERS, Routes

bp = Routes("me", __name__, tag="Me")


@bp.get("/me")
@bp.responses(outputs.User, {200: "The current user."}, headers=PRIVATE_HEADERS)
@requires(Role.USER)
def get_me() -> Response:
    """Get the current user.

    Returns the ID, name and role of the user who owns the bearer token.
    """
    return require_revalidation(json_response(outputs.User.of(current_user())))


@bp.get("/me/favorites")
@bp.input(inputs.FavoritesQuery, location="query", arg_name="query")
@bp.responses(
    outputs.FavoritePage,
    {200: "One page of your favorites."},
    headers=(*PRIVATE_MOVIE_HEADERS, "Link"),
)
@requires(Role.USER)
def list_favorites(query: inputs.FavoritesQuery) -> Response:
    """List your favorites.

    Returns each favorite with the full movie details and your rating. If you combine filters, a
    favorite must match all of them. The operation uses neither TMDB nor the cache, so your
    favorites stay readable while TMDB is unavailable.
    """
    favorites, list_query = services().library.favorites, query.to_core()
    return replayable_page_response(outputs.FavoritePage, lambda user: favorites(user, list_query))


@bp.post("/me/favorites")
@bp.input(inputs.NewFavorite, arg_name="body")
@bp.responses(
    outputs.Favorite,
    {
        200: "The movie was already a favorite. It is returned unchanged.",
        201: "The favorite was created.",
    },
    headers=("Content-Language", "Location"),
    problems=(MOVIE_NOT_FOUND, *BODY, *CATALOGUE),
)
@requires(Role.USER)
def add_favorite(body: inputs.NewFavorite) -> Response:
    """Add a movie to your favorites.

    Returns 201 if the movie was added, and 200 if it was already a favorite. It is safe to repeat
    the request: `favorited_at` keeps its original value. TMDB is not called for a movie that
    Butaca has already stored.
    """
    favorite, is_new = services().library.add_favorite(current_user(), body.movie_id)
    location = {"Location": f"{current_request().path}/{body.movie_id}"}
    return item_response(outputs.Favorite, favorite, _created_or_ok(is_new), location)


@bp.get("/me/favorites/<movie_id>")
@bp.input(inputs.LanguageQuery, location="query", arg_name="query")
@bp.responses(
    outputs.Favorite,
    {200: "The favorite."},
    headers=PRIVATE_MOVIE_HEADERS,
    problems=(FAVORITE_NOT_FOUND,),
)
@requires(Role.USER)
def get_favorite(movie_id: int, query: inputs.LanguageQuery) -> Response:
    """Get a favorite.

    Returns the full movie details, your rating, and when you added the movie to your favorites.
    """
    favorite = services().library.favorite(current_user(), movie_id, language=query.language)
    return require_revalidation(item_response(outputs.Favorite, favorite))


@bp.delete("/me/favorites/<movie_id>")
@bp.responses(None, {204: "The favorite was removed."}, problems=(FAVORITE_NOT_FOUND,))
@requires(Role.USER)
def remove_favorite(movie_id: int) -> Response:
    """Remove a movie from your favorites.

    Your rating of the movie is kept. Repeating the request returns 404, which you can treat as
    success.
    """
    services().library.remove_favorite(current_user(), movie_id)
    return UntypedResponse(status=HTTPStatus.NO_CONTENT)


@bp.get("/me/ratings")
@bp.input(inputs.RatingsQuery, location="query", arg_name="query")
@bp.responses(
    outputs.RatingPage, {200: "One page of your ratings."}, headers=(*PRIVATE_MOVIE_HEADERS, "Link")
)
@requires(Role.USER)
def list_ratings(query: inputs.RatingsQuery) -> Response:
    """List your ratings.

    Returns each rating with the full movie details, whether or not the movie is a favorite. If you
    combine filters, a rating must match all of them. The operation uses neither TMDB nor the cache.
    """
    ratings, list_query = services().library.ratings, query.to_core()
    return replayable_page_response(outputs.RatingPage, lambda user: ratings(user, list_query))


@bp.get("/me/ratings/<movie_id>")
@bp.input(inputs.LanguageQuery, location="query", arg_name="query")
@bp.responses(
    outputs.Rating,
    {200: "The rating."},
    headers=PRIVATE_MOVIE_HEADERS,
    problems=(RATING_NOT_FOUND,),
)
@requires(Role.USER)
def get_rating(movie_id: int, query: inputs.LanguageQuery) -> Response:
    """Get your rating of a movie.

    Returns the full movie details, your stars, when you first rated the movie, and when you last
    changed the stars.
    """
    rating = services().library.rating(current_user(), movie_id, language=query.language)
    return require_revalidation(item_response(outputs.Rating, rating))


@bp.put("/me/ratings/<movie_id>")
@bp.input(inputs.RatingInput, arg_name="body")
@bp.responses(
    outputs.Rating,
    {200: "The stars of the existing rating were replaced.", 201: "The rating was created."},
    headers=("Content-Language",),
    problems=(MOVIE_NOT_FOUND, *BODY, *CATALOGUE),
)
@requires(Role.USER)
def rate_movie(movie_id: int, body: inputs.RatingInput) -> Response:
    """Rate a movie.

    Creates a rating and returns 201, or replaces the stars of an existing rating and returns 200.
    The movie does not have to be a favorite. TMDB is not called for a movie that Butaca has
    already stored.
    """
    rating, is_new = services().library.rate(current_user(), movie_id, body.stars)
    return item_response(outputs.Rating, rating, _created_or_ok(is_new))


@bp.patch("/me/ratings/<movie_id>")
@bp.input(inputs.RatingInput, arg_name="body")
@bp.responses(
    outputs.Rating,
    {200: "The updated rating."},
    headers=("Content-Language",),
    problems=(RATING_NOT_FOUND, *BODY),
)
@requires(Role.USER)
def update_rating(movie_id: int, body: inputs.RatingInput) -> Response:
    """Update a rating.

    Changes the stars of a movie that you have already rated. Unlike `PUT`, this operation never
    creates a rating: it returns 404 if there is none.
    """
    rating = services().library.update_rating(current_user(), movie_id, body.stars)
    return item_response(outputs.Rating, rating)


@bp.delete("/me/ratings/<movie_id>")
@bp.responses(None, {204: "The rating was deleted."}, problems=(RATING_NOT_FOUND,))
@requires(Role.USER)
def delete_rating(movie_id: int) -> Response:
    """Delete a rating.

    If the movie is a favorite, it stays one. Repeating the request returns 404, which you can
    treat as success.
    """
    services().library.delete_rating(current_user(), movie_id)
    return UntypedResponse(status=HTTPStatus.NO_CONTENT)


@bp.get("/me/export")
@bp.input(inputs.ExportQuery, location="query", arg_name="query")
@bp.responses(
    outputs.Export,
    {200: "All your favorites and ratings, as a file."},
    headers=("Cache-Control", "Content-Disposition"),
    texts={"text/csv": exports.CSV_DESCRIPTION},
)
@requires(Role.USER)
def export_me(query: inputs.ExportQuery) -> Response:
    """Export your favorites and ratings.

    Returns all your favorites and ratings as a file, in one response and ordered by movie ID.
    Read the response to its end: an export that was interrupted on the way cannot be parsed.
    """
    return exports.download(services().library.export(current_user()), query.format)


def _created_or_ok(is_new: bool) -> HTTPStatus:
    return HTTPStatus.CREATED if is_new else HTTPStatus.OK
