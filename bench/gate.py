"""The risk gate alone, and an order's whole life, beside the same in Python.

Gate: the daemon's own, 50 orders open, intents waiting in its ring; a limit order, and a market order that walks ten levels
of the real book; with the required limits alone, and with every check on in every scope (engine, account, venue, strategy,
instrument). Life: a ticker makes a compiled strategy submit (IOC), the venue's acknowledgement and its fill follow,
each frame run to completion - journal, book, strategy, gate, OMS, HMAC, position -; a ticker that makes no order is taken off.
A connection calls compiled code, so ours is timed inside the compiled call, from before a frame's stamps to the stages' rest (two
clock reads more each); the benchmark's own calls from Python, a tenth of a microsecond each, are not the engine's. The yardstick is
Python and is called as its user would call it.
The peers' figures stand beside both: their order lifecycle holds their risk engine, which is not to be had apart.
Run: ``python bench/gate.py [--json] [--record]``.
"""

from __future__ import annotations

import gc
import re
import statistics
import time
from collections.abc import Callable
from typing import Any

from parts.history import arguments
from parts.in_process import ACKNOWLEDGED, CLIENT_ID_KEY, InProcess
from parts.python_orders import LIMIT, MARKET, Instrument, PythonGate, PythonLifecycle
from parts.rows import Row, report
from parts.wire_venue import FrameFactory
from pipeline import ticker

from engine.model.codes import LimitScope, TimeInForce
from engine.risk.rehearsal import offer_intent, time_gate
from engine.strategy.responder import Responder

TARGET_GATE_NS, TARGET_LIFE_US = 150.0, 2.0
# processor time of one order's life in NautilusTrader, measured once on such a machine: it is not installed where this runs
PEERS_LIFE_US = {"Nautilus v2, order lifecycle": 27.0, "Nautilus v1, order lifecycle": 154.0}
OPEN_ORDERS = 50
INTENTS_A_ROUND = 32
ROUNDS_A_CALL = 50
BID_TICKS, ASK_TICKS = 5_999_999, 6_000_001
LEVEL_LOTS = 5_000
PERMISSIONS = 4 | 16  # no short sales, no own orders met
MESSAGES_A_SECOND = 10**9  # more than a configuration may say: the bucket is emptied and refilled, but never empty
FILLED = (
    b'{"subscriptionId":0,"event":{"e":"executionReport","E":1,"s":"BTCUSDT","c":"%b","S":"BUY","o":"LIMIT","f":"IOC",'
    b'"q":"0.00100000","p":"59999.99000000","P":"0.00000000","F":"0.00000000","g":-1,"C":"","x":"TRADE","X":"FILLED",'
    b'"r":"NONE","i":%d,"l":"0.00100000","z":"0.00100000","L":"59999.99000000","n":"0.00000000","N":"USDT","T":1,"t":%d,"I":%d,'
    b'"w":false,"m":false,"M":false,"O":1,"Z":"59.99999000","Y":"59.99999000","Q":"0.00000000","V":"EXPIRE_MAKER"}}'
)


def thin(frame: bytes) -> bytes:
    """The depth frame with little on each level, so that an order within the limits reaches the tenth."""
    return re.sub(rb'","[0-9.]+"\]', b'","0.05000000"]', frame)


def every_limit(scope: LimitScope) -> dict[str, int]:
    """Every limit of a scope, far enough off that the orders measured pass: each is looked at, none refuses."""
    money_e8 = 10**17
    return {
        "max_order_qty_lots": 10**9, "max_position_lots": 10**12, "max_order_notional_e8": money_e8,
        "max_position_notional_e8": money_e8, "max_gross_exposure_e8": money_e8, "max_net_exposure_e8": money_e8,
        "max_leverage_e4": 1_000_000, "max_positions": 100, "max_open_orders": 10_000, "price_collar_bps": 900,
        "price_collar_period_bps": 900, "price_collar_period_ns": 0 if scope is LimitScope.STRATEGY else 10**9,
        "max_slippage_bps": 500, "message_rate_per_s": MESSAGES_A_SECOND, "message_burst": MESSAGES_A_SECOND,
        "max_daily_loss_e8": money_e8, "max_drawdown_e8": money_e8, "max_drawdown_bps": 5_000, "max_loss_streak": 100,
        "max_executions": 1_000, "executions_window_ns": 10**9, "max_price_move_bps": 5_000,
        "capital_budget_e8": money_e8, "permissions": PERMISSIONS, "duplicate_window_ns": 1,
    }  # fmt: skip


def switch_everything_on(engine: Any) -> None:
    """All limits in the five scopes of the orders measured, with equity and rates to compare by."""
    tables = engine.tables
    tables.set_rate(tables.asset_id("USDT"), 10**8)
    for scope, number in zip(LimitScope, (0, 1, 1, 1, 1), strict=True):
        tables.set_limit_row(scope, number, **every_limit(scope))
        tables.set_scope(scope, number, equity_e8=10**16)
    tables.revalue()


class GateRig:
    """The daemon's gate over a book of twenty levels a side, with fifty orders open; and the yardstick in the same state."""

    def __init__(self, rig: InProcess) -> None:
        self.rig, self.next_handle = rig, 1 << 40
        self.everything = False
        engine = rig.engine
        engine.tables.set_engine_limits(
            max_open_orders=100_000, message_burst=MESSAGES_A_SECOND, message_rate_per_s=MESSAGES_A_SECOND,
            stale_after_ns=600 * 10**9, clock_drift_ns_max=10**9,
        )  # fmt: skip
        # the configuration's rate stands in the engine's row too, and a quiet machine asks for more than it may say
        engine.tables.set_limit_row(
            LimitScope.ENGINE, 0, message_burst=MESSAGES_A_SECOND, message_rate_per_s=MESSAGES_A_SECOND
        )
        rig.market_frame(thin(FrameFactory().next_frame()))
        for number in range(OPEN_ORDERS):
            offer_intent(
                engine.journal, engine.rings.intents, order_handle=(1 << 39) + number, instrument_id=1,
                price_ticks=BID_TICKS - 10, qty_lots=100,
            )  # fmt: skip
        engine.pipeline.run_to_completion()
        if engine.register.open_orders != OPEN_ORDERS:
            raise RuntimeError(f"{engine.register.open_orders} orders are open, not {OPEN_ORDERS}")
        bids = [(BID_TICKS - level, LEVEL_LOTS) for level in range(20)]
        asks = [(ASK_TICKS + level, LEVEL_LOTS) for level in range(20)]
        self.python = PythonGate(Instrument(bids=bids, asks=asks, open_orders=OPEN_ORDERS), OPEN_ORDERS)

    def switch_everything_on(self) -> None:
        """Ours and the yardstick's."""
        self.everything = True
        switch_everything_on(self.rig.engine)
        self.python.limited_scopes = len(LimitScope)

    def ours_ns(self, kind: int, qty_lots: int, rounds: int) -> float:
        """Median of the rounds, one intent."""
        price_ticks, found = BID_TICKS if kind == LIMIT else 0, []
        for done in range(0, rounds, ROUNDS_A_CALL):
            self.wait_for_the_disk()
            found += time_gate(
                self.rig.engine.gate, order_handle=self.next_handle, instrument_id=1, side=0, price_ticks=price_ticks,
                qty_lots=qty_lots, order_type=kind, time_in_force=TimeInForce.GTC,
                rounds=min(ROUNDS_A_CALL, rounds - done), intents=INTENTS_A_ROUND,
            )  # fmt: skip
            self.next_handle += ROUNDS_A_CALL * INTENTS_A_ROUND
        return statistics.median(found)

    def wait_for_the_disk(self) -> None:
        """Until the writer thread has emptied the ledger's front: a nearly full one refuses orders, as it should."""
        self.rig.journal.flush()

    def python_ns(self, kind: int, qty_lots: int, rounds: int) -> float:
        """The same of the yardstick."""
        clock, decide, found = time.monotonic_ns, self.python.decide, []
        for _ in range(rounds):
            self.python.instrument.last_mono_ns = now_ns = clock()
            handles = range(self.next_handle, self.next_handle + INTENTS_A_ROUND)
            began_ns = clock()
            reasons = [decide(handle, 0, kind, BID_TICKS, qty_lots, now_ns) for handle in handles]
            found.append((clock() - began_ns) / INTENTS_A_ROUND)
            if any(reasons):
                raise RuntimeError(f"the yardstick refused: {reasons}")
            for handle in handles:
                self.python.end(handle)
        self.python.journal.clear()
        return statistics.median(found)

    def rows(self, rounds: int, count: int) -> list[Row]:
        """Limit order, and market order through ten levels."""
        found = []
        kinds = (("limit", LIMIT, 100), ("market, 10 levels", MARKET, 10 * LEVEL_LOTS - 1))
        for name, kind, qty_lots in kinds:
            ours, python = interleaved(
                rounds,
                lambda kind=kind, qty=qty_lots: self.ours_ns(kind, qty, count),  # type: ignore[misc]
                lambda kind=kind, qty=qty_lots: self.python_ns(kind, qty, max(count // 20, 1)),  # type: ignore[misc]
            )
            checks = "every check" if self.everything else "required limits"
            full_name = f"gate, {OPEN_ORDERS} open, {checks}, {name}"
            found.append(Row(full_name, "ns", ours, "the same gate in Python", python, TARGET_GATE_NS))
            if self.everything:
                found += beside_peers(full_name, "ns", ours, TARGET_GATE_NS)
        return found


class LifeRig:
    """Orders from a ticker to their fill, in the daemon and in the yardstick."""

    def __init__(self, rig: InProcess) -> None:
        self.rig, self.python = rig, PythonLifecycle()
        self.number = 1
        rig.market_frame(FrameFactory().next_frame())
        if not rig.link.sent:  # every second change of the book makes an order: the next one must not
            rig.market_frame(ticker(1))
        rig.answer_requests()

    def round_us(self, count: int) -> tuple[float, float]:
        """Medians of one round: ours, the yardstick's."""
        ours, python = [], []
        for _ in range(count):
            self.number += 1
            idle_frame, frame = ticker(2 * self.number), ticker(2 * self.number + 1)
            ours.append(self._ours_ns(idle_frame, frame))
            python.append(self._python_ns(frame))
        return statistics.median(ours) / 1000, statistics.median(python) / 1000

    def _ours_ns(self, idle_frame: bytes, frame: bytes) -> int:
        rig = self.rig
        idle_ns = rig.market_frame_ns(idle_frame)
        spent_ns = rig.market_frame_ns(frame) - idle_ns
        (text,), rig.link.sent = rig.link.sent, []
        start = text.index(CLIENT_ID_KEY) + len(CLIENT_ID_KEY)
        client_id = text[start : text.index(b'"', start)]
        reply = ACKNOWLEDGED % (text[6 : text.index(b",")], self.number, client_id)
        fill = FILLED % (client_id, self.number, self.number, self.number)
        return spent_ns + rig.own_frame_ns(reply) + rig.own_frame_ns(fill)

    def _python_ns(self, frame: bytes) -> int:
        clock, python = time.perf_counter_ns, self.python
        began_ns = clock()
        python.client.read(frame)
        idle_ns = clock() - began_ns
        began_ns = clock()
        python.submit(frame)
        spent_ns = clock() - began_ns - idle_ns
        client_id = b"bench%d" % python.client.number
        reply, fill = ACKNOWLEDGED % (b"1", 1, client_id), FILLED % (client_id, 1, self.number, 1)
        began_ns = clock()
        python.acknowledge(reply)
        python.fill(fill)
        return spent_ns + clock() - began_ns

    def rows(self, rounds: int, count: int) -> list[Row]:
        """Submit, accept, fill, position."""
        before_lots = self.position_lots()
        found = [self.round_us(count) for _ in range(rounds)]
        moved_lots = self.position_lots() - before_lots
        if moved_lots != rounds * count * 100:
            raise RuntimeError(f"{moved_lots} lots were booked for {rounds * count} orders of 100")
        ours, python = (statistics.median(values) for values in zip(*found, strict=True))
        name = "life: submit, accept, fill, position"
        return [
            Row(name, "us", ours, "all-Python client", python, TARGET_LIFE_US),
            *beside_peers(name, "us", ours, TARGET_LIFE_US),
        ]

    def position_lots(self) -> int:
        """What the daemon has booked."""
        lots: int = self.rig.engine.tables.exposure(1)["position_lots"]
        return lots


def beside_peers(name: str, unit: str, ours: float, target: float) -> list[Row]:
    """Ours, in ``unit`` (ns or us), beside what the peers' whole lifecycle costs."""
    units_a_us = 1000 if unit == "ns" else 1
    return [Row(name, unit, ours, peer, life_us * units_a_us, target) for peer, life_us in PEERS_LIFE_US.items()]


def interleaved(rounds: int, ours: Callable[[], float], yardstick: Callable[[], float]) -> tuple[float, float]:
    """Medians of both, measured in turn."""
    pairs = [(ours(), yardstick()) for _ in range(rounds)]
    return statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs)


def measured(rounds: int, count: int) -> list[Row]:
    """All rows, with garbage collection off as in the daemon between its idle turns."""
    gc.collect()
    gc.disable()
    try:
        with InProcess(Responder(100, every=10**9), "hmac") as rig:
            gate = GateRig(rig)
            rows = gate.rows(rounds, count)
            gate.switch_everything_on()
            rows += gate.rows(rounds, count)
        with InProcess(Responder(100, every=2, time_in_force=TimeInForce.IOC), "hmac") as rig:
            rows += LifeRig(rig).rows(rounds, count)
    finally:
        gc.enable()
    return rows


def main() -> int:
    """Parse, measure, print."""
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--count", type=int, default=200, help="batches of intents, or orders, a round")
    options = parser.parse_args()
    report("gate", measured(options.rounds, options.count), options)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
