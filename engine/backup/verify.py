"""Is a point whole: every byte read back, and the ledger folded to the state that its manifest names."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from engine.backup.fold import FOLD_VERSION, fold, fold_hash
from engine.backup.layout import BackupError, Manifest, place_of, read_manifest, sha256_of

Tell = Callable[[int, int, str], None]


def check_point(directory: Path, name: str, tell: Tell) -> Manifest:
    """Raises BackupError naming the first file that is not what it was, or the state that differs."""
    manifest = read_manifest(directory, name)
    check_files(directory, name, manifest, tell)
    check_fold(directory, manifest, tell)
    return manifest


def check_files(directory: Path, name: str, manifest: Manifest, tell: Tell) -> None:
    """Every byte of the point, against its hash."""
    total = sum(file.bytes for file in (*manifest.segments, *manifest.files))
    done = 0
    for files, is_segment in ((manifest.segments, True), (manifest.files, False)):
        for file in files:
            path = place_of(directory, name, file, is_segment=is_segment)
            tell(done, total, f"reading back {file.path}")
            if not path.is_file():
                raise BackupError(f"{path}: missing")
            if sha256_of(path, file.bytes) != file.sha256:
                raise BackupError(f"{path}: damaged: not what was written")
            done += file.bytes


def check_fold(directory: Path, manifest: Manifest, tell: Tell) -> None:
    """The ledger of the point alone gives the state that the source's gave."""
    seq = manifest.seq
    # the reader is shown the ledger only, without watermarks: a segment may meanwhile have more behind the point
    with tempfile.TemporaryDirectory(prefix=".fold-", dir=directory) as view:
        (Path(view) / "ledger").symlink_to((directory / "ledger").resolve())
        found = fold_hash(fold(Path(view), seq, lambda at: tell(at, seq, "folding the copy")))
    if found != manifest.fold and manifest.fold_version == FOLD_VERSION:
        raise BackupError(f"{directory}: the copy's ledger gives another state than the source's at sequence {seq}")
