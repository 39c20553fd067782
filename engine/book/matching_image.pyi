"""Hash, save and restore; all of it is C, see ``ext/engine/book/matching_image.pxd``."""
