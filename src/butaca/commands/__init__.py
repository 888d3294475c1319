"""The larger commands, and the uniform way in which commands fail: with one line."""

from butaca.commands.database import chosen_database
from butaca.commands.movies import movies
from butaca.commands.one_line import OneLineGroup, one_line
from butaca.commands.people import tokens, users

__all__ = ["OneLineGroup", "chosen_database", "movies", "one_line", "tokens", "users"]
