"""Whatever accounts do, their balances are what their fills say, and every lock belongs to an open order."""

from __future__ import annotations

import random

import pytest

from engine.sim.api import (
    AccountPosition,
    ExecutionReport,
    ListStatus,
    Order,
    OrderListRequest,
    OrderRequest,
    VenueEvent,
)
from engine.sim.config import AccountConfig, VenueConfig
from engine.sim.core import VenueCore
from engine.sim.decimals import E8
from engine.sim.reject import VenueReject
from tests.unit.sim_core.stage import SECOND_NS, START_NS, e8

FUNDS = {"USDT": "30000", "BTC": "0.3", "ETH": "4", "SOL": "100"}
ACCOUNTS = (1, 2, 3)
OPEN = ("NEW", "PARTIALLY_FILLED")


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
    mode = source.choice(rules.stp_modes)
    kind = source.choice(["LIMIT", "LIMIT", "LIMIT", "LIMIT_MAKER", "MARKET", "QUOTE", "STOP", "STOP", "ICEBERG"])
    if kind == "STOP":
        return any_stop(source, venue, symbol, side, qty_e8, mode)
    if kind == "MARKET":
        return OrderRequest(symbol=symbol, side=side, type=kind, quantity_e8=qty_e8, stp_mode=mode)
    if kind == "QUOTE":
        amount_e8 = source.randrange(10, 2_000) * E8
        return OrderRequest(symbol=symbol, side=side, type="MARKET", quote_order_qty_e8=amount_e8, stp_mode=mode)
    tif = source.choice(["GTC", "GTC", "IOC", "FOK"]) if kind == "LIMIT" else None
    shown_e8 = max(rules.step_e8, qty_e8 // source.randrange(2, 9) // rules.step_e8 * rules.step_e8)
    return OrderRequest(
        symbol=symbol,
        side=side,
        type="LIMIT" if kind == "ICEBERG" else kind,
        time_in_force="GTC" if kind == "ICEBERG" else tif,
        price_e8=price_e8,
        quantity_e8=qty_e8,
        iceberg_qty_e8=shown_e8 if kind == "ICEBERG" else None,
        stp_mode=mode,
    )


def off_the_last(venue: VenueCore, symbol: str, is_above: bool, ticks: int) -> int:
    last_e8 = venue.ticker_24h(symbol, START_NS).last_e8
    return last_e8 + (ticks if is_above else -ticks) * venue.rules(symbol).tick_e8


def any_stop(
    source: random.Random, venue: VenueCore, symbol: str, side: str, qty_e8: int, mode: str, kinds: str = "SL TP"
) -> OrderRequest:
    """A conditional order near the last price; one that takes any price and trails always has a stop price, too."""
    kind = {"SL": "STOP_LOSS", "TP": "TAKE_PROFIT"}[source.choice(kinds.split())]
    is_above = (kind == "STOP_LOSS") == (side == "BUY")
    has_price = source.random() < 0.5
    trails = source.random() < 0.3
    stop_e8 = off_the_last(venue, symbol, is_above, source.randrange(1, 300))
    return OrderRequest(
        symbol=symbol,
        side=side,
        type=kind + ("_LIMIT" if has_price else ""),
        time_in_force=source.choice(["GTC", "GTC", "IOC", "FOK"]) if has_price else None,
        price_e8=off_the_last(venue, symbol, side == "BUY", source.randrange(-50, 500)) if has_price else None,
        quantity_e8=qty_e8,
        stop_price_e8=None if trails and has_price and source.random() < 0.5 else stop_e8,
        trailing_delta=10 if trails else None,
        stp_mode=mode,
    )


def any_list(source: random.Random, venue: VenueCore) -> OrderListRequest:
    symbol = source.choice(venue.symbols())
    rules, last_e8 = venue.rules(symbol), off_the_last(venue, symbol, True, 0)
    side, leader_side = source.choice(["BUY", "SELL"]), source.choice(["BUY", "SELL"])
    qty_e8 = source.randrange(20 * E8, 2_000 * E8) * E8 // last_e8 // rules.step_e8 * rules.step_e8
    loss = any_stop(source, venue, symbol, side, qty_e8, "EXPIRE_MAKER", "SL")
    if source.random() < 0.5:
        gain = any_stop(source, venue, symbol, side, qty_e8, "EXPIRE_MAKER", "TP")
    else:
        price_e8 = off_the_last(venue, symbol, side == "SELL", source.randrange(1, 300))
        gain = OrderRequest(symbol=symbol, side=side, type="LIMIT_MAKER", quantity_e8=qty_e8, price_e8=price_e8)
    pair = (loss, gain) if side == "BUY" else (gain, loss)
    leader = OrderRequest(
        symbol=symbol,
        side=leader_side,
        type="LIMIT",
        time_in_force=source.choice(["GTC", "GTC", "IOC"]),
        price_e8=off_the_last(venue, symbol, leader_side == "BUY", source.randrange(-100, 200)),
        quantity_e8=qty_e8,
    )
    kind = source.choice(["OCO", "OTO", "OTOCO"])
    legs = {"OCO": pair, "OTO": (leader, source.choice(pair)), "OTOCO": (leader, *pair)}[kind]
    return OrderListRequest(kind=kind, symbol=symbol, legs=legs)  # type: ignore[arg-type]


def act(source: random.Random, venue: VenueCore, now_ns: int) -> int | None:
    """One random order, list, amend, cancel, cancel-replace or cancel-all; gives the code of a refusal."""
    account = source.choice(ACCOUNTS)
    request = any_request(source, venue)
    open_orders = venue.open_orders(account, request.symbol)
    target = source.choice(open_orders) if open_orders else None
    draw = source.random()
    try:
        if draw < 0.15:
            venue.place_list(account, any_list(source, venue), now_ns)
        elif draw < 0.65 or target is None:
            venue.place(account, request, now_ns)
        elif draw < 0.75:
            step_e8 = venue.rules(request.symbol).step_e8
            qty_e8 = target.qty_e8 * source.randrange(1, 11) // 10 // step_e8 * step_e8
            venue.amend(account, request.symbol, qty_e8, now_ns, order_id=target.order_id)
        elif draw < 0.85:
            venue.cancel(account, request.symbol, now_ns, order_id=target.order_id)
        elif draw < 0.98:
            venue.cancel_replace(account, request, now_ns, mode="ALLOW_FAILURE", cancel_order_id=target.order_id)
        else:
            venue.cancel_all(account, request.symbol, now_ns)
    except VenueReject as reject:
        return reject.code
    return None


def lock_of(order: Order) -> int:
    """What an order by itself needs locked: its cost (at its stop price where it takes any price), or its quantity."""
    left_e8 = order.qty_e8 - order.executed_e8 - order.prevented_e8
    if order.status == "PENDING_NEW":
        return 0
    return left_e8 * (order.price_e8 or order.stop_price_e8) // E8 if order.side == "BUY" else left_e8


def locks_of(orders: list[Order], base: str, quote: str) -> dict[str, int]:
    """What open orders lock by asset; of the orders of a list only one at most is ever executed beside its leader."""
    singly: dict[tuple[str, int], list[int]] = {}
    for order in orders:
        asset = quote if order.side == "BUY" else base
        group = order.order_list_id if order.order_list_id >= 0 else -order.order_id - 2
        singly.setdefault((asset, group), []).append(lock_of(order))
    locked = {base: 0, quote: 0}
    for (asset, _), needs in singly.items():
        locked[asset] += max(needs)
    return locked


def assert_balances_follow(venue: VenueCore, account: int) -> None:
    expected = {asset: e8(amount) for asset, amount in FUNDS.items()}
    locked = dict.fromkeys(FUNDS, 0)
    for rules in venue.exchange_info():
        for trade in venue.my_trades(account, rules.symbol, limit=10**6):
            sign = 1 if trade.is_buyer else -1
            expected[rules.base] += sign * trade.qty_e8
            expected[rules.quote] -= sign * trade.quote_e8
            expected[trade.commission_asset] -= trade.commission_e8
        orders = venue.open_orders(account, rules.symbol)
        for asset, amount_e8 in locks_of(orders, rules.base, rules.quote).items():
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
            if event.order_id in last:  # a second NEW tells that a waiting order went to work
                assert event.execution_type != "REJECTED"
                assert event.execution_type != "NEW" or not last[event.order_id].is_working
            else:
                assert event.execution_type in ("NEW", "REJECTED")
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
            assert report.is_working == order.is_working == (order.status in OPEN and order.working_ns > 0)
    for account in ACCOUNTS:
        for row in venue.account(account).balances:
            assert balances[(account, row.asset)] == (row.free_e8, row.locked_e8)


def assert_lists_told_their_end(events: list[VenueEvent]) -> None:
    """Each list is told to start once and to end once, in this order."""
    told: dict[int, list[str]] = {}
    for event in events:
        if isinstance(event, ListStatus):
            told.setdefault(event.order_list.order_list_id, []).append(event.order_list.list_status_type)
    assert told
    for rows in told.values():
        assert [rows[0], rows[-1]] == ["EXEC_STARTED", "ALL_DONE"]
        assert set(rows[1:-1]) <= {"UPDATED"}


@pytest.mark.parametrize("seed", range(4))
def test_random_trading_keeps_every_account_exact(seed: int) -> None:
    source, venue = random.Random(seed), venue_of(seed)
    events: list[VenueEvent] = []
    for step in range(1, 1_201):
        now_ns = START_NS + step * SECOND_NS // 20
        assert act(source, venue, now_ns) in (None, -1013, -2010, -2011, -2038)
        if step % 20 == 0:
            for account in ACCOUNTS:
                assert_balances_follow(venue, account)
        events += venue.drain()
    assert_reports_tell_the_orders(venue, events)
    seen = {(e.execution_type, e.status) for e in events if isinstance(e, ExecutionReport)}
    assert {("TRADE", "FILLED"), ("EXPIRED", "EXPIRED"), ("CANCELED", "CANCELED")} <= seen
    assert {("TRADE_PREVENTION", "EXPIRED_IN_MATCH"), ("NEW", "PENDING_NEW")} <= seen
    assert "REPLACED" in {execution_type for execution_type, _ in seen}
    reasons = {e.expiry_reason for e in events if isinstance(e, ExecutionReport)}
    assert {"OCO_TRIGGER", "OTO_PHASE_ONE_EXPIRED"} <= reasons
    for account in ACCOUNTS:
        for symbol in venue.symbols():
            if venue.open_orders(account, symbol):
                venue.cancel_all(account, symbol, now_ns)
        assert venue.open_lists(account) == []
        assert_balances_follow(venue, account)
    assert_lists_told_their_end(events + venue.drain())
