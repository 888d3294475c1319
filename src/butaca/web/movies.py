"""Browsing TMDB's movies."""

from flask import Response

from butaca.core.models import Fetched, Movie, Page, Role
from butaca.web import inputs, outputs
from butaca.web.answers import MarksOf, page_links, told
from butaca.web.auth import requires
from butaca.web.context import services
from butaca.web.responses import CATALOGUE, MOVIE_NOT_FOUND
from butaca.web.routes import CACHED, Routes

bp = Routes("movies", __name__, tag="Movies")


@bp.get("/movies/popular")
@bp.input(inputs.PopularQuery, location="query", arg_name="query")
@bp.answers(outputs.MoviePage, headers=(*CACHED, "Link"), problems=CATALOGUE)
@requires(Role.USER)
def list_popular(query: inputs.PopularQuery) -> Response:
    """List the movies that are popular now.

    In TMDB's order, 20 to a page, up to page 500. An answer is kept for some seconds for
    everybody, as `Cache-Status` and `Age` tell; while TMDB is away, the last one is served on.
    """
    found = services().movies.popular(page=query.page, language=query.language, region=query.region)
    return _page(found, query.include)


@bp.get("/movies/search")
@bp.input(inputs.SearchQuery, location="query", arg_name="query")
@bp.answers(outputs.MoviePage, headers=(*CACHED, "Link"), problems=CATALOGUE)
@requires(Role.USER)
def search_movies(query: inputs.SearchQuery) -> Response:
    """Find movies by their title.

    TMDB's own search: original and translated titles count. What is found nothing for is an empty
    page. It is kept and served on like the popular movies.
    """
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
@bp.answers(outputs.MovieDetails, headers=CACHED, problems=(MOVIE_NOT_FOUND, *CATALOGUE))
@requires(Role.USER)
def show_movie(movie_id: int, query: inputs.DetailsQuery) -> Response:
    """Tell all about one movie.

    Every field of TMDB's details, and the URLs of its pictures. What TMDB does not know is null.
    """
    found = services().movies.details(movie_id, language=query.language)
    return told(outputs.MovieDetails, found, _marks_of(query.include))


def _page(found: Fetched[Page[Movie]], include: str | None) -> Response:
    links = page_links(found.value)
    return told(outputs.MoviePage, found, _marks_of(include), links)


def _marks_of(include: str | None) -> MarksOf | None:
    """Tell what movies are to whoever asks, if they want to know: no shared cache holds it."""
    return services().library.marks if include else None
