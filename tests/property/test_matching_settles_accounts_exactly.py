"""Whatever accounts do, their balances are what their fills say, and every lock belongs to an open order."""

from __future__ import annotations

import random

import pytest

from engine.sim.api import AccountPosition, ExecutionReport, Order, OrderRequest, VenueEvent
from engine.sim.config import AccountConfig, VenueConfig
from engine.sim.core import VenueCore
from engine.sim.decimals import E8
from engine.sim.reject import VenueReject
from tests.unit.sim_core.stage import SECOND_NS, START_NS, e8

FUNDS = {"USDT": "30000", "BTC": "0.3", "ETH": "4", "SOL": "100"}
ACCOUNTS = (1, 2, 3)


def venue_of(seed: int) -> VenueCore:
    accounts = tuple(AccountConfig(f"account {i}", (), FUNDS, maker_bps=i, taker_bps=9) for i in ACCOUNTS)
    return VenueCore(VenueConfig(accounts=accounts, backfill_minutes=5, activity=2.0), seed, START_NS)


def any_request(source: random.Random, venue: VenueCore) -> OrderRequest:
    symbol = source.choice(venue.symbols())
    rules, top = venue.rules(symbol), venue.book_ticker(symbol)
    side = source.choice(["BUY", "SELL"])
    near_e8 = top.bid_price_e8 if source.random() < 0.5 else top.ask_price_e8
    price_e8 = (near_e8 + source.randrange(-30, 31) * near_e8 // 50_000) // rules.tick_e8 * rules.tick_e8
    qty_e8 = source.randrange(10 * E8, 3_000 * E8) * E8 // near_e8 // rules.step_e8 * rules.step_e8
    mode = source.choice(["NONE", "EXPIRE_MAKER", "EXPIRE_TAKER", "EXPIRE_BOTH"])
    kind = source.choice(["LIMIT", "LIMIT", "LIMIT", "LIMIT_MAKER", "MARKET", "QUOTE"])
    if kind == "MARKET":
        return OrderRequest(symbol=symbol, side=side, type=kind, quantity_e8=qty_e8, stp_mode=mode)
    if kind == "QUOTE":
        amount_e8 = source.randrange(10, 2_000) * E8
        return OrderRequest(symbol=symbol, side=side, type="MARKET", quote_order_qty_e8=amount_e8, stp_mode=mode)
    tif = source.choice(["GTC", "GTC", "IOC", "FOK"]) if kind == "LIMIT" else None
    return OrderRequest(
        symbol=symbol,
        side=side,
        type=kind,
        time_in_force=tif,
        price_e8=price_e8,
        quantity_e8=qty_e8,
        stp_mode=mode,
    )


def act(source: random.Random, venue: VenueCore, now_ns: int) -> int | None:
    """One random order, cancel, cancel-replace or cancel-all; gives the code of a refusal."""
    account = source.choice(ACCOUNTS)
    request = any_request(source, venue)
    open_orders = venue.open_orders(account, request.symbol)
    draw = source.random()
    try:
        if draw < 0.7 or not open_orders:
            venue.place(account, request, now_ns)
        elif draw < 0.85:
            venue.cancel(account, request.symbol, now_ns, order_id=source.choice(open_orders).order_id)
        elif draw < 0.98:
            target = source.choice(open_orders).order_id
            venue.cancel_replace(account, request, now_ns, mode="ALLOW_FAILURE", cancel_order_id=target)
        else:
            venue.cancel_all(account, request.symbol, now_ns)
    except VenueReject as reject:
        return reject.code
    return None


def lock_of(order: Order, base: str, quote: str) -> tuple[str, int]:
    left_e8 = order.qty_e8 - order.executed_e8
    return (quote, left_e8 * order.price_e8 // E8) if order.side == "BUY" else (base, left_e8)


def assert_balances_follow(venue: VenueCore, account: int) -> None:
    expected = {asset: e8(amount) for asset, amount in FUNDS.items()}
    locked = dict.fromkeys(FUNDS, 0)
    for rules in venue.exchange_info():
        for trade in venue.my_trades(account, rules.symbol, limit=10**6):
            sign = 1 if trade.is_buyer else -1
            expected[rules.base] += sign * trade.qty_e8
            expected[rules.quote] -= sign * trade.quote_e8
            expected[trade.commission_asset] -= trade.commission_e8
        for order in venue.open_orders(account, rules.symbol):
            asset, amount_e8 = lock_of(order, rules.base, rules.quote)
            locked[asset] += amount_e8
    for balance in venue.account(account).balances:
        assert balance.locked_e8 == locked[balance.asset]
        assert balance.free_e8 >= 0
        assert balance.free_e8 + balance.locked_e8 == expected[balance.asset]


def assert_reports_tell_the_orders(venue: VenueCore, events: list[VenueEvent]) -> None:
    """The last report of each order is its state; cumulated fills never jump; positions tell the balances."""
    executed: dict[int, int] = {}
    last: dict[int, ExecutionReport] = {}
    balances: dict[tuple[int, str], tuple[int, int]] = {}
    for event in events:
        if isinstance(event, ExecutionReport):
            executed[event.order_id] = executed.get(event.order_id, 0) + event.last_qty_e8
            assert event.cum_qty_e8 == executed[event.order_id]
            assert (event.order_id in last) == (event.execution_type not in ("NEW", "REJECTED"))
            last[event.order_id] = event
        elif isinstance(event, AccountPosition):
            for row in event.balances:
                balances[(event.account_id, row.asset)] = (row.free_e8, row.locked_e8)
    for order_id, report in last.items():
        if report.status != "REJECTED":
            order = venue.order_status(report.account_id, report.symbol, order_id=order_id)
            assert (order.status, order.executed_e8, order.cum_quote_e8) == (
                report.status,
                report.cum_qty_e8,
                report.cum_quote_e8,
            )
            assert report.is_working == (order.status in ("NEW", "PARTIALLY_FILLED"))
    for account in ACCOUNTS:
        for row in venue.account(account).balances:
            assert balances[(account, row.asset)] == (row.free_e8, row.locked_e8)


@pytest.mark.parametrize("seed", range(4))
def test_random_trading_keeps_every_account_exact(seed: int) -> None:
    source, venue = random.Random(seed), venue_of(seed)
    events: list[VenueEvent] = []
    for step in range(1, 1_201):
        now_ns = START_NS + step * SECOND_NS // 20
        assert act(source, venue, now_ns) in (None, -1013, -2010, -2011)
        if step % 20 == 0:
            for account in ACCOUNTS:
                assert_balances_follow(venue, account)
        events += venue.drain()
    assert_reports_tell_the_orders(venue, events)
    seen = {(e.execution_type, e.status) for e in events if isinstance(e, ExecutionReport)}
    assert {("TRADE", "FILLED"), ("EXPIRED", "EXPIRED"), ("CANCELED", "CANCELED")} <= seen
    assert ("TRADE_PREVENTION", "EXPIRED_IN_MATCH") in seen
