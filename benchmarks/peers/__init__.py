"""The peers in the comparison, each set up as its documentation recommends.

The Python peers except bare Flask run in .venv-bench, which contains neither Butaca nor its
dependencies.
"""
