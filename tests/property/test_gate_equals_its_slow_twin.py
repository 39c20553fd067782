"""The gate with everything switched on, against a twin that makes every sum anew: random limits, states, orders, prices."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from fractions import Fraction

import pytest

from engine.model.codes import LimitScope, OrderFlag, Reason, TradingState
from engine.model.instruments import INT64_MAX
from engine.risk.rehearsal import set_strategy
from tests.gate_harness import GateAlone
from tests.reference.gate_limits import SCOPES, Order, Twin

NUMBERS = {"engine": (0,), "account": (1,), "venue": (1,), "strategy": (1, 2), "instrument": (1, 2)}
LOT_E8 = 10_000_000
BITS = {"no_buy": 1, "no_sell": 2, "no_short": 4, "restricted": 8, "no_self_trade": 16}
LIMITS = (
    *("max_order_notional_e8", "max_position_notional_e8", "max_gross_exposure_e8", "max_net_exposure_e8"),
    *("max_leverage_e4", "max_positions", "max_open_orders", "price_collar_bps", "capital_budget_e8"),
    *("max_order_qty_lots", "max_position_lots", "max_daily_loss_e8", "max_drawdown_e8", "max_drawdown_bps"),
)
MILLION = 1_000_000
CONTRACTS = (
    ((10**8, False), (10**8, False)),
    ((100 * 10**8, True), (10**8, False)),
    ((3 * 10**8, False), (12_345_679, False)),
    ((33_333_333, False), (77_777_777 * 100, True)),
)
STATES = ("HALTED", "REDUCING", "ACTIVE")


class Pair:
    """The gate and its twin, told the same."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        # linear, inverse and with multipliers, at worths that the limits are of
        contracts = CONTRACTS[seed % len(CONTRACTS)]
        self.gate = GateAlone(contracts=contracts)
        self.twin = Twin(tuple((Fraction(multiplier_e8, 10**8), inverse) for multiplier_e8, inverse in contracts))
        self.seen: Counter[str] = Counter()
        self.rate(10**8)
        set_strategy(self.gate.tables, 3)
        for name, number in self.all_scopes():
            self.set_limits(name, number)
        self.limit("engine", 0, duplicate_window_ns=1_000)
        self.twin.now = self.gate.now_ns

    def all_scopes(self) -> list[tuple[str, int]]:
        return [(name, number) for name in SCOPES for number in NUMBERS[name]]

    # --- changes ---

    def limit(self, name: str, number: int, **limits: int) -> None:
        self.twin.scopes[name, number].limits.update(limits)
        self.gate.tables.set_limit_row(LimitScope[name.upper()], number, **limits)

    def value(self, limit: str) -> int:
        rng = self.rng
        return {
            "max_leverage_e4": rng.choice((5_000, 10_000, 30_000)),
            "max_positions": rng.choice((1, 2, 3)),
            "max_open_orders": rng.choice((3, 10, 20)),
            "price_collar_bps": rng.choice((50, 300, 900)),
            "max_order_qty_lots": rng.randrange(5, 60),
            "max_position_lots": rng.randrange(20, 200),
            "max_drawdown_bps": 500,
        }.get(limit, rng.randrange(10, 400) * LOT_E8 + rng.choice((-1, 0, 1)))

    def set_limits(self, name: str, number: int) -> None:
        """A few of the limits anew, the others as they are; a bucket for some."""
        chosen = {
            limit: self.value(limit) if self.rng.random() < 0.4 else INT64_MAX for limit in self.rng.sample(LIMITS, 5)
        }
        if "message_rate_per_s" not in self.twin.scopes[name, number].limits and self.rng.random() < 0.3:
            chosen |= {"message_rate_per_s": 10_000, "message_burst": self.rng.randrange(3, 9)}
        self.limit(name, number, **chosen)
        self.measure(name, number)

    def measure(self, name: str, number: int) -> None:
        """What the monitor would write, and what is permitted."""
        rng, scope = self.rng, self.twin.scopes[name, number]
        scope.equity = rng.choice((0, rng.randrange(50, 500) * LOT_E8))
        scope.day_pnl = -rng.randrange(500) * LOT_E8 if rng.random() < 0.05 else 0
        scope.drawdown = rng.randrange(500) * LOT_E8 if rng.random() < 0.05 else 0
        scope.drawdown_bps = rng.choice((0, 499, 500, 501)) if rng.random() < 0.1 else 0
        scope.state = rng.choice(STATES) if rng.random() < 0.03 else "ACTIVE"
        scope.reason = rng.choice(("", "RISK_MODE"))
        scope.cooldown_until = self.twin.now + rng.randrange(500_000) if rng.random() < 0.03 else 0
        scope.pause_until = self.twin.now + rng.randrange(500_000) if rng.random() < 0.03 else 0
        scope.tripped = rng.random() < 0.015
        for bit in BITS:
            setattr(scope, bit, rng.random() < (0.3 if bit == "no_self_trade" else 0.02))
        kind = LimitScope[name.upper()]
        self.gate.tables.set_scope(
            kind, number, equity_e8=scope.equity, day_pnl_e8=scope.day_pnl, drawdown_e8=scope.drawdown,
            drawdown_bps=scope.drawdown_bps, trading_state=int(TradingState[scope.state]),
            reason=int(Reason[scope.reason or "NONE"]), cooldown_until_mono_ns=scope.cooldown_until,
            pause_until_mono_ns=scope.pause_until, tripped=int(scope.tripped),
        )  # fmt: skip
        bits = sum(value for bit, value in BITS.items() if getattr(scope, bit))
        self.gate.tables.set_limit_row(kind, number, permissions=bits)

    def rate(self, rate_e8: int) -> None:
        self.twin.rate = rate_e8
        self.gate.tables.set_rate(self.gate.tables.asset_id("USDT"), rate_e8)
        self.gate.tables.revalue()

    def price(self, row: int, mid: int) -> None:
        self.twin.mids[row] = mid
        self.gate.price(row, mid)

    def end(self, handle: int, filled: int) -> None:
        order = self.twin.orders.pop(handle)
        self.twin.positions[order.row, order.strategy] += filled if order.side == 0 else -filled
        self.gate.end(handle, filled)

    # --- steps ---

    def ask(self) -> None:
        rng, twin = self.rng, self.twin
        row, side, strategy = rng.choice((1, 1, 1, 2)), rng.randrange(2), rng.choice((0, 1, 1, 2))
        lots = rng.choice((1, 2, rng.randrange(1, 20), rng.randrange(80)))
        price = twin.mids[row] * rng.choice((10_000, 10_000, 10_000, 9_990, 10_010, 9_970, 10_400)) // 10_000
        flags = int(OrderFlag.REDUCE_ONLY) if rng.random() < 0.15 else 0
        expected = twin.decide(row, side, lots, price, strategy, reduce_only=bool(flags))
        found = Reason(self.gate.ask(row, side, lots, price, strategy, flags)).name
        assert found == expected, (row, side, lots, price, strategy, flags)
        self.seen[expected] += 1
        if expected == "NONE":
            twin.orders[self.gate.handle] = Order(row, strategy, side, price, lots)
            twin.approved.append((twin.now, (row, side, lots, price, strategy)))
            del twin.approved[:-50]

    def step(self) -> None:
        rng, choice = self.rng, self.rng.random()
        if choice < 0.7:
            self.ask()
        elif choice < 0.88 and self.twin.orders:
            handle = rng.choice(list(self.twin.orders))
            self.end(
                handle, rng.choice((0, self.twin.orders[handle].lots, rng.randrange(self.twin.orders[handle].lots + 1)))
            )
        elif choice < 0.94:
            row = rng.choice((1, 2))
            self.price(row, self.twin.mids[row] + rng.choice((-7, -1, 0, 1, 7)) if rng.random() < 0.9 else 10_000)
        elif choice < 0.96:
            self.rate(rng.choice((10**8, 99_999_999, 3 * 10**8, 33_333_333)))
        else:
            self.set_limits(*rng.choice(self.all_scopes()))
        self.gate.wait(rng.randrange(60_000) if rng.random() < 0.5 else 0)
        self.twin.now = self.gate.now_ns

    def sums_agree(self) -> None:
        """What stands in the tables is what the twin adds up."""
        for name, number in self.all_scopes():
            found = self.gate.tables.scope(LimitScope[name.upper()], number)
            row, strategy = (number, 1) if name == "instrument" else (1, number)
            gross, bought, sold, count = self.twin.exposure(name, row, strategy, None)
            assert (found["gross_e8"], found["net_if_bought_e8"], found["net_if_sold_e8"]) == (gross, bought, sold)
            assert found["positions"] == count
            assert found["open_orders"] == sum(
                self.twin.belongs(name, order, row, strategy) for order in self.twin.orders.values()
            )


COMMON = (
    *("NONE", "GROSS_EXPOSURE", "NET_EXPOSURE", "POSITION_NOTIONAL", "NOTIONAL_ABOVE_MAX", "LEVERAGE", "REDUCING_ONLY"),
    *("OPEN_ORDERS_LIMIT", "PRICE_COLLAR", "QTY_ABOVE_MAX", "DAILY_LOSS", "DRAWDOWN", "RESTRICTED"),
)


@pytest.mark.invariant("R20")
@pytest.mark.invariant("R21")
def test_with_everything_switched_on_the_gate_decides_as_its_twin(
    amount: str, tried: Callable[[str, int], None]
) -> None:
    seen: Counter[str] = Counter()
    lives, steps = (100, 10_000) if amount == "long" else (16, 5_000)
    for seed in range(lives):
        pair = Pair(seed)
        for number in range(steps):
            pair.step()
            if number % 50 == 0:
                pair.sums_agree()
        seen += pair.seen
    assert min(seen[reason] for reason in COMMON) > 20, sorted(seen.items())
    rare = (
        "SELF_TRADE",
        "DUPLICATE",
        "MESSAGE_RATE",
        "POSITION_LIMIT",
        "POSITIONS_LIMIT",
        "CAPITAL_BUDGET",
        "SHORT_BANNED",
    )
    assert all(
        seen[reason] for reason in (*rare, "REPEATED_EXECUTION", "LOSS_STREAK", "PRICE_MOVE", "HALTED", "RISK_MODE")
    ), seen
    tried("R20", lives * steps)
    tried("R21", lives * steps)


@pytest.mark.invariant("R21")
def test_a_million_steps_never_pass_a_limit_and_always_reach_it(tried: Callable[[str, int], None]) -> None:
    """Orders at L - 1, L and L + 1 of position and gross exposure, beside whatever works, fills and ends in any order."""
    rng = random.Random(21)
    rig = GateAlone(capacity=64)
    rig.tables.set_rate(rig.tables.asset_id("USDT"), 10**8)
    limit, most = 100, 160
    rig.tables.set_limit_row(LimitScope.INSTRUMENT, 1, max_position_lots=limit)
    rig.tables.set_limit_row(LimitScope.ENGINE, 0, max_gross_exposure_e8=most * LOT_E8)
    position, working, other = 0, [0, 0], 0
    orders: dict[int, tuple[int, int]] = {}
    verdicts = [0, 0]
    choose = rng.random
    for _ in range(MILLION):
        choice = choose()
        if choice < 0.55 or not orders:
            side = int(choose() < 0.5)
            reach = (position if side == 0 else -position) + working[side]
            back = (position if side == 1 else -position) + working[1 - side]
            lots = limit - reach + int(choose() * 3) - 1 if choice < 0.3 else 1 + int(choose() * 30)
            if lots <= 0 or len(orders) > 60:
                continue
            worst_now, worst = max(abs(reach), abs(back)), max(abs(reach + lots), abs(back))
            passes = reach + lots <= limit and (worst <= worst_now or worst + other <= most)
            assert (rig.ask(1, side, lots) == 0) == passes
            verdicts[passes] += 1
            if passes:
                orders[rig.handle] = (side, lots)
                working[side] += lots
        elif choice < 0.95:
            handle = next(iter(orders)) if choice < 0.75 else next(reversed(orders))
            side, lots = orders.pop(handle)
            filled = 0 if choose() < 0.4 else lots if choose() < 0.5 else int(choose() * (lots + 1))
            rig.end(handle, filled)
            working[side] -= lots
            position += filled if side == 0 else -filled
            assert -limit <= position <= limit
        else:
            moved = int(choose() * 120)
            rig.tables.move(2, strategy_id=2, position_lots=moved - other)
            other = moved
    assert min(verdicts) > MILLION // 10
    tried("R21", MILLION)
