"""What a start reads before anything is wired: keys, strategies, each line's network and reference data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from engine.config import Config, LoadedConfig
from engine.config_schema import VenueSection
from engine.credentials import Credentials, load_credentials
from engine.dead_man_duty import require_weight
from engine.exit_codes import CommandError, ExitCode
from engine.line_names import strategy_symbols
from engine.model.instruments import InstrumentSpec
from engine.paper_market import MarketOnlyNet, in_process_world, is_paper, paper_credentials
from engine.runtime.net import LiveNet
from engine.runtime.registry import Registry
from engine.runtime.world import World
from engine.strategy.api import Strategy
from engine.strategy.loader import StrategyLoadError, load_strategy, subscriptions_of
from engine.venue_access import VenueAccess
from engine.venue_kinds import VenueKind, kind_of


def live_net(config: Config) -> LiveNet | MarketOnlyNet:
    """The network; in paper trading one over which no order can leave. Several lines on paper have one each (`line_world`)."""
    if not is_paper(config) or len(config.venue) != 1:
        return LiveNet()
    (venue,) = config.venue.values()
    return MarketOnlyNet(LiveNet(), venue)


def line_world(config: Config, world: World, venue: VenueSection) -> World:
    """The World of one line's market half."""
    if not is_paper(config) or len(config.venue) == 1:
        return world
    return in_process_world(world, MarketOnlyNet(world.net, venue))


def read_inputs(loaded: LoadedConfig, world: World) -> tuple[dict[str, Credentials], dict[str, Strategy]]:
    """Everything that can be refused before a socket opens: the keys of each line's account and the strategies' parameters."""
    config = loaded.config
    strategies = {}
    for name, section in config.strategy.items():
        try:
            strategies[name] = load_strategy(section.class_path, section.params)
            lines = dict.fromkeys(line for line, _ in strategy_symbols(config, name))
            kinds = [kind_of(config.venue[line].kind) for line in lines]
            check_subscriptions(kinds, strategies[name], section.subscriptions)
        except StrategyLoadError as error:
            raise CommandError(ExitCode.CONFIG, f"{loaded.path}: strategy.{name}: {error}") from None
    if is_paper(config):
        return dict.fromkeys(config.venue, paper_credentials(loaded, world)), strategies
    keys = {name: load_credentials(venue.credential, venue.key_type) for name, venue in config.venue.items()}
    return keys, strategies


def check_subscriptions(kinds: Sequence[VenueKind], strategy: Strategy, words: Iterable[str]) -> None:
    """Everything subscribed to must be heard by the strategy and had by one of its venues. Raises StrategyLoadError."""
    for row in subscriptions_of(strategy, words):
        if all(kind.source_of(row) is None for kind in kinds):
            names = " or ".join(f'"{kind.name}"' for kind in kinds)
            raise StrategyLoadError(f'subscriptions: a venue of kind {names} has no "{row.name}"')


async def reference_data(registry: Registry, name: str, access: VenueAccess) -> list[InstrumentSpec]:
    """Ask one venue what its symbols and limits are. Raises CommandError."""
    specs = await access.reference_data(registry.venue_id(name))
    require_weight(name, access.venue, access.rest.rate_limits["REQUEST_WEIGHT", "MINUTE"])
    return specs
