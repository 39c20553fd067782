"""AMEND; all of it is C, see ``ext/engine/book/matching_amend.pxd``."""
