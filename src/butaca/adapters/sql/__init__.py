"""The database: tables, stores and migrations."""

from butaca.adapters.sql.accounts import SqlAccounts
from butaca.adapters.sql.database import Database
from butaca.adapters.sql.engine import Limits
from butaca.adapters.sql.library import SqlLibrary
from butaca.adapters.sql.movies import SqlMovies

__all__ = ["Database", "Limits", "SqlAccounts", "SqlLibrary", "SqlMovies"]
