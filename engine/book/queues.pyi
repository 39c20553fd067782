"""Queues of orders under a tree of ticks; all of it is C, see ``ext/engine/book/queues.pxd``."""
