"""Frames of each kind with numbers that change from one to the next, and the msgspec types of what an engine wants of them."""

from __future__ import annotations

import json
import random

import msgspec

COUNT = 64
DICE = random.Random(7)


def levels(best: float, step: float) -> list[list[str]]:
    """Twenty levels from the best on."""
    return [[f"{best + step * i:.8f}", f"{DICE.random() * 3:.5f}000"] for i in range(20)]


def depth(number: int) -> bytes:
    """depthUpdate of 20 levels a side."""
    fields = {
        "e": "depthUpdate",
        "E": 1_723_161_255_208 + number,
        "s": "BTCUSDT",
        "U": 51_000_000_000,
        "u": 51_000_000_040,
    }
    sides = {"b": levels(61_737.63 - number, -0.01), "a": levels(61_737.64 + number, 0.01)}
    return json.dumps(fields | sides, separators=(",", ":")).encode()


def qty() -> str:
    """A quantity below one lot of ten."""
    return f"0.{DICE.randrange(100_000):05d}000"


def ticker(number: int) -> bytes:
    """bookTicker of spot."""
    price = 60_000 + number
    text = f'{{"u":{400_900_217 + number},"s":"BTCUSDT","b":"{price}.35000000","B":"{qty()}","a":"{price}.36000000","A":"{qty()}"}}'
    return text.encode()


def trade(number: int, name: str = "trade") -> bytes:
    """trade or aggTrade of spot."""
    own = f'"a":{12_345_678 + number}' if name == "aggTrade" else f'"t":{12_345_678 + number}'
    ids = '"f":100,"l":105,' if name == "aggTrade" else ""
    return (
        f'{{"e":"{name}","E":1672515782136,"s":"BTCUSDT",{own},"p":"{60_000 + number}.01000000","q":"{qty()}",{ids}'
        f'"T":1672515782137,"m":true,"M":true}}'
    ).encode()


def kline(number: int) -> bytes:
    """kline of spot."""
    return (
        '{"e":"kline","E":1672515782136,"s":"BTCUSDT","k":{"t":1672515780000,"T":1672515839999,"s":"BTCUSDT","i":"1m",'
        f'"f":100,"L":200,"o":"{60_000 + number}.00000000","c":"60001.00000000","h":"60002.50000000","l":"59999.15000000",'
        f'"v":"1000.12345000","n":{number},"x":false,"q":"60012345.12345678","V":"500.00000000","Q":"30012345.50000000",'
        '"B":"123456"}}'
    ).encode()


def mark_price(number: int) -> bytes:
    """markPriceUpdate of USD-M."""
    return (
        f'{{"e":"markPriceUpdate","E":1562305380000,"s":"BTCUSDT","p":"{60_000 + number}.15000000","i":"60001.62659091",'
        '"P":"60002.25641265","r":"0.00038167","T":1562306400000}'
    ).encode()


def execution(number: int) -> bytes:
    """executionReport of spot: an order that was accepted."""
    return (
        '{"subscriptionId":0,"event":{"e":"executionReport","E":1499405658658,"s":"BTCUSDT","c":"070000100000aK","S":"BUY",'
        '"o":"LIMIT","f":"GTC","q":"1.00000000","p":"61737.26000000","P":"0.00000000","F":"0.00000000","g":-1,"C":"","x":"NEW",'
        f'"X":"NEW","r":"NONE","i":{4_293_153 + number},"l":"0.00000000","z":"0.00000000","L":"0.00000000","n":"0","N":null,'
        '"T":1499405658657,"t":-1,"v":3,"I":8641984,"w":true,"m":false,"M":false,"O":1499405658657,"Z":"0.00000000",'
        '"Y":"0.00000000","Q":"0.00000000","W":1499405658657,"V":"NONE"}}'
    ).encode()


LIMITS = (
    '{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":50,"count":1},'
    '{"rateLimitType":"ORDERS","interval":"DAY","intervalNum":1,"limit":160000,"count":1},'
    '{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":6000,"count":1}'
)


def ack(number: int, limits: str = "") -> bytes:
    """The answer to order.place with newOrderRespType=ACK."""
    return (
        f'{{"id":{7 + number},"status":200,"result":{{"symbol":"BTCUSDT","orderId":{12_569_099_453 + number},"orderListId":-1,'
        f'"clientOrderId":"070000100000aK","transactTime":1660801715639}},"rateLimits":[{limits}]}}'
    ).encode()


def update(number: int) -> bytes:
    """ORDER_TRADE_UPDATE of USD-M: a fill."""
    return (
        '{"e":"ORDER_TRADE_UPDATE","E":1763640000140,"T":1763640000138,"o":{"s":"BTCUSDT","c":"070000100000aK","S":"BUY",'
        '"o":"LIMIT","f":"GTC","q":"0.010","p":"64000.10","ap":"64000.10","sp":"0","x":"TRADE","X":"FILLED",'
        f'"i":{99_001 + number},"l":"0.010","z":"0.010","L":"64000.10","n":"0.128","N":"USDT","T":1763640000138,"t":5511,'
        '"m":true,"R":false,"wt":"CONTRACT_PRICE","ot":"LIMIT","ps":"BOTH","cp":false,"rp":"0","pP":false,"si":0,"ss":0,'
        '"V":"NONE","pm":"NONE","gtd":0,"er":"0"}}'
    ).encode()


Depth = msgspec.defstruct(
    "Depth",
    [("E", int), ("s", str), ("U", int), ("u", int), ("b", list[tuple[str, str]]), ("a", list[tuple[str, str]])],
)
Ticker = msgspec.defstruct("Ticker", [("u", int), ("s", str), ("b", str), ("B", str), ("a", str), ("A", str)])
Trade = msgspec.defstruct(
    "Trade", [("E", int), ("s", str), ("t", int), ("p", str), ("q", str), ("T", int), ("m", bool)]
)
AggTrade = msgspec.defstruct(
    "AggTrade", [("E", int), ("s", str), ("a", int), ("p", str), ("q", str), ("T", int), ("m", bool)]
)
Candle = msgspec.defstruct(
    "Candle",
    [(key, int) for key in ("t", "T", "f", "L", "n")] + [(key, str) for key in "iochlvqVQ"] + [("x", bool)],
)
Kline = msgspec.defstruct("Kline", [("E", int), ("s", str), ("k", Candle)])
MarkPrice = msgspec.defstruct(
    "MarkPrice", [("E", int), ("s", str), ("p", str), ("i", str), ("P", str), ("r", str), ("T", int)]
)
Report = msgspec.defstruct(
    "Report",
    [(key, str) for key in ("s", "c", "S", "o", "f", "q", "p", "C", "x", "X", "l", "z", "L", "n", "Z")]
    + [(key, int) for key in ("E", "i", "T", "t", "I")]
    + [("m", bool), ("N", str | None)],
)
Wrapped = msgspec.defstruct("Wrapped", [("event", Report)])
Limit = msgspec.defstruct(
    "Limit", [("rateLimitType", str), ("interval", str), ("intervalNum", int), ("limit", int), ("count", int)]
)
Result = msgspec.defstruct("Result", [("symbol", str), ("orderId", int), ("clientOrderId", str), ("transactTime", int)])
Ack = msgspec.defstruct(
    "Ack",
    [("id", int), ("status", int), ("result", Result), ("rateLimits", list[Limit])],  # type: ignore[valid-type]
)
Order = msgspec.defstruct(
    "Order",
    [(key, str) for key in ("s", "c", "S", "o", "f", "q", "p", "x", "X", "l", "z", "L", "n", "N")]
    + [(key, int) for key in ("i", "T", "t")]
    + [("m", bool)],
)
Update = msgspec.defstruct("Update", [("E", int), ("T", int), ("o", Order)])

FRAMES: dict[str, list[bytes]] = {
    "depth, 20 levels a side": [depth(i) for i in range(COUNT)],
    "bookTicker": [ticker(i) for i in range(COUNT)],
    "trade": [trade(i) for i in range(COUNT)],
    "aggTrade": [trade(i, "aggTrade") for i in range(COUNT)],
    "kline": [kline(i) for i in range(COUNT)],
    "markPrice": [mark_price(i) for i in range(COUNT)],
    "executionReport": [execution(i) for i in range(COUNT)],
    "order ack": [ack(i) for i in range(COUNT)],
    "order ack with three rate limits": [ack(i, LIMITS) for i in range(COUNT)],
    "ORDER_TRADE_UPDATE": [update(i) for i in range(COUNT)],
}
TYPES: dict[str, type] = {
    "depth, 20 levels a side": Depth,
    "bookTicker": Ticker,
    "trade": Trade,
    "aggTrade": AggTrade,
    "kline": Kline,
    "markPrice": MarkPrice,
    "executionReport": Wrapped,
    "order ack": Ack,
    "order ack with three rate limits": Ack,
    "ORDER_TRADE_UPDATE": Update,
}
