"""Turns the core's events into stream frames: one frame built once and handed to every subscriber of its stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from engine.sim import frame_text
from engine.sim.api import (
    AccountPosition,
    AggTrade,
    BalanceUpdate,
    BookDelta,
    ExecutionReport,
    Kline,
    ListStatus,
    TopOfBook,
    Trade,
    Venue,
    VenueEvent,
)
from engine.sim.wire import list_json, market_json, order_json
from engine.sim.wire.config import WireConfig
from engine.sim.wire.faults import Faults
from engine.sim.wire.flawed_book import Untruths, flawed, flawed_top
from engine.sim.wire.stream_names import WINDOW_SECONDS, StreamSpec, parse

MS_NS = 1_000_000
SECOND_NS = 1_000_000_000
WHOLE_BOOK = 5_000
Build = Callable[[int], bytes]


class MarketSubscriber(Protocol):
    """A market connection: whether it wants the combined wrapper, and its unit of time in nanoseconds."""

    combined: bool
    unit_ns: int

    def deliver(self, frame: bytes) -> None:
        """Take one frame."""


class UserSubscriber(Protocol):
    """A WebSocket API connection with a user data subscription."""

    unit_ns: int

    def deliver_event(self, frame: bytes) -> None:
        """Take one user data event."""


class DiffWindow:
    """Levels changed since the last emission of one diff depth stream, so that its id ranges touch without a hole."""

    __slots__ = ("asks", "bids", "first_id", "last_id")

    def __init__(self, last_id: int) -> None:
        self.restart(last_id)

    def restart(self, last_id: int) -> None:
        """Begin after update ``last_id``."""
        self.first_id = last_id + 1
        self.last_id = last_id
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}

    def add(self, delta: BookDelta) -> None:
        """Take one level change."""
        (self.bids if delta.is_bid else self.asks)[delta.price_e8] = delta.qty_e8
        self.last_id = delta.update_id


class Channel:
    """One stream name and who listens to it."""

    __slots__ = ("marker", "name", "prefix", "seen_ids", "spec", "subscribers", "untruths", "window")

    def __init__(self, name: str, spec: StreamSpec | None) -> None:
        self.name = name
        self.prefix = f'{{"stream":"{name}","data":'.encode()
        self.spec = spec
        self.subscribers: dict[MarketSubscriber, None] = {}
        self.window: DiffWindow | None = None
        self.untruths = Untruths()
        self.marker = -1  # what was emitted last: an update id or a candle's opening time
        self.seen_ids: dict[str, int] = {}  # array streams: each symbol's newest trade that was told

    def publish(self, build: Build) -> None:
        """Build the frame once for each form that is wanted (unit of time, wrapper) and deliver it."""
        frames: dict[tuple[int, bool], bytes] = {}
        for subscriber in tuple(self.subscribers):
            form = (subscriber.unit_ns, subscriber.combined)
            frame = frames.get(form)
            if frame is None:
                frame = build(form[0])
                if form[1]:
                    frame = self.prefix + frame + b"}"
                frames[form] = frame
            subscriber.deliver(frame)


class Publisher:
    """Holds the streams and user data subscriptions; fed with the core's events and with the time."""

    def __init__(self, core: Venue, wire: WireConfig, faults: Faults, start_ns: int) -> None:
        self._core = core
        self._faults = faults
        self.symbols = frozenset(core.symbols())
        self._channels: dict[str, Channel] = {}
        self._users: dict[int, dict[UserSubscriber, int]] = {}
        self._diffs: dict[str, list[DiffWindow]] = {symbol: [] for symbol in self.symbols}
        self._fast_ns = wire.depth_fast_ms * MS_NS
        self._slow_ns = wire.depth_slow_ms * MS_NS
        self._next_fast_ns = _boundary(start_ns, self._fast_ns)
        self._next_slow_ns = _boundary(start_ns, self._slow_ns)
        self._next_second_ns = _boundary(start_ns, SECOND_NS)
        self.on_first_fill: Callable[[int, int], None] = lambda _account_id, _now_ns: None

    # --- subscriptions ---

    def subscribe(self, name: str, subscriber: MarketSubscriber) -> None:
        """Add a listener to the stream ``name`` (a name without meaning stays silent)."""
        channel = self._channels.get(name)
        if channel is None:
            channel = self._channels[name] = Channel(name, parse(name, self.symbols))
        spec = channel.spec
        if spec is not None and spec.kind == "depth" and channel.window is None:
            channel.window = DiffWindow(self._core.depth(spec.symbol, 1).last_update_id)
            self._diffs[spec.symbol].append(channel.window)
        if spec is not None and spec.kind == "partialDepth":
            channel.marker = -1
        channel.subscribers[subscriber] = None

    def unsubscribe(self, name: str, subscriber: MarketSubscriber) -> None:
        """Remove a listener."""
        channel = self._channels.get(name)
        if channel is None:
            return
        channel.subscribers.pop(subscriber, None)
        if channel.subscribers:
            return
        del self._channels[name]
        if channel.window is not None and channel.spec is not None:
            self._diffs[channel.spec.symbol].remove(channel.window)

    def subscribe_user(self, account_id: int, subscriber: UserSubscriber, subscription_id: int) -> None:
        """Send the account's events to ``subscriber`` under ``subscription_id``."""
        self._users.setdefault(account_id, {})[subscriber] = subscription_id

    def unsubscribe_user(self, account_id: int, subscriber: UserSubscriber) -> None:
        """Stop sending the account's events."""
        self._users.get(account_id, {}).pop(subscriber, None)

    # --- events ---

    def publish(self, events: list[VenueEvent]) -> None:
        """Send what real-time streams and user data subscriptions make of ``events``, in their order."""
        for event in events:
            if isinstance(event, BookDelta):
                for window in self._diffs[event.symbol]:
                    window.add(event)
            elif isinstance(event, TopOfBook):
                flaw = self._faults.ticker_flaw(event.symbol)
                top = flawed_top(flaw, event) if flaw else event
                self._real_time(event.symbol, "@bookTicker", _top_builder(top))
            elif isinstance(event, Trade):
                self._real_time(event.symbol, "@trade", _trade_builder(event))
            elif isinstance(event, AggTrade):
                self._real_time(event.symbol, "@aggTrade", _agg_trade_builder(event))
            else:
                self._user_event(event)

    def _real_time(self, symbol: str, tail: str, build: Build) -> None:
        channel = self._channels.get(symbol.lower() + tail)
        if channel is not None:
            channel.publish(build)

    def _user_event(self, event: ExecutionReport | AccountPosition | BalanceUpdate | ListStatus) -> None:
        if isinstance(event, ExecutionReport):
            if event.execution_type == "TRADE" and event.cum_qty_e8 == event.last_qty_e8:
                self.on_first_fill(event.account_id, event.event_ns)
            build = _report_builder(event)
        elif isinstance(event, AccountPosition):
            build = _position_builder(event)
        elif isinstance(event, ListStatus):
            build = _list_builder(event)
        else:
            build = _balance_builder(event)
        listeners = self._users.get(event.account_id)
        if not listeners:
            return
        for subscriber, subscription_id in tuple(listeners.items()):
            frame = b'{"subscriptionId":%d,"event":%b}' % (subscription_id, build(subscriber.unit_ns))
            subscriber.deliver_event(frame)

    # --- timers ---

    def next_timer_ns(self) -> int:
        """When ``tick`` has something to do next (Unix ns)."""
        return min(self._next_fast_ns, self._next_slow_ns, self._next_second_ns)

    def tick(self, now_ns: int) -> None:
        """Emit the timed streams whose moment has come; moments that were missed are not made up for."""
        if now_ns >= self._next_fast_ns:
            self._next_fast_ns = _boundary(now_ns, self._fast_ns)
            self._emit_depth(True, now_ns)
        if now_ns >= self._next_slow_ns:
            self._next_slow_ns = _boundary(now_ns, self._slow_ns)
            self._emit_depth(False, now_ns)
        if now_ns >= self._next_second_ns:
            self._next_second_ns = _boundary(now_ns, SECOND_NS)
            self._emit_statistics(now_ns)

    def _emit_depth(self, fast: bool, now_ns: int) -> None:
        for channel in tuple(self._channels.values()):
            spec = channel.spec
            if spec is None or spec.fast is not fast:
                continue
            if channel.window is not None:
                self._emit_diff(channel, channel.window, spec.symbol, now_ns)
            elif spec.kind == "partialDepth":
                self._emit_partial(channel, spec)

    def _emit_diff(self, channel: Channel, window: DiffWindow, symbol: str, now_ns: int) -> None:
        if window.last_id < window.first_id:
            return
        first_id, last_id, bids, asks = window.first_id, window.last_id, window.bids, window.asks
        window.restart(last_id)
        if self._faults.take_gap(symbol):
            return
        flaw = self._faults.take_book_flaw(symbol)
        if flaw or channel.untruths:
            book = self._core.depth(symbol, WHOLE_BOOK)
            false_bids, false_asks = (
                flawed(flaw, book.bids, book.asks) if flaw else channel.untruths.heal(book.bids, book.asks)
            )
            bids, asks = bids | false_bids, asks | false_asks
            if flaw:
                channel.untruths.remember(false_bids, false_asks)
        channel.publish(lambda unit_ns: frame_text.depth_update(symbol, first_id, last_id, bids, asks, now_ns, unit_ns))

    def _emit_partial(self, channel: Channel, spec: StreamSpec) -> None:
        snapshot = self._core.depth(spec.symbol, int(spec.argument))
        if snapshot.last_update_id == channel.marker:
            return
        channel.marker = snapshot.last_update_id
        frame = market_json.depth(snapshot)
        channel.publish(lambda _unit_ns: frame)

    def _emit_statistics(self, now_ns: int) -> None:
        is_even = now_ns // SECOND_NS % 2 == 0
        for channel in tuple(self._channels.values()):
            spec = channel.spec
            if spec is None:
                continue
            if spec.kind == "kline" and (is_even or spec.argument == "1s"):
                self._emit_kline(channel, spec, now_ns)
            elif spec.kind in ("miniTicker", "ticker", "windowTicker", "avgPrice"):
                self._emit_ticker(channel, spec, now_ns)
            elif spec.kind in ("miniTickerAll", "windowTickerAll"):
                self._emit_all(channel, spec, now_ns)

    def _emit_kline(self, channel: Channel, spec: StreamSpec, now_ns: int) -> None:
        running = self._core.current_kline(spec.symbol, spec.argument, now_ns)
        if channel.marker not in (-1, running.open_ns):
            closed = self._core.klines(spec.symbol, spec.argument, now_ns, start_ns=channel.marker, limit=1)
            if closed and closed[0].open_ns == channel.marker:
                self._publish_kline(channel, spec, closed[0], True, now_ns)
        channel.marker = running.open_ns
        self._publish_kline(channel, spec, running, False, now_ns)

    def _publish_kline(self, channel: Channel, spec: StreamSpec, kline: Kline, closed: bool, now_ns: int) -> None:
        channel.publish(
            lambda unit_ns: market_json.kline_event(spec.symbol, spec.argument, kline, closed, now_ns, unit_ns)
        )

    def _emit_ticker(self, channel: Channel, spec: StreamSpec, now_ns: int) -> None:
        if spec.kind == "avgPrice":
            average = self._core.avg_price(spec.symbol, now_ns)
            channel.publish(lambda unit_ns: market_json.avg_price_event(average, now_ns, unit_ns))
            return
        channel.publish(lambda unit_ns: self._ticker(spec, spec.symbol, now_ns, unit_ns))

    def _ticker(self, spec: StreamSpec, symbol: str, now_ns: int, unit_ns: int) -> bytes:
        if spec.kind in ("windowTicker", "windowTickerAll"):
            window_ns = WINDOW_SECONDS[spec.argument] * SECOND_NS
            rolling = self._core.ticker_window(symbol, window_ns, now_ns)
            return market_json.window_ticker_event(f"{spec.argument}Ticker", rolling, now_ns, unit_ns)
        ticker = self._core.ticker_24h(symbol, now_ns)
        if spec.kind == "ticker":
            return market_json.ticker_event(ticker, now_ns, unit_ns)
        return market_json.mini_ticker_event(ticker, now_ns, unit_ns)

    def _emit_all(self, channel: Channel, spec: StreamSpec, now_ns: int) -> None:
        """The array streams carry only symbols that traded since the last emission."""
        last_ids = {symbol: self._last_trade_id(symbol) for symbol in self._core.symbols()}
        changed = [symbol for symbol, last_id in last_ids.items() if last_id > channel.seen_ids.get(symbol, -1)]
        if not changed:
            return
        channel.seen_ids = last_ids
        channel.publish(
            lambda unit_ns: b"[" + b",".join(self._ticker(spec, name, now_ns, unit_ns) for name in changed) + b"]"
        )

    def _last_trade_id(self, symbol: str) -> int:
        trades = self._core.recent_trades(symbol, 1)
        return trades[-1].trade_id if trades else -1


def _boundary(now_ns: int, step_ns: int) -> int:
    """The first multiple of ``step_ns`` after ``now_ns``."""
    return now_ns - now_ns % step_ns + step_ns


def _top_builder(event: TopOfBook) -> Build:
    return lambda _unit_ns: frame_text.book_ticker_event(event)


def _trade_builder(event: Trade) -> Build:
    return lambda unit_ns: frame_text.trade_event(event, unit_ns)


def _agg_trade_builder(event: AggTrade) -> Build:
    return lambda unit_ns: frame_text.agg_trade_event(event, unit_ns)


def _report_builder(event: ExecutionReport) -> Build:
    return lambda unit_ns: order_json.execution_report(event, unit_ns)


def _position_builder(event: AccountPosition) -> Build:
    return lambda unit_ns: order_json.account_position(event, unit_ns)


def _list_builder(event: ListStatus) -> Build:
    return lambda unit_ns: list_json.list_status(event, unit_ns)


def _balance_builder(event: BalanceUpdate) -> Build:
    return lambda unit_ns: order_json.balance_update(event, unit_ns)
