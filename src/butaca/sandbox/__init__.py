"""A local stand-in for TMDB: movies, pictures, simulated failures, and a call counter."""

from butaca.sandbox.calls import Calls
from butaca.sandbox.faults import KINDS, Fault, parse_faults
from butaca.sandbox.server import Sandbox

__all__ = ["KINDS", "Calls", "Fault", "Sandbox", "parse_faults"]
