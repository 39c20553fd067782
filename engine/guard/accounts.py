"""Which line an account's number means: the engine's registry of names gave it, and the engine may be dead when it is asked."""

from __future__ import annotations

from pathlib import Path

import msgspec

FILE_NAME = "names.json"


class NamedLines(msgspec.Struct):
    """The part of the registry that is read: lines by their number, from 1; a line has one account, of the same number."""

    venues: list[str]


def line_of_account(data_dir: Path, number: int) -> str:
    """The line's name; empty where no account has this number, or nobody has given numbers yet."""
    try:
        lines = msgspec.json.decode((data_dir / FILE_NAME).read_bytes(), type=NamedLines).venues
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return ""
    return lines[number - 1] if 0 < number <= len(lines) else ""
