"""The OpenAPI links in the contract: which operations can follow a response."""

from butaca.web.headers import Spec

_MOVIE = {"movie_id": "$response.body#/movie/id"}
_LINKS = {
    "GetFavorite": ("getFavorite", _MOVIE, "Get the favorite."),
    "RemoveFavorite": ("removeFavorite", _MOVIE, "Remove the movie from your favorites."),
    "GetRating": ("getRating", _MOVIE, "Get the rating."),
    "UpdateRating": ("updateRating", _MOVIE, "Update the stars."),
    "DeleteRating": ("deleteRating", _MOVIE, "Delete the rating."),
}
_LINKS_BY_OPERATION = {
    "addFavorite": ("GetFavorite", "RemoveFavorite"),
    "rateMovie": ("GetRating", "UpdateRating", "DeleteRating"),
}


def names_for(operation: str) -> tuple[str, ...]:
    """Return the names of the links in the responses of an operation."""
    return _LINKS_BY_OPERATION.get(operation, ())


def components() -> Spec:
    """Return the shared links by name."""
    return {
        name: {"operationId": operation, "parameters": parameters, "description": description}
        for name, (operation, parameters, description) in _LINKS.items()
    }
