"""What keeps the recorder from recording, each with its cause and its mend in the text."""

from __future__ import annotations


class RecorderFault(Exception):
    """Nothing can be recorded now. It is tried again; nothing is lost meanwhile, since the ledger keeps it."""


class DatabaseDown(RecorderFault):
    """The database does not answer, is locked, or has no room."""


class DatabaseMoved(DatabaseDown):
    """The SQLite file was moved, deleted or replaced while it was open: the next use opens what stands there, or makes it."""


class NothingRecorded(RecorderFault):
    """What was asked for is not there: no database, none of our tables, or not this journal."""


class RecorderRefused(RecorderFault):
    """Somebody must do something first: install a library, mend the configuration, run a newer build."""
