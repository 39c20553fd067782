"""Mass cancel, clock, phases, bands, busts; all of it is C, see ``ext/engine/book/matching_control.pxd``."""
