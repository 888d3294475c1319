"""The larger commands, and the one-line error reporting that all commands share."""

from butaca.commands.accounts import tokens, users
from butaca.commands.database import open_database
from butaca.commands.movies import movies
from butaca.commands.one_line import OneLineGroup, one_line_errors

__all__ = ["OneLineGroup", "movies", "one_line_errors", "open_database", "tokens", "users"]
