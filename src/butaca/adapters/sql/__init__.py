"""The database: tables, the stores that use them, and the migrations that make them."""

from butaca.adapters.sql.accounts import SqlAccounts
from butaca.adapters.sql.database import Database
from butaca.adapters.sql.library import SqlLibrary

__all__ = ["Database", "SqlAccounts", "SqlLibrary"]
