"""Whether the files of a recording continue one another, in the order given and within one family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine.sim.replay.frames import Diff, Family, RecordingError


@dataclass
class FileFacts:
    """What one file says of its place: receive times (0 in an empty file), and diffs and snapshots by symbol."""

    path: Path
    families: set[Family] = field(default_factory=set)
    first_ns: int = 0
    last_ns: int = 0
    symbols: set[str] = field(default_factory=set)
    first_diffs: dict[str, Diff] = field(default_factory=dict)
    last_ids: dict[str, int] = field(default_factory=dict)
    snapshots: set[str] = field(default_factory=set)

    def take_diff(self, symbol: str, diff: Diff) -> None:
        """Note a diff of the file."""
        self.families.add("usdm" if diff.previous_id >= 0 else "spot")
        self.first_diffs.setdefault(symbol, diff)
        self.last_ids[symbol] = diff.last_id


def check_names(paths: Sequence[Path]) -> None:
    """Raise ``RecordingError`` when a file is given twice."""
    known: set[Path] = set()
    for path in paths:
        resolved = path.resolve()
        if resolved in known:
            raise RecordingError(f"{path}: given twice; a file cannot continue itself")
        known.add(resolved)


def check_joins(files: Sequence[FileFacts]) -> None:
    """Raise ``RecordingError``, naming the file, where one does not go on from those before it.

    A hole in the update ids is allowed where the file has a snapshot of that market: a capture may reconnect between two files.
    """
    before: list[FileFacts] = []
    last_ids: dict[str, int] = {}
    for file in files:
        _check_family(file, before)
        if before and file.first_ns:
            _check_time(file, before)
            for symbol, diff in file.first_diffs.items():
                if symbol in last_ids:
                    _check_ids(file, before[-1], symbol, diff, last_ids[symbol])
        last_ids |= file.last_ids
        if file.first_ns:
            before.append(file)


def _check_family(file: FileFacts, before: Sequence[FileFacts]) -> None:
    if len(file.families) > 1:
        raise RecordingError(f"{file.path}: spot and USD-M depth frames in one recording")
    for earlier in before:
        if file.families and earlier.families and file.families != earlier.families:
            (own,), (other,) = file.families, earlier.families
            raise RecordingError(
                f"{file.path} is a {own} recording and {earlier.path} a {other} one: replay them apart"
            )


def _check_time(file: FileFacts, before: Sequence[FileFacts]) -> None:
    last = before[-1]
    if file.first_ns < last.last_ns:
        seconds = (last.last_ns - file.first_ns) / 1e9
        raise RecordingError(
            f"{file.path} does not continue {last.path}: it begins {seconds:.3f} s before that one ends (order of the files?)"
        )
    if file.symbols and not any(file.symbols & earlier.symbols for earlier in before):
        raise RecordingError(f"{file.path} does not continue {last.path}: they have no market in common")


def _check_ids(file: FileFacts, last: FileFacts, symbol: str, diff: Diff, known_id: int) -> None:
    if diff.last_id <= known_id:
        raise RecordingError(
            f"{file.path} does not continue {last.path}: {symbol} is at update {known_id} already, and it begins at {diff.last_id}"
        )
    has_hole = diff.previous_id > known_id if diff.previous_id >= 0 else diff.first_id > known_id + 1
    if has_hole and symbol not in file.snapshots:
        raise RecordingError(
            f"{file.path} does not continue {last.path}: updates of {symbol} after {known_id} are missing, and it has no snapshot"
        )
