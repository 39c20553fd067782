"""Panic close: cancel, close, look again, until the venue says that nothing is left or it can be told what and why.

It runs beside the stages, a step each tick. Everything that it does is a command in the journal: FLATTEN (hold) lets the symbols
stand still and cancels their orders; each ORDER, flagged PANIC, closes some of a position through the gate, which lets it only
reduce;
RECONCILE has the venue say what is left; FLATTEN (release) ends the hold. A kill is not touched: what was killed stays so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from engine.app import Engine
from engine.control.commands import OperatorCommand
from engine.control.exact import decimal_text, even_part
from engine.control.messages import FlattenRow, FlattenState, ScopeKind
from engine.line_names import shown_name
from engine.model.codes import CommandKind, OrderFlag, OrderType, PositionSide, Reason, Side

# of a FLATTEN command (ext/engine/oms/commands.pyx)
HOLD, RELEASE = 1, 2
NS_PER_S = 1_000_000_000
# without anything getting smaller for so long it ends, and says what is left
PATIENCE_NS = 30 * NS_PER_S
# an order that is still open after this is cancelled again
CANCEL_AGAIN_NS = 2 * NS_PER_S
RETRY_NS = NS_PER_S // 4
SPOT = 0
NETTED, HEDGED = (PositionSide.BOTH,), (PositionSide.LONG, PositionSide.SHORT)
TOO_MUCH = frozenset({Reason.QTY_ABOVE_MAX, Reason.NOTIONAL_ABOVE_MAX, Reason.PRICE_COLLAR, Reason.SLIPPAGE})
TOO_LITTLE = frozenset({Reason.QTY_BELOW_MIN, Reason.NOTIONAL_BELOW_MIN})


@dataclass
class Closing:
    """One position on its way to flat: a symbol's, or in a hedged account one of its sides. `chunk_lots`: the most that one order
    is made of, less where the gate found it too much."""

    row: int
    side: PositionSide
    name: str
    chunk_lots: int = 0
    wait_until_ns: int = 0
    cancelled_ns: int = 0
    orders: int = 0
    why: str = ""
    is_dust: bool = False


@dataclass
class Job:
    """One panic close. `reconciles`: how often each line had been read when the last position was gone."""

    sequence: int
    uid: int
    reason: str
    began_ns: int
    moved_ns: int
    targets: dict[tuple[int, PositionSide], Closing] = field(default_factory=dict)
    left: int = -1
    reconciles: dict[int, int] = field(default_factory=dict)
    is_done: bool = False
    is_flat: bool = False


class PanicClose:
    """The daemon's. `submit` journals a command, lets the stages apply it and returns its sequence, 0 where there was no room."""

    def __init__(self, engine: Engine, submit: Callable[[OperatorCommand], int]) -> None:
        self._engine = engine
        self._submit = submit
        self._job: Job | None = None

    # --- commands ---

    def begin(self, command: OperatorCommand) -> int:
        """FLATTEN was asked for; the sequence of the command. One that runs already takes the new symbols in."""
        command.flags = HOLD
        sequence = self._submit(command)
        if sequence == 0:
            return 0
        now_ns = self._now_ns()
        job = Job(sequence, command.uid, command.reason, now_ns, now_ns)
        if self._job is not None and not self._job.is_done:
            job.targets.update(self._job.targets)
        for row in self._rows(command):
            for side in self._sides(row):
                job.targets[row, side] = Closing(row, side, self._name_of(row, side), cancelled_ns=now_ns)
        self._job = job
        self.advance()
        return sequence

    def _sides(self, row: int) -> tuple[PositionSide, ...]:
        """The positions that an account can have in an instrument."""
        return HEDGED if self._engine.tables.is_hedged(self._line_id(row)) else NETTED

    def _name_of(self, row: int, side: PositionSide) -> str:
        """What people call an instrument, and which of its positions it is where there are two."""
        symbol, line = self._engine.tables.symbol(row), self._engine.line(self._line_id(row))
        name = shown_name(self._engine.loaded.config.venue, line.name, symbol) if line is not None else symbol
        return f"{name} {side.name}" if side else name

    def _rows(self, command: OperatorCommand) -> list[int]:
        """The instruments in a command's scope: all that have limits in this run and are, or were, traded."""
        tables, venue_id = self._engine.tables, command.venue_id or command.account_id
        if command.instrument_id:
            return [command.instrument_id]
        lines = [line.venue_id for line in self._engine.lines if venue_id in (0, line.venue_id)]
        rows = range(1, tables.instrument_count + 1)
        return [row for row in rows if tables.instrument(row)["venue_id"] in lines]

    def state(self) -> FlattenState:
        """How far the latest one has come."""
        job = self._job
        if job is None:
            return FlattenState()
        return FlattenState(
            sequence=job.sequence,
            is_done=job.is_done,
            is_flat=job.is_flat,
            elapsed_ns=self._now_ns() - job.began_ns,
            rows=tuple(self._told(closing) for closing in job.targets.values() if self._is_telling(closing)),
        )

    def _is_telling(self, closing: Closing) -> bool:
        return bool(closing.orders or closing.why or self._position_lots(closing) or self._open_orders(closing))

    def _told(self, closing: Closing) -> FlattenRow:
        lot_e8 = self._engine.tables.instrument(closing.row)["lot_size_e8"]
        return FlattenRow(
            symbol=closing.name,
            position=decimal_text(self._position_lots(closing), lot_e8, zero="0"),
            venue=self._venue_text(closing, lot_e8),
            open_orders=self._open_orders(closing),
            orders=closing.orders,
            why=closing.why,
        )

    def _venue_text(self, closing: Closing, lot_e8: int) -> str:
        """The venue's own word: a futures position, or what a spot account holds of the base asset."""
        tables = self._engine.tables
        instrument = tables.instrument(closing.row)
        if instrument["kind"] == SPOT:
            asset = instrument["base_asset_id"]
            return f"{decimal_text(sum(tables.balance(asset)), 1, zero='0')} {tables.asset_name(asset)} in the account"
        told = self._told_lots(closing)
        return f"position {decimal_text(told[0], lot_e8, zero='0')}" if told else "not told"

    def _told_lots(self, closing: Closing) -> list[int]:
        """The position as the venue told it last; empty where it has not."""
        line = self._engine.line(self._line_id(closing.row))
        told = line.oms.venue_positions_told() if line is not None else []
        place = (closing.row, int(closing.side))
        return [item["position_lots"] for item in told if (item["instrument_id"], item["position_side"]) == place]

    # --- steps ---

    def advance(self) -> None:
        """Called once a tick."""
        job = self._job
        if job is None or job.is_done:
            return
        now_ns = self._now_ns()
        left = sum(abs(self._position_lots(closing)) + self._open_orders(closing) for closing in job.targets.values())
        if left != job.left:
            job.left, job.moved_ns = left, now_ns
        is_waiting = [closing for closing in job.targets.values() if not self._step(job, closing, now_ns)]
        if now_ns - job.moved_ns > PATIENCE_NS:
            self._end(job, is_flat=False)
        elif not is_waiting:
            self._verify(job)
        else:
            job.reconciles.clear()

    def _step(self, job: Job, closing: Closing, now_ns: int) -> bool:
        """One symbol's next move; True where nothing is left to do for it."""
        if self._open_orders(closing):
            if now_ns - closing.cancelled_ns > CANCEL_AGAIN_NS:
                closing.cancelled_ns = now_ns
                self._command(job, CommandKind.CANCEL, closing.row)
            return False
        position_lots = self._position_lots(closing)
        if position_lots == 0 or closing.is_dust:
            closing.why = closing.why if position_lots else ""
            return True
        if now_ns >= closing.wait_until_ns:
            self._close(job, closing, position_lots, now_ns)
        return closing.is_dust

    def _close(self, job: Job, closing: Closing, position_lots: int, now_ns: int) -> None:
        """Send an order that closes as much as may be closed at once."""
        instrument = self._engine.tables.instrument(closing.row)
        most_lots = self._closable_lots(instrument, position_lots)
        if most_lots < max(1, instrument["min_qty_lots"]):
            self._leave_dust(closing, "less than the smallest order, or no longer in the account (fees)")
            return
        qty_lots = even_part(most_lots, closing.chunk_lots or most_lots)
        handle = self._engine.sequencer.take_handles()
        if handle == 0:
            return  # no room in the journal: tried again at the next tick
        # of a hedged position the side says it: there the gate, as the venue, lets no order close more than there is
        is_flagged = instrument["kind"] != SPOT and not closing.side
        flags = OrderFlag.PANIC | (OrderFlag.REDUCE_ONLY if is_flagged else 0)
        side = Side.SELL if position_lots > 0 else Side.BUY
        self._command(
            job, CommandKind.ORDER, closing.row, order_handle=handle, side=side, order_type=OrderType.MARKET, flags=flags,
            qty_lots=qty_lots, position_side=closing.side,
        )  # fmt: skip
        gate = self._engine.gate
        closing.cancelled_ns = now_ns
        if gate.operator_refused_handle != handle:
            closing.orders += 1
            closing.chunk_lots, closing.why = qty_lots, ""
        else:
            self._answer(closing, Reason(gate.operator_refused_reason), qty_lots, most_lots)
            closing.wait_until_ns = now_ns + (0 if closing.chunk_lots < qty_lots else RETRY_NS)

    def _answer(self, closing: Closing, reason: Reason, qty_lots: int, most_lots: int) -> None:
        """The gate refused: less, later, or not at all."""
        closing.why = f"refused by the gate: {reason.name}"
        closing.chunk_lots = qty_lots
        if reason in TOO_MUCH and qty_lots > 1:
            closing.chunk_lots = qty_lots // 2
        elif reason in TOO_LITTLE and qty_lots == most_lots:
            self._leave_dust(closing, f"too small to be closed: {reason.name}")
        elif reason in TOO_LITTLE:
            closing.chunk_lots = most_lots

    def _leave_dust(self, closing: Closing, why: str) -> None:
        closing.is_dust, closing.why = True, why

    def _closable_lots(self, instrument: dict[str, int], position_lots: int) -> int:
        """The position, but of a spot holding no more than the account has."""
        if instrument["kind"] != SPOT or position_lots < 0:
            return abs(position_lots)
        free_e8 = self._engine.tables.balance(instrument["base_asset_id"])[0]
        return int(min(position_lots, max(0, free_e8) // instrument["lot_size_e8"]))

    def _verify(self, job: Job) -> None:
        """Nothing is left by our books: every line is read again, then it counts what the venue said."""
        state = self._engine.tables.line_state
        lines = {self._line_id(closing.row) for closing in job.targets.values()}
        if not job.reconciles:
            job.reconciles.update((line, int(state(line)["reconciles"])) for line in lines)
            for line in lines:
                self._submit(
                    OperatorCommand(
                        kind=CommandKind.RECONCILE,
                        uid=job.uid,
                        reason="flatten",
                        scope_kind=ScopeKind.VENUE,
                        venue_id=line,
                    )
                )
        elif all(state(line)["reconciles"] > job.reconciles[line] and state(line)["reconciled"] for line in lines):
            self._end(job, is_flat=not any(self._has_rest(closing) for closing in job.targets.values()))

    def _has_rest(self, closing: Closing) -> bool:
        """Is there a position by our fills or by the venue's word."""
        return bool(self._position_lots(closing) or any(self._told_lots(closing)))

    def _end(self, job: Job, *, is_flat: bool) -> None:
        """Let the symbols go; a kill goes on."""
        job.is_done, job.is_flat = True, is_flat
        for row in dict.fromkeys(closing.row for closing in job.targets.values()):
            self._command(job, CommandKind.FLATTEN, row, flags=RELEASE)

    def _command(self, job: Job, kind: CommandKind, row: int, **fields: Any) -> int:
        """One command about a symbol, journaled under the caller's name."""
        return self._submit(
            OperatorCommand(
                kind=kind, uid=job.uid, reason=f"flatten: {job.reason}" if job.reason else "flatten",
                scope_kind=ScopeKind.INSTRUMENT, venue_id=self._line_id(row), instrument_id=row, **fields,
            )
        )  # fmt: skip

    # --- what is read ---

    def _position_lots(self, closing: Closing) -> int:
        return int(self._engine.tables.exposure(closing.row, closing.side)["position_lots"])

    def _open_orders(self, closing: Closing) -> int:
        return int(self._engine.tables.exposure(closing.row, closing.side)["open_orders"])

    def _line_id(self, row: int) -> int:
        return int(self._engine.tables.instrument(row)["venue_id"])

    def _now_ns(self) -> int:
        return self._engine.world.clock.monotonic_ns()
