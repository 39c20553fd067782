"""Limits at the control port: text to whole numbers and back, exactly, and the table of limits with their use."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Protocol

from engine.control.exact import RefusedCommandError
from engine.control.messages import LimitRowText, LimitTable, RefusalCode, ScopeKind
from engine.model.codes import LimitScope, PositionSide
from engine.model.instruments import E8, INT64_MAX, format_e8
from engine.model.limits import (
    DECIMAL_UNITS,
    LIMITS,
    Limit,
    LimitBook,
    LimitChange,
    LimitRefusedError,
    Unit,
    encode,
)
from engine.model.tables import Tables

E4 = 10_000
MS = {"": 1, "ms": 1, "s": 1_000, "min": 60_000, "h": 3_600_000}
BPS = {"": 1, "bps": 1, "%": 100}
WORDS = {"yes": 1, "true": 1, "on": 1, "no": 0, "false": 0, "off": 0}
NUMBER = re.compile(r"([0-9]{1,40}(?:\.[0-9]{1,18})?)\s*([A-Za-z%]*[A-Za-z0-9%]*)")
# what of a scope's state is measured against a limit
USES = {
    "max_gross_exposure": "gross_e8",
    "capital_budget": "gross_e8",
    "max_positions": "positions",
    "max_open_orders": "open_orders",
    "max_drawdown": "drawdown_e8",
    "max_drawdown_bps": "drawdown_bps",
    "max_loss_streak": "loss_streak",
    "max_price_move_bps": "price_move_bps",
}


def parse(limit: Limit, text: str, *, lot_e8: int = 0, asset: str = "") -> int | None:
    """A limit as it is typed: digits in the key's unit, or with another one of its kind (`10s`, `2%`, `1000USDT`); None for `none`.

    Raises LimitRefusedError where it is no such amount, or no whole number of the smallest unit, or off the lot.
    """
    word = text.strip().lower()
    if word == "none":
        return 0 if limit.unit is Unit.PERMISSION else None
    if limit.unit is Unit.PERMISSION:
        if word not in WORDS:
            raise LimitRefusedError(f"{limit.name}: {text!r} must be yes or no")
        return WORDS[word]
    found = NUMBER.fullmatch(text.strip())
    if not found:
        raise LimitRefusedError(f"{limit.name}: {text!r} must be plain decimal digits, with at most a unit behind them")
    scale = scale_of(limit, found[2], asset)
    value, rest = divmod(Decimal(found[1]) * scale, 1)
    if rest:
        raise LimitRefusedError(f"{limit.name}: {text!r} is finer than can be held")
    if limit.unit is Unit.QTY and lot_e8 and int(value) % lot_e8:
        raise LimitRefusedError(f"{limit.name}: {text!r} is no multiple of the lot {format_e8(lot_e8)}")
    if not 0 <= value < INT64_MAX:
        raise LimitRefusedError(f"{limit.name}: {text!r} is out of range")
    return int(value)


def scale_of(limit: Limit, unit: str, asset: str) -> int:
    """How many of the smallest unit one of the typed unit is."""
    if limit.unit in DECIMAL_UNITS:
        known = {"": E8, "x": E8} if limit.unit is Unit.FACTOR else {"": E8, asset.lower(): E8}
    else:
        known = {Unit.MS: MS, Unit.BPS: BPS}.get(limit.unit, {"": 1})
    if unit.lower() not in known:
        there_are = ", ".join(name for name in known if name) or "none"
        raise LimitRefusedError(f"{limit.name}: unknown unit {unit!r}; there are: {there_are}")
    return known[unit.lower()]


def text_of(limit: Limit, value: int | None) -> str:
    """A value as it would be typed; `none` where nothing is limited."""
    if limit.unit is Unit.PERMISSION:
        return "yes" if value else "no"
    if value is None:
        return "none"
    return plain(value) if limit.unit in DECIMAL_UNITS else str(value)


def plain(value_e8: int) -> str:
    """10^-8 as decimal text without trailing zeros."""
    text = format_e8(value_e8)
    return text.rstrip("0").rstrip(".") if "." in text else text


class LimitDesk:
    """What the control port asks of the limit book: changes from text, and the table."""

    def __init__(
        self, book: LimitBook, tables: Tables, names: Mapping[LimitScope, Mapping[int, str]], currency: str
    ) -> None:
        self._book = book
        self._tables = tables
        self._names = names
        self._currency = currency

    def change(
        self, scope: LimitScope, scope_id: int, values: Mapping[str, str], *, loosen: bool, reset: Iterable[str] | None
    ) -> bytes:
        """The detail of the command, refused here where the engine would not carry it out. Raises LimitRefusedError."""
        parsed = {name: self._parse(scope, scope_id, name, text) for name, text in values.items()}
        wanted = LimitChange(
            scope=scope,
            scope_id=scope_id,
            values=parsed,
            loosen=loosen,
            is_reset=reset is not None,
            reset=tuple(reset or ()),
        )
        self._book.plan(wanted)
        return encode(wanted)

    def _parse(self, scope: LimitScope, scope_id: int, name: str, text: str) -> int | None:
        limit = LIMITS.get(name)
        if limit is None or scope not in limit.scopes:
            there_are = ", ".join(known for known, item in LIMITS.items() if scope in item.scopes)
            raise LimitRefusedError(f"no limit {name!r} in scope {scope.name.lower()}; there are: {there_are}")
        if scope != LimitScope.INSTRUMENT:
            return parse(limit, text, asset=self._currency)
        row = self._tables.instrument(scope_id)
        asset_id = row["base_asset_id"] if limit.unit is Unit.QTY else row["quote_asset_id"]
        asset = self._tables.asset_name(asset_id).rsplit(":", 1)[-1]
        return parse(limit, text, lot_e8=row["lot_size_e8"], asset=asset)

    def table(self, sequence: int, only: tuple[LimitScope, int] | None) -> LimitTable:
        """Every limit that is set, or those of one scope: what applies, what is used of it, where it comes from."""
        rows = [
            self._row(scope, scope_id, limit, value)
            for scope, scope_id, limit, value in self._book.entries()
            if only is None or only == (scope, scope_id)
        ]
        return LimitTable(sequence=sequence, rows=tuple(rows))

    def highest_use_percent(self) -> int:
        """The fullest limit of all; 0 where none is used."""
        return max((row.used_percent for row in self.table(0, None).rows), default=0)

    def _row(self, scope: LimitScope, scope_id: int, limit: Limit, value: int | None) -> LimitRowText:
        in_force = self._in_force(scope, scope_id, limit, value)
        used = self._used(scope, scope_id, limit)
        source = self._book.source(scope, scope_id, limit.name)
        return LimitRowText(
            scope=scope.name.lower(),
            name=self._name(scope, scope_id),
            limit=limit.name,
            value=text_of(limit, value),
            in_force=text_of(limit, in_force),
            used="" if used is None else text_of(limit, used),
            used_percent=0 if used is None or in_force is None else percent(used, in_force),
            source="config" if source is None else "command",
            uid=-1 if source is None else source.uid,
            wall_ns=0 if source is None else source.wall_ns,
            reason="" if source is None else source.reason,
        )

    def _name(self, scope: LimitScope, scope_id: int) -> str:
        """What a scope is called; a symbol behind its line's name where the engine has several lines."""
        if scope != LimitScope.INSTRUMENT:
            return self._names.get(scope, {}).get(scope_id, "")
        symbol, lines = self._tables.symbol(scope_id), self._names.get(LimitScope.VENUE, {})
        line = lines.get(self._tables.instrument(scope_id)["venue_id"], "")
        return f"{line}:{symbol}" if line and len(lines) > 1 else symbol

    def _in_force(self, scope: LimitScope, scope_id: int, limit: Limit, value: int | None) -> int | None:
        """What the gate reads: what a risk mode leaves of it."""
        if value is None or limit.unit is Unit.PERMISSION:
            return value
        row = self._tables.limit_row(scope, scope_id)[limit.field]
        if limit.unit is Unit.QTY:
            return int(row * self._tables.instrument(scope_id)["lot_size_e8"])
        return {Unit.FACTOR: row * E4, Unit.MS: row // 1_000_000}.get(limit.unit, row)

    def _used(self, scope: LimitScope, scope_id: int, limit: Limit) -> int | None:
        """What is used of a limit, in its unit; None where nothing is counted against it."""
        state: dict[str, Any] = self._tables.scope(scope, scope_id)
        if limit.name in USES:
            return int(state[USES[limit.name]])
        if limit.name == "max_net_exposure":
            return max(int(state["net_if_bought_e8"]), -int(state["net_if_sold_e8"]), 0)
        if limit.name == "max_position_notional":
            return self._tables.largest_position(scope, scope_id)
        if limit.name == "max_daily_loss":
            return max(-int(state["day_pnl_e8"]), 0)
        if limit.name == "max_leverage":
            return int(state["gross_e8"]) * E8 // int(state["equity_e8"]) if state["equity_e8"] > 0 else None
        if limit.name == "max_position":
            return self._position_used(scope_id)
        return None

    def _position_used(self, instrument_id: int) -> int:
        """The larger of the two worst cases, of a hedged account on the fuller side, in 10^-8."""
        most_lots = 0
        for side in PositionSide:
            row = self._tables.exposure(instrument_id, side)
            held, bought, sold = row["position_lots"], row["working_buy_lots"], row["working_sell_lots"]
            most_lots = max(most_lots, held + bought, sold - held)
        return int(most_lots * self._tables.instrument(instrument_id)["lot_size_e8"])


class Scoped(Protocol):
    """The scope of a command, as ids."""

    scope_kind: int
    venue_id: int
    account_id: int
    strategy_id: int
    instrument_id: int


def limit_scope(command: Scoped) -> tuple[LimitScope, int]:
    """Whose limits a scope means; one order has none."""
    scopes = {
        ScopeKind.ALL: (LimitScope.ENGINE, 0),
        ScopeKind.VENUE: (LimitScope.VENUE, command.venue_id),
        ScopeKind.ACCOUNT: (LimitScope.ACCOUNT, command.account_id),
        ScopeKind.INSTRUMENT: (LimitScope.INSTRUMENT, command.instrument_id),
        ScopeKind.STRATEGY: (LimitScope.STRATEGY, command.strategy_id),
    }
    if command.scope_kind not in scopes:
        text = "one order has no limits: name a symbol, strategy, account or venue"
        raise RefusedCommandError(RefusalCode.BAD_VALUE, text)
    return scopes[ScopeKind(command.scope_kind)]


def percent(used: int, limit: int) -> int:
    """How much of a limit is used, rounded up; what is used of nothing is all of it."""
    if limit <= 0:
        return 100 if used > 0 else 0
    return -(-used * 100 // limit)
