"""How a directory of backups looks, and what a point in it says of itself.

DIR/lock                       held while a backup is made
DIR/ledger/00000001.seg ...    segments, shared by all points; one that grew is replaced by itself with more behind
DIR/tape/...                   the same, where the tape is kept too
DIR/points/NNNNNN/manifest.json, files/...    one consistent state: which bytes of which segments, and everything small
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import msgspec

FORMAT = 1
POINT_NAME = re.compile(r"\d{6}")
MANIFEST_NAME = "manifest.json"
CHUNK_BYTES = 1 << 20


class BackupError(Exception):
    """A backup cannot be made, or is not whole: the text says what and where (exit code 74, or 73 for a place that is taken)."""


class BackedFile(msgspec.Struct, frozen=True):
    """One file: where it lies below the data directory, how many of its bytes belong to the point, and their SHA-256."""

    path: str
    bytes: int
    sha256: str


class LanePoint(msgspec.Struct, frozen=True):
    """How far a lane goes: its watermark when the point was taken."""

    segment_no: int
    segment_offset: int
    seq: int
    generation: int
    epoch: int


class DatabasePoint(msgspec.Struct, frozen=True):
    """The recorder's database on PostgreSQL: its dump below `files`, rows by table, and up to where the journal is recorded."""

    file: str
    server: str
    schema: str
    rows: dict[str, int]
    epoch: int
    seq: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """A point. `segments` lie in the shared folders, `files` beside the manifest. `fold`: hash of its ledger's state.

    `fold_version`: of the build that made it; by another build's the hash cannot be judged.
    """

    format: int = FORMAT
    engine_id: int
    journal_id: str
    epoch: int
    created_wall_ns: int
    build: str
    lanes: dict[str, LanePoint]
    segments: list[BackedFile]
    files: list[BackedFile]
    fold: str
    notes: list[str]
    fold_version: int = 1
    database: DatabasePoint | None = None

    @property
    def seq(self) -> int:
        """The last sequence of the ledger in it."""
        return self.lanes["ledger"].seq


def point_names(directory: Path) -> list[str]:
    """The points of a directory, oldest first."""
    folder = directory / "points"
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if POINT_NAME.fullmatch(path.name))


def read_manifest(directory: Path, name: str) -> Manifest:
    """A point's manifest. Raises BackupError."""
    path = directory / "points" / name / MANIFEST_NAME
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BackupError(f"{path}: no manifest that can be read: {error}") from error
    if manifest.format != FORMAT:
        raise BackupError(f"{path}: of format {manifest.format}, this build reads {FORMAT}")
    return manifest


def place_of(directory: Path, name: str, file: BackedFile, *, is_segment: bool) -> Path:
    """Where a file of a point lies. Raises BackupError for a path that leads out of the directory."""
    parts = Path(file.path).parts
    if not parts or any(part in ("..", "/") for part in parts):
        raise BackupError(f"{name}: the manifest names {file.path!r}, which is no path below a data directory")
    return directory / file.path if is_segment else directory / "points" / name / "files" / file.path


def sha256_of(path: Path, size: int) -> str:
    """Of the first `size` bytes; BackupError where there are fewer."""
    digest, left = hashlib.sha256(), size
    with path.open("rb") as file:
        while left and (data := file.read(min(left, CHUNK_BYTES))):
            digest.update(data)
            left -= len(data)
    if left:
        raise BackupError(f"{path}: {size - left} bytes, {size} belong to the point")
    return digest.hexdigest()
