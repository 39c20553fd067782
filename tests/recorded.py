"""Recorded market data found by pattern below TRADEWIND_DATA or the shared data folder; never by one file's name."""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from math import gcd
from pathlib import Path

from engine.model.instruments import InstrumentSpec, to_e8

REPOSITORY = Path(__file__).resolve().parent.parent
LEVEL = re.compile(rb'\["([0-9.]+)","([0-9.]+)"\]')
DATE = re.compile(r"_(\d{8})\.gz$")
LEVELS_SAMPLED = 400_000


def data_root() -> Path | None:
    """The folder of recorded data, or None where there is none."""
    named = os.environ.get("TRADEWIND_DATA")
    root = Path(named) if named else REPOSITORY.parent / "shared" / "data"
    return root if root.is_dir() else None


@dataclass(frozen=True)
class Recording:
    """One market's raw frames: files of successive days where the first begins with a snapshot, in order of time."""

    market: str
    symbol: str
    paths: tuple[Path, ...]

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """(receive time in ns, JSON text) of each line."""
        for path in self.paths:
            with gzip.open(path) as file:
                for line in file:
                    stamp, _, text = line.rstrip().partition(b" ")
                    yield int(stamp), text

    def __str__(self) -> str:
        return f"{self.market}/{self.symbol}/{'+'.join(path.stem[-8:] for path in self.paths)}"


def _first_line_kinds(path: Path) -> bool:
    """Does a snapshot stand in this file?"""
    with gzip.open(path) as file:
        return any(b'"stream"' not in line[:64] for line in file)


@cache
def recordings() -> tuple[Recording, ...]:
    """Every recording below binance_raw; a day without a snapshot continues the day before."""
    root = data_root()
    found: list[Recording] = []
    for market in ("spot", "usdm"):
        folder = root / "binance_raw" / market if root else None
        for path in sorted(folder.glob("*.gz")) if folder and folder.is_dir() else ():
            symbol = path.name.split("_")[0].upper()
            if found and found[-1].market == market and found[-1].symbol == symbol and not _first_line_kinds(path):
                found[-1] = Recording(market, symbol, (*found[-1].paths, path))
            elif _first_line_kinds(path):
                found.append(Recording(market, symbol, (path,)))
    return tuple(found)


@cache
def instrument_of(recording: Recording) -> InstrumentSpec:
    """Tick and lot as the greatest sizes that divide every recorded price and quantity."""
    tick = lot = seen = 0
    for _, text in recording.lines():
        for price, qty in LEVEL.findall(text):
            tick, lot = gcd(tick, to_e8(price.decode())), gcd(lot, to_e8(qty.decode()))
            seen += 1
        if seen > LEVELS_SAMPLED:
            break
    return InstrumentSpec(
        venue_id=1,
        symbol=recording.symbol,
        base_asset=recording.symbol[:3],
        quote_asset="USDT",
        tick_size_e8=tick,
        lot_size_e8=lot,
        kind=0 if recording.market == "spot" else 1,
    )
