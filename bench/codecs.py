"""Frames to numbers and orders to bytes: the compiled codecs beside msgspec's typed decode and orjson on the same frames.

Ours reads a frame into the payload of a journal record, every number checked and in ticks and lots; msgspec makes typed structs
with decimals as text, orjson dicts: what a Python engine would start from. Interleaved rounds, medians, nanoseconds a frame of
the thread's processor time (nothing here waits).
Run: ``python bench/codecs.py [--json]``.
"""

from __future__ import annotations

import hashlib
import hmac
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import orjson
from parts.codec_frames import FRAMES, TYPES
from parts.history import arguments
from parts.rows import Row, report

from engine.model.instruments import InstrumentSpec, to_e8
from engine.model.tables import Tables
from engine.venues.binance.codec_rig import decode_market, decode_own, encode_orders
from engine.venues.binance.event_codec import EventCodec
from engine.venues.binance.market_codec import MarketCodec
from engine.venues.binance.order_codec import OrderCodec
from engine.venues.binance.signer import HmacSigner
from engine.venues.binance.usdm_order_codec import UsdmOrderCodec

ROUNDS = 15
OURS_FRAMES = 20_000
THEIRS_FRAMES = 2_000
# "Decode in C to int64" of the plan; what it does not name has no target
TARGETS = {
    "depth, 20 levels a side": 440.0,
    "bookTicker": 80.0,
    "aggTrade": 70.0,
    "executionReport": 220.0,
    "order ack": 250.0,
}
SECRET = b"NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
API_KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"


def codecs() -> tuple[EventCodec, OrderCodec, UsdmOrderCodec, OrderCodec]:
    """Market data, spot orders, futures orders, spot orders that are logged on; one instrument."""
    tables = Tables()
    spec = InstrumentSpec(
        venue_id=1,
        symbol="BTCUSDT",
        base_asset="BTC",
        quote_asset="USDT",
        tick_size_e8=to_e8("0.01"),
        lot_size_e8=to_e8("0.00001"),
    )
    tables.add_instrument(spec)
    symbols = MarketCodec(tables, 1, ["BTCUSDT"])
    spot = OrderCodec(tables, symbols, engine_id=7, api_key=API_KEY, signer=HmacSigner(SECRET))
    logged_on = OrderCodec(tables, symbols, engine_id=7, api_key=API_KEY)
    logged_on.log_on()
    return (
        EventCodec(tables, 1, ["BTCUSDT"]),
        spot,
        UsdmOrderCodec(tables, symbols, engine_id=7, api_key=API_KEY),
        logged_on,
    )


def loop(decode: Callable[[bytes], Any], frames: list[bytes]) -> float:
    """Nanoseconds a frame of a Python decoder."""
    rounds = max(THEIRS_FRAMES // len(frames), 1)
    began_ns = time.thread_time_ns()
    for _ in range(rounds):
        for frame in frames:
            decode(frame)
    return (time.thread_time_ns() - began_ns) / rounds / len(frames)


def order_in_python(number: int) -> bytes:
    """order.place as a Python client writes it: sorted parameters, HMAC, JSON."""
    params: dict[str, Any] = {
        "apiKey": API_KEY,
        "newClientOrderId": f"x-{number}",
        "newOrderRespType": "ACK",
        "price": f"{60000 + number % 1000}.01",
        "quantity": "0.01234",
        "recvWindow": 5000,
        "side": "BUY",
        "symbol": "BTCUSDT",
        "timeInForce": "GTC",
        "timestamp": 1_763_640_000_000 + number,
        "type": "LIMIT",
    }
    text = "&".join(f"{key}={value}" for key, value in params.items())
    params["signature"] = hmac.new(SECRET, text.encode(), hashlib.sha256).hexdigest()
    return orjson.dumps({"id": number, "method": "order.place", "params": params})


def orders_in_python() -> float:
    """Nanoseconds an order."""
    began_ns = time.thread_time_ns()
    for number in range(THEIRS_FRAMES):
        order_in_python(number)
    return (time.thread_time_ns() - began_ns) / THEIRS_FRAMES


def spent(work: Callable[..., None], *given: Any, items: int) -> float:
    """Nanoseconds an item of one compiled loop."""
    began_ns = time.thread_time_ns()
    work(*given)
    return (time.thread_time_ns() - began_ns) / items


def ours_of(name: str, frames: list[bytes]) -> Callable[[], float]:
    """Nanoseconds a frame of the compiled codec that reads this kind."""
    market, spot, futures, _ = codecs()
    rounds = max(OURS_FRAMES // len(frames), 1)
    items = rounds * len(frames)
    if name == "ORDER_TRADE_UPDATE":
        return partial(spent, decode_own, futures, frames, rounds, items=items)
    if name.startswith(("executionReport", "order ack")):
        return partial(spent, decode_own, spot, frames, rounds, items=items)
    return partial(spent, decode_market, market, frames, rounds, items=items)


def medians(ways: dict[str, Callable[[], float]]) -> dict[str, float]:
    """Each way's median over interleaved rounds."""
    samples: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            samples[name].append(way())
    return {name: statistics.median(values) for name, values in samples.items()}


def frame_rows() -> list[Row]:
    """Two rows a kind of frame: against msgspec with types, against orjson."""
    rows = []
    for name, frames in FRAMES.items():
        typed: Callable[[bytes], Any] = msgspec.json.Decoder(TYPES[name]).decode
        ways: dict[str, Callable[[], float]] = {"ours": ours_of(name, frames), "msgspec": partial(loop, typed, frames)}
        found = medians(ways | {"orjson": partial(loop, orjson.loads, frames)})
        target = TARGETS.get(name)
        rows.append(Row(f"decode {name}", "ns", found["ours"], "msgspec typed decode", found["msgspec"], target))
        rows.append(Row(f"decode {name}", "ns", found["ours"], "orjson", found["orjson"], target))
    return rows


def order_rows() -> list[Row]:
    """An order written and signed, and written for a connection that is logged on."""
    _, spot, _, logged_on = codecs()
    found = medians(
        {
            "signed": partial(spent, encode_orders, spot, 1, OURS_FRAMES, items=OURS_FRAMES),
            "logged on": partial(spent, encode_orders, logged_on, 1, OURS_FRAMES, items=OURS_FRAMES),
            "python": orders_in_python,
        }
    )
    yardstick = "Python: hmac and orjson"
    return [
        Row("encode and sign order.place", "ns", found["signed"], yardstick, found["python"]),
        Row("encode order.place, logged on", "ns", found["logged on"], yardstick, found["python"]),
    ]


def main() -> int:
    """Print the rows."""
    options = arguments(__doc__).parse_args()
    report("codecs", frame_rows() + order_rows(), options)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
