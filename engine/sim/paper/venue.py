"""The paper venue put together: terms and reference data in, a shell with its feed and its host out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from engine.model.instruments import InstrumentSpec
from engine.runtime.clock import Clock
from engine.sim.config import VenueConfig
from engine.sim.core import VenueCore
from engine.sim.inprocess.host import VenueHost
from engine.sim.paper.core import PaperCore, PaperUsdmCore
from engine.sim.paper.feed import LiveFeed, LivePrices
from engine.sim.paper.terms import PaperTerms, spot_config, usdm_config
from engine.sim.wire.config import WireConfig
from engine.sim.wire.limits import LimitsConfig
from engine.sim.wire.shell import VenueShell
from engine.sim.wire.usdm.config import UsdmLimitsConfig, UsdmWireConfig

CONNECTIONS_5M = 3_000  # within the process a connection costs nobody anything
TURN_NS_MIN = 1_000_000

RateLimits = Mapping[tuple[str, str], int]


@dataclass(frozen=True)
class PaperVenue:
    """A venue in this process whose market is a live feed."""

    shell: VenueShell
    host: VenueHost
    feed: LiveFeed
    core: PaperCore | PaperUsdmCore


def build_paper(
    specs: list[InstrumentSpec],
    prices_e8: dict[str, int],
    terms: PaperTerms,
    limits: RateLimits,
    clock: Clock,
    *,
    is_usdm: bool,
    seed: int = 1,
) -> PaperVenue:
    """The venue for these instruments at their present prices, with the rate limits that the live one publishes."""
    start_ns = clock.time_ns()
    build = _usdm if is_usdm else _spot
    return build(specs, prices_e8, terms, limits, clock, start_ns, seed)


def _spot(
    specs: list[InstrumentSpec],
    prices_e8: dict[str, int],
    terms: PaperTerms,
    limits: RateLimits,
    clock: Clock,
    start_ns: int,
    seed: int,
) -> PaperVenue:
    core = PaperCore(spot_config(specs, prices_e8, terms), seed, start_ns)
    allowed = LimitsConfig(
        weight_minute=limits["REQUEST_WEIGHT", "MINUTE"],
        orders_10s=limits["ORDERS", "SECOND"],
        orders_day=limits["ORDERS", "DAY"],
        connections_5m=CONNECTIONS_5M,
    )
    shell = VenueShell(core, WireConfig(), allowed, start_ns)
    host = VenueHost(shell, clock, turn_ns_min=TURN_NS_MIN)
    core.paper_floor.recorded.fills = terms.fills
    return PaperVenue(shell, host, LiveFeed(host, core.paper_floor), core)


def _usdm(
    specs: list[InstrumentSpec],
    prices_e8: dict[str, int],
    terms: PaperTerms,
    limits: RateLimits,
    clock: Clock,
    start_ns: int,
    seed: int,
) -> PaperVenue:
    account = msgspec.structs.replace(terms.account(), balances={})
    prices = LivePrices()
    core = PaperUsdmCore(usdm_config(specs, prices_e8, terms), (account,), seed, start_ns, prices)
    spot = VenueCore(VenueConfig(symbols=(), accounts=(account,), activity=0.0), seed, start_ns)
    shell = VenueShell(spot, WireConfig(), LimitsConfig(connections_5m=CONNECTIONS_5M), start_ns)
    allowed = UsdmLimitsConfig(
        weight_minute=limits["REQUEST_WEIGHT", "MINUTE"],
        orders_10s=limits["ORDERS", "SECOND"],
        orders_minute=limits["ORDERS", "MINUTE"],
    )
    shell.add_usdm(core, allowed, UsdmWireConfig(), start_ns)
    host = VenueHost(shell, clock, turn_ns_min=TURN_NS_MIN)
    core.paper_floor.recorded.fills = terms.fills
    return PaperVenue(shell, host, LiveFeed(host, core.paper_floor, prices), core)
