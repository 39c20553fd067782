"""Market data of the core as the exchange's JSON, for REST, the WebSocket API and the streams.

Times arrive in nanoseconds and leave in milliseconds (``unit_ns`` 1_000_000) or microseconds (1_000).
"""

from __future__ import annotations

from collections.abc import Iterable

from engine.sim.api import AggTrade, AvgPrice, BookTicker, DepthSnapshot, Kline, Ticker24h, Trade

MS_NS = 1_000_000
E8 = 100_000_000
TRUTH = ("false", "true")


def e8(value: int) -> str:
    """Units of 1e-8 as text with eight decimals."""
    if value < 0:
        return "-" + e8(-value)
    return f"{value // E8}.{value % E8:08d}"


def levels(rows: Iterable[tuple[int, int]]) -> str:
    """Levels as ``["price","qty"]`` pairs."""
    return ",".join([f'["{price // E8}.{price % E8:08d}","{qty // E8}.{qty % E8:08d}"]' for price, qty in rows])


def depth(snapshot: DepthSnapshot) -> bytes:
    """A snapshot, for REST depth and the partial depth streams."""
    bids, asks = levels(snapshot.bids), levels(snapshot.asks)
    return f'{{"lastUpdateId":{snapshot.last_update_id},"bids":[{bids}],"asks":[{asks}]}}'.encode()


def kline_event(symbol: str, interval: str, kline: Kline, is_closed: bool, event_ns: int, unit_ns: int) -> bytes:
    """The kline stream's payload."""
    return (
        f'{{"e":"kline","E":{event_ns // unit_ns},"s":"{symbol}","k":{{"t":{kline.open_ns // unit_ns},'
        f'"T":{close_stamp(kline, unit_ns)},"s":"{symbol}","i":"{interval}","f":{kline.first_trade_id},'
        f'"L":{kline.last_trade_id},"o":"{e8(kline.open_e8)}","c":"{e8(kline.close_e8)}","h":"{e8(kline.high_e8)}",'
        f'"l":"{e8(kline.low_e8)}","v":"{e8(kline.volume_e8)}","n":{kline.trade_count},"x":{TRUTH[is_closed]},'
        f'"q":"{e8(kline.quote_volume_e8)}","V":"{e8(kline.taker_base_e8)}","Q":"{e8(kline.taker_quote_e8)}",'
        '"B":"0"}}'
    ).encode()


def close_stamp(kline: Kline, unit_ns: int) -> int:
    """A candle's closing time: one unit before the next candle opens."""
    return (kline.close_ns + 1) // unit_ns - 1 if (kline.close_ns + 1) % unit_ns == 0 else kline.close_ns // unit_ns


def kline_row(kline: Kline, unit_ns: int) -> str:
    """A candle as the twelve-element array of REST klines."""
    return (
        f'[{kline.open_ns // unit_ns},"{e8(kline.open_e8)}","{e8(kline.high_e8)}","{e8(kline.low_e8)}",'
        f'"{e8(kline.close_e8)}","{e8(kline.volume_e8)}",{close_stamp(kline, unit_ns)},'
        f'"{e8(kline.quote_volume_e8)}",{kline.trade_count},"{e8(kline.taker_base_e8)}",'
        f'"{e8(kline.taker_quote_e8)}","0"]'
    )


def trade_row(trade: Trade, unit_ns: int) -> str:
    """A trade as REST trades tells it; the quote quantity is rounded down."""
    return (
        f'{{"id":{trade.trade_id},"price":"{e8(trade.price_e8)}","qty":"{e8(trade.qty_e8)}",'
        f'"quoteQty":"{e8(trade.price_e8 * trade.qty_e8 // E8)}","time":{trade.time_ns // unit_ns},'
        f'"isBuyerMaker":{TRUTH[trade.is_buyer_maker]},"isBestMatch":true}}'
    )


def agg_trade_row(trade: AggTrade, unit_ns: int) -> str:
    """An aggregate trade as REST aggTrades tells it."""
    return (
        f'{{"a":{trade.agg_id},"p":"{e8(trade.price_e8)}","q":"{e8(trade.qty_e8)}","f":{trade.first_trade_id},'
        f'"l":{trade.last_trade_id},"T":{trade.time_ns // unit_ns},"m":{TRUTH[trade.is_buyer_maker]},"M":true}}'
    )


def avg_price(average: AvgPrice, unit_ns: int) -> str:
    """REST avgPrice."""
    return f'{{"mins":{average.mins},"price":"{e8(average.price_e8)}","closeTime":{average.last_trade_ns // unit_ns}}}'


def avg_price_event(average: AvgPrice, event_ns: int, unit_ns: int) -> bytes:
    """The avgPrice stream's payload."""
    return (
        f'{{"e":"avgPrice","E":{event_ns // unit_ns},"s":"{average.symbol}","i":"{average.mins}m",'
        f'"w":"{e8(average.price_e8)}","T":{average.last_trade_ns // unit_ns}}}'
    ).encode()


def percent(ticker: Ticker24h) -> str:
    """The change in percent with three decimals."""
    milli = ticker.change_percent_milli
    return f"{'-' if milli < 0 else ''}{abs(milli) // 1000}.{abs(milli) % 1000:03d}"


def ticker_full(ticker: Ticker24h, unit_ns: int) -> str:
    """REST ticker/24hr, type FULL."""
    return (
        f'{{"symbol":"{ticker.symbol}","priceChange":"{e8(ticker.change_e8)}","priceChangePercent":"{percent(ticker)}",'
        f'"weightedAvgPrice":"{e8(ticker.weighted_avg_e8)}","prevClosePrice":"{e8(ticker.prev_close_e8)}",'
        f'"lastPrice":"{e8(ticker.last_e8)}","lastQty":"{e8(ticker.last_qty_e8)}",'
        f'"bidPrice":"{e8(ticker.bid_price_e8)}","bidQty":"{e8(ticker.bid_qty_e8)}",'
        f'"askPrice":"{e8(ticker.ask_price_e8)}","askQty":"{e8(ticker.ask_qty_e8)}",{_window(ticker, unit_ns)}}}'
    )


def ticker_mini(ticker: Ticker24h, unit_ns: int) -> str:
    """REST ticker/24hr and ticker, type MINI."""
    return f'{{"symbol":"{ticker.symbol}","lastPrice":"{e8(ticker.last_e8)}",{_window(ticker, unit_ns)}}}'


def ticker_window(ticker: Ticker24h, unit_ns: int) -> str:
    """REST ticker, type FULL: no previous close, last quantity or best prices."""
    return (
        f'{{"symbol":"{ticker.symbol}","priceChange":"{e8(ticker.change_e8)}","priceChangePercent":"{percent(ticker)}",'
        f'"weightedAvgPrice":"{e8(ticker.weighted_avg_e8)}","lastPrice":"{e8(ticker.last_e8)}",'
        f"{_window(ticker, unit_ns)}}}"
    )


def _window(ticker: Ticker24h, unit_ns: int) -> str:
    return (
        f'"openPrice":"{e8(ticker.open_e8)}","highPrice":"{e8(ticker.high_e8)}","lowPrice":"{e8(ticker.low_e8)}",'
        f'"volume":"{e8(ticker.volume_e8)}","quoteVolume":"{e8(ticker.quote_volume_e8)}",'
        f'"openTime":{ticker.open_ns // unit_ns},"closeTime":{ticker.close_ns // unit_ns},'
        f'"firstId":{ticker.first_trade_id},"lastId":{ticker.last_trade_id},"count":{ticker.trade_count}'
    )


def ticker_event(ticker: Ticker24h, event_ns: int, unit_ns: int) -> bytes:
    """The ticker stream's payload."""
    return (
        f'{{"e":"24hrTicker","E":{event_ns // unit_ns},"s":"{ticker.symbol}","p":"{e8(ticker.change_e8)}",'
        f'"P":"{percent(ticker)}","w":"{e8(ticker.weighted_avg_e8)}","x":"{e8(ticker.prev_close_e8)}",'
        f'"c":"{e8(ticker.last_e8)}","Q":"{e8(ticker.last_qty_e8)}","b":"{e8(ticker.bid_price_e8)}",'
        f'"B":"{e8(ticker.bid_qty_e8)}","a":"{e8(ticker.ask_price_e8)}","A":"{e8(ticker.ask_qty_e8)}",'
        f"{_event_window(ticker, unit_ns)}}}"
    ).encode()


def window_ticker_event(name: str, ticker: Ticker24h, event_ns: int, unit_ns: int) -> bytes:
    """The payload of a rolling-window ticker stream; ``name`` as ``1hTicker``."""
    return (
        f'{{"e":"{name}","E":{event_ns // unit_ns},"s":"{ticker.symbol}","p":"{e8(ticker.change_e8)}",'
        f'"P":"{percent(ticker)}","c":"{e8(ticker.last_e8)}","w":"{e8(ticker.weighted_avg_e8)}",'
        f"{_event_window(ticker, unit_ns)}}}"
    ).encode()


def _event_window(ticker: Ticker24h, unit_ns: int) -> str:
    return (
        f'"o":"{e8(ticker.open_e8)}","h":"{e8(ticker.high_e8)}","l":"{e8(ticker.low_e8)}",'
        f'"v":"{e8(ticker.volume_e8)}","q":"{e8(ticker.quote_volume_e8)}","O":{ticker.open_ns // unit_ns},'
        f'"C":{ticker.close_ns // unit_ns},"F":{ticker.first_trade_id},"L":{ticker.last_trade_id},'
        f'"n":{ticker.trade_count}'
    )


def mini_ticker_event(ticker: Ticker24h, event_ns: int, unit_ns: int) -> bytes:
    """The miniTicker stream's payload."""
    return (
        f'{{"e":"24hrMiniTicker","E":{event_ns // unit_ns},"s":"{ticker.symbol}","c":"{e8(ticker.last_e8)}",'
        f'"o":"{e8(ticker.open_e8)}","h":"{e8(ticker.high_e8)}","l":"{e8(ticker.low_e8)}",'
        f'"v":"{e8(ticker.volume_e8)}","q":"{e8(ticker.quote_volume_e8)}"}}'
    ).encode()


def book_ticker_row(top: BookTicker) -> str:
    """REST ticker/bookTicker."""
    return (
        f'{{"symbol":"{top.symbol}","bidPrice":"{e8(top.bid_price_e8)}","bidQty":"{e8(top.bid_qty_e8)}",'
        f'"askPrice":"{e8(top.ask_price_e8)}","askQty":"{e8(top.ask_qty_e8)}"}}'
    )


def price_row(ticker: Ticker24h) -> str:
    """REST ticker/price."""
    return f'{{"symbol":"{ticker.symbol}","price":"{e8(ticker.last_e8)}"}}'
