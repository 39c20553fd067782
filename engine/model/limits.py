"""Limits by scope: what may be limited, in which unit, what is tighter, and who set what.

A limit's value is a whole number throughout: 10^-8 for amounts, quantities and factors, plain for counts and basis points,
milliseconds for times, 0 or 1 for permissions. None means: not limited. The configuration gives the first values; commands
change them, and what a command set stands until it is reset, over restarts too (LIMITS records of the ledger).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

import msgspec

from engine.model.codes import LimitScope, RecordKind
from engine.model.instruments import INT64_MAX

E4 = 10_000
NS_PER_MS = 1_000_000


class Unit(Enum):
    """How a limit is written and held."""

    COUNT = "count"
    BPS = "basis points"
    MONEY = "money"
    QTY = "quantity"
    FACTOR = "factor"
    MS = "milliseconds"
    PERMISSION = "permission"


DECIMAL_UNITS = frozenset({Unit.MONEY, Unit.QTY, Unit.FACTOR})


@dataclass(frozen=True)
class Limit:
    """One kind of limit: its key in configurations and commands, its field in the compiled row, the scopes that have it.

    `tightens_upwards`: a larger value is the stricter one (a pause, a window). `none_is_for_ever`: without it, it never ends.
    `bit`: of a permission.
    """

    name: str
    field: str
    unit: Unit
    scopes: frozenset[LimitScope]
    tightens_upwards: bool = False
    none_is_for_ever: bool = False
    bit: int = 0

    def in_row(self, value: int | None, lot_e8: int) -> int:
        """The value as the compiled row holds it; quantities off the lot go down to it, which is tighter."""
        if value is None:
            return 0 if self.tightens_upwards else INT64_MAX
        if self.unit is Unit.QTY:
            return value // lot_e8
        if self.unit is Unit.FACTOR:
            return value // E4
        return value * NS_PER_MS if self.unit is Unit.MS else value

    def is_looser(self, new: int | None, old: int | None) -> bool:
        """Does `new` let anything through that `old` does not."""
        if new == old:
            return False
        if self.unit is Unit.PERMISSION:
            return not new
        if self.tightens_upwards:
            if new is None or old is None:
                return (new is None) != self.none_is_for_ever
            return new < old
        return new is None or (old is not None and new > old)


_ALL = frozenset(LimitScope)
_WIDE = _ALL - {LimitScope.INSTRUMENT}
_ENGINE_LINE = frozenset({LimitScope.ENGINE, LimitScope.ACCOUNT, LimitScope.VENUE})
_STRATEGY = frozenset({LimitScope.STRATEGY})
_INSTRUMENT = frozenset({LimitScope.INSTRUMENT})

LIMITS: dict[str, Limit] = {
    limit.name: limit
    for limit in (
        Limit("max_order_qty", "max_order_qty_lots", Unit.QTY, _INSTRUMENT),
        Limit("max_order_notional", "max_order_notional_e8", Unit.MONEY, _ALL),
        Limit("max_position", "max_position_lots", Unit.QTY, _INSTRUMENT),
        Limit("max_position_notional", "max_position_notional_e8", Unit.MONEY, _ALL),
        Limit("max_gross_exposure", "max_gross_exposure_e8", Unit.MONEY, _ALL),
        Limit("max_net_exposure", "max_net_exposure_e8", Unit.MONEY, _ALL),
        Limit("max_leverage", "max_leverage_e4", Unit.FACTOR, _ENGINE_LINE),
        Limit("max_positions", "max_positions", Unit.COUNT, _WIDE),
        Limit("max_open_orders", "max_open_orders", Unit.COUNT, _ALL),
        Limit("message_rate_per_s", "message_rate_per_s", Unit.COUNT, _ALL),
        Limit("message_burst", "message_burst", Unit.COUNT, _ALL),
        Limit("price_collar_bps", "price_collar_bps", Unit.BPS, _ALL),
        Limit("price_collar_period_bps", "price_collar_period_bps", Unit.BPS, _ALL),
        Limit("price_collar_period_ms", "price_collar_period_ns", Unit.MS, _ALL, tightens_upwards=True),
        Limit("max_slippage_bps", "max_slippage_bps", Unit.BPS, _ALL),
        Limit("max_daily_loss", "max_daily_loss_e8", Unit.MONEY, _ALL),
        Limit("max_drawdown", "max_drawdown_e8", Unit.MONEY, _ALL),
        Limit("max_drawdown_bps", "max_drawdown_bps", Unit.BPS, _WIDE),
        Limit("max_loss_streak", "max_loss_streak", Unit.COUNT, _ALL),
        Limit("loss_cooldown_ms", "loss_cooldown_ns", Unit.MS, _ALL, tightens_upwards=True, none_is_for_ever=True),
        Limit("max_executions", "max_executions", Unit.COUNT, _ALL),
        Limit("executions_window_ms", "executions_window_ns", Unit.MS, _ALL, tightens_upwards=True),
        Limit("max_price_move_bps", "max_price_move_bps", Unit.BPS, _INSTRUMENT),
        Limit("price_move_window_ms", "price_move_window_ns", Unit.MS, _INSTRUMENT, tightens_upwards=True),
        Limit("price_move_pause_ms", "price_move_pause_ns", Unit.MS, _INSTRUMENT, tightens_upwards=True),
        Limit("capital_budget", "capital_budget_e8", Unit.MONEY, _STRATEGY),
        Limit("duplicate_window_ms", "duplicate_window_ns", Unit.MS, _ALL, tightens_upwards=True),
        Limit("no_buy", "permissions", Unit.PERMISSION, _ALL, bit=1),
        Limit("no_sell", "permissions", Unit.PERMISSION, _ALL, bit=2),
        Limit("no_short", "permissions", Unit.PERMISSION, _ALL, bit=4),
        Limit("restricted", "permissions", Unit.PERMISSION, _ALL, bit=8),
        Limit("no_self_trade", "permissions", Unit.PERMISSION, _ALL, bit=16),
    )
}
# a limit that means nothing without its times
NEEDS: dict[str, tuple[str, ...]] = {
    "message_rate_per_s": ("message_burst",),
    "price_collar_period_bps": ("price_collar_period_ms",),
    "max_executions": ("executions_window_ms",),
    "max_price_move_bps": ("price_move_window_ms", "price_move_pause_ms"),
}
# what an engine without them may not trade with: they can be changed, never lifted
REQUIRED: dict[LimitScope, frozenset[str]] = {
    LimitScope.ENGINE: frozenset({"max_open_orders", "message_rate_per_s", "message_burst"}),
    LimitScope.INSTRUMENT: frozenset(
        {"max_order_qty", "max_order_notional", "max_position", "price_collar_bps", "max_open_orders"}
    ),
}

Key = tuple[LimitScope, int]


class LimitRefusedError(Exception):
    """A change of limits that is not made, and why."""


class LimitChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The detail of COMMAND LIMITS: `values` to set (None lifts), or names to `reset` to the configuration's (all if empty)."""

    scope: int
    scope_id: int
    values: dict[str, int | None] = {}
    is_reset: bool = False
    reset: tuple[str, ...] = ()
    loosen: bool = False


class LimitsChanged(msgspec.Struct, frozen=True, kw_only=True):
    """A LIMITS record: what applies since then, what applied before, and by whom. `commanded` false: back to the configuration."""

    scope: int
    scope_id: int
    new: dict[str, int | None]
    old: dict[str, int | None]
    commanded: bool
    uid: int
    reason: str


@dataclass(frozen=True)
class Source:
    """Who set a limit, when (wall clock, ns) and why."""

    uid: int
    wall_ns: int
    reason: str


class Rows(Protocol):
    """Where limits apply: the risk monitor's rows."""

    def set_limit(self, scope: int, scope_id: int, field: str, value: int) -> None:
        """One field of a scope's row."""

    def lot_e8(self, instrument_id: int) -> int:
        """The lot of an instrument, 10^-8."""


decode_change = msgspec.json.Decoder(LimitChange).decode
decode_changed = msgspec.json.Decoder(LimitsChanged).decode
encode = msgspec.json.Encoder().encode


class LimitBook:
    """Every limit of the engine with its source. Changes are planned (refused or not) and then applied to `rows`."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._configured: dict[Key, dict[str, int]] = {}
        self._commanded: dict[Key, dict[str, tuple[int | None, Source]]] = {}

    # --- reading

    def value(self, scope: LimitScope, scope_id: int, name: str) -> int | None:
        """What applies."""
        commanded = self._commanded.get((scope, scope_id), {})
        if name in commanded:
            return commanded[name][0]
        return self._configured.get((scope, scope_id), {}).get(name)

    def source(self, scope: LimitScope, scope_id: int, name: str) -> Source | None:
        """Who commanded it; None: it is the configuration's."""
        found = self._commanded.get((scope, scope_id), {}).get(name)
        return None if found is None else found[1]

    def entries(self) -> Iterator[tuple[LimitScope, int, Limit, int | None]]:
        """Every limit that is set or was lifted by command, by scope and key."""
        for scope, scope_id in sorted(set(self._configured) | set(self._commanded)):
            names = {*self._configured.get((scope, scope_id), ()), *self._commanded.get((scope, scope_id), ())}
            for name, limit in LIMITS.items():
                if name in names:
                    yield scope, scope_id, limit, self.value(scope, scope_id, name)

    # --- changing

    def configure(self, scope: LimitScope, scope_id: int, values: Mapping[str, int]) -> None:
        """What the configuration says of a scope; applied at once."""
        self._configured[scope, scope_id] = dict(values)
        self._apply(scope, scope_id, values)

    def plan(self, change: LimitChange) -> dict[str, int | None]:
        """The values that a change would make apply. Raises LimitRefusedError."""
        scope, scope_id = LimitScope(change.scope), change.scope_id
        new = self._reset_values(scope, scope_id, change.reset) if change.is_reset else dict(change.values)
        if not new:
            raise LimitRefusedError(
                "nothing to reset: no command has changed a limit there" if change.is_reset else "no limit is named"
            )
        for name, value in new.items():
            self._require_known(scope, name, value)
        self._require_partners(scope, scope_id, new)
        self._require_flag(scope, scope_id, new, change.loosen)
        return new

    def apply(self, change: LimitChange, source: Source) -> LimitsChanged:
        """Plan and carry out; what the LIMITS record holds."""
        new = self.plan(change)
        scope, scope_id = LimitScope(change.scope), change.scope_id
        old = {name: self.value(scope, scope_id, name) for name in new}
        self._take(scope, scope_id, new, None if change.is_reset else source)
        return LimitsChanged(
            scope=scope,
            scope_id=scope_id,
            new=new,
            old=old,
            commanded=not change.is_reset,
            uid=source.uid,
            reason=source.reason,
        )

    def restore(self, wall_ns: int, changed: LimitsChanged) -> None:
        """A LIMITS record of an earlier run: the command stands, whatever the configuration says by now."""
        source = Source(changed.uid, wall_ns, changed.reason) if changed.commanded else None
        known = {name: value for name, value in changed.new.items() if name in LIMITS}
        scope, scope_id = LimitScope(changed.scope), changed.scope_id
        if source is None:
            known = {name: self._configured.get((scope, scope_id), {}).get(name) for name in known}
        self._take(scope, scope_id, known, source)

    def _take(self, scope: LimitScope, scope_id: int, new: Mapping[str, int | None], source: Source | None) -> None:
        commanded = self._commanded.setdefault((scope, scope_id), {})
        for name, value in new.items():
            if source is None:
                commanded.pop(name, None)
            else:
                commanded[name] = (value, source)
        self._apply(scope, scope_id, new)

    def _apply(self, scope: LimitScope, scope_id: int, values: Mapping[str, int | None]) -> None:
        lot_e8 = self._rows.lot_e8(scope_id) if scope == LimitScope.INSTRUMENT else 1
        for name, value in values.items():
            limit = LIMITS[name]
            if limit.unit is not Unit.PERMISSION:
                self._rows.set_limit(scope, scope_id, limit.field, limit.in_row(value, lot_e8))
        if any(LIMITS[name].unit is Unit.PERMISSION for name in values):
            self._rows.set_limit(scope, scope_id, "permissions", self._permissions(scope, scope_id))

    def _permissions(self, scope: LimitScope, scope_id: int) -> int:
        return sum(limit.bit for limit in LIMITS.values() if limit.bit and self.value(scope, scope_id, limit.name))

    # --- refusing

    def _reset_values(self, scope: LimitScope, scope_id: int, names: Iterable[str]) -> dict[str, int | None]:
        commanded, configured = self._commanded.get((scope, scope_id), {}), self._configured.get((scope, scope_id), {})
        wanted = list(names) or list(commanded)
        return {name: configured.get(name) for name in wanted if name in commanded}

    def _require_known(self, scope: LimitScope, name: str, value: int | None) -> None:
        limit = LIMITS.get(name)
        if limit is None or scope not in limit.scopes:
            there_are = ", ".join(known for known, item in LIMITS.items() if scope in item.scopes)
            raise LimitRefusedError(f"no limit {name!r} in scope {scope.name.lower()}; there are: {there_are}")
        if value is None and name in REQUIRED.get(scope, ()):
            raise LimitRefusedError(f"{name} cannot be lifted: nothing is traded without it")
        if value is not None and not 0 <= value * (NS_PER_MS if limit.unit is Unit.MS else 1) < INT64_MAX:
            raise LimitRefusedError(f"{name}: {value} is out of range")
        if value == 0 and limit.unit in (Unit.MS, Unit.FACTOR):
            raise LimitRefusedError(f"{name} must be above 0")

    def _require_partners(self, scope: LimitScope, scope_id: int, new: Mapping[str, int | None]) -> None:
        """A limit stands with its times; they go when it goes."""

        def after(name: str) -> int | None:
            return new[name] if name in new else self.value(scope, scope_id, name)

        for name, partners in NEEDS.items():
            missing = [partner for partner in partners if after(name) is not None and after(partner) is None]
            if missing:
                raise LimitRefusedError(f"{name} means nothing without {' and '.join(missing)}: set them together")

    def _require_flag(self, scope: LimitScope, scope_id: int, new: Mapping[str, int | None], loosen: bool) -> None:
        looser = [
            name for name, value in new.items() if LIMITS[name].is_looser(value, self.value(scope, scope_id, name))
        ]
        if self.value(scope, scope_id, "max_loss_streak") is None:
            # what never begins has no end to bring nearer
            looser = [name for name in looser if name != "loss_cooldown_ms"]
        if looser and not loosen:
            raise LimitRefusedError(f"this loosens {', '.join(looser)}: say so with --loosen; nothing was changed")


def restored(book: LimitBook, record: Any) -> bool:
    """Take a record of an earlier run over where it is about limits; says whether it was."""
    if record.kind != RecordKind.LIMITS:
        return False
    book.restore(record.wall_ns, decode_changed(bytes(record.payload).rstrip(b"\0")))
    return True
