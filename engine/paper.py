"""Paper trading: the venue's live market, and an order half that never leaves this process.

The market half of the engine keeps its connections to the venue, through a network that can do nothing else
(`engine.paper_market`): it refuses everything that could carry an order, a key or a signature. The order half - sessions,
REST, signatures and all - talks over `engine.sim.inprocess.net` to a venue in this process (`engine.sim.paper`), whose books are
those that the market half receives and whose fills follow the model of the replay venue.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import msgspec

from engine.config import LoadedConfig
from engine.config_schema import PaperSection
from engine.credentials import Credentials
from engine.exit_codes import CommandError, ExitCode
from engine.model.instruments import InstrumentSpec
from engine.paper_market import in_process_world
from engine.runtime.net import NetError
from engine.runtime.world import World
from engine.sim.inprocess.net import MemoryNet
from engine.sim.inprocess.ways import Latency
from engine.sim.paper.keeping import PaperBooks
from engine.sim.paper.terms import PaperTerms
from engine.sim.paper.venue import PaperVenue, build_paper
from engine.sim.replay.frames import read_snapshot
from engine.venue_access import VenueAccess, refusal
from engine.venues.binance.rest_market import VenueError

BALANCE_DEFAULT = "100000"
FEES_BPS = {"binance-spot": (10, 10), "binance-usdm": (2, 5)}
ACCOUNT_FILE = "paper-account.jsonl"
# of a snapshot only the best prices are wanted before the market's own arrives
PRICE_LEVELS = 5
ADDRESSES = {"rest_url": "http://paper", "stream_url": "ws://paper", "ws_api_url": "ws://paper"}


@dataclass(frozen=True)
class Paper:
    """The paper half of a running engine: its venue, and the file in which its account outlives the process."""

    venue: PaperVenue
    net: MemoryNet
    books: PaperBooks

    def close(self) -> None:
        """The end of a run."""
        self.venue.host.stop()
        self.books.close()


async def open_paper(
    loaded: LoadedConfig,
    world: World,
    access: VenueAccess,
    specs: list[InstrumentSpec],
    credentials: Credentials,
    line: str = "",
) -> Paper:
    """Make the paper venue and let `access.orders` lead to it; on the running loop. Raises CommandError.

    `world` has the market-only network of the line; of several lines each has an account file by its name.
    """
    file_name = ACCOUNT_FILE if len(loaded.config.venue) == 1 else f"paper-account-{line}.jsonl"
    section = loaded.config.paper
    prices_e8 = dict(
        zip(
            (spec.symbol for spec in specs),
            await asyncio.gather(*(_price(access, spec) for spec in specs)),
            strict=True,
        )
    )
    terms = paper_terms(section, access.venue.kind, specs, credentials)
    is_usdm = access.venue.kind == "binance-usdm"
    try:
        venue = build_paper(
            specs, prices_e8, terms, access.rest.rate_limits, world.clock, is_usdm=is_usdm, seed=world.seed
        )
        books = PaperBooks(loaded.data_dir / file_name, venue.core, world.clock.time_ns())
    except ValueError as error:
        raise CommandError(ExitCode.CONFIG, f"{loaded.path}: paper: {error}") from None
    venue.shell.before_publish = books.note
    latency = Latency(section.to_venue_us, section.from_venue_us, section.jitter_us)
    net = MemoryNet(venue.host, world.clock, latency, world.rng.getrandbits(63))
    order_world = in_process_world(world, net)
    access.orders = VenueAccess(order_world, msgspec.structs.replace(access.venue, tls_ca=None, **ADDRESSES))
    venue.host.start(asyncio.get_running_loop())
    world.net.feed = venue.feed
    return Paper(venue, net, books)


def paper_terms(section: PaperSection, kind: str, specs: list[InstrumentSpec], credentials: Credentials) -> PaperTerms:
    """The configured terms, with the defaults of the kind."""
    maker_bps, taker_bps = FEES_BPS[kind]
    paid_in = dict.fromkeys(spec.settle_asset or spec.quote_asset for spec in specs)
    return PaperTerms(
        api_key=credentials.api_key,
        secret=credentials.secret.decode(),
        balances=dict(section.balances) or dict.fromkeys(paid_in, BALANCE_DEFAULT),
        maker_bps=maker_bps if section.maker_bps is None else section.maker_bps,
        taker_bps=taker_bps if section.taker_bps is None else section.taker_bps,
        fills=section.fills,
    )


async def _price(access: VenueAccess, spec: InstrumentSpec) -> int:
    """The middle of a symbol's book now, in 1e-8."""
    try:
        book = read_snapshot(await access.rest.depth(spec.symbol, PRICE_LEVELS))
    except NetError as error:
        raise CommandError(ExitCode.UNAVAILABLE, str(error)) from None
    except VenueError as error:
        raise refusal(error, f"the book of {spec.symbol}") from None
    best = [side[0][0] for side in (book.bids, book.asks) if side]
    if not best:
        raise CommandError(
            ExitCode.UNAVAILABLE, f"{spec.symbol}: the venue's book is empty: paper has no price to begin with"
        )
    return sum(best) // len(best)
