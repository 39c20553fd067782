"""USD-M market data as the exchange's JSON: REST rows and stream events. Times leave in milliseconds.

Stream events carry ``ps`` (pair) and ``st`` (1: USD-M), as they do since the two futures markets share streams.
"""

from __future__ import annotations

from collections.abc import Iterable

from engine.sim.api import AggTrade, BookTicker, DepthSnapshot, Kline, Ticker24h, TopOfBook, Trade
from engine.sim.wire.usdm.digits import Digits, fixed

MS_NS = 1_000_000
E8 = 100_000_000
TRUTH = ("false", "true")
ST = ',"st":1'


def origin(symbol: str) -> str:
    """The pair and the market that an event belongs to."""
    return f',"ps":"{symbol}"{ST}'


# --- order book ----------------------------------------------------------------------------------------------------


def depth(snapshot: DepthSnapshot, digits: Digits, event_ns: int, change_ns: int) -> bytes:
    """REST depth."""
    return (
        f'{{"lastUpdateId":{snapshot.last_update_id},"E":{event_ns // MS_NS},"T":{change_ns // MS_NS},'
        f'"bids":[{digits.levels(snapshot.bids)}],"asks":[{digits.levels(snapshot.asks)}]}}'
    ).encode()


def depth_update(
    symbol: str,
    digits: Digits,
    ids: tuple[int, int, int],
    bids: Iterable[tuple[int, int]],
    asks: Iterable[tuple[int, int]],
    event_ns: int,
    change_ns: int,
) -> bytes:
    """A diff or partial depth event; ``ids`` are its first and last update and the last of the event before."""
    first_id, last_id, previous_id = ids
    return (
        f'{{"e":"depthUpdate","E":{event_ns // MS_NS},"T":{change_ns // MS_NS},"s":"{symbol}","ps":"{symbol}",'
        f'"U":{first_id},"u":{last_id},"pu":{previous_id},"b":[{digits.levels(bids)}],"a":[{digits.levels(asks)}]{ST}}}'
    ).encode()


def book_ticker_event(top: TopOfBook, digits: Digits) -> bytes:
    """The bookTicker stream's payload."""
    stamp = top.time_ns // MS_NS
    return (
        f'{{"e":"bookTicker","u":{top.update_id},"s":"{top.symbol}","ps":"{top.symbol}",'
        f'"b":"{digits.price(top.bid_price_e8)}","B":"{digits.qty(top.bid_qty_e8)}",'
        f'"a":"{digits.price(top.ask_price_e8)}","A":"{digits.qty(top.ask_qty_e8)}","T":{stamp},"E":{stamp}{ST}}}'
    ).encode()


def book_ticker_row(top: BookTicker, digits: Digits, time_ns: int, is_strict: bool) -> str:
    """REST ticker/bookTicker; ``lastUpdateId`` is seen live and documented nowhere."""
    seen = "" if is_strict else f',"lastUpdateId":{top.update_id}'
    return (
        f'{{"symbol":"{top.symbol}","bidPrice":"{digits.price(top.bid_price_e8)}",'
        f'"bidQty":"{digits.qty(top.bid_qty_e8)}","askPrice":"{digits.price(top.ask_price_e8)}",'
        f'"askQty":"{digits.qty(top.ask_qty_e8)}","time":{time_ns // MS_NS}{seen}}}'
    )


# --- trades --------------------------------------------------------------------------------------------------------


def trade_event(trade: Trade, digits: Digits) -> bytes:
    """The trade stream's payload."""
    stamp = trade.time_ns // MS_NS
    return (
        f'{{"e":"trade","E":{stamp},"T":{stamp},"s":"{trade.symbol}","t":{trade.trade_id},'
        f'"p":"{digits.price(trade.price_e8)}","q":"{digits.qty(trade.qty_e8)}","X":"MARKET",'
        f'"m":{TRUTH[trade.is_buyer_maker]}{ST}}}'
    ).encode()


def agg_trade_event(trade: AggTrade, digits: Digits) -> bytes:
    """The aggTrade stream's payload; nothing here is retail price improvement, so ``nq`` is ``q``."""
    stamp, qty = trade.time_ns // MS_NS, digits.qty(trade.qty_e8)
    return (
        f'{{"e":"aggTrade","E":{stamp},"s":"{trade.symbol}","a":{trade.agg_id},"p":"{digits.price(trade.price_e8)}",'
        f'"q":"{qty}","nq":"{qty}","f":{trade.first_trade_id},"l":{trade.last_trade_id},"T":{stamp},'
        f'"m":{TRUTH[trade.is_buyer_maker]}{ST}}}'
    ).encode()


def trade_row(trade: Trade, digits: Digits) -> str:
    """REST trades and historicalTrades."""
    quote_e8 = trade.price_e8 * trade.qty_e8 // E8
    return (
        f'{{"id":{trade.trade_id},"price":"{digits.price(trade.price_e8)}","qty":"{digits.qty(trade.qty_e8)}",'
        f'"quoteQty":"{fixed(quote_e8, 2)}","time":{trade.time_ns // MS_NS},'
        f'"isBuyerMaker":{TRUTH[trade.is_buyer_maker]},"isRPITrade":false}}'
    )


def agg_trade_row(trade: AggTrade, digits: Digits) -> str:
    """REST aggTrades."""
    qty = digits.qty(trade.qty_e8)
    return (
        f'{{"a":{trade.agg_id},"p":"{digits.price(trade.price_e8)}","q":"{qty}","nq":"{qty}",'
        f'"f":{trade.first_trade_id},"l":{trade.last_trade_id},"T":{trade.time_ns // MS_NS},'
        f'"m":{TRUTH[trade.is_buyer_maker]}}}'
    )


# --- candles and statistics ----------------------------------------------------------------------------------------


def close_ms(kline: Kline) -> int:
    """A candle's closing time: a millisecond before the next opens."""
    return (kline.close_ns + 1) // MS_NS - 1 if (kline.close_ns + 1) % MS_NS == 0 else kline.close_ns // MS_NS


def kline_row(kline: Kline, digits: Digits) -> str:
    """REST klines and continuousKlines."""
    return (
        f'[{kline.open_ns // MS_NS},"{digits.price(kline.open_e8)}","{digits.price(kline.high_e8)}",'
        f'"{digits.price(kline.low_e8)}","{digits.price(kline.close_e8)}","{digits.qty(kline.volume_e8)}",'
        f'{close_ms(kline)},"{digits.quote(kline.quote_volume_e8)}",{kline.trade_count},'
        f'"{digits.qty(kline.taker_base_e8)}","{digits.quote(kline.taker_quote_e8)}","0"]'
    )


def price_kline_row(kline: Kline) -> str:
    """A candle of the mark price, the index or the premium: prices with eight decimals and no volume."""
    prices = ",".join(f'"{fixed(row, 8)}"' for row in (kline.open_e8, kline.high_e8, kline.low_e8, kline.close_e8))
    return f'[{kline.open_ns // MS_NS},{prices},"0",{close_ms(kline)},"0",{kline.trade_count},"0","0","0"]'


def _candle(kline: Kline, interval: str, digits: Digits, is_closed: bool, symbol: str) -> str:
    return (
        f'"k":{{"t":{kline.open_ns // MS_NS},"T":{close_ms(kline)},{symbol}"i":"{interval}",'
        f'"f":{kline.first_trade_id},"L":{kline.last_trade_id},"o":"{digits.price(kline.open_e8)}",'
        f'"c":"{digits.price(kline.close_e8)}","h":"{digits.price(kline.high_e8)}","l":"{digits.price(kline.low_e8)}",'
        f'"v":"{digits.qty(kline.volume_e8)}","n":{kline.trade_count},"x":{TRUTH[is_closed]},'
        f'"q":"{digits.quote(kline.quote_volume_e8)}","V":"{digits.qty(kline.taker_base_e8)}",'
        f'"Q":"{digits.quote(kline.taker_quote_e8)}","B":"0"}}'
    )


def kline_event(symbol: str, interval: str, kline: Kline, digits: Digits, is_closed: bool, event_ns: int) -> bytes:
    """The kline stream's payload."""
    candle = _candle(kline, interval, digits, is_closed, f'"s":"{symbol}",')
    head = f'{{"e":"kline","E":{event_ns // MS_NS},"s":"{symbol}"'
    return f"{head},{candle}{origin(symbol)}}}".encode()


def continuous_event(symbol: str, interval: str, kline: Kline, digits: Digits, is_closed: bool, event_ns: int) -> bytes:
    """The continuousKline stream's payload."""
    candle = _candle(kline, interval, digits, is_closed, "")
    head = f'{{"e":"continuous_kline","E":{event_ns // MS_NS},"ps":"{symbol}","ct":"PERPETUAL"'
    return f"{head},{candle}{ST}}}".encode()


def percent(ticker: Ticker24h) -> str:
    """The change in percent with three decimals."""
    milli = ticker.change_percent_milli
    return f"{'-' if milli < 0 else ''}{abs(milli) // 1000}.{abs(milli) % 1000:03d}"


def ticker_row(ticker: Ticker24h, digits: Digits) -> str:
    """REST ticker/24hr."""
    return (
        f'{{"symbol":"{ticker.symbol}","priceChange":"{digits.price(ticker.change_e8)}",'
        f'"priceChangePercent":"{percent(ticker)}","weightedAvgPrice":"{digits.price(ticker.weighted_avg_e8)}",'
        f'"lastPrice":"{digits.price(ticker.last_e8)}","lastQty":"{digits.qty(ticker.last_qty_e8)}",'
        f'"openPrice":"{digits.price(ticker.open_e8)}","highPrice":"{digits.price(ticker.high_e8)}",'
        f'"lowPrice":"{digits.price(ticker.low_e8)}","volume":"{digits.qty(ticker.volume_e8)}",'
        f'"quoteVolume":"{digits.quote(ticker.quote_volume_e8)}","openTime":{ticker.open_ns // MS_NS},'
        f'"closeTime":{ticker.close_ns // MS_NS},"firstId":{ticker.first_trade_id},"lastId":{ticker.last_trade_id},'
        f'"count":{ticker.trade_count}}}'
    )


def ticker_event(ticker: Ticker24h, digits: Digits, event_ns: int) -> bytes:
    """The ticker stream's payload (no best prices, unlike spot's)."""
    return (
        f'{{"e":"24hrTicker","E":{event_ns // MS_NS},"s":"{ticker.symbol}","p":"{digits.price(ticker.change_e8)}",'
        f'"P":"{percent(ticker)}","w":"{digits.price(ticker.weighted_avg_e8)}","c":"{digits.price(ticker.last_e8)}",'
        f'"Q":"{digits.qty(ticker.last_qty_e8)}","o":"{digits.price(ticker.open_e8)}",'
        f'"h":"{digits.price(ticker.high_e8)}","l":"{digits.price(ticker.low_e8)}","v":"{digits.qty(ticker.volume_e8)}",'
        f'"q":"{digits.quote(ticker.quote_volume_e8)}","O":{ticker.open_ns // MS_NS},"C":{ticker.close_ns // MS_NS},'
        f'"F":{ticker.first_trade_id},"L":{ticker.last_trade_id},"n":{ticker.trade_count}{origin(ticker.symbol)}}}'
    ).encode()


def mini_ticker_event(ticker: Ticker24h, digits: Digits, event_ns: int) -> bytes:
    """The miniTicker stream's payload."""
    return (
        f'{{"e":"24hrMiniTicker","E":{event_ns // MS_NS},"s":"{ticker.symbol}","c":"{digits.price(ticker.last_e8)}",'
        f'"o":"{digits.price(ticker.open_e8)}","h":"{digits.price(ticker.high_e8)}",'
        f'"l":"{digits.price(ticker.low_e8)}","v":"{digits.qty(ticker.volume_e8)}",'
        f'"q":"{digits.quote(ticker.quote_volume_e8)}"{origin(ticker.symbol)}}}'
    ).encode()


def price_row(symbol: str, price_e8: int, digits: Digits, time_ns: int) -> str:
    """REST ticker/price, v1 and v2."""
    return f'{{"symbol":"{symbol}","price":"{digits.price(price_e8)}","time":{time_ns // MS_NS}}}'
