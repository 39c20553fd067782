"""What can go wrong with a journal, each with the cause and the mend in its text."""

from __future__ import annotations


class JournalError(Exception):
    """The journal cannot be opened, written or read."""


class JournalLocked(JournalError):
    """Another engine holds this journal."""


class JournalFull(JournalError):
    """A front has no room."""


class JournalCorrupt(JournalError):
    """Damage where the journal must be whole. `path` and `offset` (bytes) name the place."""

    def __init__(self, path: str, offset: int, what: str) -> None:
        super().__init__(f"{path}: damaged at byte {offset}: {what}")
        self.path = path
        self.offset = offset
        self.what = what


class ImageError(Exception):
    """An image of a state is not what its reader expects: another version, another shape, or damage."""
