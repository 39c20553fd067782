"""All checkers."""
from engine.hunt.check import Check
CHECKS: tuple[type[Check], ...] = ()
