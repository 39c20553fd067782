"""Which line a symbol of the configuration is of: `NAME:SYMBOL`, or the symbol alone where a single line trades it.

A line is a `[venue.NAME]` section: one venue and one account at it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from engine.config_schema import Config


class Trades(Protocol):
    """The part of a venue section that names depend on."""

    @property
    def symbols(self) -> tuple[str, ...]: ...


class UnknownSymbolError(LookupError):
    """No line, or more than one, trades what a text names; the message says which."""


def lines_trading(venues: Mapping[str, Trades], text: str) -> list[tuple[str, str]]:
    """(line, symbol) of every line that `text` can mean: one for `NAME:SYMBOL`, each that trades it for a symbol alone."""
    name, colon, symbol = text.rpartition(":")
    names = [name] if colon else list(venues)
    return [(line, symbol) for line in names if line in venues and symbol in venues[line].symbols]


def line_of(venues: Mapping[str, Trades], text: str) -> tuple[str, str]:
    """(line, symbol) of a text that must mean one. Raises UnknownSymbolError."""
    found = lines_trading(venues, text)
    if not found:
        raise UnknownSymbolError(f"{text}: no venue lists this symbol")
    if len(found) > 1:
        choices = " or ".join(f'"{line}:{symbol}"' for line, symbol in found)
        raise UnknownSymbolError(f"{text}: traded by several venues or accounts: write {choices}")
    return found[0]


def shown_name(venues: Mapping[str, Trades], line: str, symbol: str) -> str:
    """What strategies and people call a line's symbol: its own name where that means one line, else `NAME:SYMBOL`."""
    return symbol if len(lines_trading(venues, symbol)) == 1 else f"{line}:{symbol}"


def strategy_symbols(config: Config, strategy: str) -> list[tuple[str, str]]:
    """(line, symbol) of everything that a strategy trades, in its own order."""
    return [line_of(config.venue, text) for text in config.strategy[strategy].symbols]


def risk_rows(config: Config) -> Iterator[tuple[str, str, str]]:
    """(line, symbol, key of `risk.instrument`): `NAME:SYMBOL` goes before the symbol alone, which is for every line."""
    for line, venue in config.venue.items():
        for symbol in venue.symbols:
            key = f"{line}:{symbol}"
            yield line, symbol, key if key in config.risk.instrument else symbol
