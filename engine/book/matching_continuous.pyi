"""Entering, trading and cancelling; all of it is C, see ``ext/engine/book/matching_continuous.pxd``."""
