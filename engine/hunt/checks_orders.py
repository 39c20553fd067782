"""Checkers of orders: none twice, none that may not leave, none against a broken book, none beyond a limit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from engine.hunt.check import Check
from engine.hunt.ledger import Entry
from engine.hunt.place import DRIFT_MS_MAX, ORDERS_PER_INPUT_MAX, STALE_AFTER_MS
from engine.hunt.wire import Request
from engine.model import clientid
from engine.model.codes import BookState, PositionSide, RecordKind, TradingState

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
PANIC = 16
REDUCE_ONLY = 2


def side_of(text: object) -> PositionSide:
    """The side of a position as the wire names it; none is named where an account has one position a symbol."""
    return PositionSide[str(text)] if text else PositionSide.BOTH


class OnceEach(Check):
    """R14, R01: an order's name goes out once in its life, and the venue never has two orders of one name."""

    invariants = ("R14", "R01")
    name = "no order twice"

    def __init__(self, hunt: Any) -> None:
        super().__init__(hunt)
        self.sent: Counter[str] = Counter()

    def on_request(self, request: Request) -> None:
        for name in request.names:
            self.sent[name] += 1
            if self.sent[name] > 1:
                raise self.fail(f"{name} was sent {self.sent[name]} times, last by {request.method}")
            if not clientid.decode(name):
                raise self.fail(f"{name} is no name of ours")

    def on_venue(self, events: Sequence[object]) -> None:
        if self.hunt.truth.doubled:
            raise self.fail(f"the venue made two orders of {self.hunt.truth.doubled[0]}")


class Journaled(Check):
    """R01, R24: what is about to leave stands in the ledger: after any crash the next run knows of it."""

    invariants = ("R01", "R24")
    name = "journaled before sent"

    def __init__(self, hunt: Any) -> None:
        super().__init__(hunt)
        self.waiting: dict[int, tuple[str, float]] = {}
        self.listed: dict[int, int] = {}

    def on_request(self, request: Request) -> None:
        """The orders of a list leave as one request, which stands once."""
        if request.names:
            handles = [clientid.decode(name) for name in request.names]
            self.waiting[handles[0]] = (request.names[0], self.hunt.at_s)
            self.listed.update((handle, handles[0]) for handle in handles[1:])

    def on_entry(self, entry: Entry) -> None:
        if entry.kind == RecordKind.ORDER_BYTES:
            self.waiting.pop(self.listed.pop(entry.order_handle, entry.order_handle), None)

    def on_end(self, why: str) -> None:
        if why.startswith("power"):
            self.waiting.clear()  # what was not synced may be gone

    def on_start(self) -> None:
        """What the killed engine had sent must be in what the next one found."""
        for entry in self.hunt.new_entries():
            self.on_entry(entry)
            for check in self.hunt.checks:
                if check is not self:
                    check.on_entry(entry)
        self._look("after a restart")

    def each_second(self) -> None:
        if self.hunt.life is not None and not self.hunt.life.journal.error:
            self._look("in the ledger of a running engine")

    def _look(self, where: str) -> None:
        for handle, (name, at_s) in self.waiting.items():
            if at_s < self.hunt.at_s - 0.2:
                raise self.fail(f"{name} (handle {handle}) was sent at {at_s:.3f} s and has no ORDER_BYTES {where}")


class OnThePlatter(Check):
    """R02: at level `order` an order leaves when its record is synced, but for what closes a position in a panic."""

    invariants = ("R02",)
    name = "synced before sent"

    def __init__(self, hunt: Any) -> None:
        super().__init__(hunt)
        # the first record of each order, and of those that left before it was read: up to where the ledger was synced then
        self.recorded: dict[int, int] = {}
        self.left: dict[int, int] = {}

    def on_request(self, request: Request) -> None:
        life = self.hunt.life
        if self.hunt.schedule.durability != "order" or life is None or not request.is_place or not life.is_wired:
            return
        synced_seq = int(life.journal.ledger.status()["synced_seq"])
        for handle in map(clientid.decode, request.names):
            order = life.engine.lines[0].oms.order(handle) or {}
            if int(order.get("flags", 0)) & PANIC:
                continue
            if handle in self.recorded:
                self._look(handle, synced_seq)
            else:
                self.left[handle] = synced_seq

    def on_entry(self, entry: Entry) -> None:
        if entry.kind == RecordKind.ORDER_STATE and entry.order_handle not in self.recorded:
            self.recorded[entry.order_handle] = entry.seq
            if entry.order_handle in self.left:
                self._look(entry.order_handle, self.left.pop(entry.order_handle))

    def _look(self, handle: int, synced_seq: int) -> None:
        self.hunt.counts["orders synced before sent"] += 1
        if self.recorded[handle] > synced_seq:
            name = clientid.encode(1, handle)
            raise self.fail(
                f"{name} left when the ledger was synced up to {synced_seq}, its record is {self.recorded[handle]}"
            )

    def on_end(self, why: str) -> None:
        if why.startswith("power"):
            self.left.clear()  # what stands in the ledger then, `fills once` looks at
            self.recorded.clear()  # numbers are given again


class MayLeave(Check):
    """R15, R26, R08-R10, R07, R05, R22: the state in which a new order leaves is one in which it may."""

    invariants = ("R26", "R15", "R08", "R09", "R10", "R07", "R05")
    name = "may leave"

    def on_request(self, request: Request) -> None:
        life = self.hunt.life
        if life is None or not request.is_place or "engine" not in vars(life):
            return
        engine = life.engine
        handle = clientid.decode(request.names[0])
        line = engine.lines[0]
        order = line.oms.order(handle) or {}
        flags = int(order.get("flags", 0))
        state = engine.tables.line_state(line.venue_id)
        self._state(request, state, flags)
        if life.journal.error:
            raise self.fail(
                f"{request.method} leaves though the journal's disk failed: {life.journal.error_text}", "R05"
            )
        if flags & PANIC:
            return
        drift_ms = abs(state["clock_drift_ns"]) // NS_PER_MS
        if drift_ms > DRIFT_MS_MAX and not flags & REDUCE_ONLY:
            raise self.fail(f"{request.method} leaves with the clock {drift_ms} ms off", "R07")
        self._book(request)

    def _state(self, request: Request, state: dict[str, Any], flags: int) -> None:
        if not state["reconciled"]:
            raise self.fail(f"{request.method} leaves before the account is reconciled", "R26")
        if not state["user_stream_ready"]:
            raise self.fail(f"{request.method} leaves though own events do not come", "R15")
        if state["trading_state"] == TradingState.HALTED and not flags & PANIC:
            raise self.fail(f"{request.method} leaves while HALTED ({state['halt_reason']})", "R26")

    def _book(self, request: Request) -> None:
        life = self.hunt.life
        assert life is not None
        tables = life.engine.tables
        row = tables.instrument_id(life.engine.lines[0].venue_id, str(request.params.get("symbol", "")))
        if not row:
            return
        market = tables.market(row)
        if market["book_state"] != BookState.VALID:
            raise self.fail(f"{request.method} leaves on a book that is {BookState(market['book_state']).name}", "R08")
        bid, ask = market["best_bid_ticks"], market["best_ask_ticks"]
        if 0 < ask < bid or bid < 0 or ask < 0:
            raise self.fail(f"{request.method} leaves on a crossed book: {bid} {ask}", "R09")
        age_ns = self.hunt.now_ns - market["last_mono_ns"]
        if age_ns > STALE_AFTER_MS * NS_PER_MS:
            raise self.fail(f"{request.method} leaves on data {age_ns / NS_PER_S:.3f} s old", "R10")


class Limits(Check):
    """R21: positions with everything that works, open orders and sizes stay within the configured limits, whatever is UNKNOWN."""

    invariants = ("R21",)
    name = "limits"

    def on_request(self, request: Request) -> None:
        life = self.hunt.life
        if life is None or not request.is_place or "engine" not in vars(life):
            return
        tables = life.engine.tables
        handle = clientid.decode(request.names[0])
        order = life.engine.lines[0].oms.order(handle) or {}
        if int(order.get("flags", 0)) & (PANIC | REDUCE_ONLY):
            return
        row = tables.instrument_id(life.engine.lines[0].venue_id, str(request.params.get("symbol", "")))
        if not row:
            return
        limits = life.loaded.config.risk.instrument[tables.symbol(row)]
        exposure = tables.exposure(row, side_of(request.params.get("positionSide")))
        lot_e8 = tables.instrument(row)["lot_size_e8"]
        most_lots = int(float(limits.max_position) * 1e8 + 0.5) // lot_e8
        side = str(request.params.get("side", ""))
        if side == "BUY" and exposure["position_lots"] + exposure["working_buy_lots"] > most_lots:
            raise self._beyond(request, exposure, most_lots)
        is_futures = life.engine.lines[0].kind.name != "binance-spot"
        if is_futures and side == "SELL" and exposure["position_lots"] - exposure["working_sell_lots"] < -most_lots:
            raise self._beyond(request, exposure, most_lots)
        if exposure["open_orders"] > limits.max_open_orders:
            # a replace takes the place of the order that goes: both are counted until the venue has answered
            orders = life.engine.lines[0].oms.orders(open_only=True)
            places = sum(one["state"] == "PENDING_REPLACE" for one in orders)
            if exposure["open_orders"] > limits.max_open_orders + places:
                raise self.fail(f"{request.method}: {exposure['open_orders']} orders open of {limits.max_open_orders}")

    def _beyond(self, request: Request, exposure: dict[str, Any], most_lots: int) -> Exception:
        lots = {name: exposure[name] for name in ("position_lots", "working_buy_lots", "working_sell_lots")}
        return self.fail(f"{request.method} {request.names[0]}: {lots}, allowed {most_lots}")

    def each_second(self) -> None:
        """What the venue has open of ours is never more than what the gate counts."""
        hunt = self.hunt
        if hunt.life is None or "engine" not in vars(hunt.life):
            return
        engine = hunt.life.engine
        if not engine.tables.control_state()["reconciled"]:
            return
        core: Any = hunt.shell.core if hunt.shell.usdm is None else hunt.shell.usdm.core
        for symbol in hunt.schedule.symbols:
            row = engine.tables.instrument_id(engine.lines[0].venue_id, symbol)
            lot_e8 = engine.tables.instrument(row)["lot_size_e8"]
            known = {order["client_order_id"] for order in engine.lines[0].oms.orders(open_only=True)}
            buys = [
                order
                for order in core.open_orders(1, symbol)
                if order.side == "BUY" and order.client_order_id in known and not getattr(order, "algo_id", 0)
            ]
            open_lots = sum((order.qty_e8 - order.executed_e8) // lot_e8 for order in buys)
            counted = sum(engine.tables.exposure(row, side)["working_buy_lots"] for side in PositionSide)
            hunt.counts["limits compared"] += 1
            if open_lots > counted and not any(
                order.order_list_id > 0 for order in buys if hasattr(order, "order_list_id")
            ):
                raise self.fail(f"{symbol}: {open_lots} lots to buy are open at the venue, {counted} are counted")


class Runaway(Check):
    """R22: of a strategy that loops, exactly as many orders leave as one input may cause, and it is disabled."""

    invariants = ("R22",)
    name = "runaway"

    def __init__(self, hunt: Any) -> None:
        super().__init__(hunt)
        self.sent: set[str] = set()

    def on_request(self, request: Request) -> None:
        life = self.hunt.life
        if life is None or not request.names or not life.trader.burst:
            return
        handle = clientid.decode(request.names[0])
        burst = life.trader.burst
        if burst[0] <= handle <= burst[0] + 10_000 and handle in burst:
            self.sent.add(request.names[0])
            mine = [name for name in self.sent if clientid.decode(name) in burst]
            self.hunt.counts["runaway orders left"] += 1
            if len(mine) > ORDERS_PER_INPUT_MAX:
                raise self.fail(f"{len(mine)} orders of one turn left, {ORDERS_PER_INPUT_MAX} may")


class Strategies(Check):
    """R22, R23: a strategy is disabled for what it did, and for nothing else."""

    invariants = ("R22",)
    name = "strategies"

    def on_entry(self, entry: Entry) -> None:
        if entry.kind != RecordKind.STRATEGY_STATE or entry.body.get("state") != "DISABLED":
            return
        text = str(entry.body.get("text", ""))
        known = {
            "RaisedOnPurpose": "strategy raised",
            "runaway": "runaway disabled",
            "rejections": "rejections disabled",
        }
        known |= {"executions": "executions disabled", "kill": "strategy killed"}
        for word, state in known.items():
            if word in text:
                self.hunt.reached(state)
                return
        raise self.fail(f"strategy {entry.strategy_id} disabled: {text}")


class LifeOfOrders(Check):
    """R12: what is filled only grows and never beyond the quantity; an order that has ended stays so."""

    invariants = ("R12", "R13")
    name = "life of orders"

    def __init__(self, hunt: Any) -> None:
        super().__init__(hunt)
        self.seen: dict[int, tuple[int, int, str]] = {}

    def on_entry(self, entry: Entry) -> None:
        if entry.kind == RecordKind.CUT:
            self.seen.clear()  # what a power cut took is told anew
        if entry.kind != RecordKind.ORDER_STATE or "raw" in entry.body:
            return
        body = entry.body
        qty, cum, leaves, state = body["qty_lots"], body["cum_qty_lots"], body["leaves_qty_lots"], body["state"]
        before = self.seen.get(entry.order_handle, (0, 0, ""))
        if cum < before[1]:
            raise self.fail(f"order {entry.order_handle}: filled fell from {before[1]} to {cum}")
        if qty and cum > qty:
            self.hunt.reached("overfill")
        open_states = ("NEW", "PARTIALLY_FILLED", "PENDING_CANCEL", "PENDING_REPLACE", "UNKNOWN")
        if qty and state in open_states and leaves != max(0, qty - cum):
            raise self.fail(f"order {entry.order_handle} {state}: leaves {leaves}, quantity {qty}, filled {cum}")
        self.seen[entry.order_handle] = (qty, cum, state)
        if before[2] == "PENDING_CANCEL" and state == "FILLED":
            self.hunt.reached("cancel lost to a fill")
        if before[2] == "UNKNOWN" and state != "UNKNOWN":
            self.hunt.reached(f"UNKNOWN became {state}")

    def on_end(self, why: str) -> None:
        self._legal()

    def at_quiet(self) -> None:
        self._legal()

    def _legal(self) -> None:
        life = self.hunt.life
        if life is None or "engine" not in vars(life):
            return
        for line in life.engine.lines:
            if line.oms.illegal_transitions:
                raise self.fail(f"{line.oms.illegal_transitions} illegal transitions of orders")
            if line.session.refused_approvals:
                raise self.fail(f"{line.session.refused_approvals} approvals refused by the session", "R24")
