"""The OpenAPI links in the contract: which operations can follow a response."""

from butaca.web.headers import Spec

_MOVIE = {"movie_id": "$response.body#/movie/id"}
_LINKS = {
    "ShowFavorite": ("showFavorite", _MOVIE, "Get the favorite."),
    "Forget": ("forget", _MOVIE, "Remove the movie from your favorites."),
    "ShowRating": ("showRating", _MOVIE, "Get the rating."),
    "Correct": ("correct", _MOVIE, "Update the stars."),
    "Unrate": ("unrate", _MOVIE, "Delete the rating."),
}
_FROM = {
    "keep": ("ShowFavorite", "Forget"),
    "rate": ("ShowRating", "Correct", "Unrate"),
}


def leading_from(operation: str) -> tuple[str, ...]:
    """Return the names of the links in the responses of an operation."""
    return _FROM.get(operation, ())


def components() -> Spec:
    """Return the shared links by name."""
    return {
        name: {"operationId": operation, "parameters": parameters, "description": meaning}
        for name, (operation, parameters, meaning) in _LINKS.items()
    }
