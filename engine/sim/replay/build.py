"""Puts a replaying venue together: survey, first books, symbols, floor, player, core, shell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from engine.sim.config import SymbolConfig
from engine.sim.decimals import E8, format_e8
from engine.sim.matching import PRICE_LIMIT
from engine.sim.replay.channels import RecordedChannels
from engine.sim.replay.core import ReplayCore
from engine.sim.replay.floor import RecordedFloor
from engine.sim.replay.frames import RecordingError
from engine.sim.replay.player import Player, ReplayOptions
from engine.sim.replay.recording import MarketFacts, Survey, survey
from engine.sim.replay.shell import ReplayShell
from engine.sim.replay.start_book import StartBook, start_book
from engine.sim.wire.config import VenueFile, load
from engine.sim.wire.frame_log import FrameLog

QUOTES = ("USDT", "USDC", "FDUSD", "TUSD", "BUSD", "USD", "BTC", "ETH", "BNB", "EUR", "TRY", "BRL", "JPY", "DAI")
MAX_PRICE_MULTIPLE = 2
MAX_QTY_NOTIONAL = 1_000_000_000  # of the quote asset
MAX_ORDER_NOTIONAL = 50_000_000


@dataclass
class Replay:
    """A venue that replays, not yet listening. ``notes`` say in words what was found and made."""

    shell: ReplayShell
    player: Player
    survey: Survey
    notes: list[str] = field(default_factory=list)


def build_replay(
    config: Path | None,
    recordings: Sequence[Path],
    options: ReplayOptions,
    start_ns: int,
    *,
    seed: int = 1,
    frame_log: Path | None = None,
) -> Replay:
    """A shell over ``recordings``, which continue one another in the order given, with the accounts and limits of ``config``.

    Raises ``ValueError`` (``RecordingError`` for the recording's own faults) and ``OSError``.
    """
    file = VenueFile() if config is None else load(config)
    found = survey(tuple(recordings))
    books = {symbol: start_book(found, symbol) for symbol in found.symbols}
    notes = [describe(found), *(f"{symbol}: the book begins with {book.origin}" for symbol, book in books.items())]
    replay = _spot(file, found, books, options, start_ns, seed, FrameLog(frame_log))
    replay.notes = notes
    return replay


def _spot(
    file: VenueFile,
    found: Survey,
    books: dict[str, StartBook],
    options: ReplayOptions,
    start_ns: int,
    seed: int,
    frame_log: FrameLog,
) -> Replay:
    if found.family != "spot":
        raise RecordingError(f"{found.paths[0]}: a USD-M recording, and this venue trades spot only")
    symbols = tuple(symbol_config(facts) for facts in found.markets.values())
    venue = msgspec.structs.replace(file.venue, symbols=symbols, backfill_minutes=0, activity=0.0)
    floor = RecordedFloor(
        venue, found.first_ns + found.clock_offset_ns, {name: book.book for name, book in books.items()}
    )
    channels = RecordedChannels(found.streams)
    player = Player(found, floor, channels, options)
    core = ReplayCore(venue, floor, player, seed)
    shell = ReplayShell(core, file.wire, file.limits, start_ns, frame_log, channels)
    return Replay(shell, player, found)


def describe(found: Survey) -> str:
    """A recording in one line."""
    names = ", ".join(path.name for path in found.paths)
    seconds = (found.last_ns - found.first_ns) / 1e9
    markets = ", ".join(found.symbols)
    return f"{names}: {found.family} {markets}, {found.frames:,} frames in {seconds:.1f} s"


def assets_of(symbol: str) -> tuple[str, str]:
    """Base and quote asset of a symbol's name; the quote is the last four letters where it is none of the known."""
    quote = next((name for name in QUOTES if symbol.endswith(name) and len(symbol) > len(name)), symbol[-4:])
    return symbol[: len(symbol) - len(quote)] or symbol, quote


def symbol_config(facts: MarketFacts) -> SymbolConfig:
    """A spot symbol with the tick and lot that the recording shows; raises ``RecordingError`` where it shows none."""
    tick_e8, lot_e8, price_e8 = facts.tick_e8, facts.lot_e8, facts.first_price_e8
    if not (tick_e8 and lot_e8 and price_e8):
        raise RecordingError(f"{facts.symbol}: the recording has no prices and quantities to find tick and lot from")
    base, quote = assets_of(facts.symbol)
    price_max_e8 = min(MAX_PRICE_MULTIPLE * price_e8 // tick_e8, PRICE_LIMIT - 1) * tick_e8
    qty_max_e8 = max(1, MAX_QTY_NOTIONAL * E8 * E8 // price_e8 // lot_e8) * lot_e8
    return SymbolConfig(
        symbol=facts.symbol,
        base=base,
        quote=quote,
        tick_size=format_e8(tick_e8),
        step_size=format_e8(lot_e8),
        start_price=format_e8(price_e8 // tick_e8 * tick_e8),
        min_qty=format_e8(lot_e8),
        max_qty=format_e8(qty_max_e8),
        max_price=format_e8(price_max_e8),
        market_max_qty=format_e8(qty_max_e8),
        mean_order_qty=format_e8(lot_e8),
        max_notional=format_e8(MAX_ORDER_NOTIONAL * E8),
    )
