"""Who is measured beside Butaca, each set up as its own documentation says.

All but the bare Flask run in .venv-bench, which knows neither Butaca nor its dependencies.
"""
