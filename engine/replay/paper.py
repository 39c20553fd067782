"""The venue of a session that another strategy has left: the paper venue on the tape's books, with the account as it stood.

Market data, ticks and the operator's commands go on as they were recorded; the account's own frames are no longer those of then,
since they answered orders that were never sent. In their place the line's real order session talks, in virtual time, to a paper
venue (`engine.sim.paper`) whose books are those of the recording and whose fills follow the paper model. What it fills, never
happened.
"""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections.abc import Iterator

import msgspec

from engine.exit_codes import CommandError, ExitCode
from engine.journal.cursor import parse
from engine.journal.decode import payload
from engine.line import Line
from engine.model.codes import RecordKind, Side
from engine.model.instruments import E8, InstrumentSpec, format_e8
from engine.paper import ADDRESSES, paper_terms
from engine.replay.core import Replay, spec_of
from engine.runtime.world import World
from engine.sim.inprocess.loop import virtual_loop
from engine.sim.inprocess.net import MemoryNet
from engine.sim.inprocess.ways import Latency, Way
from engine.sim.paper.rows import FuturesOrder, HoldingRow, Row, SpotBalances, SpotOrder, UsdmWallet
from engine.sim.paper.spot_account import SpotAccount
from engine.sim.paper.usdm_account import UsdmAccount
from engine.sim.paper.venue import PaperVenue, build_paper
from engine.sim.records import Order
from engine.sim.replay.frames import Diff, Event, PublicTrade, Ticker
from engine.sim.usdm.records import UsdmOrder
from engine.simulation import EngineTimers
from engine.venue_access import VenueAccess

LIMITS = {
    ("ORDERS", "SECOND"): 100_000,
    ("ORDERS", "MINUTE"): 100_000,
    ("ORDERS", "DAY"): 10_000_000,
    ("REQUEST_WEIGHT", "MINUTE"): 1_000_000,
}
LEVELS = 1_000
CONNECT_LIMIT_NS = 60_000_000_000
OPEN_STATES = frozenset({"NEW", "PARTIALLY_FILLED", "PENDING_CANCEL", "PENDING_REPLACE"})
POSITION_SIDES = ("BOTH", "LONG", "SHORT")


class DelayedWay(Way):
    """A way that is without delay until the connection stands: the recorded time does not wait for it."""

    def slow_down(self, fixed_us: int, jitter_us: int) -> None:
        """From now on messages are under way for so long."""
        self._fixed_ns, self._jitter_ns = fixed_us * 1_000, jitter_us * 1_000


class PaperNet(MemoryNet):
    """A network without delay until `settle`."""

    def ways(self) -> tuple[Way, Way]:
        """Two ways that are remembered."""
        if not hasattr(self, "made"):
            self.made: list[tuple[DelayedWay, DelayedWay]] = []
        dice = random.Random(1 + len(self.made))
        pair = DelayedWay(0, 0, dice), DelayedWay(0, 0, dice)
        self.made.append(pair)
        return pair

    def settle(self, latency: Latency) -> None:
        """The delays of the configuration hold."""
        for there, back in self.made:
            there.slow_down(latency.to_venue_us, latency.jitter_us)
            back.slow_down(latency.from_venue_us, latency.jitter_us)


class PaperSide:
    """Plays what is left of a session on paper. `run` yields the sequence that it has reached, now and then."""

    def __init__(self, replay: Replay) -> None:
        self.engine, self.session = replay.engine, replay.recording.session
        self.line = only_line(replay)
        self.credentials = replay.credentials[self.line.name]
        self.clock = self.engine.world.clock
        self.loop = virtual_loop(self.clock)
        self.specs = {
            number: spec_of(replay.recording.rows[number], replay.recording.names.assets)
            for number in self.line.instrument_ids
        }
        self.venue = self._build(replay)
        self.net = PaperNet(self.venue.host, self.clock, Latency(), 1)
        self.failure: BaseException | None = None
        self.inputs = 0

    @property
    def is_usdm(self) -> bool:
        """Futures, not spot."""
        return self.line.venue.kind == "binance-usdm"

    # --- the account and the books as they stood -------------------------------------------------------------------

    def _build(self, replay: Replay) -> PaperVenue:
        section = replay.recording.config.paper
        terms = paper_terms(section, self.line.venue.kind, list(self.specs.values()), self.credentials)
        terms = dataclasses.replace(terms, balances={name: format_e8(e8) for name, e8 in self.balances_e8().items()})
        prices_e8 = {spec.symbol: self.price_e8(number) for number, spec in self.specs.items()}
        venue = build_paper(
            list(self.specs.values()), prices_e8, terms, LIMITS, self.clock, is_usdm=self.is_usdm, seed=1
        )
        account = UsdmAccount(venue.core) if self.is_usdm else SpotAccount(venue.core)  # type: ignore[arg-type]
        account.restore(self.account_rows(), self.clock.time_ns())
        return venue

    def balances_e8(self) -> dict[str, int]:
        """All that the account has, locked amounts included."""
        return {row["asset"]: row["free_e8"] + row["locked_e8"] for row in self.line.oms.balances()}

    def price_e8(self, instrument_id: int) -> int:
        """The middle of the book; the last trade's where it has no two sides."""
        market, tick_e8 = self.engine.tables.market(instrument_id), self.specs[instrument_id].tick_size_e8
        bid, ask = market["best_bid_ticks"], market["best_ask_ticks"]
        ticks = (bid + ask) // 2 if bid > 0 and ask > 0 else market["last_trade_ticks"]
        if ticks <= 0:
            text = f"{self.specs[instrument_id].symbol} has no price yet where the strategies part: paper cannot begin"
            raise CommandError(ExitCode.DATA_ERROR, text)
        return int(ticks * tick_e8)

    def account_rows(self) -> list[Row]:
        """The account as rows of a paper account's file."""
        orders: list[Row] = [
            self.order_row(row)
            for row in self.line.oms.orders()
            if row["state"] in OPEN_STATES and row["venue_order_id"]
        ]
        if not self.is_usdm:
            return [SpotBalances(self.balances_e8()), *orders]
        settle = next(iter(self.specs.values()))
        wallet_e8 = self.balances_e8().get(settle.settle_asset or settle.quote_asset, 0)
        is_hedged = self.line.venue.position_mode == "hedge"
        return [UsdmWallet(wallet_e8, is_hedged, list(self.holdings()), {}), *orders]

    def holdings(self) -> Iterator[HoldingRow]:
        """Open positions."""
        for row in self.line.oms.positions():
            spec = self.specs.get(row["instrument_id"])
            if spec is not None and row["position_lots"]:
                qty_e8 = row["position_lots"] * spec.lot_size_e8
                side = POSITION_SIDES[row["position_side"]]
                yield HoldingRow(spec.symbol, side, qty_e8, row["cost_e16"] // E8, 0, row["realised_e16"] // E8, 0)

    def order_row(self, row: dict) -> Row:  # type: ignore[type-arg]
        """An open order as the paper venue keeps it."""
        spec: InstrumentSpec = self.specs[row["instrument_id"]]
        now_ns = self.clock.time_ns()
        terms = {
            "account_id": 1,
            "symbol": spec.symbol,
            "order_id": row["venue_order_id"],
            "client_order_id": row["client_order_id"],
            "side": row["side"],
            "type": "LIMIT",
            "time_in_force": "GTC" if row["time_in_force"] not in ("GTX", "GTD") else row["time_in_force"],
            "price_e8": row["price_ticks"] * spec.tick_size_e8,
            "qty_e8": row["qty_lots"] * spec.lot_size_e8,
            "status": "PARTIALLY_FILLED" if row["cum_qty_lots"] else "NEW",
            "executed_e8": row["cum_qty_lots"] * spec.lot_size_e8,
            "cum_quote_e8": row["value_e8"],
            "created_ns": now_ns,
            "updated_ns": now_ns,
            "stp_mode": "NONE",
        }
        if self.is_usdm:
            more = {"position_side": row["position_side"], "orig_type": "LIMIT", "reduce_only": bool(row["flags"] & 1)}
            return FuturesOrder(UsdmOrder(**terms, **more, close_position=False))
        kept = {
            "type": "LIMIT",
            "quote_order_qty_e8": 0,
            "working_ns": now_ns,
            "is_working": True,
            "stp_mode": "EXPIRE_MAKER",
        }
        return SpotOrder(Order(**(terms | kept)))

    # --- the rest of the session ----------------------------------------------------------------------------------

    def begin(self) -> None:
        """The books, then the connection: at the instant at which the strategies parted."""
        self.session.leave()
        for number, spec in self.specs.items():
            with self.loop._running():
                self.venue.feed.on_snapshot(spec.symbol, self.snapshot(number, spec))
        world = World.virtual(1, self.net, self.clock)
        access = VenueAccess(world, msgspec.structs.replace(self.line.venue, tls_ca=None, **ADDRESSES))
        self.venue.host.start(self.loop)
        access.rest.share(self.line.session)
        self.loop.run_until_complete(access.settle_account(self.credentials))
        keeper = self.line.order_keeper(access, self.on_fatal)
        self.loop.add_source(EngineTimers(self.engine.timers, self.on_timer, self.clock))
        self.task = self.loop.create_task(keeper.run())
        self.task.add_done_callback(self.on_end)
        self.loop.run_while(lambda: not self.is_connected(), self.clock.monotonic_ns() + CONNECT_LIMIT_NS)
        section = self.engine.loaded.config.paper
        self.net.settle(Latency(section.to_venue_us, section.from_venue_us, section.jitter_us))

    def is_connected(self) -> bool:
        """Both halves of the line stand."""
        row = self.engine.tables.line_state(self.line.venue_id)
        return bool(self.line.session.is_ready and row["gateway_ready"] and row["user_stream_ready"])

    def snapshot(self, instrument_id: int, spec: InstrumentSpec) -> bytes:
        """The engine's own book as the body of GET depth."""
        book = self.engine.book.depth(instrument_id, LEVELS)

        def texts(side: list[tuple[int, int]]) -> list[tuple[str, str]]:
            return [(format_e8(ticks * spec.tick_size_e8), format_e8(lots * spec.lot_size_e8)) for ticks, lots in side]

        body = {"lastUpdateId": book["update_id"], "bids": texts(book["bids"]), "asks": texts(book["asks"])}
        return msgspec.json.encode(body)

    def run(self, until_seq: int = 0) -> Iterator[int]:
        """Input by input to the end of the recording, or to a sequence; yields the last one every ten thousand."""
        while (at := self.session.next_left()) is not None:
            wall_ns, mono_ns = at
            if until_seq and int.from_bytes(self.session.head[8:16], "little") > until_seq:
                break
            self.loop.run_until_ns(mono_ns)
            if self.failure is not None:
                raise self.failure
            data = self.session.head
            with self.loop._running():
                self.session.run_left(wall_ns, max(mono_ns, self.clock.monotonic_ns()), feeds=True)
                self.hear(data)
            self.inputs += 1
            if self.inputs % 10_000 == 0:
                yield self.session.passed_seq
        self.end()

    def end(self) -> None:
        """Let go of the connection."""
        self.task.cancel()
        self.loop.run_until_ns(self.clock.monotonic_ns())
        self.venue.host.stop()
        self.loop.close()

    def hear(self, data: bytes) -> None:
        """The paper venue hears the market after the engine."""
        kind = int.from_bytes(data[40:42], "little")
        number = int.from_bytes(data[48:52], "little")
        spec = self.specs.get(number)
        if spec is None or kind not in EVENTS:
            return
        event = event_of(kind, payload(parse(data)[0]), spec)
        if event is not None:
            self.venue.feed.take(spec.symbol, event)

    def on_timer(self, due: tuple[int, int, int, int, int]) -> None:
        """A timer of the core's own."""
        timer_id, deadline_ns, kind, strategy_id, data = due
        self.engine.sequencer.submit_timer(
            kind, timer_id=timer_id, deadline_mono_ns=deadline_ns, data=data, strategy_id=strategy_id
        )
        wall_ns, mono_ns = self.clock.time_ns(), self.clock.monotonic_ns()
        self.session.run_left(wall_ns, mono_ns, feeds=False)

    def on_fatal(self, error: BaseException) -> None:
        """The impossible ends it."""
        self.failure = self.failure or error
        self.loop.failure = self.loop.failure or error

    def on_end(self, task: asyncio.Task[None]) -> None:
        """A keeper that ends by itself is a fault."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self.on_fatal(error)


EVENTS = frozenset({RecordKind.DEPTH_DIFF, RecordKind.BOOK_TICKER, RecordKind.TRADE})


def event_of(kind: int, row: dict, spec: InstrumentSpec) -> Event | None:  # type: ignore[type-arg]
    """A market record as the replay venue reads it."""
    tick_e8, lot_e8 = spec.tick_size_e8, spec.lot_size_e8
    if kind == RecordKind.DEPTH_DIFF:
        bids, asks = ([(ticks * tick_e8, lots * lot_e8) for ticks, lots in row[side]] for side in ("bids", "asks"))
        previous_id = row["previous_update_id"] or -1
        return Diff(row["first_update_id"], row["last_update_id"], previous_id, row["event_ns"], bids, asks)
    if kind == RecordKind.BOOK_TICKER:
        bid, ask = row["bid_price_ticks"] * tick_e8, row["ask_price_ticks"] * tick_e8
        return Ticker(row["update_id"], bid, row["bid_qty_lots"] * lot_e8, ask, row["ask_qty_lots"] * lot_e8)
    is_buyer_maker = row["aggressor_side"] == Side.SELL.name
    return PublicTrade(
        row["trade_id"], row["price_ticks"] * tick_e8, row["qty_lots"] * lot_e8, row["trade_ns"], is_buyer_maker, True
    )


def only_line(replay: Replay) -> Line:
    """The session's one line. CommandError for several, and for keys that paper does not know."""
    if len(replay.engine.lines) != 1:
        raise CommandError(ExitCode.USAGE, "--strategy plays sessions of one venue and account; this one had several")
    (line,) = replay.engine.lines
    if line.venue.key_type != "hmac":
        raise CommandError(ExitCode.USAGE, "--strategy plays sessions whose key is of type hmac; paper knows no other")
    return line


__all__ = ["PaperSide"]
