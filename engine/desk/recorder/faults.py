"""What keeps the recorder from recording, each with its cause and its mend in the text."""

from __future__ import annotations


class RecorderFault(Exception):
    """Nothing can be recorded now. It is tried again; nothing is lost meanwhile, since the ledger keeps it."""


class DatabaseDown(RecorderFault):
    """The database does not answer, is locked, or has no room."""


class RecorderRefused(RecorderFault):
    """Somebody must do something first: install a library, mend the configuration, run a newer build."""
