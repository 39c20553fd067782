"""Symbols of listings from the ledger: what `--symbol` means, and how a row names its own where the engine has several lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.exit_codes import CommandError, ExitCode

if TYPE_CHECKING:
    from engine.desk.ledger import Catalog

Row = dict[str, Any]


def wanted(catalog: Catalog, symbol: str | None, rows: list[Row]) -> list[Row]:
    """Rows of `SYMBOL` or of `NAME:SYMBOL`, of all without one. A name that nobody knows is refused, as the engine does."""
    if symbol is None:
        return rows
    line, _, text = symbol.rpartition(":")
    text = text.upper()
    if line and line not in catalog.names.venues.values():
        raise CommandError(ExitCode.REFUSED, f"refused: unknown venue {line!r}")
    found = [row for row in rows if row["symbol"] == text and line in ("", row["venue"])]
    if not found and (line, text) not in traded(catalog):
        raise CommandError(ExitCode.REFUSED, f"refused: unknown symbol {symbol!r}")
    return found


def traded(catalog: Catalog) -> set[tuple[str, str]]:
    """(line, symbol) of every instrument, and each symbol without its line."""
    rows = catalog.instruments.values()
    return {("", row.symbol) for row in rows} | {(catalog.venue(row.venue_id), row.symbol) for row in rows}


def named(catalog: Catalog, rows: list[Row]) -> list[Row]:
    """Rows as they are printed: several lines may trade one symbol, so that it stands behind its line's name there."""
    if len(catalog.names.venues) < 2:
        return rows
    return [row | {"symbol": f"{row['venue']}:{row['symbol']}"} if row.get("symbol") else row for row in rows]
