"""A TMDB of our own: movies, pictures, every failure at the turn of a switch, and a counter."""

from butaca.sandbox.calls import Calls
from butaca.sandbox.faults import KINDS, Fault, faults_from
from butaca.sandbox.server import Sandbox

__all__ = ["KINDS", "Calls", "Fault", "Sandbox", "faults_from"]
