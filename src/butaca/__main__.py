"""The entry point of `python -m butaca`."""

from butaca.cli import main

main()
