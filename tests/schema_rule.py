"""The rule by which layouts of records may change, held between two of them in `layout.schema_text` form.

`python -m tests.schema_rule` keeps today's layout beside the earlier ones, and says the line that names it to the engine: to be
done with each release, so that the ledgers it writes stay readable.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

from engine.journal import layout

FOLDER = Path(__file__).parent / "unit" / "schemas"
# the same bytes under other names: session numbers always stayed below 2^16, so the upper half was 0
SAME_HEADERS = {"<IIQQqqHHHHIBBHQIIII", "<IIQQqqHHHHIBBHQIIIHH"}


class Schema:
    """One layout, read back from its text."""

    def __init__(self, text: str) -> None:
        self.header, *lines = text.splitlines()
        self.kinds: dict[str, int] = {}
        self.fields: dict[str, list[str]] = {}
        for line in lines:
            name, colon, fields = line.partition(":")
            if colon:
                self.fields[name] = fields.split()
            else:
                kind, _, number = line.partition("=")
                self.kinds[kind] = int(number)

    @property
    def tailed(self) -> set[str]:
        """Parts that must stay as they are: something stands behind them, or they are repeated."""
        rows = {name for name in self.fields if name.endswith(" row")} | {"conditions"}
        return rows | {kind.name for kind in layout.TAILED}

    def form(self, name: str) -> struct.Struct:
        return struct.Struct("<" + "".join(field.split(":")[1] for field in self.fields[name]))


def faults(before: Schema, after: Schema) -> list[str]:
    """What of `after` keeps it from reading what `before` wrote; empty = nothing."""
    found = []
    if before.header != after.header and not {before.header, after.header} <= SAME_HEADERS:
        found.append("the header changed")
    for kind, number in before.kinds.items():
        if after.kinds.get(kind) != number:
            found.append(f"{kind} was {number}")
    for number in set(after.kinds.values()):
        names = {name for schema in (before, after) for name, value in schema.kinds.items() if value == number}
        if len(names) > 1:
            found.append(f"{number} is {' and '.join(sorted(names))}")
    for name, fields in before.fields.items():
        now = after.fields.get(name, [])
        if now[: len(fields)] != fields:
            found.append(f"fields of {name} changed")
        elif now != fields and name in after.tailed:
            found.append(f"{name} grew, though something stands behind it")
    return found


def frozen() -> dict[int, str]:
    """Every layout that was kept, by its hash."""
    return {int(path.stem, 16): path.read_text() for path in sorted(FOLDER.glob("*.txt"))}


def keep_today() -> str:
    """Write today's layout beside the others; the line for `engine.journal.schemas.READABLE`."""
    (FOLDER / f"{layout.SCHEMA_HASH:016x}.txt").write_text(layout.schema_text())
    return f'    0x{layout.SCHEMA_HASH:016X}: "VERSION, DATE",'


if __name__ == "__main__":
    sys.stdout.write(keep_today() + "\n")
