"""Errors that an operator can fix, reported in one line without a traceback."""


class OperatorError(Exception):
    """A problem with the settings or the environment that prevents a command from running."""


def cannot_listen(port: int, host: str, error: OSError) -> OperatorError:
    """Return the error for a port that cannot be bound."""
    return OperatorError(f"Cannot listen on port {port} of {host}: {error.strerror}")
