"""What earlier runs' commands made of the limits: LIMITS records folded to what still stands, and applied to a book at once.

The fold is a function of the records alone, whatever the configuration says by now; `LimitBook.restore` brings both together.
"""

from __future__ import annotations

from typing import Any

import msgspec

from engine.model.limits import LIMITS, LimitBook, LimitsChanged, decode_changed

# a person lets more be lost: what held the scope is judged anew
LOSS_LIMITS = frozenset({"max_daily_loss", "max_drawdown", "max_drawdown_bps"})


class Commanded(msgspec.Struct, frozen=True, array_like=True):
    """One limit as a command set it: by whom, when and why."""

    value: int | None
    uid: int
    wall_ns: int
    reason: str


class CommandedRow(msgspec.Struct, frozen=True, array_like=True):
    """The commanded limits of one scope, in the order in which they were set."""

    scope: int
    scope_id: int
    limits: dict[str, Commanded]


class CommandedLimits:
    """Folds LIMITS records."""

    def __init__(self) -> None:
        self.rows: dict[tuple[int, int], dict[str, Commanded]] = {}

    def take(self, wall_ns: int, payload: bytes) -> tuple[int, int] | None:
        """One record. The scope that may lose more from here on, whose latches a person has so let go; else None."""
        changed = decode_changed(payload.rstrip(b"\0"))
        row = self.rows.setdefault((changed.scope, changed.scope_id), {})
        for name, value in changed.new.items():
            row.pop(name, None)
            if changed.commanded:
                row[name] = Commanded(value, changed.uid, wall_ns, changed.reason)
        if not row:
            del self.rows[changed.scope, changed.scope_id]
        return (changed.scope, changed.scope_id) if lets_lose_more(changed) else None

    def image(self) -> bytes:
        """What stands, as bytes."""
        return msgspec.msgpack.encode([CommandedRow(*key, limits) for key, limits in sorted(self.rows.items())])

    def load(self, image: bytes) -> None:
        """What `image` gave."""
        rows = msgspec.msgpack.decode(image, type=list[CommandedRow])
        self.rows = {(row.scope, row.scope_id): row.limits for row in rows}

    def apply(self, book: LimitBook) -> None:
        """Every command stands, whatever the configuration says by now."""
        for (scope, scope_id), limits in self.rows.items():
            for name, one in limits.items():
                told: dict[str, Any] = {"scope": scope, "scope_id": scope_id, "old": {}, "commanded": True}
                book.restore(one.wall_ns, LimitsChanged(new={name: one.value}, uid=one.uid, reason=one.reason, **told))


def lets_lose_more(changed: LimitsChanged) -> bool:
    """Does it loosen what ends a loss."""
    names = LOSS_LIMITS.intersection(changed.new)
    return any(LIMITS[name].is_looser(changed.new[name], changed.old.get(name)) for name in names)
