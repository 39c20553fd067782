"""Accounts for every text frame that the venue sent: rows of four little-endian ``uint32``.

Row: connection number, kind (0 market stream, 1 WebSocket API), payload bytes, CRC-32C of the payload. As numpy:
``np.fromfile(path, "<u4").reshape(-1, 4)``.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

from engine.runtime.crc32c import crc32c

KIND_STREAM = 0
KIND_API = 1
FLUSH_BYTES = 1 << 20
_ROW = struct.Struct("<IIII")


class FrameLog:
    """Collects rows and writes them to ``path`` in large pieces; without a path it only counts."""

    def __init__(self, path: Path | None) -> None:
        self._file: BinaryIO | None = None if path is None else path.open("wb")
        self._rows = bytearray()
        self._payload = b""
        self._crc = 0
        self.frames = 0
        self.bytes = 0

    def add(self, connection: int, kind: int, payload: bytes) -> None:
        """Record one frame; the same payload object sent to many connections is summed once."""
        self.frames += 1
        self.bytes += len(payload)
        if self._file is None:
            return
        if payload is not self._payload:
            self._payload = payload
            self._crc = crc32c(payload)
        self._rows += _ROW.pack(connection, kind, len(payload), self._crc)
        if len(self._rows) >= FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what was collected."""
        if self._file is not None:
            self._file.write(self._rows)
            self._file.flush()
            self._rows.clear()

    def close(self) -> None:
        """Write the rest and close the file."""
        if self._file is not None:
            self.flush()
            self._file.close()
            self._file = None
