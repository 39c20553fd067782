"""The one wiring file: reads like the drawing.

market session  =[inbound_market]==> SEQUENCER =[to_book]=====> BOOK  =[market_events]=> STRATEGIES
order session   =[inbound_own]=====>     |     =[to_oms]======> OMS   =[order_events]=>      |
control, timers =[inbound_control]=>     |     =[to_strategy]============================>   |
                                       |     =[to_risk]=====> RISK MONITOR <=[risk_events]= OMS
                                       GATE <=[intents]=====================================-+
                                       GATE =[approvals]=> OMS =[outbound]=> order session
                                       GATE =[refusals]==> STRATEGIES,  OMS =[manual_intents]=> GATE
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from engine.book.stage import BookStage
from engine.config import Config, LoadedConfig
from engine.config_limits import limit_values
from engine.control.catalog import Names, names_of, write_catalog
from engine.credentials import Credentials, ed25519_signer
from engine.exit_codes import CommandError, ExitCode
from engine.feed.instruments import InstrumentKeeper
from engine.feed.keeper import MarketKeeper
from engine.feed.polls import PollKeeper
from engine.gateway.order_session import GatewayActor
from engine.journal.journal import Journal
from engine.journal.sequencer import Sequencer
from engine.model.approval import ApprovalRegister
from engine.model.codes import HaltReason, RecordKind
from engine.model.instruments import InstrumentSpec, format_e8
from engine.model.margin_terms import ContractMargin
from engine.model.subscriptions import parse_subscription
from engine.model.tables import Tables
from engine.oms.oms import Oms
from engine.risk.gate import RiskGate
from engine.risk.monitor import RiskMonitor
from engine.risk_wiring import configure_limits, set_currency, settings_of
from engine.runtime.actor import Pipeline
from engine.runtime.counters import Counters
from engine.runtime.net import NetError, ReconnectPolicy
from engine.runtime.registry import Registry
from engine.runtime.ring import Ring
from engine.runtime.timers import TimerQueue
from engine.runtime.watchdog import Watchdog
from engine.runtime.world import World
from engine.strategy.api import Strategy
from engine.strategy.loader import subscriptions_of
from engine.strategy.runner import StrategyRunner
from engine.venue_access import VenueAccess
from engine.venue_kinds import MarketRoute, OrderKeeping, OrderLine, VenueKind, kind_of
from engine.venues.binance.market_session import BinanceMarketSession
from engine.venues.binance.order_session import BinanceOrderSession
from engine.venues.binance.reference import ReferenceDataError
from engine.venues.binance.rest_market import VenueError
from engine.venues.binance.signer import HmacSigner
from engine.venues.binance.statistics import Wanted, wanted_of

ACCOUNT_ID = 1
RING_SLOTS = 4096
INTENT_SLOTS = 1024
# the exchange's longest processing delay: its engine answers within 10 s or says that it does not know (-1007)
VENUE_DELAY_NS_MAX = 10_000_000_000
NS_PER_MS = 1_000_000
# a hang in C code is ended by an abort; with a second for the restart, trading is back within five
WATCHDOG_ABORT_MS = 3_000
MARKET_SESSION_FIRST = 100
# as many as the keeper gives out, so that two routes' sessions never look alike to the books
SESSIONS_PER_ROUTE = 32
POLL_SESSION_ID = 90
ORDER_SESSION_ID = 1
SNAPSHOT_LEVELS = 1000


class Rings:
    """The bounded rings between the stages, named as in the drawing."""

    def __init__(self) -> None:
        self.inbound_market = Ring("inbound_market", RING_SLOTS)
        self.inbound_own = Ring("inbound_own", RING_SLOTS)
        self.inbound_control = Ring("inbound_control", RING_SLOTS)
        self.to_book = Ring("to_book", RING_SLOTS)
        self.to_oms = Ring("to_oms", RING_SLOTS)
        self.to_strategy = Ring("to_strategy", RING_SLOTS)
        self.to_risk = Ring("to_risk", RING_SLOTS)
        self.risk_events = Ring("risk_events", RING_SLOTS)
        self.market_events = Ring("market_events", RING_SLOTS)
        self.order_events = Ring("order_events", RING_SLOTS)
        self.refusals = Ring("refusals", INTENT_SLOTS)
        self.intents = Ring("intents", INTENT_SLOTS)
        self.manual_intents = Ring("manual_intents", INTENT_SLOTS)
        self.approvals = Ring("approvals", INTENT_SLOTS)
        self.outbound = Ring("outbound", RING_SLOTS)


class Engine:
    """Everything of one engine, wired."""

    def __init__(
        self,
        loaded: LoadedConfig,
        world: World,
        journal: Journal,
        registry: Registry,
        specs: list[InstrumentSpec],
        strategies: dict[str, Strategy],
        credentials: Credentials,
        rate_limits: Mapping[tuple[str, str], int],
        *,
        stays_down: bool,
    ) -> None:
        config = loaded.config
        (self.venue_name,) = config.venue
        self.loaded, self.world, self.journal, self.rings = loaded, world, journal, Rings()
        self.venue = config.venue[self.venue_name]
        self.kind = kind_of(self.venue.kind)
        self.venue_id = registry.venue_id(self.venue_name)
        self.fill_tables(registry, specs, strategies)
        self.counters = Counters(str(loaded.counters_path))
        self.counters.show_rings(vars(self.rings).values())
        clock, rings = world.clock, self.rings
        if stays_down:
            self.tables.set_control(halt_reason=HaltReason.CRASH_LOOP)
        register = self.register = ApprovalRegister()
        self.timers = TimerQueue()
        self.watchdog = Watchdog(config.engine.strategy_turn_ms_max, abort_after_ms(config.engine.strategy_turn_ms_max))

        # --- the stages, in flow order ---
        self.sequencer = Sequencer(
            "sequencer", journal, self.tables, self.counters, rings.inbound_own, rings.inbound_control,
            rings.inbound_market, rings.to_book, rings.to_oms, rings.to_strategy, clock, to_risk=rings.to_risk,
        )  # fmt: skip
        to_book, market_events = rings.to_book, rings.market_events
        self.book = BookStage("book", journal, self.tables, self.counters, to_book, market_events, clock=clock)
        self.oms = Oms(
            "oms", journal, self.tables, self.counters, register,
            to_oms=rings.to_oms, approvals=rings.approvals, outbound=rings.outbound, order_events=rings.order_events,
            manual_intents=rings.manual_intents, order_timeout_ns=self.venue.order_timeout_ms * NS_PER_MS,
            recv_window_ns=self.venue.recv_window_ms * NS_PER_MS, venue_delay_ns_max=VENUE_DELAY_NS_MAX,
            account_id=ACCOUNT_ID, venue_id=self.venue_id, cancel_on_start=config.reconcile.cancel_on_start,
            has_cancel_all=self.kind.capabilities.has_cancel_all_by_symbol,
            reporting_currency=config.portfolio.currency, risk_events=rings.risk_events,
        )  # fmt: skip
        self.monitor = self.risk_monitor()
        self.strategies = StrategyRunner(
            "strategies", journal, self.tables, self.counters, order_events=rings.order_events, refusals=rings.refusals,
            market_events=rings.market_events, to_strategy=rings.to_strategy, intents=rings.intents, timers=self.timers,
            clock=clock, reader=self.book.reader, watchdog=self.watchdog, account_id=ACCOUNT_ID,
            orders_per_input_max=config.runaway.orders_per_input_max,
            rejections_per_10s_max=config.runaway.rejections_per_10s_max,
            executions_per_10s_max=config.runaway.executions_per_10s_max,
        )  # fmt: skip
        self.gate = RiskGate(
            "gate", journal, self.tables, self.counters, register, self.book.reader, clock, intents=rings.intents,
            manual_intents=rings.manual_intents, approvals=rings.approvals, refusals=rings.refusals,
        )  # fmt: skip
        self.codec = self.kind.market_codec(self.tables, self.venue_id, self.venue.symbols)
        self.session = self.order_session(register, credentials, rate_limits)
        gateway = GatewayActor("gateway", self.session)
        stages = [self.sequencer, self.book, self.oms, self.monitor, self.strategies, self.gate, self.oms, gateway]
        self.pipeline = Pipeline(stages)  # OMS twice: what the gate approves leaves in the round that asked for it
        self.sequencer.attach(self.pipeline)
        self.watchdog.watch(stages)
        for name, strategy in strategies.items():
            section = config.strategy[name]
            subscriptions = subscriptions_of(strategy, section.subscriptions)
            self.strategies.attach(
                strategy, name, self.strategy_ids[name], section.symbols, self.venue_id, subscriptions
            )
        self.wanted, self.specs = wanted_statistics(config, self.kind, strategies), specs

    def tell_margin(self, terms: Iterable[ContractMargin]) -> None:
        """How the account stands in each contract, as inputs: a replay has them too."""
        for row in terms:
            self.sequencer.submit_record(
                int(RecordKind.MARGIN_TIERS), row.payload(), venue_id=self.venue_id, account_id=ACCOUNT_ID,
                instrument_id=self.tables.instrument_id(self.venue_id, row.symbol),
            )  # fmt: skip
        self.tables.set_hedge(self.venue_id, self.venue.position_mode == "hedge")

    def names(self) -> Names:
        """What the numbers in this run's records are called."""
        engine = self.loaded.config.engine
        venues = {self.venue_name: self.venue_id}
        return names_of(engine.name, engine.mode, self.tables, venues, self.strategy_ids)

    def fill_tables(self, registry: Registry, specs: list[InstrumentSpec], strategies: Mapping[str, Strategy]) -> None:
        """Instruments, ids and limits; all names go into the journal, so that it can be read without us."""
        config = self.loaded.config
        self.registry, self.tables = registry, Tables()
        registry.fill(self.tables, specs)
        self.strategy_ids = {name: registry.strategy_id(name) for name in strategies}
        registry.save()
        self.tables.set_epoch(self.journal.epoch)
        set_limits(self.tables, self.venue_id, config)
        write_catalog(self.journal, self.tables, self.names())

    def risk_monitor(self) -> RiskMonitor:
        """Who measures, with every limit of the configuration in force."""
        config, rings = self.loaded.config, self.rings
        monitor = RiskMonitor(
            "risk", self.journal, self.tables, self.counters, settings_of(config), to_risk=rings.to_risk,
            risk_events=rings.risk_events,
        )  # fmt: skip
        configure_limits(monitor, self.tables, config, {self.venue_name: self.venue_id}, self.strategy_ids)
        set_currency(self.tables, config.portfolio.currency)
        return monitor

    def order_session(
        self, register: ApprovalRegister, credentials: Credentials, rate_limits: Mapping[tuple[str, str], int]
    ) -> BinanceOrderSession:
        """The venue's order protocol: an Ed25519 key logs the session on, an HMAC key signs each request."""
        config, rings = self.loaded.config, self.rings
        is_hmac = credentials.key_type == "hmac"
        codec = self.kind.order_codec(
            self.tables, self.codec, engine_id=config.engine.id, api_key=credentials.api_key,
            signer=HmacSigner(credentials.secret) if is_hmac else None, recv_window_ms=self.venue.recv_window_ms,
        )  # fmt: skip
        return self.kind.order_session(
            "orders", ORDER_SESSION_ID, self.journal, self.tables, self.counters, register, self.world.clock,
            self.kind.budget(rate_limits), codec, outbound=rings.outbound, inbound=rings.inbound_own,
            venue_id=self.venue_id, account_id=ACCOUNT_ID,
            log_on_signer=None if is_hmac else ed25519_signer(credentials.secret),
        )  # fmt: skip

    def order_keeper(self, access: VenueAccess, on_fatal: Callable[[BaseException], None]) -> OrderKeeping:
        """Who keeps the order connections; `access` is the order half's."""
        return self.kind.order_keeper(
            OrderLine(
                world=access.world, pipeline=self.pipeline, session=self.session, access=access, on_fatal=on_fatal,
                order_url=self.kind.order_url(access.venue.ws_api_url), stream_url=access.venue.stream_url,
            )
        )  # fmt: skip

    def market_keepers(self, access: VenueAccess, on_fatal: Callable[[BaseException], None]) -> list[MarketKeeper]:
        """Who keeps the market connections: one for each route of the venue's kind."""
        for symbol in self.venue.symbols:
            self.book.prepare(self.tables.instrument_id(self.venue_id, symbol))
        return [
            self.market_keeper(access, on_fatal, route, number)
            for number, route in enumerate(self.kind.market_routes)
            if route.has_books or self.wanted.streams.get(route.path)
        ]

    def market_keeper(
        self, access: VenueAccess, on_fatal: Callable[[BaseException], None], route: MarketRoute, number: int
    ) -> MarketKeeper:
        """One market connection; the route with the books fetches depth snapshots too."""
        clock, rings, venue = self.world.clock, self.rings, self.venue

        def make_session(session_id: int) -> object:
            return route.session(
                f"market-{session_id}", session_id, self.codec, self.journal, rings.inbound_market, self.counters, clock,
                venue.symbols, stream_kinds=route.stream_kinds, streams=self.wanted.streams.get(route.path, ()),
                feeds_books=route.has_books,
            )  # fmt: skip

        async def fetch_snapshot(instrument_id: int) -> bytes:
            return await access.rest.depth(self.tables.symbol(instrument_id), SNAPSHOT_LEVELS)

        return MarketKeeper(
            net=self.world.net, clock=clock, counters=self.counters, pipeline=self.pipeline,
            books=self.book if route.has_books else NoBooks(), policy=ReconnectPolicy(self.world.rng),
            url=f"{venue.stream_url}{route.path}", make_session=make_session, fetch_snapshot=fetch_snapshot,
            connect_options={**access.options(venue.stream_url), "on_fatal": on_fatal},
            first_session_id=MARKET_SESSION_FIRST + number * SESSIONS_PER_ROUTE,
        )  # fmt: skip

    def poll_keeper(self, access: VenueAccess) -> PollKeeper:
        """Who asks for what the venue gives only over REST."""
        session = BinanceMarketSession(
            "polls", POLL_SESSION_ID, self.codec, self.journal, self.rings.inbound_market, self.counters, self.world.clock,
            self.venue.symbols, stream_kinds=(), feeds_books=False,
        )  # fmt: skip
        polls = [(poll, symbol, self.tables.instrument_id(self.venue_id, symbol)) for poll, symbol in self.wanted.polls]
        return PollKeeper(
            clock=self.world.clock, pipeline=self.pipeline, session=session, polls=polls, fetch=access.rest.poll,
            expected=(NetError, VenueError),
        )  # fmt: skip

    def instrument_keeper(self, access: VenueAccess) -> InstrumentKeeper:
        """Who asks now and then what the venue's symbols are."""

        async def fetch(symbols: list[str]) -> dict[str, InstrumentSpec]:
            return await access.rest.listed(self.venue_id, symbols)

        return InstrumentKeeper(
            sequencer=self.sequencer, pipeline=self.pipeline, tables=self.tables, books=self.book, specs=self.specs,
            fetch=fetch, interval_s=self.venue.instrument_refresh_s, expected=(NetError, VenueError, ReferenceDataError),
        )  # fmt: skip


def wanted_statistics(config: Config, kind: VenueKind, strategies: Mapping[str, Strategy]) -> Wanted:
    """What the strategies together ask for beside books and trades; what the venue has not was refused before anything opened.

    Positions are valued and margined by the venue's mark prices: they are subscribed for every symbol, where the kind has them.
    """
    asked = [
        (row, config.strategy[name].symbols)
        for name, strategy in strategies.items()
        for row in subscriptions_of(strategy, config.strategy[name].subscriptions)
    ]
    asked += [(parse_subscription("mark_price"), venue.symbols) for venue in config.venue.values()]
    return wanted_of((source, row, symbols) for row, symbols in asked if (source := kind.source_of(row)) is not None)


def abort_after_ms(strategy_turn_ms_max: int) -> int:
    """How long the process may stand still: strategies that are given long turns must be interrupted before it is aborted."""
    return max(WATCHDOG_ABORT_MS, 2 * strategy_turn_ms_max)


class NoBooks:
    """A market connection that carries no depth: none of its sessions mends a book."""

    def take_resyncs(self) -> list[int]:
        """None, ever."""
        return []


def set_limits(tables: Tables, venue_id: int, config: Config) -> None:
    """Every limit from the configuration, decimals to ticks and lots; a quantity off the lot grid is refused."""
    risk = config.risk
    tables.set_engine_limits(
        max_open_orders=risk.max_open_orders,
        message_burst=risk.message_burst,
        message_rate_per_s=risk.message_rate_per_s,
        stale_after_ns=risk.stale_after_ms * NS_PER_MS,
        clock_drift_ns_max=risk.clock_drift_ms_max * NS_PER_MS,
    )
    for symbol, limits in risk.instrument.items():
        row_id = tables.instrument_id(venue_id, symbol)
        lot_e8 = tables.instrument(row_id)["lot_size_e8"]
        amounts = limit_values(limits)
        for name in ("max_order_qty", "max_position"):
            if amounts[name] % lot_e8:
                text = f"risk.instrument.{symbol}.{name}: {getattr(limits, name)} is no multiple of the lot {format_e8(lot_e8)}"
                raise CommandError(ExitCode.CONFIG, text)
        tables.set_limits(
            row_id,
            max_order_qty_lots=amounts["max_order_qty"] // lot_e8,
            max_order_notional_e8=amounts["max_order_notional"],
            max_position_lots=amounts["max_position"] // lot_e8,
            price_collar_bps=limits.price_collar_bps,
            max_open_orders=limits.max_open_orders,
        )
