"""Whatever futures accounts do, liquidation included: no money appears or vanishes, and a slow twin agrees."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest

from engine.sim.config import AccountConfig
from engine.sim.reject import VenueReject
from engine.sim.usdm.api import (
    AlgoRequest,
    AlgoUpdate,
    MarginCall,
    ModifyRequest,
    OrderTradeUpdate,
    Position,
    UsdmEvent,
    UsdmOrderRequest,
)
from engine.sim.usdm.config import BracketConfig, UsdmConfig, UsdmSymbolConfig
from engine.sim.usdm.core import UsdmCore
from tests.reference.futures_account import E8, SlowPosition, dies_between, initial_margin, maintenance

START_NS = 1_763_640_000_000_000_000
SECOND_NS = 1_000_000_000
SYMBOLS = ("AAAUSDT", "BBBUSDT")
ACCOUNTS = (1, 2, 3, 4)
HEDGED, ISOLATED = 3, 4
ROWS = (("100", "2000", "0.005"), ("50", "8000", "0.01"), ("20", "40000", "0.025"), ("5", "900000", "0.1"))
BRACKETS = tuple(BracketConfig(int(leverage), cap, ratio) for leverage, cap, ratio in ROWS)
SLOW_ROWS = [(Fraction(cap), Fraction(ratio)) for _, cap, ratio in ROWS]
EXPECTED_CODES = {
    None,
    -1106,
    -2011,
    -2013,
    -2018,
    -2019,
    -2021,
    -2022,
    -2027,
    -4016,
    -4024,
    -4028,
    -4050,
    -4051,
    -4054,
    -4130,
    -4131,
    -4161,
    -4164,
    -4509,
    -5021,
    -5022,
    -5027,
}


class Shocks:
    """Mark prices that jump now and then, so that accounts die."""

    def __init__(self, source: random.Random) -> None:
        self.source = source
        self.factor = dict.fromkeys(SYMBOLS, 10_000)

    def jump(self) -> None:
        self.factor[self.source.choice(SYMBOLS)] = self.source.choice(
            (8_800, 9_400, 9_900, 10_000, 10_100, 10_700, 11_500)
        )

    def index_e8(self, symbol: str) -> int:
        return 0

    def mark_e8(self, symbol: str) -> int:
        return 100 * E8 * self.factor[symbol] // 10_000 + self.source.randrange(-E8, E8)


def contract(symbol: str) -> UsdmSymbolConfig:
    return UsdmSymbolConfig(
        symbol=symbol,
        base=symbol[:3],
        quote="USDT",
        tick_size="0.01",
        step_size="0.001",
        start_price="100.00",
        min_qty="0.001",
        max_qty="10000",
        max_price="10000.00",
        market_max_qty="1000",
        mean_order_qty="2",
        price_precision=2,
        quantity_precision=3,
        multiplier_up="1.2",
        multiplier_down="0.8",
        levels=40,
        half_spread_bps=3.0,
        brackets=BRACKETS,
        funding_interval_hours=1,
    )


def venue_of(seed: int, shocks: Shocks) -> UsdmCore:
    names = tuple(AccountConfig(f"account {number}", (), {}) for number in ACCOUNTS)
    config = UsdmConfig(
        symbols=tuple(contract(symbol) for symbol in SYMBOLS),
        default_wallet="400",
        hedge_accounts=(f"account {HEDGED}",),
        insurance_fund="50",
        activity=0.5,
        backfill_minutes=0,
    )
    core = UsdmCore(config, names, seed, START_NS + 3_570 * SECOND_NS, prices=shocks)
    for symbol in SYMBOLS:
        core.set_margin_type(ISOLATED, symbol, "ISOLATED", START_NS)
    return core


def any_order(source: random.Random, core: UsdmCore, account: int) -> UsdmOrderRequest:
    symbol, side = source.choice(SYMBOLS), source.choice(("BUY", "SELL"))
    ticker = core.book_ticker(symbol)
    price_e8 = (ticker.bid_price_e8 or 100 * E8) + source.randrange(-300, 301) * 10**6
    is_market = source.random() < 0.3
    return UsdmOrderRequest(
        symbol=symbol,
        side=side,
        type="MARKET" if is_market else "LIMIT",
        position_side=source.choice(("LONG", "SHORT")) if account == HEDGED else None,
        time_in_force=None if is_market else source.choice(("GTC", "GTC", "GTC", "IOC", "FOK", "GTX")),
        quantity_e8=source.randrange(100, 40_000) * 10**5,
        price_e8=None if is_market else price_e8,
        reduce_only=source.random() < 0.3 if account != HEDGED else None,
        stp_mode=source.choice(("NONE", "EXPIRE_MAKER", "EXPIRE_TAKER", "EXPIRE_BOTH")),
    )


def any_algo(source: random.Random, core: UsdmCore, account: int) -> AlgoRequest:
    symbol = source.choice(SYMBOLS)
    kind = source.choice(("STOP_MARKET", "TAKE_PROFIT_MARKET"))
    closes = source.random() < 0.5
    mark_e8 = core.premium_index(symbol).mark_price_e8
    return AlgoRequest(
        symbol=symbol,
        side=source.choice(("BUY", "SELL")),
        type=kind,
        position_side=source.choice(("LONG", "SHORT")) if account == HEDGED else None,
        quantity_e8=None if closes else source.randrange(100, 20_000) * 10**5,
        close_position=True if closes else None,
        trigger_price_e8=(mark_e8 + source.randrange(-500, 501) * 10**6) // 10**6 * 10**6,
        working_type=source.choice(("MARK_PRICE", "CONTRACT_PRICE")),
    )


def act(source: random.Random, core: UsdmCore, now_ns: int) -> int | None:
    """One random call; gives the code of a refusal."""
    account = source.choice(ACCOUNTS)
    request = any_order(source, core, account)
    orders = core.open_orders(account)
    draw = source.random()
    try:
        if draw < 0.62 or (draw < 0.82 and not orders):
            core.place(account, request, now_ns)
        elif draw < 0.72:
            order = source.choice(orders)
            core.cancel(account, order.symbol, now_ns, order_id=order.order_id)
        elif draw < 0.82:
            order = source.choice(orders)
            core.modify(
                account,
                ModifyRequest(
                    symbol=order.symbol,
                    side=order.side,
                    order_id=order.order_id,
                    quantity_e8=source.choice(
                        (order.qty_e8, order.qty_e8 // 2 // 10**5 * 10**5 + 10**5, 2 * order.qty_e8)
                    ),
                    price_e8=source.choice((order.price_e8, order.price_e8 + 10**6)),
                ),
                now_ns,
            )
        elif draw < 0.88:
            core.place_algo(account, any_algo(source, core, account), now_ns)
        elif draw < 0.92:
            core.set_leverage(account, request.symbol, source.choice((3, 10, 20, 50, 100, 101)), now_ns)
        elif draw < 0.96:
            amount_e8 = source.randrange(1, 20 * E8)
            core.change_position_margin(ISOLATED, request.symbol, None, source.choice((1, 2)), amount_e8, now_ns)
        else:
            core.deposit(account, source.randrange(-40 * E8, 60 * E8), now_ns)
    except VenueReject as reject:
        return reject.code
    return None


def cost_e8(row: Position) -> int:
    return row.qty_e8 * row.mark_price_e8 // E8 - row.unrealized_e8


def assert_money_is_conserved(core: UsdmCore) -> None:
    ledger = core.ledger()
    accounts = [core.account(account) for account in ACCOUNTS]
    wallets = sum(account.wallet_e8 for account in accounts)
    costs = sum(cost_e8(row) for account in accounts for row in account.positions)
    assert (
        wallets
        + ledger.fees_e8
        + ledger.insurance_e8
        + ledger.funding_e8
        - costs
        - ledger.fund_cost_e8
        - ledger.street_paid_e8
        == ledger.deposits_e8 + ledger.insurance_start_e8
    )
    for account in accounts:
        rows = core.income(account.account_id, limit=10**6)
        assert account.wallet_e8 == 400 * E8 + sum(row.amount_e8 for row in rows)


def slow_positions(core: UsdmCore, account: int) -> dict[tuple[str, str], SlowPosition]:
    slow: dict[tuple[str, str], SlowPosition] = {}
    for trade in core.user_trades(account, limit=10**6):
        position = slow.setdefault((trade.symbol, trade.position_side), SlowPosition())
        signed = trade.qty_e8 if trade.is_buyer else -trade.qty_e8
        position.fill(Fraction(signed, E8), Fraction(trade.price_e8, E8))
    return slow


def assert_the_slow_twin_agrees(core: UsdmCore, account: int) -> None:
    slow = slow_positions(core, account)
    view = core.account(account)
    for row in view.positions:
        twin = slow.get((row.symbol, row.position_side), SlowPosition())
        mark = Fraction(row.mark_price_e8, E8)
        slack = Fraction(twin.closings + 2, E8)
        assert row.qty_e8 == twin.qty * E8
        assert abs(Fraction(row.realized_e8, E8) - twin.realized) <= slack
        assert abs(Fraction(row.unrealized_e8, E8) - twin.profit(mark)) <= slack
        need = maintenance(SLOW_ROWS, abs(twin.qty) * mark)
        assert abs(Fraction(row.maint_margin_e8, E8) - need) <= slack
        bids, asks = (sums(core, account, row, side) for side in ("BUY", "SELL"))
        slow_margin = initial_margin(twin.qty, mark, bids, asks, row.leverage)
        assert abs(Fraction(row.initial_margin_e8, E8) - slow_margin) <= slack * 50
    assert_free_balance(core, account)
    assert_liquidation_prices(core, account, slow)


def sums(core: UsdmCore, account: int, row: Position, side: str) -> Fraction:
    """Worth of open orders that may make a position larger."""
    return sum(
        (
            Fraction(order.qty_e8 - order.executed_e8, E8) * Fraction(order.price_e8, E8)
            for order in core.open_orders(account, row.symbol)
            if order.side == side and order.position_side == row.position_side and not order.reduce_only
        ),
        Fraction(0),
    )


def assert_free_balance(core: UsdmCore, account: int) -> None:
    view = core.account(account)
    crossed = [row for row in view.positions if row.margin_type == "CROSSED"]
    cross_wallet_e8 = view.wallet_e8 - sum(row.isolated_wallet_e8 for row in view.positions)
    assert view.cross_wallet_e8 == cross_wallet_e8
    free_e8 = (
        cross_wallet_e8
        + sum(row.unrealized_e8 for row in crossed)
        - sum(row.position_initial_margin_e8 for row in crossed)
        - sum(row.open_order_initial_margin_e8 for row in view.positions)
    )
    assert view.available_e8 == max(0, free_e8)
    assert all(row.isolated_wallet_e8 >= 0 for row in view.positions)


def assert_liquidation_prices(core: UsdmCore, account: int, slow: dict[tuple[str, str], SlowPosition]) -> None:
    """Just on one side of the told price the account is dead, just on the other it lives."""
    view = core.account(account)
    held = [row for row in view.positions if row.qty_e8]
    if len({row.symbol for row in held}) != 1 or not held[0].liquidation_price_e8:
        return
    price = Fraction(held[0].liquidation_price_e8, E8)
    positions = [slow[(row.symbol, row.position_side)] for row in held]
    isolated = held[0].margin_type == "ISOLATED"
    wallet = Fraction(held[0].isolated_wallet_e8 if isolated else view.cross_wallet_e8, E8)
    low, high = dies_between(positions, wallet, SLOW_ROWS, price - Fraction(1, 10**5), price + Fraction(1, 10**5))
    assert low != high
    assert low == (sum(position.qty for position in positions) > 0)


def assert_no_reduce_only_order_turned_a_position(events: list[UsdmEvent]) -> None:
    held: dict[tuple[int, str, str], int] = {}
    for event in events:
        if not isinstance(event, OrderTradeUpdate) or not event.last_qty_e8:
            continue
        order = event.order
        key = (event.account_id, order.symbol, order.position_side)
        before = held.get(key, 0)
        held[key] = before + (event.last_qty_e8 if order.side == "BUY" else -event.last_qty_e8)
        if order.reduce_only:
            assert abs(held[key]) < abs(before)
            assert held[key] * before >= 0
        if order.position_side != "BOTH":
            assert held[key] * (1 if order.position_side == "LONG" else -1) >= 0


def assert_resting_orders_cannot_turn_it_either(core: UsdmCore, account: int) -> None:
    """What rests reduce-only is on the closing side of a position that is there."""
    held = {(row.symbol, row.position_side): row.qty_e8 for row in core.account(account).positions}
    for order in core.open_orders(account):
        if order.reduce_only:
            qty_e8 = held[(order.symbol, order.position_side)]
            assert qty_e8
            assert (qty_e8 > 0) == (order.side == "SELL")


RARE = {
    "TRADE FILLED 0",
    "TRADE PARTIALLY_FILLED 0",
    "CANCELED CANCELED 0",
    "AMENDMENT NEW 0",
    "AMENDMENT PARTIALLY_FILLED 0",
    "CALCULATED FILLED 0",
    "EXPIRED EXPIRED 2",
    "EXPIRED EXPIRED 4",
    "EXPIRED EXPIRED 5",
    "EXPIRED EXPIRED 9",
    "EXPIRED EXPIRED_IN_MATCH 1",
    "forced LIQUIDATION",
    "forced ADL",
    "margin call",
    "algo TRIGGERED",
    "algo FINISHED",
    "algo REJECTED",
    "algo EXPIRED",
}


def states_of(core: UsdmCore, events: list[UsdmEvent]) -> set[str]:
    states = {f"forced {row.auto_close_type}" for account in ACCOUNTS for row in core.force_orders(account)}
    for event in events:
        if isinstance(event, OrderTradeUpdate):
            states.add(f"{event.execution_type} {event.order.status} {event.order.expiry_reason}")
        elif isinstance(event, AlgoUpdate):
            states.add(f"algo {event.algo.status}")
        elif isinstance(event, MarginCall):
            states.add("margin call")
    return states


def test_random_play_reaches_every_rare_state() -> None:
    reached: set[str] = set()
    for seed in range(8):
        source = random.Random(seed)
        shocks = Shocks(source)
        core = venue_of(seed, shocks)
        now_ns = START_NS + 3_570 * SECOND_NS
        for step in range(1, 501):
            now_ns += SECOND_NS // 5
            act(source, core, now_ns)
            if step % 60 == 0:
                shocks.jump()
        reached |= states_of(core, core.drain())
        assert_money_is_conserved(core)
    assert RARE - reached == set()


@pytest.mark.parametrize("seed", range(3))
def test_random_play_conserves_money_and_equals_the_slow_twin(seed: int) -> None:
    source = random.Random(seed)
    shocks = Shocks(source)
    core = venue_of(seed, shocks)
    events: list[UsdmEvent] = []
    seen: set[int | None] = set()
    now_ns = START_NS + 3_570 * SECOND_NS
    for step in range(1, 501):
        now_ns += SECOND_NS // 5
        seen.add(act(source, core, now_ns))
        if step % 60 == 0:
            shocks.jump()
        if step % 10 == 0:
            assert_money_is_conserved(core)
            for account in ACCOUNTS:
                assert_the_slow_twin_agrees(core, account)
                assert_resting_orders_cannot_turn_it_either(core, account)
        events += core.drain()
    assert seen <= EXPECTED_CODES
    assert_no_reduce_only_order_turned_a_position(events)
    assert {None, -2019, -2022} <= seen
    kinds = {row.kind for account in ACCOUNTS for row in core.income(account, limit=10**6)}
    assert {"TRANSFER", "REALIZED_PNL", "COMMISSION", "FUNDING_FEE", "INSURANCE_CLEAR"} <= kinds
    assert any(core.force_orders(account) for account in ACCOUNTS)
