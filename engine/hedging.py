"""A hedge: market orders in one instrument, one after the other, until so much of it is traded as another's exposure asks for.

It runs beside the stages, a step each tick. Its quantity is fixed when it begins and is a hard bound. Each order is a COMMAND HEDGE
through the gate like any other; what the gate finds too large is asked for in smaller parts, and what stays undone is told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from engine.app import Engine
from engine.control.commands import OperatorCommand
from engine.control.exact import RefusedCommandError, decimal_text, even_part
from engine.control.hedge import HedgeNeed, hedge_need, next_part
from engine.control.messages import HedgeState, RefusalCode
from engine.control.outcomes import Outcomes
from engine.model.codes import CommandKind, LimitScope, OrderType, PositionSide, Reason, Side
from engine.model.instruments import INT64_MAX

NS_PER_S = 1_000_000_000
# without a fill for so long it ends, and says what is left
PATIENCE_NS = 10 * NS_PER_S
RETRY_NS = NS_PER_S // 4
# a smaller order may pass
TOO_MUCH = frozenset(
    {
        *(Reason.QTY_ABOVE_MAX, Reason.NOTIONAL_ABOVE_MAX, Reason.PRICE_COLLAR, Reason.SLIPPAGE, Reason.POSITION_LIMIT),
        *(Reason.POSITION_NOTIONAL, Reason.GROSS_EXPOSURE, Reason.NET_EXPOSURE, Reason.LEVERAGE, Reason.MARGIN),
        *(Reason.INSUFFICIENT_BALANCE, Reason.CAPITAL_BUDGET, Reason.REDUCING_ONLY),
    }
)
TOO_LITTLE = frozenset({Reason.QTY_BELOW_MIN, Reason.NOTIONAL_BELOW_MIN})
# the same order may pass a little later
PASSING = frozenset(
    {
        *(Reason.BOOK_INVALID, Reason.STALE, Reason.MESSAGE_RATE, Reason.RING_FULL, Reason.DUPLICATE),
        *(Reason.PRICE_COLLAR, Reason.SLIPPAGE, Reason.COLLAR_PERIOD, Reason.PRICE_MOVE),
    }
)


@dataclass
class Job:
    """One hedge. `filled_lots` by handle; `chunk_lots`: the most of one order, less where the gate found it too much."""

    command: OperatorCommand
    need: HedgeNeed
    moved_ns: int
    sequence: int = 0
    chunk_lots: int = INT64_MAX
    filled_lots: dict[int, int] = field(default_factory=dict)
    working: int = 0
    wait_until_ns: int = 0
    why: str = ""
    is_done: bool = False

    @property
    def left_lots(self) -> int:
        """What is still to be traded."""
        return max(0, self.need.qty_lots - sum(self.filled_lots.values()))


class Hedging:
    """The daemon's. `submit` journals a command, lets the stages apply it and returns its sequence, 0 where there was no room."""

    def __init__(self, engine: Engine, submit: Callable[[OperatorCommand], int], outcomes: Outcomes) -> None:
        self._engine = engine
        self._submit = submit
        self._outcomes = outcomes
        self._job: Job | None = None

    # --- commands ---

    def begin(self, command: OperatorCommand, exposed_id: int, ratio_e8: int) -> int:
        """Size it and send the first order; the command's sequence. Raises RefusedCommandError where there is nothing to hedge, or
        a hedge is under way."""
        if self._job is not None and not self._job.is_done:
            raise RefusedCommandError(RefusalCode.STATE, "a hedge is under way: wait for its end")
        under_way_lots = self._under_way_lots(command.instrument_id)
        need = hedge_need(self._engine.tables, exposed_id, command.instrument_id, ratio_e8, under_way_lots)
        job = Job(command, need, self._now_ns())
        self._send(job)
        if job.sequence == 0 and job.is_done:
            raise RefusedCommandError(RefusalCode.STATE, f"nothing to hedge with: {job.why}")
        if job.sequence == 0:
            raise RefusedCommandError(RefusalCode.JOURNAL_FULL, "the journal has no room for the command; see `doctor`")
        self._job = job
        return job.sequence

    def state(self) -> HedgeState:
        """How far the latest one has come."""
        job = self._job
        if job is None:
            return HedgeState()
        units = self._outcomes.units(job.command.instrument_id)
        lot_e8 = units.lot_e8
        done_lots = sum(job.filled_lots.values())
        return HedgeState(
            sequence=job.sequence,
            is_done=job.is_done,
            is_hedged=job.is_done and job.left_lots == 0,
            symbol=units.symbol,
            side=Side(job.need.side).name,
            qty=decimal_text(job.need.qty_lots, lot_e8, zero="0"),
            filled=decimal_text(done_lots, lot_e8, zero="0"),
            remaining=decimal_text(job.left_lots, lot_e8, zero="0"),
            orders=len(job.filled_lots),
            why=job.why,
        )

    # --- steps ---

    def advance(self) -> None:
        """Called once a tick."""
        job = self._job
        if job is None or job.is_done:
            return
        now_ns = self._now_ns()
        if job.working and not self._is_over(job, now_ns):
            if now_ns - job.moved_ns > PATIENCE_NS:
                self._end(job, "an order of it has not ended: `ctl orders` shows it")
        elif job.left_lots == 0:
            self._end(job, "")
        elif now_ns - job.moved_ns > PATIENCE_NS:
            self._end(job, job.why)
        elif now_ns >= job.wait_until_ns:
            self._send(job)

    def _is_over(self, job: Job, now_ns: int) -> bool:
        """Has the order under way ended, all its fills told."""
        order = self._outcomes.order(job.working)
        if order is None:
            # it has ended, and its place went to another before we looked: sending more could trade twice what it filled
            self._end(job, "how much its last order filled is not known any more: `ctl orders --all` shows it")
            return True
        if order["cum_qty_lots"] > job.filled_lots[job.working]:
            job.filled_lots[job.working], job.moved_ns, job.why = order["cum_qty_lots"], now_ns, ""
        if order["is_open"] or order["leaves_qty_lots"]:
            return False
        if order["state"] != "FILLED":
            job.why = f"the last order ended {order['state']} ({Reason(order['reason']).name})"
            job.wait_until_ns = now_ns + RETRY_NS
        job.working = 0
        return True

    def _send(self, job: Job) -> None:
        """The next order, of as much as may be asked for at once; in smaller parts where the gate says that it is too much."""
        while not job.is_done and job.left_lots and not job.working:
            side, most_lots = next_part(self._engine.tables, job.command.instrument_id, job.need.side, job.left_lots)
            lots = self._order_lots(job.command.instrument_id, most_lots, job.chunk_lots)
            if lots < self._least_lots(job.command.instrument_id):
                self._end(job, job.why or "what is left is less than the smallest order")
                return
            sequence, handle = self._order(job, side, lots)
            if sequence == 0:
                job.wait_until_ns = self._now_ns() + RETRY_NS
                return
            job.sequence = job.sequence or sequence
            if not self._was_refused(job, sequence, lots):
                job.working, job.filled_lots[handle] = handle, 0
            elif self._now_ns() < job.wait_until_ns:
                return

    def _order(self, job: Job, side: PositionSide, lots: int) -> tuple[int, int]:
        """One market order as a command; its sequence and handle."""
        handle = self._engine.sequencer.take_handles()
        if handle == 0:
            return 0, 0
        command = msgspec.structs.replace(
            job.command,
            kind=CommandKind.HEDGE,
            side=job.need.side,
            order_type=OrderType.MARKET,
            order_handle=handle,
            qty_lots=lots,
            position_side=side,
            detail=msgspec.json.encode(job.need.detail),
        )
        return self._submit(command), handle

    def _was_refused(self, job: Job, sequence: int, lots: int) -> bool:
        """The gate refused the order just sent: less, later, or the end of it."""
        gate = self._engine.gate
        if gate.operator_refused_cause != sequence:
            return False
        reason = Reason(gate.operator_refused_reason)
        told = f"refused by the gate: {self._outcomes.refusal(job.command.instrument_id)}"
        # a part too small for the venue is what the refusal of a larger one led to: that one is the reason
        job.why = job.why or told if reason in TOO_LITTLE else told
        least_lots = self._least_lots(job.command.instrument_id)
        if reason in TOO_MUCH and lots > least_lots:
            job.chunk_lots = max(lots // 2, least_lots)
        elif reason in PASSING:
            job.wait_until_ns = self._now_ns() + RETRY_NS
        else:
            self._end(job, job.why)
        return True

    def _end(self, job: Job, why: str) -> None:
        job.is_done, job.why = True, why if job.left_lots else ""

    # --- what is read ---

    def _order_lots(self, row: int, lots: int, chunk_lots: int) -> int:
        """One part of it, as large as one market order may be by the venue's rules and the symbol's own limit."""
        instrument = self._engine.tables.instrument(row)
        limit_lots = self._engine.tables.limit_row(LimitScope.INSTRUMENT, row)["max_order_qty_lots"]
        market_lots = instrument["market_max_qty_lots"] or INT64_MAX
        most_lots = min(chunk_lots, limit_lots, instrument["max_qty_lots"], market_lots)
        step = max(1, instrument["qty_step_lots"], instrument["market_qty_step_lots"])
        return int(even_part(lots, most_lots) // step * step) if most_lots > 0 else 0

    def _least_lots(self, row: int) -> int:
        """The least quantity of a market order."""
        instrument = self._engine.tables.instrument(row)
        return int(max(1, instrument["min_qty_lots"], instrument["market_min_qty_lots"]))

    def _under_way_lots(self, row: int) -> int:
        """Persons' market orders in the instrument that are not filled yet, signed: hedges of a moment ago, or of a run before."""
        venue_id = self._engine.tables.instrument(row)["venue_id"]
        line = self._engine.line(venue_id)
        orders = line.oms.orders() if line is not None else []
        return sum(
            order["leaves_qty_lots"] if order["side"] == "BUY" else -order["leaves_qty_lots"]
            for order in orders
            if (order["instrument_id"], order["strategy_id"], order["order_type"]) == (row, 0, "MARKET")
        )

    def _now_ns(self) -> int:
        return self._engine.world.clock.monotonic_ns()
