"""The sandbox's movies: built-in ones, or a directory of recorded responses."""
