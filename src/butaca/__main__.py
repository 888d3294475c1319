"""`python -m butaca` is `butaca`."""

from butaca.cli import main

main()
