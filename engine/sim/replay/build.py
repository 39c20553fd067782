"""Puts a replaying venue together: survey, first books, symbols, floor, player, core, shell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from engine.book.matching import PRICE_LIMIT
from engine.sim.config import SymbolConfig
from engine.sim.core import VenueCore
from engine.sim.decimals import E8, format_e8
from engine.sim.replay.book import RecordedBook
from engine.sim.replay.channels import RecordedChannels
from engine.sim.replay.core import ReplayCore
from engine.sim.replay.floor import RecordedFloor
from engine.sim.replay.frames import RecordingError
from engine.sim.replay.player import Player, ReplayOptions
from engine.sim.replay.recording import MarketFacts, Survey, survey
from engine.sim.replay.shell import ReplayShell
from engine.sim.replay.start_book import start_book
from engine.sim.replay.usdm import UsdmReplayCore
from engine.sim.usdm.config import UsdmConfig, UsdmSymbolConfig
from engine.sim.wire.build import check_key
from engine.sim.wire.config import VenueFile, load
from engine.sim.wire.fault_desk import begin_plan
from engine.sim.wire.faults import Faults
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
    build = _spot if found.family == "spot" else _usdm
    replay = build(file, found, {name: book.book for name, book in books.items()}, options, start_ns, seed, frame_log)
    replay.notes = notes
    for account in file.venue.accounts:
        for key in account.keys:
            check_key(replay.shell, key.api_key)
    begin_plan(replay.shell, file.faults.plan)
    return replay


def _spot(
    file: VenueFile,
    found: Survey,
    books: dict[str, RecordedBook],
    options: ReplayOptions,
    start_ns: int,
    seed: int,
    frame_log: Path | None,
) -> Replay:
    symbols = tuple(symbol_config(facts) for facts in found.markets.values())
    venue = msgspec.structs.replace(file.venue, symbols=symbols, backfill_minutes=0, activity=0.0)
    floor = RecordedFloor(venue, found.first_ns + found.clock_offset_ns, books)
    channels = RecordedChannels(found.streams)
    player = Player(found, floor, channels, options)
    core = ReplayCore(venue, floor, player, seed)
    log, faults = FrameLog(frame_log), Faults(file.faults.seed)
    shell = ReplayShell(core, file.wire, file.limits, start_ns, log, faults, player)
    shell.take_spot_streams(core, channels)
    return Replay(shell, player, found)


def _usdm(
    file: VenueFile,
    found: Survey,
    books: dict[str, RecordedBook],
    options: ReplayOptions,
    start_ns: int,
    seed: int,
    frame_log: Path | None,
) -> Replay:
    """A venue without a spot market; accounts and keys are the configuration's."""
    futures = UsdmConfig() if file.usdm is None else file.usdm
    symbols = tuple(contract_config(facts) for facts in found.markets.values())
    futures = msgspec.structs.replace(futures, symbols=symbols, backfill_minutes=0, activity=0.0)
    core = UsdmReplayCore(futures, file.venue.accounts, seed, found.first_ns + found.clock_offset_ns, books)
    channels = RecordedChannels(found.streams)
    player = Player(found, core.replay_floor, channels, options)
    core.attach(player)
    spot = VenueCore(msgspec.structs.replace(file.venue, symbols=(), activity=0.0), seed, start_ns)
    log, faults = FrameLog(frame_log), Faults(file.faults.seed)
    shell = ReplayShell(spot, file.wire, file.limits, start_ns, log, faults, player)
    shell.take_usdm_streams(core, file.usdm_limits, file.usdm_wire, start_ns, channels)
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


def contract_config(facts: MarketFacts) -> UsdmSymbolConfig:
    """A perpetual contract with the tick and lot that the recording shows."""
    spot = symbol_config(facts)
    return UsdmSymbolConfig(
        symbol=spot.symbol,
        base=spot.base,
        quote=spot.quote,
        tick_size=spot.tick_size,
        step_size=spot.step_size,
        start_price=spot.start_price,
        min_qty=spot.min_qty,
        max_qty=spot.max_qty,
        max_price=spot.max_price,
        market_max_qty=spot.market_max_qty,
        mean_order_qty=spot.mean_order_qty,
        price_precision=places_of(facts.tick_e8),
        quantity_precision=places_of(facts.lot_e8),
    )


def places_of(step_e8: int) -> int:
    """Decimals that a multiple of the step may have."""
    return len(format_e8(step_e8).rstrip("0").partition(".")[2])
