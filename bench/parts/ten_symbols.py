"""A recorded day told ten times under ten names, each at prices of its own, as one recording of ten symbols."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

NAMES = tuple(f"{coin}USDT" for coin in ("BTC", "ETH", "SOL", "BNB", "XRP", "ADA", "DOGE", "TRX", "LTC", "DOT"))
PRICES = re.compile(rb'(?<=\[")([0-9]+)\.([0-9]+)(?=",")|(?<="[bap]":")([0-9]+)\.([0-9]+)(?=")')


def scaled(text: bytes, factor: int) -> bytes:
    """The same text with every price multiplied; decimals stay as many."""

    def one(found: re.Match[bytes]) -> bytes:
        whole, part = (found[1], found[2]) if found[1] is not None else (found[3], found[4])
        digits = str(int(whole + part) * factor).rjust(len(part) + 1, "0")
        return f"{digits[: -len(part)]}.{digits[-len(part) :]}".encode()

    return PRICES.sub(one, text)


def lines(source: Path, count: int) -> Iterator[bytes]:
    """`count` lines of one symbol, each ten times; a snapshot, which names no symbol, is known by its prices."""
    with gzip.open(source) as file:
        first = source.name.partition("_")[0]
        lower, upper = first.encode(), first.upper().encode()
        for line in islice(file, count):
            for number, name in enumerate(NAMES, 1):
                named = line.replace(b'"' + lower + b"@", b'"' + name.lower().encode() + b"@")
                named = named.replace(b'"s":"' + upper + b'"', b'"s":"' + name.encode() + b'"')
                yield scaled(named, number)


def write(source: Path, target: Path, count: int) -> None:
    """The recording of ten symbols, not compressed."""
    with target.open("wb") as file:
        file.writelines(lines(source, count))
