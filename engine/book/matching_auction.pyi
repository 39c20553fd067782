"""The uncross; all of it is C, see ``ext/engine/book/matching_auction.pxd``."""
