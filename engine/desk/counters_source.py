"""The counters file of an engine that may not run yet, or may be restarted."""

from __future__ import annotations

from pathlib import Path

from engine.runtime.counters_reader import CountersError, CountersReader


class CountersSource:
    """Keeps the file open and opens it again when it was replaced."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reader: CountersReader | None = None
        self.fault = ""

    def reader(self) -> CountersReader | None:
        """The file as it is now, or None with the cause in `fault`."""
        if self._reader is not None and self._reader.is_current():
            return self._reader
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        try:
            self._reader = CountersReader(self._path)
        except CountersError as error:
            self.fault = str(error)
            return None
        self.fault = ""
        return self._reader
