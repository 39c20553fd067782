"""Turns the USD-M core's events into stream frames: real-time streams at once, timed ones at their pace."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

from engine.sim.usdm.api import (
    AccountConfigUpdate,
    AccountUpdate,
    AggTrade,
    AlgoUpdate,
    BookDelta,
    ContractInfo,
    ForceOrder,
    Kline,
    MarginCall,
    MarkPriceUpdate,
    OrderTradeUpdate,
    TopOfBook,
    Trade,
    UsdmEvent,
    UsdmVenue,
)
from engine.sim.wire.faults import Faults
from engine.sim.wire.flawed_book import Untruths, flawed, flawed_top
from engine.sim.wire.usdm import data_json, event_json, market_json
from engine.sim.wire.usdm.config import UsdmWireConfig
from engine.sim.wire.usdm.digits import Digits
from engine.sim.wire.usdm.listen_keys import ListenKeys
from engine.sim.wire.usdm.stream_names import StreamKind, StreamSpec, parse

MS_NS = 1_000_000
SECOND_NS = 1_000_000_000
WHOLE_BOOK = 1_000
Build = Callable[[], bytes]
MarketEvent = TopOfBook | Trade | AggTrade | MarkPriceUpdate | ForceOrder | ContractInfo
UserEvent = OrderTradeUpdate | AccountUpdate | AlgoUpdate | AccountConfigUpdate | MarginCall
CANDLES: tuple[StreamKind, ...] = ("kline", "continuousKline")


class MarketSubscriber(Protocol):
    """A stream connection: whether it wants the combined wrapper."""

    combined: bool

    def deliver(self, frame: bytes) -> None:
        """Take one frame."""


class UserSubscriber(Protocol):
    """A private connection, which may have chosen some kinds of events."""

    combined: bool

    def deliver_event(self, frame: bytes) -> None:
        """Take one user data event."""

    def wants(self, event_name: str) -> bool:
        """Whether events of this kind are for it."""


class Window:
    """Levels changed since the last emission of one diff depth stream; ``previous_id`` links to that emission."""

    __slots__ = ("asks", "bids", "changed_ns", "first_id", "last_id", "previous_id")

    def __init__(self, last_id: int) -> None:
        self.restart(last_id)

    def restart(self, last_id: int) -> None:
        """Begin after update ``last_id``."""
        self.previous_id = self.last_id = last_id
        self.first_id = self.changed_ns = 0
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}

    def add(self, delta: BookDelta) -> None:
        """Take one level change."""
        (self.bids if delta.is_bid else self.asks)[delta.price_e8] = delta.qty_e8
        self.first_id = self.first_id or delta.update_id
        self.last_id, self.changed_ns = delta.update_id, delta.time_ns


class Channel:
    """One stream name and who listens to it."""

    __slots__ = ("marker", "name", "prefix", "previous_id", "seen_ids", "spec", "subscribers", "untruths", "window")

    def __init__(self, name: str, spec: StreamSpec) -> None:
        self.name = name
        self.spec = spec
        self.prefix = f'{{"stream":"{name}","data":'.encode()
        self.subscribers: dict[MarketSubscriber, None] = {}
        self.window: Window | None = None
        self.untruths = Untruths()
        self.previous_id = 0  # partial depth: the last update that was told
        self.marker: tuple[int, int] = (-1, -1)  # candles: opening time and number of trades told last
        self.seen_ids: dict[str, int] = {}  # array streams: each symbol's newest trade that was told

    def publish(self, frame: bytes) -> None:
        """Deliver a frame, wrapped for those who want it so."""
        wrapped = b""
        for subscriber in tuple(self.subscribers):
            if subscriber.combined:
                wrapped = wrapped or self.prefix + frame + b"}"
                subscriber.deliver(wrapped)
            else:
                subscriber.deliver(frame)


class UsdmPublisher:
    """Holds the streams and the private connections; fed with the core's events and with the time."""

    def __init__(
        self,
        core: UsdmVenue,
        wire: UsdmWireConfig,
        faults: Faults,
        listen_keys: ListenKeys,
        digits: dict[str, Digits],
        start_ns: int,
    ) -> None:
        self._core = core
        self._faults = faults
        self._keys = listen_keys
        self._digits = digits
        self._symbols = frozenset(digits)
        self._channels: dict[str, Channel] = {}
        self._users: dict[str, dict[UserSubscriber, None]] = {}
        self._windows: dict[str, list[Window]] = {symbol: [] for symbol in digits}
        self._changed_ns = dict.fromkeys(digits, start_ns)
        self._marks: dict[str, bytes] = {}
        self._is_third_second = False
        self._forced: dict[str, ForceOrder] = {}
        self._moved = False  # whether an @depth@0ms stream has something to tell in this turn
        self._timers: list[tuple[int, Callable[[int], None]]] = [
            (100 * MS_NS, lambda now_ns: self._emit_depth(100, now_ns)),
            (250 * MS_NS, lambda now_ns: self._emit_depth(250, now_ns)),
            (500 * MS_NS, lambda now_ns: self._emit_depth(500, now_ns)),
            (wire.kline_ms * MS_NS, self._emit_candles),
            (wire.ticker_ms * MS_NS, self._emit_tickers),
            (wire.force_order_ms * MS_NS, self._emit_forced),
            (SECOND_NS, self._emit_asset_index),
        ]
        self._due = [_boundary(start_ns, step_ns) for step_ns, _call in self._timers]

    def changed_ns(self, symbol: str) -> int:
        """When the symbol's book changed last (Unix ns)."""
        return self._changed_ns[symbol]

    # --- subscriptions ---

    def subscribe(self, name: str, subscriber: MarketSubscriber, route: str) -> None:
        """Add a listener; a name without meaning, or of another route, stays silent."""
        channel = self._channels.get(name)
        if channel is None:
            spec = parse(name, self._symbols)
            if spec is None or spec.route != route:
                return
            channel = self._channels[name] = Channel(name, spec)
            self._prepare(channel)
        elif channel.spec.route != route:
            return
        channel.subscribers[subscriber] = None

    def _prepare(self, channel: Channel) -> None:
        spec = channel.spec
        if spec.kind == "depth":
            channel.window = Window(self._core.depth(spec.symbol, 5).last_update_id)
            self._windows[spec.symbol].append(channel.window)

    def unsubscribe(self, name: str, subscriber: MarketSubscriber) -> None:
        """Remove a listener."""
        channel = self._channels.get(name)
        if channel is None:
            return
        channel.subscribers.pop(subscriber, None)
        if channel.subscribers:
            return
        del self._channels[name]
        if channel.window is not None:
            self._windows[channel.spec.symbol].remove(channel.window)

    def subscribe_user(self, listen_key: str, subscriber: UserSubscriber) -> None:
        """Send the events of the key's account; a dead key carries nothing."""
        if self._keys.account_of(listen_key) is not None:
            self._users.setdefault(listen_key, {})[subscriber] = None

    def unsubscribe_user(self, listen_key: str, subscriber: UserSubscriber) -> None:
        """Stop sending."""
        self._users.get(listen_key, {}).pop(subscriber, None)

    def forget_key(self, listen_key: str) -> None:
        """A key ended: its connections get nothing more."""
        self._users.pop(listen_key, None)

    def expire_key(self, listen_key: str, now_ns: int) -> None:
        """A key ran out: its connections are told, and get nothing more."""
        frame = event_json.listen_key_expired(listen_key, now_ns)
        self._deliver_user(listen_key, "listenKeyExpired", frame)
        self.forget_key(listen_key)

    # --- events ---

    def publish(self, events: list[UsdmEvent]) -> None:
        """Send what real-time streams and private connections make of ``events``, in their order."""
        for event in events:
            if isinstance(event, BookDelta):
                self._changed_ns[event.symbol] = event.time_ns
                for window in self._windows[event.symbol]:
                    window.add(event)
                self._moved = True
            elif isinstance(event, MarketEvent):
                self._market_event(event)
            else:
                self._user_event(event)
        if self._moved:
            self._moved = False
            self._emit_depth(0, 0)
        if self._marks:
            self._emit_mark_arrays()

    def _market_event(self, event: MarketEvent) -> None:
        if isinstance(event, TopOfBook):
            flaw = self._faults.ticker_flaw(event.symbol)
            top = flawed_top(flaw, event) if flaw else event
            best = (event.symbol.lower() + "@bookTicker", "!bookTicker")
            self._tell(best, lambda: market_json.book_ticker_event(top, self._digits[top.symbol]))
        elif isinstance(event, Trade):
            self._tell(
                (event.symbol.lower() + "@trade",), lambda: market_json.trade_event(event, self._digits[event.symbol])
            )
        elif isinstance(event, AggTrade):
            sums = (event.symbol.lower() + "@aggTrade",)
            self._tell(sums, lambda: market_json.agg_trade_event(event, self._digits[event.symbol]))
        elif isinstance(event, MarkPriceUpdate):
            self._mark_price(event)
        elif isinstance(event, ForceOrder):
            self._forced[event.order.symbol] = event
        else:
            self._contract_info(event)

    def _tell(self, names: tuple[str, ...], build: Build) -> None:
        """Build a frame when one of the streams has listeners, and send it on all of them."""
        channels = [channel for name in names if (channel := self._channels.get(name)) is not None]
        if channels:
            frame = build()
            for channel in channels:
                channel.publish(frame)

    def _mark_price(self, event: MarkPriceUpdate) -> None:
        frame = event_json.mark_price_update(event)
        self._marks[event.symbol] = frame
        self._is_third_second = event.event_ns // SECOND_NS % 3 == 0
        head = event.symbol.lower() + "@markPrice"
        self._tell((head + "@1s", head) if self._is_third_second else (head + "@1s",), lambda: frame)

    def _emit_mark_arrays(self) -> None:
        frame = b"[" + b",".join(self._marks.values()) + b"]"
        self._marks.clear()
        names = ("!markPrice@arr@1s", "!markPrice@arr") if self._is_third_second else ("!markPrice@arr@1s",)
        self._tell(names, lambda: frame)

    def _contract_info(self, event: ContractInfo) -> None:
        rules, brackets = self._core.rules(event.symbol), self._core.leverage_brackets(event.symbol)
        self._tell(("!contractInfo",), lambda: event_json.contract_info(event, rules, brackets))

    # --- user data ---

    def _user_event(self, event: UserEvent) -> None:
        key = self._keys.text_of(event.account_id)
        if key is None or key not in self._users:
            return
        for name, frame in self._user_frames(event):
            self._deliver_user(key, name, frame)

    def _user_frames(self, event: UserEvent) -> list[tuple[str, bytes]]:
        """An event's frames by name; a fill is told twice, first in brief."""
        if isinstance(event, OrderTradeUpdate):
            digits = self._digits[event.order.symbol]
            full = ("ORDER_TRADE_UPDATE", event_json.order_trade_update(event, digits))
            if event.execution_type != "TRADE":
                return [full]
            return [("TRADE_LITE", event_json.trade_lite(event, digits)), full]
        if isinstance(event, AccountUpdate):
            return [("ACCOUNT_UPDATE", event_json.account_update(event, self._digits))]
        if isinstance(event, AlgoUpdate):
            return [("ALGO_UPDATE", event_json.algo_update(event, self._digits[event.algo.symbol]))]
        if isinstance(event, AccountConfigUpdate):
            return [("ACCOUNT_CONFIG_UPDATE", event_json.account_config_update(event))]
        return [("MARGIN_CALL", event_json.margin_call(event, self._digits))]

    def _deliver_user(self, listen_key: str, name: str, frame: bytes) -> None:
        wrapped = b'{"stream":"%b","data":%b}' % (listen_key.encode(), frame)
        for subscriber in tuple(self._users.get(listen_key, ())):
            if subscriber.wants(name):
                subscriber.deliver_event(wrapped if subscriber.combined else frame)

    # --- timers ---

    def next_timer_ns(self) -> int:
        """When ``tick`` has something to do next (Unix ns)."""
        return min(self._due)

    def tick(self, now_ns: int) -> None:
        """Emit the timed streams whose moment has come; moments that were missed are not made up for."""
        for index, (step_ns, emit) in enumerate(self._timers):
            if now_ns >= self._due[index]:
                self._due[index] = _boundary(now_ns, step_ns)
                emit(now_ns)

    def _emit_depth(self, speed_ms: int, now_ns: int) -> None:
        """Diff and partial depth of one speed; at speed 0 an event bears the time of its last change."""
        for channel in tuple(self._channels.values()):
            spec = channel.spec
            if spec.kind == "depth" and spec.speed_ms == speed_ms and channel.window is not None:
                self._emit_diff(channel, channel.window, now_ns)
            elif spec.kind == "partialDepth" and spec.speed_ms == speed_ms:
                self._emit_partial(channel, now_ns)

    def _emit_diff(self, channel: Channel, window: Window, now_ns: int) -> None:
        if not window.first_id:
            return
        symbol, changed_ns = channel.spec.symbol, window.changed_ns
        ids = (window.first_id, window.last_id, window.previous_id)
        bids, asks = window.bids, window.asks
        window.restart(window.last_id)
        if self._faults.take_gap(symbol):
            return
        flaw = self._faults.take_book_flaw(symbol)
        if flaw or channel.untruths:
            false_bids, false_asks = self._untrue_levels(channel, flaw)
            bids, asks = bids | false_bids, asks | false_asks
        digits, event_ns = self._digits[symbol], now_ns or changed_ns
        frame = market_json.depth_update(symbol, digits, ids, bids.items(), asks.items(), event_ns, changed_ns)
        channel.publish(frame)

    def _untrue_levels(self, channel: Channel, flaw: str) -> tuple[dict[int, int], dict[int, int]]:
        """The levels that a fault adds, or those that put right what one has shown."""
        book = self._core.depth(channel.spec.symbol, WHOLE_BOOK)
        if not flaw:
            return channel.untruths.heal(book.bids, book.asks)
        levels = flawed(flaw, book.bids, book.asks)
        channel.untruths.remember(*levels)
        return levels

    def _emit_partial(self, channel: Channel, now_ns: int) -> None:
        symbol = channel.spec.symbol
        book = self._core.depth(symbol, int(channel.spec.argument))
        previous_id, last_id = channel.previous_id, book.last_update_id
        if last_id == previous_id:
            return
        channel.previous_id = last_id
        changed_ns = self._changed_ns[symbol]
        ids = (previous_id + 1 if previous_id else last_id, last_id, previous_id or last_id - 1)
        event_ns = now_ns or changed_ns
        channel.publish(
            market_json.depth_update(symbol, self._digits[symbol], ids, book.bids, book.asks, event_ns, changed_ns)
        )

    def _emit_candles(self, now_ns: int) -> None:
        for channel in tuple(self._channels.values()):
            if channel.spec.kind in CANDLES:
                self._emit_candle(channel, now_ns)

    def _emit_candle(self, channel: Channel, now_ns: int) -> None:
        """The running candle when it changed, after a last word on the one before it."""
        spec = channel.spec
        running = self._core.current_kline(spec.symbol, spec.argument, now_ns)
        told_open_ns, told_count = channel.marker
        if told_open_ns not in (-1, running.open_ns):
            closed = self._core.klines(spec.symbol, spec.argument, now_ns, start_ns=told_open_ns, limit=1)
            if closed and closed[0].open_ns == told_open_ns:
                self._publish_candle(channel, closed[0], True, now_ns)
        if (running.open_ns, running.trade_count) != (told_open_ns, told_count):
            channel.marker = (running.open_ns, running.trade_count)
            self._publish_candle(channel, running, False, now_ns)

    def _publish_candle(self, channel: Channel, kline: Kline, is_closed: bool, now_ns: int) -> None:
        spec = channel.spec
        write = market_json.kline_event if spec.kind == "kline" else market_json.continuous_event
        channel.publish(write(spec.symbol, spec.argument, kline, self._digits[spec.symbol], is_closed, now_ns))

    def _emit_tickers(self, now_ns: int) -> None:
        for channel in tuple(self._channels.values()):
            spec = channel.spec
            if spec.kind in ("miniTicker", "ticker"):
                channel.publish(self._ticker(spec, spec.symbol, now_ns))
            elif spec.kind in ("miniTickerAll", "tickerAll"):
                self._emit_all(channel, now_ns)

    def _ticker(self, spec: StreamSpec, symbol: str, now_ns: int) -> bytes:
        row, digits = self._core.ticker_24h(symbol, now_ns), self._digits[symbol]
        write = market_json.ticker_event if spec.kind in ("ticker", "tickerAll") else market_json.mini_ticker_event
        return write(row, digits, now_ns)

    def _emit_all(self, channel: Channel, now_ns: int) -> None:
        """The array streams carry only symbols that traded since the last emission."""
        newest = {symbol: self._newest_trade(symbol) for symbol in self._core.symbols()}
        changed = [symbol for symbol, trade_id in newest.items() if trade_id > channel.seen_ids.get(symbol, -1)]
        channel.seen_ids = newest
        if changed:
            channel.publish(b"[" + b",".join(self._ticker(channel.spec, name, now_ns) for name in changed) + b"]")

    def _newest_trade(self, symbol: str) -> int:
        trades = self._core.recent_trades(symbol, 1)
        return trades[-1].trade_id if trades else -1

    def _emit_forced(self, now_ns: int) -> None:
        """At most one liquidation a symbol and second: the last one."""
        forced, self._forced = self._forced, {}
        for symbol, event in forced.items():
            self._tell(
                (symbol.lower() + "@forceOrder", "!forceOrder@arr"),
                partial(event_json.force_order, event, self._digits[symbol], now_ns),
            )

    def _emit_asset_index(self, now_ns: int) -> None:
        assets = sorted({rules.margin_asset for rules in self._core.exchange_info()})
        self._tell(
            ("!assetIndex@arr",),
            lambda: b"[" + b",".join(data_json.asset_index_event(asset, now_ns) for asset in assets) + b"]",
        )


def _boundary(now_ns: int, step_ns: int) -> int:
    """The first multiple of ``step_ns`` after ``now_ns``."""
    return now_ns - now_ns % step_ns + step_ns
