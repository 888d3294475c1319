"""Butaca: a REST API between a front end and TheMovieDB."""

from importlib.metadata import version

__version__ = version("butaca")
