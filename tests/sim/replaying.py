"""Recorded simulations, played again; and journals altered in one place, as an altered disk or another core would leave them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from engine.credentials import Credentials
from engine.journal import layout
from engine.journal.reader import JournalReader
from engine.journal.scan import checksum
from engine.replay.core import Replay, build
from engine.replay.playing import Outcome, Player
from engine.replay.recording import Recording, open_recording
from engine.strategy.api import Strategy

HEADER = dict(zip(layout.HEADER_FIELDS, range(len(layout.HEADER_FIELDS)), strict=True))


def replay(
    data_dir: Path,
    epoch: int | None = None,
    *,
    runtime_dir: Path | None = None,
    keeps_going: bool = False,
    strategies: Mapping[str, Strategy] | None = None,
    credentials: Mapping[str, Credentials] | None = None,
) -> Outcome:
    """The session of an epoch, to its end or to the first difference; by its configured strategies unless others are given."""
    with tempfile.TemporaryDirectory() as scratch:
        recording = open_recording(data_dir, epoch, runtime_dir)
        built = build(recording, Path(scratch), strategies=strategies, credentials=credentials)
        return Player(built).play(keeps_going=keeps_going)


def stand(data_dir: Path, scratch: Path, epoch: int | None = None) -> tuple[Recording, Replay]:
    """A replay that stands before its first input."""
    recording = open_recording(data_dir, epoch)
    return recording, build(recording, scratch)


def told(outcome: Outcome) -> str:
    """What went wrong, for a failing test."""
    from engine.cli.replay import outcome_lines

    return "\n".join(outcome_lines(outcome, 1.0))


def segments(data_dir: Path) -> list[Path]:
    """Every segment, ledger first."""
    return sorted(data_dir.rglob("*.seg"), key=lambda path: (path.parent.name, path.name))


def places(path: Path) -> Iterator[tuple[int, bytes]]:
    """(offset, bytes) of the records of a segment."""
    data = path.read_bytes()
    at = layout.SEGMENT_HEADER_BYTES
    while at + layout.RECORD_HEADER_BYTES <= len(data):
        length = int.from_bytes(data[at : at + 4], "little")
        if length < layout.RECORD_HEADER_BYTES:
            return
        yield at, data[at : at + length]
        at += length


def alter(data_dir: Path, wanted: Callable[[bytes], bool], change: Callable[[bytearray], None], number: int = 0) -> int:
    """Change the record number `number` of those wanted, its checksum made right again; its sequence."""
    found = 0
    for path in segments(data_dir):
        for at, data in places(path):
            if not wanted(data):
                continue
            if found == number:
                record = bytearray(data)
                change(record)
                record[4:8] = checksum(bytes(record[8:])).to_bytes(4, "little")
                whole = bytearray(path.read_bytes())
                whole[at : at + len(record)] = record
                path.write_bytes(whole)
                return int.from_bytes(record[8:16], "little")
            found += 1
    raise AssertionError("no such record in this journal")


def of_kind(*kinds: int) -> Callable[[bytes], bool]:
    """Records of these kinds."""
    return lambda data: int.from_bytes(data[40:42], "little") in kinds


def turn_of(data: bytes) -> int:
    """The turn mark."""
    return int.from_bytes(data[78:80], "little")


def flip(at: int, bit: int = 1) -> Callable[[bytearray], None]:
    """Another bit in one byte."""

    def change(record: bytearray) -> None:
        record[at] ^= bit

    return change


def count(data_dir: Path, *kinds: int) -> int:
    """Records of these kinds, of all lanes."""
    return sum(record.kind in kinds for record in JournalReader(data_dir).records())
