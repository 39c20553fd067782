"""A recorder's database that does not lie in the data directory: how a backup copies it."""

from __future__ import annotations

from pathlib import Path

from engine.backup.layout import DatabasePoint
from engine.backup.make import DatabaseSource, copy_database
from engine.desk.recorder.address import FILE_NAME


def database_source(url: str) -> tuple[DatabaseSource, str]:
    """What copies the database at SQLAlchemy's `url`, and a note for people; empty for none."""
    if not url.startswith("sqlite"):
        from engine.backup.postgres import DUMP_NAME, dump

        return lambda data_dir, folder: dump(url, data_dir, folder / DUMP_NAME), ""
    path = Path(url.partition(":///")[2])

    def copy(_data_dir: Path, folder: Path) -> DatabasePoint | None:
        target = folder / FILE_NAME
        if path.exists() and not target.exists():
            copy_database(path, target)
        return None

    return copy, f"the recorder's database {path} comes back as {FILE_NAME} in the data directory"
