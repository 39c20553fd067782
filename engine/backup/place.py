"""Where a restoration is put: built out of sight, in its place only once it was checked and is on the disk.

An absent place is built beside and renamed. An empty directory is filled from within, since it may be a mount point, which nothing
can be renamed onto: built in its hidden folder RESTORING, then moved up, `epoch` last. No engine starts in a directory that
holds RESTORING, so what a killed restoration left there is of nobody else: the next restoration removes it.

    RESTORING/point/...   what is being built
    RESTORING/moved       the names that are being moved up, as JSON
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from engine.backup.layout import BackupError
from engine.backup.make import sync_tree
from engine.journal.places import LANE_NAMES, RESTORING
from engine.runtime.disk import Disk

# a freshly made file system has it; it is root's
LOST_AND_FOUND = "lost+found"
# whose journal it is: without it no engine starts on the segments beside it
LAST = "epoch"
DONE = f"{RESTORING}.done"
NOT_EMPTY = "{}: is not empty; nothing is overwritten"


def is_free(target: Path) -> bool:
    """Is the place absent, or a directory without anything but an empty `lost+found` and what a killed restoration left there.

    Raises OSError, and BackupError where that cannot be read.
    """
    if not target.exists() and not target.is_symlink():
        return True
    return target.is_dir() and not others_in(target)


def others_in(target: Path) -> list[str]:
    """Names in a directory that are neither of the file system nor of a restoration."""
    # what a restoration that was done was taking away when it was killed
    ours = {DONE}
    folder = target / RESTORING
    if folder.is_dir() and not folder.is_symlink():
        ours |= {RESTORING, *names_moved(folder)}
    return sorted(path.name for path in target.iterdir() if path.name not in ours and not is_lost_and_found(path))


def is_lost_and_found(path: Path) -> bool:
    """Is it the file system's own folder, empty as far as this user may look."""
    if path.name != LOST_AND_FOUND or path.is_symlink() or not path.is_dir():
        return False
    try:
        return not any(path.iterdir())
    except PermissionError:
        return path.stat().st_uid == 0


def names_moved(folder: Path) -> list[str]:
    """What a restoration was moving up when it ended; empty where it had not come so far. BackupError where that is damaged."""
    path = folder / "moved"
    try:
        names = [Path(name) for name in json.loads(path.read_bytes())]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError):
        text = "it is damaged, and does not say what a killed restoration left: empty the directory, then restore again"
        raise BackupError(f"{path}: {text}") from None
    return [name.name for name in names if name.name == str(name)]


@contextmanager
def place(target: Path, disk: Disk) -> Iterator[Path]:
    """The folder to build in: at the end of the block its content is `target`, durably. Where anything fails `target` is as it was.

    Raises BackupError where the place is not free, and OSError.
    """
    require_free(target)
    with filled(target, disk) if target.exists() else renamed(target, disk) as folder:
        yield folder


def require_free(target: Path) -> None:
    """BackupError where something lies there."""
    if not is_free(target):
        raise BackupError(NOT_EMPTY.format(target))


@contextmanager
def renamed(target: Path, disk: Disk) -> Iterator[Path]:
    """Built beside an absent place."""
    partial = target.with_name(f".{target.name}.restoring")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True, mode=0o750)
        yield partial
        sync_tree(partial, disk)
        partial.rename(target)
        disk.sync_directory(target.parent)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


@contextmanager
def filled(target: Path, disk: Disk) -> Iterator[Path]:
    """Built in an empty directory."""
    folder = target / RESTORING
    with held(target, folder):
        try:
            clear(target, folder, disk)
            (folder / "point").mkdir(mode=0o750)
            disk.sync_directory(target)
            yield folder / "point"
            sync_tree(folder / "point", disk)
            move_up(target, folder, disk)
        except BaseException:
            # what cannot be removed now the next restoration removes
            with suppress(OSError, BackupError):
                clear(target, folder, disk)
                folder.rmdir()
                disk.sync_directory(target)
            raise


@contextmanager
def held(target: Path, folder: Path) -> Iterator[None]:
    """Held by this process alone. Raises BackupError where another restoration holds it."""
    folder.mkdir(mode=0o750, exist_ok=True)
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if not is_locked(fd) or not folder.exists() or not os.path.samestat(os.fstat(fd), folder.stat()):
            raise BackupError(f"{target}: another restoration into it is running; let it end first")
        if others_in(target):
            # another restoration was done meanwhile
            if not any(folder.iterdir()):
                folder.rmdir()
            raise BackupError(NOT_EMPTY.format(target))
        yield
    finally:
        os.close(fd)


def is_locked(fd: int) -> bool:
    """Take the lock of a folder; False where another process has it."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def clear(target: Path, folder: Path, disk: Disk) -> None:
    """Take away what a restoration has moved up, then what it has built; its folder stays. Raises OSError."""
    for name in names_moved(folder):
        remove(target / name)
    remove(target / DONE)
    disk.sync_directory(target)
    for path in sorted(folder.iterdir(), key=lambda path: path.name == "moved"):
        remove(path)


def remove(path: Path) -> None:
    """A file or a folder with all in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def move_up(target: Path, folder: Path, disk: Disk) -> None:
    """What was built takes its place. It is restored once RESTORING has lost its name. Raises BackupError, OSError."""
    require_free(target)
    built = sorted((folder / "point").iterdir(), key=lambda path: (path.name == LAST, path.name not in LANE_NAMES))
    disk.replace(folder / "moved", json.dumps([path.name for path in built]).encode())
    for path in built:
        if path.name == LAST:
            disk.sync_directory(target)
        path.rename(target / path.name)
    disk.sync_directory(target)
    done = folder.with_name(DONE)
    folder.rename(done)
    try:
        disk.sync_directory(target)
    except OSError:
        done.rename(folder)
        raise
    shutil.rmtree(done, ignore_errors=True)
