"""Browsing TMDB's movies."""

from collections.abc import Sequence

from flask import Response

from butaca.core.models import Fetched, Mark, Movie, Page, Role
from butaca.web import inputs, outputs
from butaca.web.answers import answer, cached, page_links
from butaca.web.auth import requires
from butaca.web.context import current_user, services
from butaca.web.contract import CACHED, CATALOGUE, Routes

bp = Routes("movies", __name__, tag="Movies")


@bp.get("/movies/popular")
@bp.input(inputs.PopularQuery, location="query", arg_name="query")
@bp.answers(outputs.MoviePage, headers=(*CACHED, "Link"), problems=CATALOGUE)
@requires(Role.USER)
def list_popular(query: inputs.PopularQuery) -> Response:
    """List the movies that are popular now."""
    found = services().movies.popular(page=query.page, language=query.language, region=query.region)
    return _page(found, query.include)


@bp.get("/movies/search")
@bp.input(inputs.SearchQuery, location="query", arg_name="query")
@bp.answers(outputs.MoviePage, headers=(*CACHED, "Link"), problems=CATALOGUE)
@requires(Role.USER)
def search_movies(query: inputs.SearchQuery) -> Response:
    """Find movies by their title."""
    found = services().movies.search(
        query.query,
        page=query.page,
        language=query.language,
        region=query.region,
        year=query.year,
    )
    return _page(found, query.include)


@bp.get("/movies/<movie_id>")
@bp.input(inputs.DetailsQuery, location="query", arg_name="query")
@bp.answers(outputs.MovieDetails, headers=CACHED, problems=(404, *CATALOGUE))
@requires(Role.USER)
def show_movie(movie_id: int, query: inputs.DetailsQuery) -> Response:
    """Tell all about one movie."""
    found = services().movies.details(movie_id, language=query.language)
    movie = outputs.MovieDetails.of(found.value)
    if query.include:
        _mark([movie])
    return cached(answer(movie), found.freshness, is_personal=bool(query.include))


def _page(found: Fetched[Page[Movie]], include: str | None) -> Response:
    page = outputs.MoviePage.of(found.value)
    if include:
        _mark(page.results)
    response = answer(page, headers=page_links(page))
    return cached(response, found.freshness, is_personal=bool(include))


def _mark(movies: Sequence[outputs.Movie] | Sequence[outputs.MovieDetails]) -> None:
    """Add what each movie is to whoever asks; the shared cache never holds it."""
    marks = services().library.marks(current_user(), [movie.id for movie in movies])
    for movie in movies:
        movie.me = outputs.Mark.of(marks.get(movie.id, Mark()))
