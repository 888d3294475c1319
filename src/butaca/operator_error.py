"""Errors that an operator can fix, reported in one line without a traceback."""


class OperatorError(Exception):
    """A problem with the settings or the environment that keeps a command from running."""
