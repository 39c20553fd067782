"""What is recorded and where to, as a configuration says it. Needs no SQL library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from engine.config import LoadedConfig
from engine.credentials import CredentialError, credentials_directory, read_private
from engine.desk.recorder.address import resolve
from engine.desk.recorder.faults import RecorderRefused

BATCH_RECORDS = 20_000


@dataclass(frozen=True)
class RecorderPlan:
    """`url` as SQLAlchemy takes it; `keep_days` by table, without one rows stay for ever."""

    data_dir: Path
    url: str
    keep_days: Mapping[str, int] = field(default_factory=dict)
    batch_records: int = BATCH_RECORDS


def plan_of(loaded: LoadedConfig) -> RecorderPlan:
    """The plan of a configuration with a `[recorder]`. RecorderRefused where a library or the password is missing."""
    section = loaded.config.recorder
    if section is None:
        raise RecorderRefused(f"{loaded.path} has no [recorder]")
    url = resolve(section.database, loaded.data_dir, password_of(section.credential))
    keep_days = {str(table): days for table, days in section.keep_days.items()}
    return RecorderPlan(loaded.data_dir, url, keep_days, section.batch_records)


def password_of(credential: str | None) -> str:
    """The content of NAME.password; empty where none is configured."""
    if credential is None:
        return ""
    try:
        return read_private(credentials_directory() / f"{credential}.password").decode("ascii").strip()
    except CredentialError as error:
        raise RecorderRefused(str(error)) from None
