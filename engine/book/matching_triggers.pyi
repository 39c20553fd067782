"""Orders that wait for a price; all of it is C, see ``ext/engine/book/matching_triggers.pxd``."""
