"""The engine's order side and the venue's pure core in one process and virtual time, and a seeded way that loses and delays.

Each message has its own fate, so that they also overtake one another: worse than any connection, since what a venue does inside
keeps no order either. A request that comes after its recvWindow is refused by the venue itself (-1021), as on the exchange.
"""

from __future__ import annotations

import heapq
import json
import random
from typing import Any

from engine.runtime.clock import Clock
from engine.runtime.session import MemoryLink
from engine.sim.config import AccountConfig, KeyConfig, SymbolConfig, VenueConfig
from engine.sim.core import VenueCore
from engine.sim.wire.api_session import ApiSession
from engine.sim.wire.config import WireConfig
from engine.sim.wire.fault_commands import OrderError
from engine.sim.wire.limits import LimitsConfig
from engine.sim.wire.shell import VenueShell
from tests.session_rig import SessionRig

MS_NS = 1_000_000
SECOND_NS = 1_000_000_000
STEP_NS = 250 * MS_NS
ORDERS = ("order.place", "order.cancel")
API_KEY = "k" * 64


class VenueEnd:
    """The venue's way out: keeps what its session sends."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.is_closed = False

    def send_text(self, payload: bytes) -> None:
        self.frames.append(payload)

    def send_texts(self, payloads: list[bytes]) -> None:
        self.frames.extend(payloads)

    def send_binary(self, payload: bytes) -> None:
        self.frames.append(payload)

    def send_ping(self, payload: bytes) -> None:
        """Pings need no answer within the minutes that a test lasts."""

    def send_pong(self, payload: bytes) -> None:
        """Nothing pings the venue here."""

    def close(self, code: int, reason: str) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = True

    def buffered_bytes(self) -> int:
        return 0


def make_venue(clock: Clock) -> VenueShell:
    """A still market at 100.00 with the rig's ticks and lots, one account with the rig's key."""
    symbols = tuple(
        SymbolConfig(
            symbol=f"{base}USDT", base=base, quote="USDT", tick_size="0.01", step_size="0.001", start_price="100.00",
            min_qty="0.001", max_qty="9000", max_price="100000.00", market_max_qty="1000", mean_order_qty="1",
        )
        for base in ("BTC", "ETH")
    )  # fmt: skip
    key = KeyConfig(api_key=API_KEY, kind="hmac", secret="secret")
    account = AccountConfig(name="one", keys=(key,), balances={"USDT": "1000000", "BTC": "1000", "ETH": "1000"})
    config = VenueConfig(symbols=symbols, accounts=(account,), activity=0.0, backfill_minutes=1)
    limits = LimitsConfig(weight_minute=1_000_000, orders_10s=100_000)
    wire = WireConfig(ping_interval_s=80_000, pong_timeout_s=80_000)
    now_ns = clock.time_ns()
    return VenueShell(VenueCore(config, 1, now_ns), wire, limits, now_ns)


class LossyExchange:
    """One episode: `play` steps virtual time; `is_lossy` says whether messages may still be lost or late."""

    def __init__(self, seed: int, clock: Clock, venue: VenueShell) -> None:
        self.dice = random.Random(seed)
        self.clock = clock
        self.venue = venue
        self.is_lossy = True
        self.rig = SessionRig(connect=False, clock=clock, weight_minute=1_000_000, orders_10s=100_000)
        self.under_way: list[tuple[int, int, int, bool, bytes]] = []
        self.number = 0
        self.connection = 0
        self.taken = 0
        self.places: dict[str, int] = {}
        self.connect()

    # --- the connection ---

    def connect(self) -> None:
        self.connection += 1
        self.end = VenueEnd()
        self.api = ApiSession(self.venue, self.end, MS_NS, self.clock.time_ns(), "here")
        self.rig.link = MemoryLink()
        self.taken = 0
        self.rig.session.link = self.rig.link
        self.rig.session.on_open()
        self.rig.pipeline.run_to_completion()

    def look_after(self) -> None:
        """What the keeper does: a connection that was given up, or that breaks, is followed by another."""
        breaks = self.is_lossy and self.dice.random() < 0.002
        if breaks or self.rig.session.is_dead or not self.rig.link.is_open:
            self.api.on_closed()
            self.rig.session.on_close("lost")
            self.rig.pipeline.run_to_completion()
            self.connect()

    # --- fates ---

    def fate_ns(self, lost: float, slow: float, slow_s_max: float) -> int:
        """How long one message is under way; below 0: for ever."""
        if not self.is_lossy:
            return 5 * MS_NS
        draw = self.dice.random()
        if draw < lost:
            return -1
        if draw < lost + slow:
            return int(self.dice.uniform(0.2, slow_s_max) * SECOND_NS)
        return int(self.dice.uniform(1, 200) * MS_NS)

    def send(self, message: bytes, to_venue: bool, delay_ns: int) -> None:
        if delay_ns >= 0:
            self.number += 1
            at_ns = self.clock.time_ns() + delay_ns
            heapq.heappush(self.under_way, (at_ns, self.number, self.connection, to_venue, message))

    def collect(self) -> None:
        """Give every message that was sent its fate."""
        sent = self.rig.link.sent
        for message in sent[self.taken :]:
            request = json.loads(message)
            if request["method"] == "order.place":
                name = request["params"]["newClientOrderId"]
                self.places[name] = self.places.get(name, 0) + 1
            is_order = request["method"] in ORDERS
            self.send(message, True, self.fate_ns(0.1, 0.25, 60.0) if is_order else self.fate_ns(0.03, 0.03, 3.0))
        self.taken = len(sent)
        frames, self.end.frames = self.end.frames, []
        for frame in frames:
            is_event = b'"event":' in frame
            copies = 2 if self.is_lossy and is_event and self.dice.random() < 0.1 else 1
            for _ in range(copies):
                self.send(frame, False, self.fate_ns(0.1, 0.1, 60.0))

    def deliver(self) -> None:
        now_ns = self.clock.time_ns()
        while self.under_way and self.under_way[0][0] <= now_ns:
            _, _, connection, to_venue, message = heapq.heappop(self.under_way)
            if connection != self.connection:
                continue  # it was under way on a connection that is gone
            if to_venue:
                self.at_venue(message)
            elif self.rig.link.is_open:
                self.rig.feed(message)

    def at_venue(self, message: bytes) -> None:
        if self.is_lossy and b'"order.place"' in message and self.dice.random() < 0.08:
            code, executed = self.dice.choice([(-1006, True), (-1006, False), (-1007, True), (-1007, False)])
            self.venue.faults.arm(OrderError(count=1, code=code, executed=executed), self.venue.now_ns)
        self.api.on_text(message, self.clock.time_ns())
        self.venue.finish()
        self.venue.faults.clear()

    def play(self, seconds: float) -> None:
        for _ in range(int(seconds * SECOND_NS) // STEP_NS):
            self.collect()
            self.clock.advance(STEP_NS)
            self.venue.begin(self.clock.time_ns())
            self.deliver()
            self.rig.tick()
            for ring in ("events", "feed", "strategy", "refusals"):
                self.rig.drain(ring)
            self.look_after()

    # --- what is so ---

    def venue_open(self) -> set[str]:
        """Client order ids that are open at the venue."""
        account_id = self.venue.keys.find(API_KEY).account_id
        return {row.client_order_id for row in self.venue.core.open_orders(account_id)}

    def engine_rows(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.rig.oms.orders(open_only=False)
        return rows
