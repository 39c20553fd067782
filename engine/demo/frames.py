"""Compares what the venue says it sent with what the journal holds: one inbound record a frame, by length and CRC-32C."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from engine.journal.reader import JournalReader
from engine.model.codes import RecordKind

ROW = struct.Struct("<IIII")
FROM_REST = {
    RecordKind.DEPTH_SNAPSHOT,
    RecordKind.OPEN_INTEREST,
    RecordKind.FUNDING_RATE,
    RecordKind.LONG_SHORT_RATIO,
}
# answers of REST to a futures order session are journaled like frames, under a session number of their own
REST_SESSION_ID = 3
Frame = tuple[int, int]


@dataclass(frozen=True)
class FrameComparison:
    """Frames sent by the venue and found in the journal.

    ``missing``: sent, not journaled, although a later frame of the same connection was. ``unread_at_close``: sent last,
    while the engine was closing the connection. ``extra``: journaled, never sent.
    """

    sent: int
    journaled: int
    missing: int
    unread_at_close: int
    extra: int

    @property
    def is_complete(self) -> bool:
        """Every frame that reached the engine is in the journal, once, with its checksum."""
        return self.missing == 0 and self.extra == 0 and self.sent > 0


def sent_frames(frame_log: Path) -> dict[int, list[Frame]]:
    """(length, crc) of each frame by connection, in the order of sending."""
    connections: dict[int, list[Frame]] = {}
    for connection, _, length, crc in ROW.iter_unpack(frame_log.read_bytes()):
        connections.setdefault(connection, []).append((length, crc))
    return connections


def journaled_frames(reader: JournalReader) -> Iterable[Frame]:
    """(length, crc) of every inbound WebSocket frame in the journal."""
    for record in reader.records():
        is_frame = record.frame_length and record.kind < RecordKind.INTENT and record.kind not in FROM_REST
        if is_frame and record.session_id != REST_SESSION_ID:
            yield record.frame_length, record.frame_crc32c


def compare(frame_log: Path, reader: JournalReader) -> FrameComparison:
    """Match the two sides frame by frame."""
    connections = sent_frames(frame_log)
    journal = Counter(journaled_frames(reader))
    total = sum(journal.values())
    missing = tail = 0
    for frames in connections.values():
        lost_since_match = 0
        for frame in frames:
            if journal[frame] > 0:
                journal[frame] -= 1
                missing += lost_since_match
                lost_since_match = 0
            else:
                lost_since_match += 1
        tail += lost_since_match
    sent = sum(len(frames) for frames in connections.values())
    return FrameComparison(sent, total, missing, tail, sum(journal.values()))
