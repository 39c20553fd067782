"""What strategies are told of the venue's statistics and reference data: who hears what, as which view, and for how long."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, ClassVar

import pytest

from engine.feed.instruments import payload_of, replaced
from engine.journal import layout
from engine.model.codes import BookState, IntentAction, OrderType, RatioKind, RecordKind, Side
from engine.model.instruments import InstrumentSpec
from engine.model.subscriptions import SUBSCRIPTIONS, parse_subscription
from engine.strategy.api import StaleView, Strategy
from engine.strategy.loader import StrategyLoadError, subscriptions_of
from engine.strategy.rehearsal import Rehearsal

SPEC = InstrumentSpec(
    venue_id=1,
    symbol="BTCUSDT",
    base_asset="BTC",
    quote_asset="USDT",
    tick_size_e8=10_000_000,
    lot_size_e8=100_000,
    kind=1,
)
CALLBACKS = {
    RecordKind.KLINE: "on_kline",
    RecordKind.TICKER_24H: "on_ticker",
    RecordKind.MINI_TICKER: "on_ticker",
    RecordKind.MARK_PRICE: "on_mark_price",
    RecordKind.FUNDING_RATE: "on_funding",
    RecordKind.OPEN_INTEREST: "on_open_interest",
    RecordKind.LONG_SHORT_RATIO: "on_long_short_ratio",
    RecordKind.LIQUIDATION: "on_liquidation",
    RecordKind.AGG_TRADE: "on_agg_trade",
}


def filled(form: tuple[Any, list[str]], fields: dict[str, Any]) -> bytes:
    """A struct with these fields and zeros elsewhere."""
    packer, names = form
    blank = {name: b"" if name in ("symbol", "interval", "status", "contract_type") else 0 for name in names}
    return bytes(packer.pack(*(blank | fields).values()))


def event(kind: RecordKind, **fields: Any) -> bytes:
    return filled(layout.payload_format(kind), fields)


def rows(kind: RecordKind, *found: dict[str, Any]) -> bytes:
    return event(kind, count=len(found)) + b"".join(filled(layout.row_format(kind), row) for row in found)


SAMPLES: dict[RecordKind, bytes] = {
    RecordKind.KLINE: event(
        RecordKind.KLINE, interval=b"1m", open_e8=5 * 10**8, volume_whole=3, volume_part_e8=5 * 10**7, is_closed=1
    ),
    RecordKind.TICKER_24H: rows(RecordKind.TICKER_24H, {"symbol": b"BTCUSDT", "instrument_id": 1, "change_e8": -5}),
    RecordKind.MINI_TICKER: rows(RecordKind.MINI_TICKER, {"symbol": b"BTCUSDT", "instrument_id": 1, "last_e8": 10**8}),
    RecordKind.MARK_PRICE: event(RecordKind.MARK_PRICE, mark_e8=7 * 10**8, funding_rate_e8=-10_000, next_funding_ns=9),
    RecordKind.FUNDING_RATE: rows(RecordKind.FUNDING_RATE, {"rate_e8": 1}, {"rate_e8": 2, "mark_e8": 3}),
    RecordKind.OPEN_INTEREST: event(RecordKind.OPEN_INTEREST, open_interest_whole=10, open_interest_part_e8=1),
    RecordKind.LONG_SHORT_RATIO: event(
        RecordKind.LONG_SHORT_RATIO, ratio_e8=2 * 10**8, ratio_kind=RatioKind.TOP_POSITIONS
    ),
    RecordKind.LIQUIDATION: event(RecordKind.LIQUIDATION, qty_lots=5, side=Side.SELL, price_e8=10**8),
    RecordKind.AGG_TRADE: event(RecordKind.AGG_TRADE, trade_id=9, price_ticks=4, qty_lots=5, trade_ns=1),
}
WORDS = {
    RecordKind.KLINE: "kline_1m",
    RecordKind.TICKER_24H: "ticker",
    RecordKind.MINI_TICKER: "mini_ticker",
    RecordKind.MARK_PRICE: "mark_price",
    RecordKind.FUNDING_RATE: "funding",
    RecordKind.OPEN_INTEREST: "open_interest",
    RecordKind.LONG_SHORT_RATIO: "top_trader_positions",
    RecordKind.LIQUIDATION: "liquidations",
    RecordKind.AGG_TRADE: "agg_trade",
}


class Listener(Strategy):
    """Calls `seen` in every callback of market statistics and keeps the views."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[Any] = []
        self.read: list[Any] = []
        self.look: Callable[[Any], Any] = lambda view: view.seq

    def _hear(self, view: Any) -> None:
        self.kept.append(view)
        self.read.append(self.look(view))


for callback in sorted({row.callback for row in SUBSCRIPTIONS.values()}):
    setattr(Listener, callback, Listener._hear)


def stage_with(*words: str, look: Callable[[Any], Any] | None = None) -> tuple[Rehearsal, Listener]:
    listener = Listener()
    if look is not None:
        listener.look = look
    return Rehearsal([listener], [SPEC], subscriptions=words), listener


@pytest.mark.parametrize("kind", SAMPLES)
def test_only_who_subscribed_hears_an_event(kind: RecordKind) -> None:
    others = [word for other, word in WORDS.items() if other != kind]
    stage, listener = stage_with(*others)
    stage.event(kind, "BTCUSDT", SAMPLES[kind])
    stage.run()
    assert listener.read == []
    stage, listener = stage_with(WORDS[kind])
    seq = stage.event(kind, "BTCUSDT", SAMPLES[kind])
    stage.run()
    assert listener.read == [seq] * (2 if kind == RecordKind.FUNDING_RATE else 1)


def properties(view_class: type) -> list[str]:
    """What a view's own class lets one read."""
    return [name for name, value in vars(view_class).items() if type(value).__name__ == "getset_descriptor"]


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_view_of_an_event_is_stale_when_its_callback_is_over_and_stays_so(kind: RecordKind) -> None:
    stage, listener = stage_with(WORDS[kind])
    stage.event(kind, "BTCUSDT", SAMPLES[kind])
    stage.run()
    kept = listener.kept[0]
    names = properties(type(kept))
    for _ in range(2):
        for name in [*names, "seq", "wall_ns", "instrument_id"]:
            with pytest.raises(StaleView):
                getattr(kept, name)
        # shown again to the same strategy: the kept one must not come alive
        stage.event(kind, "BTCUSDT", SAMPLES[kind])
        stage.run()


def properties_of(view: Any) -> dict[str, Any]:
    return {name: getattr(view, name) for name in properties(type(view))}


@pytest.mark.parametrize("kind", SAMPLES)
def test_every_property_of_an_events_view_can_be_read(kind: RecordKind) -> None:
    stage, listener = stage_with(WORDS[kind], look=properties_of)
    stage.event(kind, "BTCUSDT", SAMPLES[kind])
    stage.run()
    assert len(listener.read[0]) >= 2


def test_values_come_as_decimals_and_as_integers() -> None:
    found: dict[RecordKind, dict[str, Any]] = {}
    for kind, payload in SAMPLES.items():
        stage, listener = stage_with(WORDS[kind], look=properties_of)
        stage.event(kind, "BTCUSDT", payload)
        stage.run()
        found[kind] = listener.read[-1]
    kline = found[RecordKind.KLINE]
    assert (kline["interval"], kline["is_closed"], kline["open"], kline["open_e8"]) == (
        "1m",
        True,
        Decimal(5),
        5 * 10**8,
    )
    assert kline["volume"] == Decimal("3.5")
    assert found[RecordKind.TICKER_24H]["change"] == Decimal("-0.00000005")
    assert found[RecordKind.MINI_TICKER]["change"] is None
    assert found[RecordKind.MINI_TICKER]["last"] == 1
    assert found[RecordKind.MARK_PRICE]["funding_rate"] == Decimal("-0.0001")
    assert found[RecordKind.MARK_PRICE]["average"] is None
    assert (found[RecordKind.FUNDING_RATE]["rate_e8"], found[RecordKind.FUNDING_RATE]["mark"]) == (
        2,
        Decimal("0.00000003"),
    )
    assert found[RecordKind.OPEN_INTEREST]["qty"] == Decimal("10.00000001")
    assert found[RecordKind.LONG_SHORT_RATIO]["kind"] == RatioKind.TOP_POSITIONS
    assert (found[RecordKind.LIQUIDATION]["side"], found[RecordKind.LIQUIDATION]["qty"]) == (
        Side.SELL,
        Decimal("0.005"),
    )


def test_candles_go_by_their_interval() -> None:
    stage, listener = stage_with("kline_1m", "kline_1h", look=lambda view: view.interval)
    for interval in (b"1m", b"5m", b"1h", b"1M"):
        stage.event(RecordKind.KLINE, "BTCUSDT", event(RecordKind.KLINE, interval=interval))
    stage.run()
    assert listener.read == ["1m", "1h"]


def test_an_array_of_all_symbols_is_told_row_by_row_to_who_asked_for_all() -> None:
    payload = rows(
        RecordKind.MINI_TICKER,
        {"symbol": b"PEPEUSDT"},
        {"symbol": b"BTCUSDT", "instrument_id": 1},
        {"symbol": b"ETHUSDT"},
    )
    stage, listener = stage_with("all_mini_tickers", look=lambda view: (view.symbol, view.instrument_id))
    stage.event(RecordKind.MINI_TICKER, "", payload)
    stage.run()
    assert listener.read == [("PEPEUSDT", 0), ("BTCUSDT", 1), ("ETHUSDT", 0)]
    stage, listener = stage_with("mini_ticker", "all_tickers")
    stage.event(RecordKind.MINI_TICKER, "", payload)
    stage.run()
    assert listener.read == []


def test_events_keep_their_order_with_book_changes_and_trades() -> None:
    told: list[int] = []

    class Both(Listener):
        def on_book(self, book: Any) -> None:
            told.append(book.seq)

        def on_trade(self, trade: Any) -> None:
            told.append(trade.seq)

        def on_mark_price(self, mark: Any) -> None:
            told.append(mark.seq)

    stage = Rehearsal([Both()], [SPEC], subscriptions=["mark_price"])
    stage.event(RecordKind.MARK_PRICE, "BTCUSDT", SAMPLES[RecordKind.MARK_PRICE])
    stage.trade("BTCUSDT", 10, 1)
    stage.book("BTCUSDT", [(9, 1)], [(11, 1)])
    stage.event(RecordKind.MARK_PRICE, "BTCUSDT", SAMPLES[RecordKind.MARK_PRICE])
    stage.run()
    assert told == sorted(told)
    assert len(told) == 4


def test_changed_reference_data_is_told_with_the_venues_word() -> None:
    stage, listener = stage_with(look=lambda view: (view.status, view.is_trading, view.is_grid_changed, view.tick_size))
    stage.event(
        RecordKind.INSTRUMENT_UPDATE, "BTCUSDT", payload_of(replaced(SPEC, is_trading=False, status="BREAK"), False)
    )
    stage.event(
        RecordKind.INSTRUMENT_UPDATE, "BTCUSDT", payload_of(replaced(SPEC, tick_size_e8=10**6, status="TRADING"), True)
    )
    stage.run()
    assert listener.read == [("BREAK", False, False, Decimal("0.1")), ("TRADING", False, True, Decimal("0.01"))]


def test_a_strategy_that_raises_over_an_event_is_disabled_alone() -> None:
    class Broken(Listener):
        def on_mark_price(self, mark: Any) -> None:
            raise ValueError("no")

    broken, other = Broken(), Listener()
    stage = Rehearsal([broken, other], [SPEC], subscriptions=["mark_price"])
    for _ in range(2):
        stage.event(RecordKind.MARK_PRICE, "BTCUSDT", SAMPLES[RecordKind.MARK_PRICE])
    stage.run()
    assert broken.status == 3
    assert len(other.read) == 2


# --- quotes and a book in doubt


class Quoter(Strategy):
    """Rests a quote, a reduce-only quote and a stop."""

    def on_start(self) -> None:
        self.submit("BTCUSDT", Side.BUY, "1", "10", post_only=True)
        self.submit("BTCUSDT", Side.SELL, "1", "20", reduce_only=True)
        self.submit("BTCUSDT", Side.SELL, "1", trigger="5", type=OrderType.STOP)


@pytest.mark.invariant("R09")
@pytest.mark.invariant("R10")
@pytest.mark.parametrize("state", [BookState.INVALID, BookState.CROSSED, BookState.STALE])
def test_a_book_in_doubt_takes_the_resting_quotes_along_but_no_protection(state: BookState) -> None:
    stage = Rehearsal([Quoter()], [SPEC])
    stage.book("BTCUSDT", [(100, 1)], [(200, 1)])
    stage.run()
    first, *others = [intent["handle"] for intent in stage.intents()]
    for handle in (first, *others):
        stage.accept(handle)
    stage.book("BTCUSDT", [(100, 1)], [(200, 1)], state)
    stage.run()
    assert [(intent["action"], intent["target_handle"]) for intent in stage.intents()] == [(IntentAction.CANCEL, first)]
    stage.book("BTCUSDT", [(100, 1)], [(200, 1)], state)
    stage.run()
    assert stage.intents() == []


# --- words


def test_every_subscription_has_a_callback_that_strategies_have() -> None:
    for row in SUBSCRIPTIONS.values():
        assert hasattr(Strategy, row.callback), row


def test_a_word_that_nobody_knows_or_hears_is_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="kline_ with one of 1s, 1m"):
        parse_subscription("kline_7m")
    with pytest.raises(StrategyLoadError, match="'mark_prise' is no subscription"):
        subscriptions_of(Listener(), ["mark_prise"])
    with pytest.raises(StrategyLoadError, match="'ticker' is for on_ticker, which Quoter has not"):
        subscriptions_of(Quoter(), ["ticker"])


def test_a_class_may_ask_for_what_it_cannot_do_without() -> None:
    class Needs(Listener):
        subscriptions: ClassVar[tuple[str, ...]] = ("kline_1m",)

    assert [row.name for row in subscriptions_of(Needs(), ["funding", "kline_1m"])] == ["kline_1m", "funding"]
