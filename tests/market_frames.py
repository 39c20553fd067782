"""Frames of market statistics as the venue writes them, with numbers drawn from seeded dice."""

from __future__ import annotations

import json
import random
from typing import Any

INTERVALS = ("1m", "5m", "1h", "4h", "1d", "1M")
NOW_MS = 1_763_640_000_000


class FrameDice:
    """One venue's frames: `frames` gives one of every kind."""

    def __init__(
        self, seed: int, symbols: tuple[str, ...] = ("BTCUSDT",), strangers: tuple[str, ...] = ("PEPEUSDT",)
    ) -> None:
        self.random = random.Random(seed)
        self.symbols = symbols
        self.strangers = strangers

    def decimal(self, whole_max: int = 10**6) -> str:
        digits = self.random.randint(0, 8)
        whole = self.random.choice([0, self.random.randint(0, 9), self.random.randint(0, whole_max)])
        return f"{whole}.{self.random.randint(0, 10**digits - 1):0{digits}d}" if digits else str(whole)

    def signed(self) -> str:
        return self.random.choice(["", "-"]) + self.decimal(1000)

    def volume(self) -> str:
        return self.decimal(10**15)

    def stamp(self) -> int:
        return NOW_MS + self.random.randint(0, 10**9)

    def shuffled(self, fields: dict[str, Any]) -> dict[str, Any]:
        if self.random.random() < 0.5:
            return fields
        names = list(fields)
        self.random.shuffle(names)
        return {name: fields[name] for name in names}

    def kline(self, symbol: str) -> dict[str, Any]:
        first = self.random.choice([-1, self.random.randint(0, 10**12)])
        k = {
            "t": self.stamp(),
            "T": self.stamp(),
            "s": symbol,
            "i": self.random.choice(INTERVALS),
            "f": first,
            "L": first + 9,
        }
        k |= {key: self.decimal() for key in "ochl"} | {key: self.volume() for key in "vqVQ"}
        k |= {"n": self.random.randint(0, 10**6), "x": self.random.random() < 0.5, "B": "0"}
        return self.shuffled({"e": "kline", "E": self.stamp(), "s": symbol, "k": self.shuffled(k)})

    def mini_ticker(self, symbol: str) -> dict[str, Any]:
        row: dict[str, Any] = {"e": "24hrMiniTicker", "E": self.stamp(), "s": symbol} | {
            key: self.decimal() for key in "cohl"
        }
        return self.shuffled(row | {key: self.volume() for key in "vq"})

    def ticker(self, symbol: str) -> dict[str, Any]:
        row = self.mini_ticker(symbol) | {
            "e": "24hrTicker",
            "p": self.signed(),
            "P": self.signed(),
            "w": self.decimal(),
        }
        row |= {"Q": self.volume(), "O": self.stamp(), "C": self.stamp(), "F": -1, "L": -1, "n": 0}
        return self.shuffled(
            row | self.random.choice([{}, {"st": 1, "ps": symbol}, {"b": "1", "B": "2", "a": "3", "A": "4"}])
        )

    def array(self, full: bool) -> list[dict[str, Any]]:
        make = self.ticker if full else self.mini_ticker
        rows = [make(symbol) for symbol in (*self.strangers, *self.symbols)]
        if self.random.random() < 0.3:
            rows[0]["st"] = 2
        return rows

    def mark_price(self, symbol: str) -> dict[str, Any]:
        row: dict[str, Any] = {
            "e": "markPriceUpdate",
            "E": self.stamp(),
            "s": symbol,
            "p": self.decimal(),
            "i": self.decimal(),
        }
        row |= {"P": self.decimal(), "r": self.random.choice(["", self.signed()]), "T": self.stamp()}
        return self.shuffled(row | self.random.choice([{}, {"ap": self.decimal(), "st": 1}]))

    def liquidation(self, symbol: str) -> dict[str, Any]:
        qty = f"{self.random.randint(1, 10**6) / 1000:.3f}"
        o: dict[str, Any] = {
            "s": symbol,
            "S": self.random.choice(["BUY", "SELL"]),
            "o": "LIMIT",
            "f": "IOC",
            "q": qty,
            "p": self.decimal(),
        }
        o |= {"ap": self.decimal(), "X": "FILLED", "l": qty, "z": qty, "T": self.stamp()}
        return self.shuffled({"e": "forceOrder", "E": self.stamp(), "o": self.shuffled(o)})

    def frames(self) -> list[bytes]:
        """One frame of each kind, wrapped or not, mostly of a configured symbol."""
        symbol = self.random.choice([*self.symbols, *self.symbols, *self.strangers])
        values: list[Any] = [
            self.kline(symbol),
            self.mini_ticker(symbol),
            self.ticker(symbol),
            self.array(True),
            self.array(False),
            self.mark_price(symbol),
            self.liquidation(symbol),
        ]
        wrap = self.random.random() < 0.5
        return [
            json.dumps({"stream": "x@y", "data": value} if wrap else value, separators=(",", ":")).encode()
            for value in values
        ]
