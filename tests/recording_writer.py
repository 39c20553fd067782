"""Small recordings in the form of raw captures, written line by line for tests."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

START_NS = 1_700_000_000_000_000_000
STEP_NS = 10_000_000
Rows = list[tuple[str, str]]


class RecordingWriter:
    """Collects lines ten milliseconds apart; ``write`` makes the file."""

    def __init__(self, symbol: str = "ABCUSDT", family: str = "spot", first_id: int = 100) -> None:
        self.symbol = symbol
        self.family = family
        self.update_id = first_id
        self.trade_id = 0
        self.lines: list[bytes] = []
        self.stamp_ns = START_NS

    def add(self, value: object) -> bytes:
        """One line; returns its text."""
        self.stamp_ns += STEP_NS
        text = json.dumps(value, separators=(",", ":")).encode()
        self.lines.append(b"%d %b\n" % (self.stamp_ns, text))
        return text

    def frame(self, stream: str, data: dict[str, Any]) -> bytes:
        """One combined frame."""
        return self.add({"stream": f"{self.symbol.lower()}@{stream}", "data": data})

    def diff(self, bids: Rows = [], asks: Rows = []) -> bytes:  # noqa: B006 - only read
        """A depth diff of one update."""
        previous, self.update_id = self.update_id, self.update_id + 1
        ids = {"U": self.update_id, "u": self.update_id}
        data = {"e": "depthUpdate", "E": self.stamp_ns // 1_000_000, "s": self.symbol, **ids, "b": bids, "a": asks}
        if self.family == "usdm":
            data |= {"pu": previous, "T": self.stamp_ns // 1_000_000}
        return self.frame("depth@0ms" if self.family == "usdm" else "depth@100ms", data)

    def ticker(self, bid: tuple[str, str], ask: tuple[str, str], update_id: int | None = None) -> bytes:
        """A bookTicker, of the last update unless told otherwise."""
        ids = {"u": self.update_id if update_id is None else update_id, "s": self.symbol}
        return self.frame("bookTicker", {**ids, "b": bid[0], "B": bid[1], "a": ask[0], "A": ask[1]})

    def trade(self, price: str, qty: str, is_buyer_maker: bool) -> bytes:
        """A trade."""
        self.trade_id += 1
        stamp = self.stamp_ns // 1_000_000
        ids = {"e": "trade", "E": stamp, "s": self.symbol, "t": self.trade_id, "T": stamp}
        return self.frame("trade", {**ids, "p": price, "q": qty, "m": is_buyer_maker})

    def snapshot(self, bids: Rows, asks: Rows) -> bytes:
        """A depth snapshot at the last update."""
        return self.add({"lastUpdateId": self.update_id, "bids": bids, "asks": asks})

    def write(self, path: Path, tail: bytes = b"") -> Path:
        """The file, compressed where its name ends so; ``tail`` is what stands unfinished at its end."""
        content = b"".join(self.lines) + tail
        path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
        return path
