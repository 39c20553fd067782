"""What can go wrong with a journal, each with the cause and the mend in its text."""

from __future__ import annotations


class JournalError(Exception):
    """The journal cannot be opened, written or read."""


class JournalLocked(JournalError):
    """Another engine holds this journal."""


class JournalFull(JournalError):
    """A front has no room."""


class JournalForeign(JournalError):
    """Written with a record layout that this build does not read. `build`: who wrote it, empty where nothing tells."""

    def __init__(self, path: str, schema_hash: int, build: str) -> None:
        super().__init__(
            f"{path}: written by build {build or '(not told)'} with another record layout (schema {schema_hash:016x}), "
            "which this build does not read. Go on with that build; or let it stop with no position and no open order, "
            "export what you keep (its `tradewind journal cat --json`), move data_dir aside and start with an empty one"
        )
        self.path = path
        self.schema_hash = schema_hash
        self.build = build


class JournalCorrupt(JournalError):
    """Damage where the journal must be whole. `path` and `offset` (bytes) name the place."""

    def __init__(self, path: str, offset: int, what: str) -> None:
        super().__init__(f"{path}: damaged at byte {offset}: {what}")
        self.path = path
        self.offset = offset
        self.what = what


class ImageError(Exception):
    """An image of a state is not what its reader expects: another version, another shape, or damage."""
