"""Routes for browsing and searching TMDB's movies."""

from flask import Response

from butaca.core.models import Fetched, Movie, Page, Role
from butaca.web import inputs, outputs
from butaca.web.auth import requires
from butaca.web.context import services
from butaca.web.response_builders import (
    MarksLookup,
    catalogue_response,
    page_links,
    shared_response,
)
from butaca.web.responses import CATALOGUE, MOVIE_NOT_FOUND
from butaca.web.routes import CACHE_HEADERS, Routes

bp = Routes("movies", __name__, tag="Movies")


@bp.get("/movies/popular")
@bp.input(inputs.PopularQuery, location="query", arg_name="query")
@bp.responses(
    outputs.MoviePage,
    {200: "One page of popular movies."},
    headers=(*CACHE_HEADERS, "Link"),
    problems=CATALOGUE,
)
@requires(Role.USER)
def list_popular_movies(query: inputs.PopularQuery) -> Response:
    """List popular movies.

    Returns TMDB's popular movies in TMDB's order, 20 per page, up to page 500. Responses are
    cached for a short time (30 seconds by default) and shared by all users; `Cache-Status` and
    `Age` describe the cached copy. While TMDB is unavailable, the last cached copy is served.
    """
    fetched = services().movies.popular(
        page=query.page, language=query.language, region=query.region
    )
    return _page_response(fetched, query.include)


@bp.get("/movies/search")
@bp.input(inputs.SearchQuery, location="query", arg_name="query")
@bp.responses(
    outputs.MoviePage,
    {200: "One page of matching movies, which is empty if none matched."},
    headers=(*CACHE_HEADERS, "Link"),
    problems=CATALOGUE,
)
@requires(Role.USER)
def search_movies(query: inputs.SearchQuery) -> Response:
    """Search movies by title.

    Uses TMDB's search, which matches original and translated titles. Adult movies are excluded.
    A search without matches returns an empty page. Responses are cached like popular movies.
    """
    fetched = services().movies.search(
        query.query,
        page=query.page,
        language=query.language,
        region=query.region,
        year=query.year,
    )
    return _page_response(fetched, query.include)


@bp.get("/movies/genres")
@bp.input(inputs.GenresQuery, location="query", arg_name="query")
@bp.responses(outputs.GenreList, {200: "All genres."}, headers=CACHE_HEADERS, problems=CATALOGUE)
@requires(Role.USER)
def list_genres(query: inputs.GenresQuery) -> Response:
    """List the genres of movies.

    Returns TMDB's genres. Use the names to label the `genre_ids` of a movie, and the IDs for the
    `genre` filter of favorites and ratings. A genre that TMDB does not name in the requested
    language has its English name. Responses are cached like popular movies.
    """
    fetched = services().movies.genres(language=query.language)
    return shared_response(outputs.GenreList, fetched)


@bp.get("/movies/<movie_id>")
@bp.input(inputs.DetailsQuery, location="query", arg_name="query")
@bp.responses(
    outputs.MovieDetails,
    {200: "The details of the movie."},
    headers=CACHE_HEADERS,
    problems=(MOVIE_NOT_FOUND, *CATALOGUE),
)
@requires(Role.USER)
def get_movie(movie_id: int, query: inputs.DetailsQuery) -> Response:
    """Get a movie.

    Returns every field of TMDB's movie details, and the URLs of the poster and the backdrop.
    Values that TMDB does not have are `null`, or 0 for `budget` and `revenue`. Responses are
    cached like popular movies.
    """
    fetched = services().movies.details(movie_id, language=query.language)
    return catalogue_response(outputs.MovieDetails, fetched, _marks_lookup(query.include))


def _page_response(fetched: Fetched[Page[Movie]], include: str | None) -> Response:
    links = page_links(fetched.value)
    return catalogue_response(outputs.MoviePage, fetched, _marks_lookup(include), links)


def _marks_lookup(include: str | None) -> MarksLookup | None:
    """Return the lookup of marks if `include=me` was requested. Marks are never cached."""
    return services().library.marks if include else None
