"""What a good all-Python engine does at the gate and in an order's life: yardsticks of the gate benchmark.

Integers, slots and plain attributes; every check that the compiled gate makes, an approval, and a line in a journal that is a list.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import msgspec

from parts.all_python import AllPython

LIMIT, MARKET = 0, 1
E8 = 10**8


@dataclass(slots=True)
class Instrument:
    """Terms, limits and state of one symbol."""

    tick_size_e8: int = 1_000_000
    lot_size_e8: int = 1_000
    min_qty_lots: int = 1
    max_qty_lots: int = 10**12
    min_price_ticks: int = 1
    max_price_ticks: int = 10**12
    min_notional_e8: int = 500_000_000
    max_notional_e8: int = 10**17
    max_order_qty_lots: int = 100_000
    max_order_notional_e8: int = 10**14
    max_position_lots: int = 5_000_000
    collar_bps: int = 1_000
    max_open_orders: int = 100_000
    is_trading: bool = True
    book_is_valid: bool = True
    last_mono_ns: int = 0
    bids: list[tuple[int, int]] = field(default_factory=list)
    asks: list[tuple[int, int]] = field(default_factory=list)
    position_lots: int = 0
    working_lots: list[int] = field(default_factory=lambda: [0, 0])
    open_orders: int = 0


@dataclass(slots=True)
class Order:
    """An approved order."""

    handle: int
    side: int
    price_ticks: int
    qty_lots: int
    promise_e8: int
    is_used: bool = False


@dataclass(slots=True)
class Scope:
    """Limits and state of an engine, account, venue, strategy or instrument."""

    is_active: bool = True
    wait_until_ns: int = 0
    day_pnl_e8: int = 0
    drawdown_e8: int = 0
    drawdown_bps: int = 0
    gross_e8: int = 0
    net_e8: int = 0
    positions: int = 0
    open_orders: int = 0
    equity_e8: int = 10**16
    most_e8: int = 10**17
    tokens: float = 1e9
    refilled_ns: int = 0
    burst: int = 10**9
    rate: int = 10**9


class PythonGate:
    """The same checks in the same order, in Python."""

    def __init__(self, instrument: Instrument, open_orders: int) -> None:
        self.instrument = instrument
        self.is_active, self.is_killed, self.strategy_is_enabled = True, False, True
        self.orders: dict[int, Order] = {}
        self.journal: list[tuple[int, int, int]] = []
        self.owned_e8 = 10_000_000 * E8
        self.promised_e8 = 0
        self.tokens, self.refilled_ns, self.rate, self.burst = 100_000.0, time.monotonic_ns(), 100_000, 100_000
        for handle in range(open_orders):
            self.orders[-handle - 1] = Order(-handle - 1, 0, 1, 1, 0)
        self.limited_scopes = 0  # how many scopes limit everything
        self.scopes = [Scope(open_orders=open_orders) for _ in range(5)]
        self.recent: dict[tuple[int, int, int, int], int] = {}
        self.best_own_sell_ticks = 0

    def decide(self, handle: int, side: int, kind: int, price_ticks: int, qty_lots: int, now_ns: int) -> str:
        """The reason of the refusal, or ""."""
        row = self.instrument
        if self.is_killed or not self.is_active or not self.strategy_is_enabled or not row.is_trading:
            return "halted"
        if handle in self.orders:
            return "duplicate"
        if not row.min_qty_lots <= qty_lots <= row.max_qty_lots or qty_lots > row.max_order_qty_lots:
            return "quantity"
        if not row.book_is_valid or now_ns - row.last_mono_ns > 600_000_000_000:
            return "book"
        if kind == MARKET:
            left = qty_lots
            for level_ticks, lots in (row.bids if side else row.asks)[:10]:
                price_ticks = level_ticks
                left -= lots
                if left <= 0:
                    break
            if left > 0:
                return "depth"
        elif not row.min_price_ticks <= price_ticks <= row.max_price_ticks:
            return "price"
            if self.limited_scopes and price_ticks * 2 > (row.bids[0][0] + row.asks[0][0]) * 1.05:
                return "slippage"
        twice_mid = row.bids[0][0] + row.asks[0][0]
        if abs(2 * price_ticks - twice_mid) * 10_000 > row.collar_bps * twice_mid:
            return "collar"
        return self.decide_on_money(handle, side, price_ticks, qty_lots, now_ns)

    def decide_on_money(self, handle: int, side: int, price_ticks: int, qty_lots: int, now_ns: int) -> str:
        """Notional, position, open orders, balance, rate; then the approval."""
        row = self.instrument
        notional_e8 = price_ticks * row.tick_size_e8 * qty_lots * row.lot_size_e8 // E8
        if not row.min_notional_e8 <= notional_e8 <= min(row.max_notional_e8, row.max_order_notional_e8):
            return "notional"
        position = -row.position_lots if side else row.position_lots
        if position + row.working_lots[side] + qty_lots > row.max_position_lots:
            return "position"
        if row.open_orders + 1 > row.max_open_orders or len(self.orders) + 1 > row.max_open_orders:
            return "orders"
        if self.promised_e8 + notional_e8 + 1 > self.owned_e8:
            return "balance"
        self.tokens = min(self.burst, self.tokens + (now_ns - self.refilled_ns) * 1e-9 * self.rate)
        self.refilled_ns = now_ns
        if self.tokens < 1:
            return "rate"
        if self.limited_scopes:
            reason = self.decide_in_scopes(side, price_ticks, qty_lots, notional_e8, now_ns)
            if reason:
                return reason
        self.tokens -= 1
        self.orders[handle] = Order(handle, side, price_ticks, qty_lots, notional_e8 + 1)
        row.working_lots[side] += qty_lots
        row.open_orders += 1
        self.promised_e8 += notional_e8 + 1
        self.journal.append((handle, 0, now_ns))
        return ""

    def decide_in_scopes(self, side: int, price_ticks: int, qty_lots: int, notional_e8: int, now_ns: int) -> str:
        """State, loss, exposure, positions, orders and bucket of every scope; own orders; the same again."""
        row = self.instrument
        value_e8 = row.asks[0][0] * row.tick_size_e8 * qty_lots * row.lot_size_e8 // E8
        for scope in self.scopes:
            if not scope.is_active or now_ns < scope.wait_until_ns or -scope.day_pnl_e8 > scope.most_e8:
                return "state"
            if scope.drawdown_e8 > scope.most_e8 or scope.drawdown_bps > 5_000:
                return "drawdown"
            gross_e8, net_e8 = scope.gross_e8 + value_e8, scope.net_e8 + (-value_e8 if side else value_e8)
            if notional_e8 > scope.most_e8 or gross_e8 > scope.most_e8 or abs(net_e8) > scope.most_e8:
                return "exposure"
            if (
                gross_e8 * 10_000 > 1_000_000 * scope.equity_e8
                or scope.positions + 1 > 100
                or scope.open_orders + 1 > 10_000
            ):
                return "leverage"
            scope.tokens = min(scope.burst, scope.tokens + (now_ns - scope.refilled_ns) * 1e-9 * scope.rate)
            scope.refilled_ns = now_ns
            if scope.tokens < 1:
                return "rate"
        if 0 < self.best_own_sell_ticks <= price_ticks and side == 0:
            return "own order"
        key = (side, price_ticks, qty_lots, 1)
        if now_ns - self.recent.get(key, -10) < 0:
            return "again"
        self.recent[key] = now_ns
        for scope in self.scopes:
            scope.gross_e8 += value_e8
            scope.net_e8 += -value_e8 if side else value_e8
            scope.open_orders += 1
            scope.tokens -= 1
        return ""

    def end(self, handle: int) -> None:
        """Undo an approval."""
        order = self.orders.pop(handle)
        self.instrument.working_lots[order.side] -= order.qty_lots
        self.instrument.open_orders -= 1
        self.promised_e8 -= order.promise_e8
        if self.limited_scopes:
            row = self.instrument
            value_e8 = row.asks[0][0] * row.tick_size_e8 * order.qty_lots * row.lot_size_e8 // E8
            for scope in self.scopes:
                scope.gross_e8 -= value_e8
                scope.net_e8 -= -value_e8 if order.side else value_e8
                scope.open_orders -= 1


class Result(msgspec.Struct, rename="camel"):
    """What an acknowledgement says."""

    client_order_id: str
    order_id: int


class Reply(msgspec.Struct):
    """A reply of the order API."""

    id: int
    status: int
    result: Result


class Report(msgspec.Struct):
    """What a client reads of an execution report."""

    c: str
    S: str
    X: str
    l: str  # noqa: E741 - the venue's own name
    L: str
    z: str
    t: int
    i: int


class Event(msgspec.Struct):
    """A frame of the user data stream."""

    event: Report


class PythonLifecycle:
    """An all-Python client that also keeps its orders and position: `AllPython`, an order table, trade ids seen once."""

    def __init__(self) -> None:
        self.client = AllPython()
        self.read_reply = msgspec.json.Decoder(Reply).decode
        self.read_event = msgspec.json.Decoder(Event).decode
        self.states: dict[str, str] = {}
        self.trades: set[int] = set()
        self.position = self.cost = 0.0

    def submit(self, frame: bytes) -> bytes:
        """The order's bytes for a ticker."""
        text = self.client.answer(frame)
        self.states[f"bench{self.client.number}"] = "PENDING"
        return text

    def acknowledge(self, frame: bytes) -> None:
        """A reply."""
        reply = self.read_reply(frame)
        self.states[reply.result.client_order_id] = "NEW" if reply.status == 200 else "REJECTED"

    def fill(self, frame: bytes) -> None:
        """An execution report with a trade."""
        report = self.read_event(frame).event
        if report.t in self.trades:
            return
        self.trades.add(report.t)
        quantity, price = float(report.l), float(report.L)
        self.position += quantity if report.S == "BUY" else -quantity
        self.cost += quantity * price
        self.states[report.c] = report.X
        if report.X == "FILLED":
            del self.states[report.c]
