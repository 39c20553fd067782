"""The paper account's file at the venue's core: every type of order that stands is found standing again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.model.instruments import InstrumentSpec
from engine.runtime.clock import Clock
from engine.sim.list_records import OrderListRequest
from engine.sim.paper.keeping import PaperBooks
from engine.sim.paper.rows import PaperAccountError
from engine.sim.paper.terms import PaperTerms
from engine.sim.paper.venue import PaperVenue, build_paper
from engine.sim.records import OrderRequest
from engine.sim.usdm.records import AlgoRequest, UsdmOrderRequest

E8 = 10**8
TERMS = PaperTerms(api_key="paper0000000000000000", secret="s", balances={"USDT": "100000", "BTC": "3"})
SPOT_LIMITS = {("REQUEST_WEIGHT", "MINUTE"): 6000, ("ORDERS", "SECOND"): 100, ("ORDERS", "DAY"): 200_000}
USDM_LIMITS = {("REQUEST_WEIGHT", "MINUTE"): 2400, ("ORDERS", "SECOND"): 300, ("ORDERS", "MINUTE"): 1200}
SPEC = InstrumentSpec(
    venue_id=1, symbol="BTCUSDT", base_asset="BTC", quote_asset="USDT", tick_size_e8=E8, lot_size_e8=E8 // 1000
)


class Place:
    """A paper venue on a file, made anew by `again`; the market is told line by line."""

    def __init__(self, path: Path, is_usdm: bool) -> None:
        self.path, self.is_usdm = path, is_usdm
        self.clock = Clock.virtual()
        self.trade_id = 0
        self.again()

    def again(self) -> None:
        """The venue as after a restart: it knows the market only from its file's time on."""
        limits = USDM_LIMITS if self.is_usdm else SPOT_LIMITS
        self.venue: PaperVenue = build_paper(
            [SPEC], {"BTCUSDT": 60_000 * E8}, TERMS, limits, self.clock, is_usdm=self.is_usdm
        )
        self.books = PaperBooks(self.path, self.venue.core, self.clock.time_ns())
        self.venue.shell.before_publish = self.books.note
        self.update_id = 100
        bids, asks = [["59999", "1.000"], ["59990", "2.000"]], [["60001", "1.000"], ["60010", "2.000"]]
        body = {"lastUpdateId": self.update_id, "bids": bids, "asks": asks}
        self.venue.feed.on_snapshot("BTCUSDT", json.dumps(body).encode())
        self.print_trade("60000", "0.001")

    def frame(self, stream: str, data: dict[str, Any]) -> None:
        """One frame of the live market."""
        self.clock.advance(1_000_000)
        text = json.dumps({"stream": f"btcusdt@{stream}", "data": data}, separators=(",", ":"))
        self.venue.feed.on_frame(text.encode())

    def print_trade(self, price: str, qty: str, is_buyer_maker: bool = True) -> None:
        """A trade of others."""
        self.trade_id += 1
        stamp = self.clock.time_ns() // 1_000_000
        self.frame("trade", {"t": self.trade_id, "p": price, "q": qty, "T": stamp, "m": is_buyer_maker})

    def diff(self, bids: list[list[str]], asks: list[list[str]]) -> None:
        """A change of the book."""
        previous, self.update_id = self.update_id, self.update_id + 1
        ids = {"U": self.update_id, "u": self.update_id, **({"pu": previous} if self.is_usdm else {})}
        self.frame(
            "depth@100ms", {"e": "depthUpdate", "E": self.clock.time_ns() // 1_000_000, **ids, "b": bids, "a": asks}
        )

    @property
    def core(self) -> Any:
        """The venue's core, of either kind."""
        return self.venue.core

    def call(self, name: str, *arguments: Any, **options: Any) -> Any:
        """A call of the core inside a turn of the venue; what it causes is noted and published."""
        found: list[Any] = []

        def act(now_ns: int) -> None:
            found.append(getattr(self.venue.core, name)(1, *arguments, now_ns, **options))

        self.venue.host.turn(act)
        return found[0]


@pytest.fixture
def spot(tmp_path: Path) -> Place:
    """A spot account."""
    return Place(tmp_path / "account.jsonl", False)


@pytest.fixture
def usdm(tmp_path: Path) -> Place:
    """A futures account."""
    return Place(tmp_path / "account.jsonl", True)


def spot_request(client: str, side: str, kind: str, **fields: Any) -> OrderRequest:
    """An order of 0.01."""
    return OrderRequest(symbol="BTCUSDT", side=side, type=kind, quantity_e8=E8 // 100, client_order_id=client, **fields)


def test_every_standing_spot_order_stands_again(spot: Place) -> None:
    requests = [
        spot_request("limit", "BUY", "LIMIT", price_e8=59_000 * E8, time_in_force="GTC"),
        spot_request("maker", "SELL", "LIMIT_MAKER", price_e8=61_000 * E8),
        spot_request("iceberg", "BUY", "LIMIT", price_e8=58_000 * E8, time_in_force="GTC", iceberg_qty_e8=E8 // 500),
        spot_request("stop", "SELL", "STOP_LOSS", stop_price_e8=58_000 * E8),
        spot_request(
            "profit", "SELL", "TAKE_PROFIT_LIMIT", stop_price_e8=62_000 * E8, price_e8=62_100 * E8, time_in_force="GTC"
        ),
        spot_request("trailing", "SELL", "STOP_LOSS", trailing_delta=200),
    ]
    for request in requests:
        spot.call("place", request)
    before = {order.client_order_id: order for order in spot.core.open_orders(1)}
    assert len(before) == len(requests)
    account = spot.core.account(1)
    spot.again()
    after = {order.client_order_id: order for order in spot.core.open_orders(1)}
    for name, order in before.items():
        found = after[name]
        fields = (
            "order_id",
            "type",
            "side",
            "price_e8",
            "stop_price_e8",
            "qty_e8",
            "status",
            "is_working",
            "trailing_delta",
        )
        assert [getattr(found, field) for field in fields] == [getattr(order, field) for field in fields]
    assert spot.core.account(1).balances == account.balances
    spot.print_trade("57000", "5.000")
    left = {order.client_order_id for order in spot.core.open_orders(1)}
    assert left == {"maker", "profit"}  # the rest was traded through or triggered
    for order in spot.core.open_orders(1):
        spot.call("cancel", "BTCUSDT", order_id=order.order_id)
    assert all(row.locked_e8 == 0 for row in spot.core.account(1).balances)


def test_the_legs_of_a_list_end_expired_and_are_known_so(spot: Place) -> None:
    legs = (
        spot_request("above", "SELL", "LIMIT_MAKER", price_e8=61_000 * E8),
        spot_request("below", "SELL", "STOP_LOSS", stop_price_e8=59_000 * E8),
    )
    spot.call("place_list", OrderListRequest(kind="OCO", symbol="BTCUSDT", legs=legs, list_client_order_id="list"))
    assert len(spot.core.open_orders(1)) == 2
    spot.again()
    assert spot.core.open_orders(1) == []
    for leg in legs:
        order = spot.core.order_status(1, "BTCUSDT", orig_client_order_id=leg.client_order_id)
        assert (order.status, order.executed_e8) == ("EXPIRED", 0)
    assert all(row.locked_e8 == 0 for row in spot.core.account(1).balances)


def test_conditional_futures_orders_wait_again_and_trigger(usdm: Place) -> None:
    usdm.call("place", UsdmOrderRequest(symbol="BTCUSDT", side="BUY", type="MARKET", quantity_e8=E8 // 10))
    usdm.call("place_algo", AlgoRequest(
        symbol="BTCUSDT", side="SELL", type="STOP_MARKET", trigger_price_e8=59_500 * E8, close_position=True, client_algo_id="stop",
    ))  # fmt: skip
    usdm.call("place_algo", AlgoRequest(
        symbol="BTCUSDT", side="SELL", type="TRAILING_STOP_MARKET", quantity_e8=E8 // 100, callback_rate_e8=5 * E8,
        reduce_only=True, client_algo_id="trail",
    ))  # fmt: skip
    usdm.call("place", UsdmOrderRequest(
        symbol="BTCUSDT", side="SELL", type="LIMIT", time_in_force="GTC", price_e8=60_500 * E8,
        quantity_e8=E8 // 50, reduce_only=True,
    ))  # fmt: skip
    before = usdm.core.open_algo_orders(1)
    account = usdm.core.account(1)
    usdm.again()
    assert [(row.algo_id, row.client_algo_id, row.trigger_price_e8) for row in usdm.core.open_algo_orders(1)] == [
        (row.algo_id, row.client_algo_id, row.trigger_price_e8) for row in before
    ]
    assert usdm.core.account(1).wallet_e8 == account.wallet_e8
    (order,) = usdm.core.open_orders(1)
    assert (order.reduce_only, order.qty_e8) == (True, E8 // 50)
    usdm.diff([["59999", "0"], ["59990", "0"], ["59400", "5.000"]], [])
    usdm.print_trade("59450", "1.000")
    assert [row.client_algo_id for row in usdm.core.open_algo_orders(1)] == ["trail"]
    assert usdm.core.open_orders(1) == []  # nothing is left to reduce


def test_own_trades_leave_nothing_with_the_insurance_fund(usdm: Place) -> None:
    usdm.call(
        "place",
        UsdmOrderRequest(
            symbol="BTCUSDT", side="BUY", type="LIMIT", time_in_force="GTC", price_e8=59_950 * E8, quantity_e8=E8 // 10
        ),
    )
    usdm.call("place", UsdmOrderRequest(symbol="BTCUSDT", side="BUY", type="MARKET", quantity_e8=E8 // 10))
    for _ in range(30):
        usdm.print_trade("60000", "0.001")
        usdm.clock.advance(1_000_000_000)
    (order,) = usdm.core.open_orders(1)
    assert order.executed_e8 == 0


def test_a_line_that_is_none_is_told_with_its_number(spot: Place) -> None:
    spot.books.close()
    with spot.path.open("ab") as file:
        file.write(b"[1]\n")
    with pytest.raises(PaperAccountError, match=r"line \d+"):
        spot.again()
