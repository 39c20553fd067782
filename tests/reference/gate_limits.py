"""The limits of all scopes, slow and obvious: every sum is made anew from the list of orders and positions, one rule a line."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

TOP = (1 << 63) - 1
SCOPES = ("engine", "account", "venue", "strategy", "instrument")
TICK, LOT = Fraction(1, 100), Fraction(1, 1000)


@dataclass
class Order:
    """What was approved and is not over."""

    row: int
    strategy: int
    side: int
    price: int
    lots: int


@dataclass
class Scope:
    """Limits and state of one scope; money in 10^-8."""

    limits: dict[str, int] = field(default_factory=dict)
    state: str = "ACTIVE"
    reason: str = ""
    tripped: bool = False
    cooldown_until: int = 0
    pause_until: int = 0
    day_pnl: int = 0
    drawdown: int = 0
    drawdown_bps: int = 0
    equity: int = 0
    no_buy: bool = False
    no_sell: bool = False
    restricted: bool = False
    no_short: bool = False
    no_self_trade: bool = False
    tokens_e9: int = -1
    refilled: int = 0

    def limit(self, name: str) -> int:
        """Its number, or what nothing reaches."""
        return self.limits.get(name, TOP)


class Twin:
    """Two instruments, two strategies, one line. `contracts`: multiplier of each instrument, and whether it is inverse."""

    def __init__(
        self, contracts: tuple[tuple[Fraction, bool], ...] = ((Fraction(1), False), (Fraction(1), False))
    ) -> None:
        self.contracts = dict(enumerate(contracts, 1))
        self.scopes: dict[tuple[str, int], Scope] = defaultdict(Scope)
        self.orders: dict[int, Order] = {}
        self.positions: dict[tuple[int, int], int] = defaultdict(int)
        self.mids = {1: 10_000, 2: 10_000}
        self.rate = 10**8
        self.approved: list[tuple[int, tuple[int, ...]]] = []
        self.now = 0

    def rows(self, row: int, strategy: int) -> Iterator[tuple[str, Scope]]:
        """The scopes that an order lies in, in the order in which they are asked."""
        for name, number in zip(SCOPES, (0, 1, 1, strategy, row), strict=True):
            yield name, self.scopes[name, number]

    # --- sums ---

    def quoted(self, row: int, lots: int, price: int) -> int:
        """10^-8 of the quote asset, down: quantity x multiplier x price, of an inverse contract without the price."""
        multiplier, is_inverse = self.contracts[row]
        return int(lots * LOT * multiplier * (1 if is_inverse else price * TICK) * 10**8)

    def worth(self, row: int, lots: int, rated: bool) -> int:
        """Toward zero."""
        quoted = self.quoted(row, abs(lots), self.mids[row])
        value = quoted * self.rate // 10**8 if rated else quoted
        return value if lots >= 0 else -value

    def lots(self, row: int, strategy: int | None, extra: tuple[int, int] = (0, 0)) -> tuple[int, int, int]:
        """(position, if all buys filled, if all sells filled) of one instrument; of one strategy, or of all."""
        position = sum(n for (r, s), n in self.positions.items() if r == row and strategy in (None, s))
        mine = [o for o in self.orders.values() if o.row == row and strategy in (None, o.strategy)]
        buys = sum(o.lots for o in mine if o.side == 0) + extra[0]
        sells = sum(o.lots for o in mine if o.side == 1) + extra[1]
        return position, position + buys, position - sells

    def exposure(
        self, name: str, row: int, strategy: int, asked: tuple[int, int, int] | None
    ) -> tuple[int, int, int, int]:
        """(gross, net if bought, net if sold, positions) of a scope; `asked` = (row, side, lots) works too."""
        gross = bought = sold = count = 0
        for each in (row,) if name == "instrument" else (1, 2):
            extra = (0, 0)
            if asked and asked[0] == each:
                extra = (asked[2], 0) if asked[1] == 0 else (0, asked[2])
            whose = strategy if name == "strategy" else None
            held, up, down = self.lots(each, whose, extra)
            worst = [self.worth(each, n, name != "instrument") for n in (up, down)]
            gross += max(abs(worst[0]), abs(worst[1]))
            bought += worst[0]
            sold += worst[1]
            count += (held, up, down) != (0, 0, 0)
        return gross, bought, sold, count

    # --- the decision ---

    def decide(self, row: int, side: int, lots: int, price: int, strategy: int, reduce_only: bool = False) -> str:
        """The name of the first refusal, "NONE" where there is none."""
        scopes = list(self.rows(row, strategy))
        halted, only_reducing = self.states(scopes, strategy, side)
        if halted:
            return halted
        for reason in self.terms(scopes, row, side, lots, price):
            return reason
        position, up, down = self.lots(row, None)
        if reduce_only or only_reducing:
            open_lots, working = (position, position - down) if side == 1 else (-position, up - position)
            if open_lots <= 0 or working + lots > open_lots:
                return only_reducing if only_reducing and only_reducing != "REDUCING_ONLY" else "REDUCING_ONLY"
        if side == 1 and any(s.no_short for _, s in scopes) and down - lots < 0:
            return "SHORT_BANNED"
        reach = up + lots if side == 0 else -(down - lots)
        if reach > min(s.limit("max_position_lots") for _, s in scopes):
            return "POSITION_LIMIT"
        for reason in self.sums(scopes, row, side, lots, price, strategy):
            return reason
        for reason in self.conduct(scopes, row, side, lots, price, strategy):
            return reason
        for _, scope in scopes:
            if "message_rate_per_s" in scope.limits:
                scope.tokens_e9 -= 10**9
        return "NONE"

    def states(self, scopes: list[tuple[str, Scope]], strategy: int, side: int) -> tuple[str, str]:
        """(why nothing passes, why only what reduces passes)."""
        why = ""
        for _, s in scopes:
            if s.state == "HALTED":
                return s.reason or "HALTED", ""
            if s.tripped and strategy:
                return "REPEATED_EXECUTION", ""
            for holds, reason in (
                (s.state == "REDUCING", s.reason or "REDUCING_ONLY"),
                (s.tripped, "REPEATED_EXECUTION"),
                (self.now < s.cooldown_until, "LOSS_STREAK"),
                (self.now < s.pause_until, "PRICE_MOVE"),
                (-s.day_pnl > s.limit("max_daily_loss_e8"), "DAILY_LOSS"),
                (s.drawdown > s.limit("max_drawdown_e8"), "DRAWDOWN"),
                (s.drawdown_bps > s.limit("max_drawdown_bps"), "DRAWDOWN"),
            ):
                why = why or (reason if holds else "")
        taken = any(s.restricted or (s.no_buy if side == 0 else s.no_sell) for _, s in scopes)
        return "", why or ("RESTRICTED" if taken else "")

    def terms(self, scopes: list[tuple[str, Scope]], row: int, side: int, lots: int, price: int) -> Iterator[str]:
        """The order alone."""
        mid = self.mids[row]
        if lots <= 0:
            yield "QTY_NOT_POSITIVE"
        if lots > min(s.limit("max_order_qty_lots") for _, s in scopes):
            yield "QTY_ABOVE_MAX"
        if price <= 0:
            yield "PRICE_NOT_POSITIVE"
        if abs(price - mid) * 10_000 > min(10_000, *(s.limit("price_collar_bps") for _, s in scopes)) * mid:
            yield "PRICE_COLLAR"

    def sums(
        self, scopes: list[tuple[str, Scope]], row: int, side: int, lots: int, price: int, strategy: int
    ) -> Iterator[str]:
        """What it adds to every scope."""
        for name, s in scopes:
            members = [o for o in self.orders.values() if self.belongs(name, o, row, strategy)]
            if len(members) + 1 > s.limit("max_open_orders"):
                yield "OPEN_ORDERS_LIMIT"
        for name, s in scopes:
            before = self.exposure(name, row, strategy, None)
            after = self.exposure(name, row, strategy, (row, side, lots))
            whose = strategy if name == "strategy" else None
            held, up, down = self.lots(row, whose)
            reach = self.worth(row, up + lots if side == 0 else -(down - lots), name != "instrument")
            notional = self.quoted(row, lots, price)
            notional = notional if name == "instrument" else notional * self.rate // 10**8
            grows = after[0] > before[0]
            if notional > s.limit("max_order_notional_e8"):
                yield "NOTIONAL_ABOVE_MAX"
            if reach > s.limit("max_position_notional_e8"):
                yield "POSITION_NOTIONAL"
            if grows and after[0] > s.limit("max_gross_exposure_e8"):
                yield "GROSS_EXPOSURE"
            if (after[1] if side == 0 else -after[2]) > s.limit("max_net_exposure_e8"):
                yield "NET_EXPOSURE"
            most = s.limit("max_leverage_e4")
            if grows and most != TOP and (s.equity <= 0 or after[0] * 10_000 > most * s.equity):
                yield "LEVERAGE"
            if (held, up, down) == (0, 0, 0) and before[3] >= s.limit("max_positions"):
                yield "POSITIONS_LIMIT"
            if grows and after[0] > s.limit("capital_budget_e8"):
                yield "CAPITAL_BUDGET"

    @staticmethod
    def belongs(name: str, order: Order, row: int, strategy: int) -> bool:
        """Is the order of the same scope."""
        return {"strategy": order.strategy == strategy, "instrument": order.row == row}.get(name, True)

    def conduct(
        self, scopes: list[tuple[str, Scope]], row: int, side: int, lots: int, price: int, strategy: int
    ) -> Iterator[str]:
        """What went before it."""
        others = [o.price for o in self.orders.values() if o.row == row and o.side != side]
        if any(s.no_self_trade for _, s in scopes) and any(price >= p if side == 0 else price <= p for p in others):
            yield "SELF_TRADE"
        window = max(s.limits.get("duplicate_window_ns", 0) for _, s in scopes)
        terms = (row, side, lots, price, strategy)
        if any(self.now - at < window and same == terms for at, same in self.approved):
            yield "DUPLICATE"
        for _, s in scopes:
            if "message_rate_per_s" in s.limits:
                self.refill(s)
                if s.tokens_e9 < 10**9:
                    yield "MESSAGE_RATE"

    def refill(self, s: Scope) -> None:
        """A bucket begins full; a nanosecond brings as many 10^-9 tokens as a second brings whole ones."""
        burst_e9, rate = s.limits["message_burst"] * 10**9, s.limits["message_rate_per_s"]
        brought = (self.now - s.refilled) * rate
        s.tokens_e9 = burst_e9 if s.tokens_e9 < 0 else min(burst_e9, s.tokens_e9 + brought)
        s.refilled = self.now
