"""Slow, obvious twin of the decoder of market statistics: JSON by the library, decimals by the library, one dict a frame.

`decode` gives what the compiled codec must read a well-formed frame as, with the names of the record's payload.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

# What a frame is, and the sides, as the journal numbers them: written down here again, not taken from the engine.
MARKET_FRAME_OTHER, KLINE, TICKER_24H, MINI_TICKER, MARK_PRICE, LIQUIDATION = 6, 9, 10, 11, 12, 16
SIDES = {"BUY": 0, "SELL": 1}

Fields = dict[str, Any]


def e8(text: str) -> int:
    return int(Decimal(text) * 10**8) if text else 0


def amount(name: str, text: str) -> Fields:
    whole, part = divmod(e8(text), 10**8)
    return {f"{name}_whole": whole, f"{name}_part_e8": part}


def ns(stamp: int | str) -> int:
    return int(stamp) * 1_000_000


def kline(frame: Fields) -> Fields:
    k = frame["k"]
    found = {"event_ns": ns(frame["E"]), "open_ns": ns(k["t"]), "close_ns": ns(k["T"]), "interval": k["i"].encode()}
    found |= {
        name: e8(k[key]) for name, key in (("open_e8", "o"), ("high_e8", "h"), ("low_e8", "l"), ("close_e8", "c"))
    }
    found |= {"first_trade_id": k["f"], "last_trade_id": k["L"], "trade_count": k["n"], "is_closed": int(k["x"])}
    names = (("volume", "v"), ("quote_volume", "q"), ("taker_volume", "V"), ("taker_quote_volume", "Q"))
    for name, key in names:
        found |= amount(name, k[key])
    return found


def mini_row(row: Fields, instrument_id: int) -> Fields:
    found = {"symbol": row["s"].encode(), "event_ns": ns(row["E"]), "instrument_id": instrument_id}
    found |= {
        name: e8(row[key]) for name, key in (("open_e8", "o"), ("high_e8", "h"), ("low_e8", "l"), ("last_e8", "c"))
    }
    return found | amount("volume", row["v"]) | amount("quote_volume", row["q"])


def full_row(row: Fields, instrument_id: int) -> Fields:
    found = mini_row(row, instrument_id) | {"change_e8": e8(row["p"]), "change_percent_e8": e8(row["P"])}
    found |= {"average_e8": e8(row["w"]), "open_ns": ns(row["O"]), "close_ns": ns(row["C"])}
    found |= {"first_trade_id": row["F"], "last_trade_id": row["L"], "trade_count": row["n"]}
    return found | amount("last_qty", row["Q"])


def mark_price(frame: Fields) -> Fields:
    return {
        "event_ns": ns(frame["E"]),
        "mark_e8": e8(frame["p"]),
        "index_e8": e8(frame.get("i", "")),
        "settle_e8": e8(frame.get("P", "")),
        "average_e8": e8(frame.get("ap", "")),
        "funding_rate_e8": e8(frame["r"]),
        "next_funding_ns": ns(frame["T"]),
    }


def liquidation(frame: Fields, lot_size_e8: int) -> Fields:
    o = frame["o"]
    return {
        "event_ns": ns(frame["E"]),
        "trade_ns": ns(o["T"]),
        "price_e8": e8(o["p"]),
        "average_price_e8": e8(o["ap"]),
        "qty_lots": e8(o["q"]) // lot_size_e8,
        "last_qty_lots": e8(o["l"]) // lot_size_e8,
        "cum_qty_lots": e8(o["z"]) // lot_size_e8,
        "side": SIDES[o["S"]],
    }


def tickers(rows: list[Fields], ids: dict[str, int]) -> Fields:
    kind = TICKER_24H if rows[0]["e"] == "24hrTicker" else MINI_TICKER
    read = full_row if kind == TICKER_24H else mini_row
    ours = [row for row in rows if row.get("st", 1) == 1]
    return {
        "kind": kind,
        "left_out": len(rows) - len(ours),
        "rows": [read(row, ids.get(row["s"], 0)) for row in ours],
    }


def decode(text: bytes, ids: dict[str, int], lot_size_e8: int) -> Fields:
    """What the frame is; {"kind": MARKET_FRAME_OTHER} where it is of nobody's interest. `ids`: the configured symbols."""
    frame = json.loads(text)
    frame = frame.get("data", frame) if isinstance(frame, dict) and "stream" in frame else frame
    if isinstance(frame, list):
        return {"instrument_id": 0} | tickers(frame, ids)
    symbol = frame.get("s") or frame.get("o", {}).get("s")
    if symbol not in ids:
        return {"kind": MARKET_FRAME_OTHER}
    named = {"instrument_id": ids[symbol]}
    if frame["e"] in ("24hrTicker", "24hrMiniTicker"):
        return named | tickers([frame], ids)
    if frame["e"] == "kline":
        return named | {"kind": KLINE} | kline(frame)
    if frame["e"] == "markPriceUpdate":
        return named | {"kind": MARK_PRICE} | mark_price(frame)
    return named | {"kind": LIQUIDATION} | liquidation(frame, lot_size_e8)
