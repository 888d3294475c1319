"""Where a client can go on from an answer, for the contract."""

from butaca.web.headers import Spec

_MOVIE = {"movie_id": "$response.body#/movie/id"}
_LINKS = {
    "ShowFavorite": ("showFavorite", _MOVIE, "What was kept."),
    "Forget": ("forget", _MOVIE, "Keep it no longer."),
    "ShowRating": ("showRating", _MOVIE, "The rating that was given."),
    "Correct": ("correct", _MOVIE, "Correct the stars."),
    "Unrate": ("unrate", _MOVIE, "Take the rating back."),
}
_FROM = {
    "keep": ("ShowFavorite", "Forget"),
    "rate": ("ShowRating", "Correct", "Unrate"),
}


def leading_from(operation: str) -> tuple[str, ...]:
    """Return the names of the links that lead on from what an operation answers."""
    return _FROM.get(operation, ())


def components() -> Spec:
    """Return the links that responses share."""
    return {
        name: {"operationId": operation, "parameters": parameters, "description": meaning}
        for name, (operation, parameters, meaning) in _LINKS.items()
    }
