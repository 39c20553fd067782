"""Depth messages for benchmarks: recorded ones where there are some, else a seeded walk of 68 levels a message."""

from __future__ import annotations

import gzip
import os
import random
import re
from dataclasses import dataclass
from math import gcd
from pathlib import Path

from engine.model.instruments import InstrumentSpec, to_e8

ROOT = Path(__file__).resolve().parents[2]
LEVEL = re.compile(rb'\["([0-9.]+)","([0-9.]+)"\]')


@dataclass(frozen=True)
class DepthStream:
    """One symbol's snapshot and the diffs behind it, as they came."""

    name: str
    spec: InstrumentSpec
    snapshot: bytes
    frames: tuple[bytes, ...]


def recorded_paths(market: str) -> list[Path]:
    """Raw recordings of a market that begin with a snapshot, largest first."""
    root = Path(os.environ.get("TRADEWIND_DATA", ROOT.parent / "shared" / "data"))
    return sorted((root / "binance_raw" / market).glob("*.gz"), key=lambda path: -path.stat().st_size)


def greatest_steps(texts: list[bytes]) -> tuple[int, int]:
    """Tick and lot in 10^-8 as the greatest that divide all."""
    tick = lot = 0
    for text in texts:
        for price, qty in LEVEL.findall(text):
            tick, lot = gcd(tick, to_e8(price.decode())), gcd(lot, to_e8(qty.decode()))
    return tick, lot


def spec_of(symbol: str, market: str, steps: tuple[int, int]) -> InstrumentSpec:
    """Reference data of a stream."""
    kind = 0 if market == "spot" else 1
    return InstrumentSpec(
        venue_id=1,
        symbol=symbol,
        base_asset=symbol[:3],
        quote_asset="USDT",
        tick_size_e8=steps[0],
        lot_size_e8=steps[1],
        kind=kind,
    )


def recorded_stream(path: Path, market: str) -> DepthStream | None:
    """One file; None where no snapshot stands in it."""
    snapshot, frames = b"", []
    with gzip.open(path) as file:
        for line in file:
            text = line.rstrip().partition(b" ")[2]
            if b"@depth" in text[:80]:
                frames.append(text)
            elif not text.startswith(b'{"stream"'):
                snapshot = snapshot or text
    if not snapshot or not frames:
        return None
    symbol = path.name.split("_")[0].upper()
    return DepthStream(
        f"{market} {path.stem}", spec_of(symbol, market, greatest_steps(frames)), snapshot, tuple(frames)
    )


def recorded_streams(market: str) -> list[DepthStream]:
    """Every recording of a market with a snapshot."""
    found = (recorded_stream(path, market) for path in recorded_paths(market))
    return [stream for stream in found if stream is not None]


def synthetic_stream(messages: int = 3_000) -> DepthStream:
    """A walk in USD-M frames of 34 + 34 levels, numbers as long as BTCUSDT's."""
    source = random.Random(9)
    middle = 600_000

    def level(sign: int, keep: float) -> str:
        price = middle + sign * (1 + int(source.expovariate(0.02)))
        qty = source.randint(1, 40_000) if source.random() < keep else 0
        return f'["{price // 10}.{price % 10}0","{qty // 1000}.{qty % 1000:03}"]'

    frames = []
    for number in range(1, messages + 1):
        middle += source.randint(-2, 2)
        sides = tuple(",".join(level(sign, 0.6) for _ in range(34)) for sign in (-1, 1))
        frames.append(
            f'{{"stream":"btcusdt@depth@0ms","data":{{"e":"depthUpdate","E":1723075202999,"T":1723075202998,"s":"BTCUSDT",'
            f'"U":{number * 10 - 5},"u":{number * 10},"pu":{number * 10 - 10},"b":[{sides[0]}],"a":[{sides[1]}]}}}}'.encode()
        )
    snapshot = b'{"lastUpdateId":8,"E":1,"T":1,"bids":[["59000.00","1.000"]],"asks":[["61000.00","1.000"]]}'
    return DepthStream("made up", spec_of("BTCUSDT", "usdm", (10_000_000, 100_000)), snapshot, tuple(frames))
