"""Slow, obvious twin of the venue's frame decoders: JSON by the library, decimals by the library, every rule written out.

`market`, `own` and `user` give what the compiled codecs must read a frame as, with the names of the record's payload. They raise
Refused where it must not be read, and Unsure where the rules leave a choice that a comparison is not to insist on (a symbol of
nobody with a fault elsewhere, text that only differs by escapes).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

# What a frame is, and the sides, as the journal numbers them: written down here again, not taken from the engine.
DEPTH_DIFF, DEPTH_SNAPSHOT, BOOK_TICKER, TRADE, AGG_TRADE, MARKET_FRAME_OTHER = 1, 2, 3, 4, 5, 6
KLINE, MARK_PRICE = 9, 12
BUY, SELL = 0, 1
SIDES = {"BUY": BUY, "SELL": SELL}

INT64 = 2**63 - 1
UINT64 = 2**64 - 1
DEEP = 24
DECIMAL = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]{1,8})0*)?", re.ASCII)
DIGITS = re.compile(r"0|[1-9][0-9]*", re.ASCII)
SIGNED_DIGITS = re.compile(r"-?(0|[1-9][0-9]*)", re.ASCII)


class Refused(Exception):
    """The frame must be refused."""


class Unsure(Exception):
    """Either is right."""


class Number(str):
    """A number as it stands in the text."""


class Pairs(list[tuple[str, Any]]):
    """An object's keys and values in order, repeated ones too."""

    def one(self, key: str) -> Any:
        """The value of a key that may stand once; Refused where it stands twice, KeyError where it is not there."""
        found = [value for name, value in self if name == key]
        if len(found) > 1:
            raise Refused(f"{key} stands twice")
        if not found:
            raise KeyError(key)
        return found[0]

    def has(self, key: str) -> bool:
        return any(name == key for name, _ in self)


Read = Callable[[Any], Any]
Rules = dict[str, tuple[str, Read]]


def refuse_constant(text: str) -> None:
    raise Refused(text)


def strict(text: bytes) -> Any:
    """The whole text as JSON, keys in order and numbers as they stand."""
    if b"\\" in text:
        raise Unsure("escapes")
    try:
        value = json.loads(
            text.decode(),
            object_pairs_hook=Pairs,
            parse_int=Number,
            parse_float=Number,
            parse_constant=refuse_constant,
        )
    except (ValueError, RecursionError):
        raise Refused("no JSON") from None
    if text.startswith(b"\xef\xbb\xbf"):
        raise Refused("a mark of byte order")
    if depth_of(value) > DEEP:
        raise Unsure("deep")
    return value


def depth_of(value: Any) -> int:
    if isinstance(value, Pairs):
        return 1 + max((depth_of(inner) for _, inner in value), default=0)
    return 1 + max((depth_of(inner) for inner in value), default=0) if isinstance(value, list) else 0


# --- values ---------------------------------------------------------------------------------------------------------


def uint(value: Any) -> int:
    if not isinstance(value, Number) or not DIGITS.fullmatch(value) or int(value) > UINT64:
        raise Refused(f"{value!r} is no id")
    return int(value)


def whole(value: Any) -> int:
    if not isinstance(value, Number) or not SIGNED_DIGITS.fullmatch(value) or abs(int(value)) > INT64:
        raise Refused(f"{value!r} is no integer")
    return int(value)


def stamp(value: Any) -> int:
    """ns of milliseconds, or of microseconds where that many would be far in the future; perhaps quoted."""
    if not isinstance(value, str) or not DIGITS.fullmatch(value) or int(value) > UINT64:
        raise Refused(f"{value!r} is no time")
    units = int(value)
    if units >= 100_000_000_000_000:
        if units >= 9_000_000_000_000_000:
            raise Refused("a time out of range")
        return units * 1_000
    if units >= 9_000_000_000_000:
        raise Refused("a time out of range")
    return units * 1_000_000


def text(value: Any) -> str:
    if not isinstance(value, str) or isinstance(value, Number):
        raise Refused(f"{value!r} is no text")
    return value


def signed_e8(value: Any) -> int:
    match = DECIMAL.fullmatch(text(value))
    if not match:
        raise Refused(f"{value!r} is no decimal")
    exact = Decimal(f"{match[1]}{match[2]}.{match[3] or 0}")
    numerator, denominator = exact.as_integer_ratio()
    scaled = numerator * 10**8 // denominator
    if abs(scaled) > INT64:
        raise Refused(f"{value!r} is too great")
    return scaled


def e8(value: Any) -> int:
    if text(value).startswith("-"):
        raise Refused(f"{value!r} is negative")
    return signed_e8(value)


def or_empty(read: Read) -> Read:
    return lambda value: 0 if value == "" else read(value)


def amount(value: Any) -> tuple[int, int]:
    """Whole units and the 10^-8 beside them."""
    match = DECIMAL.fullmatch(text(value) or "0")
    if not match or match[1] or int(match[2]) > INT64:
        raise Refused(f"{value!r} is no amount")
    return int(match[2]), int((match[3] or "").ljust(8, "0"))


def truth(value: Any) -> int:
    if not isinstance(value, bool):
        raise Refused(f"{value!r} is neither true nor false")
    return int(value)


def ticks(value: Any, tick_e8: int) -> int:
    count, rest = divmod(e8(value), tick_e8)
    if rest:
        raise Refused(f"{value!r} is off the tick")
    return count


def lots(value: Any, lot_e8: int) -> int:
    """Rounded down, never to nothing."""
    count, rest = divmod(e8(value), lot_e8)
    return max(count, 1) if rest else count


def fields(found: Pairs, rules: Rules, optional: str = "") -> dict[str, Any]:
    """Every key of `rules` by its payload's name; those of `optional` (split at spaces) may be absent."""
    read: dict[str, Any] = {}
    for key, (name, rule) in rules.items():
        if found.has(key):
            read[name] = rule(found.one(key))
        elif key not in optional.split():
            raise Refused(f"{key} is missing")
    return read


def object_of(value: Any) -> Pairs:
    if not isinstance(value, Pairs):
        raise Refused("no object")
    return value


# --- market data ----------------------------------------------------------------------------------------------------


def unwrapped(frame: Pairs) -> tuple[Any, bool]:
    """The event, and whether its stream is one of partial books."""
    wrapper = frame.has("stream") and frame.has("data")
    if frame and frame[0][0] in ("e", "u"):
        if wrapper:
            raise Unsure("an event that looks like a wrapper")
        return frame, False
    if not wrapper:
        return frame, False
    stream = frame.one("stream")
    if not isinstance(stream, str) or isinstance(stream, Number):
        raise Unsure("a stream without a name")
    _head, at, kind = stream.partition("@")
    return frame.one("data"), bool(at and re.match(r"depth[0-9]", kind))


def event_name(event: Pairs) -> str:
    """What it says it is; a best price of spot says it by its keys, or by how it begins."""
    if [key for key, _ in event[:3]] == ["u", "s", "b"]:
        if event.has("e"):
            raise Unsure("a best price with a name")
        if not all(event.has(key) for key in "BaA"):
            raise Unsure("the beginning of a best price")
    for key, value in event:
        if key == "e" and isinstance(value, str) and not isinstance(value, Number):
            return value
    if all(event.has(key) for key in "usbBaA"):
        return "bookTicker"
    return ""


class Market:
    """One symbol's frames: tick and lot of it, and its instrument's id."""

    def __init__(self, symbol: str, instrument_id: int, tick_e8: int, lot_e8: int, is_derivative: bool = False) -> None:
        self.symbol = symbol
        self.instrument_id = instrument_id
        self.tick_e8 = tick_e8
        self.lot_e8 = lot_e8
        self.is_derivative = is_derivative

    def price(self, value: Any) -> int:
        return ticks(value, self.tick_e8)

    def qty(self, value: Any) -> int:
        return lots(value, self.lot_e8)

    def side(self, value: Any) -> list[tuple[int, int]]:
        if not isinstance(value, list) or isinstance(value, Pairs):
            raise Refused("no levels")
        if any(not isinstance(level, list) or isinstance(level, Pairs) or len(level) != 2 for level in value):
            raise Refused("no level")
        return [(self.price(price), self.qty(qty)) for price, qty in value]

    def read(self, frame: bytes) -> dict[str, Any]:
        """What a frame is; {"kind": MARKET_FRAME_OTHER} for what is of nobody's interest."""
        value = strict(frame)
        other = {"kind": MARKET_FRAME_OTHER}
        if not isinstance(value, Pairs):
            return other
        event, is_partial = unwrapped(value)
        if is_partial or not isinstance(event, Pairs):
            return other
        name = event_name(event)
        reader = READERS.get(name)
        if reader is None:
            if name in ("24hrTicker", "24hrMiniTicker", "forceOrder", "contractInfo"):
                raise Unsure("the twin of statistics reads these")
            return other
        symbols = [found for key, found in event if key == "s"]
        if not symbols or not isinstance(symbols[0], str) or isinstance(symbols[0], Number):
            raise Refused("no symbol")
        if symbols[0] != self.symbol:
            raise Unsure("of a symbol that is not ours")
        if len(symbols) > 1:
            raise Refused("two symbols")
        if event.has("e"):
            event.one("e")
        return reader(self, event) | {"instrument_id": self.instrument_id}

    def snapshot(self, body: bytes) -> dict[str, Any]:
        """GET depth."""
        found = object_of(strict(body))
        rules: Rules = {
            "lastUpdateId": ("last_update_id", uint),
            "bids": ("bids", self.side),
            "asks": ("asks", self.side),
        }
        rules |= {"E": ("event_ns", stamp)}
        read = {"event_ns": 0} | fields(found, rules, "E")
        return read | {"kind": DEPTH_SNAPSHOT, "first_update_id": read["last_update_id"]}


def depth(market: Market, event: Pairs) -> dict[str, Any]:
    rules: Rules = {"U": ("first_update_id", uint), "u": ("last_update_id", uint), "pu": ("previous_update_id", uint)}
    rules |= {"E": ("event_ns", stamp), "b": ("bids", market.side), "a": ("asks", market.side)}
    found = {"previous_update_id": 0} | fields(event, rules, "" if market.is_derivative else "pu")
    if found["first_update_id"] > found["last_update_id"]:
        raise Refused("ids run backwards")
    return found | {"kind": DEPTH_DIFF}


def ticker(market: Market, event: Pairs) -> dict[str, Any]:
    rules: Rules = {"u": ("update_id", uint), "E": ("event_ns", stamp)}
    rules |= {"b": ("bid_price_ticks", market.price), "B": ("bid_qty_lots", market.qty)}
    rules |= {"a": ("ask_price_ticks", market.price), "A": ("ask_qty_lots", market.qty)}
    return {"kind": BOOK_TICKER, "event_ns": 0} | fields(event, rules, "E")


def trade(market: Market, event: Pairs, id_key: str = "t") -> dict[str, Any]:
    rules: Rules = {id_key: ("trade_id", uint), "p": ("price_ticks", market.price)}
    rules |= {"q": ("qty_lots", market.qty), "T": ("trade_ns", stamp), "E": ("event_ns", stamp), "m": ("m", truth)}
    found = fields(event, rules | {"X": ("X", text)}, "X")
    found.pop("X", None)
    found["aggressor_side"] = SELL if found.pop("m") else BUY
    return found | {"kind": TRADE if id_key == "t" else AGG_TRADE}


def kline(market: Market, event: Pairs) -> dict[str, Any]:
    outer = fields(event, {"E": ("event_ns", stamp), "k": ("k", object_of)})
    rules: Rules = {"t": ("open_ns", stamp), "T": ("close_ns", stamp), "i": ("interval", text)}
    rules |= {"f": ("first_trade_id", whole), "L": ("last_trade_id", whole), "n": ("trade_count", uint)}
    rules |= {"o": ("open_e8", e8), "h": ("high_e8", e8), "l": ("low_e8", e8), "c": ("close_e8", e8)}
    rules |= {"v": ("volume", amount), "q": ("quote_volume", amount), "x": ("is_closed", truth)}
    rules |= {"V": ("taker_volume", amount), "Q": ("taker_quote_volume", amount)}
    found = fields(outer.pop("k"), rules)
    found["interval"] = found["interval"].encode()
    if len(found["interval"]) > 7:
        raise Refused("an interval too long")
    for name in ("volume", "quote_volume", "taker_volume", "taker_quote_volume"):
        found[f"{name}_whole"], found[f"{name}_part_e8"] = found.pop(name)
    return found | outer | {"kind": KLINE}


def mark_price(market: Market, event: Pairs) -> dict[str, Any]:
    optional = or_empty(signed_e8)
    rules: Rules = {"E": ("event_ns", stamp), "p": ("mark_e8", e8), "i": ("index_e8", optional)}
    rules |= {"P": ("settle_e8", optional), "ap": ("average_e8", optional), "r": ("funding_rate_e8", optional)}
    rules |= {"T": ("next_funding_ns", stamp), "e": ("e", text)}
    blank = {"index_e8": 0, "settle_e8": 0, "average_e8": 0}
    found = blank | fields(event, rules, "i P ap") | {"kind": MARK_PRICE}
    found.pop("e")
    return found


READERS: dict[str, Callable[[Market, Pairs], dict[str, Any]]] = {
    "depthUpdate": depth,
    "bookTicker": ticker,
    "trade": trade,
    "aggTrade": lambda market, event: trade(market, event, "a"),
    "kline": kline,
    "markPriceUpdate": mark_price,
}


# --- own orders -----------------------------------------------------------------------------------------------------


def name_or_null(value: Any) -> str:
    return "" if value is None else text(value)


def side(value: Any) -> int:
    try:
        return SIDES[text(value)]
    except KeyError:
        raise Refused(f"{value!r} is no side") from None


def position_side(value: Any) -> int:
    """BOTH, LONG or SHORT."""
    try:
        return {"BOTH": 0, "LONG": 1, "SHORT": 2}[text(value)]
    except KeyError:
        raise Refused(f"{value!r} is no position side") from None


def report(found: Pairs, is_futures: bool) -> dict[str, Any]:
    """executionReport, or the order of ORDER_TRADE_UPDATE, numbers still in 10^-8."""
    rules: Rules = {"s": ("symbol", text), "c": ("client", text), "S": ("side", side)}
    rules |= {"o": ("o", text), "f": ("f", text), "x": ("exec", text), "X": ("X", text), "q": ("qty", e8)}
    rules |= {"p": ("price", e8), "i": ("venue_order_id", whole), "l": ("last_qty", e8), "z": ("cum_qty", e8)}
    rules |= {"L": ("last_price", e8), "T": ("transact_ns", stamp), "t": ("trade_id", whole), "m": ("is_maker", truth)}
    commission = (lambda value: 0 if value is None else signed_e8(value)) if is_futures else signed_e8
    rules |= {"n": ("commission_e8", commission), "N": ("N", name_or_null)}
    if is_futures:
        rules |= {"ps": ("position_side", position_side)}
    if not is_futures:
        rules |= {
            "C": ("orig", text),
            "E": ("event_ns", stamp),
            "I": ("execution_id", whole),
            "Z": ("cum_quote_e8", e8),
        }
        rules |= {"e": ("e", text), "w": ("is_working", truth)}
    read = {"commission_e8": 0, "is_maker": 0} | fields(found, rules, "n N m I Z ps w")
    is_fill = read["exec"] in ("TRADE", "CALCULATED") and (read["last_qty"] > 0 or not is_futures)
    if is_fill and any(not found.has(key) for key in ("m" if is_futures else "nNm")):
        raise Refused("a fill without its commission or maker")
    if is_fill and read["last_qty"] > 0 and read["last_price"] <= 0:
        raise Refused("a fill without a price")
    return read


def scaled(read: dict[str, Any], market: Market) -> dict[str, Any]:
    """The numbers of a report of our symbol that a comparison looks at, in ticks and lots."""
    if read["symbol"] != market.symbol:
        raise Unsure("of a symbol that is not ours")
    found = {name: read[name] for name in ("venue_order_id", "side", "transact_ns", "commission_e8", "is_maker")}
    for name, unit_e8 in (("price", market.tick_e8), ("last_price", market.tick_e8)):
        found[f"{name}_ticks"], rest = divmod(read[name], unit_e8)
        if rest:
            raise Refused("off the tick")
    for name in ("qty", "last_qty", "cum_qty"):
        found[f"{name}_lots"], rest = divmod(read[name], market.lot_e8)
        if rest:
            raise Refused("off the lot")
    return found


def spot_report(frame: bytes, market: Market) -> dict[str, Any]:
    """A frame of the spot order connection that holds an execution report; Unsure for all others."""
    outer = object_of(strict(frame))
    for key in ("id", "status", "result", "error", "rateLimits"):
        if outer.has(key):
            raise Unsure("a reply")
    if not outer.has("event"):
        raise Unsure("no event")
    event = object_of(outer.one("event"))
    if event_name(event) != "executionReport":
        raise Unsure("another event")
    return scaled(report(event, False), market)


def futures_report(frame: bytes, market: Market) -> dict[str, Any]:
    """A frame of the private stream that holds an order's update; Unsure for all others."""
    outer = object_of(strict(frame))
    if event_name(outer) != "ORDER_TRADE_UPDATE":
        raise Unsure("another event")
    rules: Rules = {"e": ("e", text), "E": ("event_ns", stamp), "o": ("o", object_of)}
    found = fields(outer, rules)
    if outer.has("a"):
        raise Unsure("two bodies")
    return scaled(report(found["o"], True), market)


def acknowledgement(frame: bytes, market: Market) -> dict[str, Any]:
    """A reply of status and result; Unsure where an event or an error stands in it."""
    outer = object_of(strict(frame))
    if outer.has("event") or outer.has("error") or not outer.has("status"):
        raise Unsure("no plain reply")
    ids = [value for key, value in outer if key == "id"]
    found = fields(outer, {"status": ("status", whole), "result": ("result", object_of)})
    if abs(found["status"]) > 2**31 - 1 or len(ids) > 1:
        raise Refused("no status")
    if ids and isinstance(ids[0], Number) and not ids[0].startswith("-"):
        found["request_id"] = uint(ids[0])
    for row in outer.one("rateLimits") if outer.has("rateLimits") else ():
        limit(object_of(row))
    rules: Rules = {"symbol": ("symbol", text), "orderId": ("venue_order_id", whole)}
    rules |= {key: (key, text) for key in ("clientOrderId", "origClientOrderId", "status", "timeInForce", "type")}
    rules |= {key: (key, e8) for key in ("price", "origQty", "executedQty")} | {"side": ("side", side)}
    rules |= {key: (key, stamp) for key in ("transactTime", "updateTime")}
    rules["cummulativeQuoteQty"] = ("cum_quote_e8", signed_e8)
    order = fields(found.pop("result"), rules, " ".join(rules.keys() - {"symbol", "orderId"}))
    if order["symbol"] != market.symbol:
        raise Unsure("of a symbol that is not ours")
    if order.get("price", 0) % market.tick_e8 or any(
        order.get(k, 0) % market.lot_e8 for k in ("origQty", "executedQty")
    ):
        raise Refused("off the tick or lot")
    times = {"transact_ns": order.get("transactTime") or order.get("updateTime", 0)}
    return found | times | {"venue_order_id": order["venue_order_id"]}


def limit(row: Pairs) -> None:
    rules: Rules = {"rateLimitType": ("type", text), "interval": ("interval", text)}
    found = fields(row, rules | {key: (key, whole) for key in ("intervalNum", "limit", "count")})
    if not 0 < found["intervalNum"] <= 10_000:
        raise Refused("an interval out of range")
