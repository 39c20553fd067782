"""From a request's names and decimals to a command's ids and integers, and from the tables to a status.

This is the only edge at which an operator's text becomes numbers: what does not resolve exactly is refused here, and
nothing reaches the journal. What resolves is submitted; the gate and the OMS judge it like everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

import msgspec

from engine.control.amends import exits_change, instrument_of, is_of_parent, numbers_change
from engine.control.answers import book_status, line_status, strategy_row
from engine.control.command_kinds import KINDS, AnyCommand
from engine.control.exact import RefusedCommandError, bad, known
from engine.control.handles import next_handle
from engine.control.hedge import Hedges
from engine.control.limits import LimitDesk, limit_scope
from engine.control.messages import (
    Accepted,
    Amend,
    AnyReply,
    AnyRequest,
    Approve,
    Arm,
    Book,
    BookStatus,
    EngineStatus,
    Flatten,
    FlattenState,
    FlattenStatus,
    Hedge,
    HedgeState,
    HedgeStatus,
    Limits,
    LimitTable,
    Order,
    Pause,
    Ping,
    Pong,
    Proposals,
    Protect,
    Reconcile,
    RefusalCode,
    Refused,
    Reject,
    ResetLimits,
    Resume,
    Scope,
    ScopeKind,
    SetLimits,
    Status,
    Stop,
    Strategies,
    StrategyTable,
)
from engine.control.order_words import Place, instruction_of, protection_of
from engine.control.outcomes import Before, Outcome, Outcomes
from engine.control.scopes import check_scope
from engine.control.server import Caller
from engine.control.venue_word import VenueWord
from engine.model.codes import CommandKind, Counter, HaltReason, LimitScope, Reason, TradingState
from engine.model.exact import WordError, on_grid
from engine.model.instructions import Change, OrderTerms, Wish
from engine.model.instructions import encode as encode_wish
from engine.model.limits import LimitRefusedError
from engine.model.tables import Tables
from engine.runtime.clock import Clock
from engine.runtime.counters import Counters

HALTED_SHOWN_MAX = 100
# a person may close positions while these halt
CLOSABLE_HALTS = (HaltReason.KILL, HaltReason.RISK, HaltReason.CRASH_LOOP)
TROUBLES_MAX = 1000
NO_ROOM = "the journal has no room for the command; see `doctor`"


class OperatorCommand(msgspec.Struct, kw_only=True):
    """A command as the COMMAND record holds it: ids (0 = all), ticks, lots."""

    kind: int
    uid: int
    reason: str = ""
    scope_kind: int = 0
    venue_id: int = 0
    account_id: int = 0
    strategy_id: int = 0
    instrument_id: int = 0
    order_handle: int = 0
    side: int = 0
    order_type: int = 0
    time_in_force: int = 0
    flags: int = 0
    price_ticks: int = 0
    qty_lots: int = 0
    position_side: int = 0
    detail: bytes = b""


@dataclass(frozen=True)
class EngineNames:
    """What the engine's ids are called. `handle_of`: of a client order id, or 0; `take_handle`: a new one, journaled, or 0."""

    engine: str
    engine_id: int
    mode: str
    version: str
    venues: Mapping[str, int]
    strategies: Mapping[str, int]
    handle_of: Callable[[str], int]
    take_handle: Callable[[], int] | None = None
    accounts: frozenset[int] = frozenset({1})
    durability: str = "group"


class EngineControl:
    """The handler of a `ControlServer`: answers status, submits commands.

    `submit_command` journals the command, lets the engine apply it, returns its sequence; 0 = no room in the journal.
    `troubles` says in words why connections do not stand; empty where they do. Without `outcomes` no answer tells what was done.
    """

    def __init__(
        self,
        names: EngineNames,
        tables: Tables,
        counters: Counters,
        clock: Clock,
        submit_command: Callable[[OperatorCommand], int],
        halts: Callable[[], Mapping[str, Mapping[int, int]]] = lambda: {"instruments": {}},
        troubles: Callable[[], str] = str,
        limits: LimitDesk | None = None,
        flatten_state: Callable[[], FlattenState] = FlattenState,
        hedges: Hedges | None = None,
        outcomes: Outcomes | None = None,
        word: VenueWord | None = None,
    ) -> None:
        self._word = word or VenueWord(tables, {})
        self._names = names
        self._flatten_state = flatten_state
        self._hedges = hedges
        self._outcomes = outcomes
        self._tables = tables
        self._counters = counters
        self._clock = clock
        self._submit = submit_command
        self._halts = halts
        self._troubles = troubles
        self._limits = limits

    def __call__(self, request: AnyRequest, caller: Caller) -> AnyReply:
        if isinstance(request, Ping):
            return Pong(engine=self._names.engine, pid=self._counters.get(Counter.PID))
        if isinstance(request, Status):
            return self.status()
        try:
            if isinstance(request, Book):
                return self.book(request)
            if isinstance(request, Strategies):
                return self.strategies()
            if isinstance(request, Limits):
                return self.limits(request)
            if isinstance(request, FlattenStatus):
                return self._flatten_state()
            if isinstance(request, HedgeStatus):
                return self._hedges.state() if self._hedges is not None else HedgeState()
            if isinstance(request, Approve | Reject | Proposals):
                return Refused(code=RefusalCode.STATE, text="nothing waits for a second person here")
            return self.command(request, caller)
        except RefusedCommandError as refusal:
            return Refused(code=refusal.code, text=str(refusal), reason=refusal.reason)
        except WordError as fault:
            return Refused(code=RefusalCode.BAD_VALUE, text=str(fault))

    def command(self, request: AnyCommand, caller: Caller) -> AnyReply:
        """Resolve, submit, and tell what the state is now."""
        command = self.prepare(request, caller)
        if isinstance(request, Hedge):
            return self.answer(request, command, self.hedge(command, request), Outcome())
        before = self._outcomes.before(command) if self._outcomes is not None else Before()
        sequence = self._submit(command)
        if sequence == 0:
            raise RefusedCommandError(RefusalCode.JOURNAL_FULL, NO_ROOM)
        found = self._outcomes.after(command, sequence, before) if self._outcomes is not None else Outcome()
        return self.answer(request, command, sequence, found)

    def prepare(self, request: AnyCommand, caller: Caller) -> OperatorCommand:
        """The command that a request means; RefusedCommandError or WordError where it cannot be. Nothing is journaled."""
        command = OperatorCommand(kind=KINDS[type(request)], uid=caller.uid, reason=request.reason)
        self.resolve_scope(command, request.scope)
        check_scope(request, command.scope_kind)
        self.require_possible(request, command)
        if not isinstance(request, Hedge):
            self.resolve_words(request, command)
        return command

    def unchanged(self, note: str, proposal: int) -> Accepted:
        """The state, where a request has changed nothing (yet)."""
        state = self._tables.control_state()
        return Accepted(
            sequence=0,
            trading_state=state["trading_state"],
            halt_reason=state["halt_reason"],
            kill=bool(state["kill"]),
            note=note,
            proposal=proposal,
        )

    def answer(
        self, request: AnyCommand, command: OperatorCommand, sequence: int, outcome: Outcome
    ) -> Accepted | Refused:
        """What was done, and what the state is now. An order that was not taken has been judged: it has a handle and a verdict."""
        if not outcome.is_done and not isinstance(request, (Order, Protect)):
            code = RefusalCode.UNKNOWN_NAME if outcome.reason == Reason.UNKNOWN_ORDER else RefusalCode.STATE
            return Refused(code=code, text=outcome.text, sequence=sequence, reason=outcome.reason)
        state = self._tables.control_state()
        return Accepted(
            sequence=sequence,
            order_handle=command.order_handle,
            trading_state=state["trading_state"],
            halt_reason=state["halt_reason"],
            kill=bool(state["kill"]),
            reason=outcome.reason,
            note=outcome.text,
            left=self._word.left() if isinstance(request, Stop) else (),
        )

    def resolve_scope(self, command: OperatorCommand, scope: Scope) -> None:
        """Names to ids. One scope at a time (a symbol may name its venue): a command wider than asked is never carried out."""
        named = [text for text in (scope.symbol, scope.strategy, scope.order) if text] + [scope.account] * bool(
            scope.account
        )
        if len(named) > 1 or (scope.venue and (scope.strategy or scope.order or scope.account)):
            raise bad("name one scope: a symbol, a strategy, an account or an order")
        if scope.venue:
            command.venue_id = known(self._names.venues, scope.venue, "venue")
            command.scope_kind = ScopeKind.VENUE
        if scope.account and scope.account not in self._names.accounts:
            raise RefusedCommandError(RefusalCode.UNKNOWN_NAME, f"unknown account {scope.account}")
        if scope.account:
            command.account_id = scope.account
            command.scope_kind = ScopeKind.ACCOUNT
        if scope.symbol:
            command.instrument_id, command.venue_id = self.instrument(scope.symbol, command.venue_id)
            command.scope_kind = ScopeKind.INSTRUMENT
        if scope.strategy:
            command.strategy_id = known(self._names.strategies, scope.strategy, "strategy")
            command.scope_kind = ScopeKind.STRATEGY
        if scope.order:
            command.order_handle = self.handle(scope.order)
            command.scope_kind = ScopeKind.ORDER

    def instrument(self, symbol: str, venue_id: int) -> tuple[int, int]:
        """(instrument id, venue id) of a symbol; a symbol of several venues needs its venue, as VENUE:SYMBOL or beside it."""
        named, _, symbol = symbol.rpartition(":")
        if named:
            venue_id = known(self._names.venues, named, "venue")
        venues = [venue_id] if venue_id else list(self._names.venues.values())
        found = [(row, venue) for venue in venues if (row := self._tables.instrument_id(venue, symbol.upper()))]
        if not found:
            raise RefusedCommandError(RefusalCode.UNKNOWN_NAME, f"unknown symbol {symbol!r}")
        if len(found) > 1:
            text = f"{symbol!r} is traded at several venues: name one, as VENUE:SYMBOL"
            raise RefusedCommandError(RefusalCode.UNKNOWN_NAME, text)
        return found[0]

    def handle(self, text: str) -> int:
        """The handle that a client order id or a decimal handle means. Epochs begin at 1, so a handle is above 2^32."""
        handle = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0
        if not 1 << 32 < handle < 1 << 63:
            handle = self._names.handle_of(text)
        if handle <= 0:
            raise RefusedCommandError(RefusalCode.UNKNOWN_NAME, f"{text!r} is neither our client order id nor a handle")
        return handle

    def require_possible(self, request: AnyCommand, command: OperatorCommand) -> None:
        """What cannot have an effect as things stand is refused, and not journaled."""
        if isinstance(request, Flatten):
            self.require_closable(command)
        if isinstance(request, Reconcile):
            self.require_reachable(command)
        if isinstance(request, Arm) and command.strategy_id and self._outcomes is not None:
            row = self._tables.strategy(command.strategy_id)
            if row["enabled"] and not self._halts().get("strategies", {}).get(command.strategy_id, 0):
                text = "nothing to arm: the strategy is neither killed nor disabled"
                raise RefusedCommandError(RefusalCode.STATE, text + self.still_halted())

    def still_halted(self) -> str:
        """What the arm of a part does not clear, where the whole engine is halted."""
        state = self._tables.control_state()
        if state["trading_state"] != TradingState.HALTED:
            return ""
        return f"; trading stays HALTED ({HaltReason(state['halt_reason']).name}), which `arm` of the whole engine may clear"

    def require_reachable(self, command: OperatorCommand) -> None:
        """An account is read where the order session and the user stream stand."""
        if self._outcomes is not None and not any(
            row["gateway_ready"] and row["user_stream_ready"] for row in self.line_rows(command)
        ):
            raise RefusedCommandError(RefusalCode.STATE, "the venue is away: the account is read once it is back")

    def line_rows(self, command: OperatorCommand) -> list[dict[str, Any]]:
        """The lines that a command is about."""
        wanted = command.venue_id or command.account_id
        return [self._tables.line_state(line) for line in self._names.venues.values() if wanted in (0, line)]

    def require_closable(self, command: OperatorCommand) -> None:
        """Positions are closed under a kill too; not where the venue or the position is in doubt, in every line that is meant."""
        rows = self.line_rows(command)
        if all(
            row["trading_state"] == TradingState.HALTED and row["halt_reason"] not in CLOSABLE_HALTS for row in rows
        ):
            halt = HaltReason(rows[0]["halt_reason"]).name if rows else "STARTING"
            text = f"HALTED ({halt}): the position or the venue is in doubt, nothing but cancels leaves"
            raise RefusedCommandError(RefusalCode.STATE, text)

    def resolve_words(self, request: AnyCommand, command: OperatorCommand) -> None:
        """What is particular to a command: the words of an order, of exits, of a change."""
        if isinstance(request, Order):
            self.resolve_order(command, request)
        elif isinstance(request, Protect):
            instruct(command, protection_of(request, self.place(command.instrument_id)))
        elif isinstance(request, Amend):
            self.resolve_amend(command, request)
        elif isinstance(request, (SetLimits, ResetLimits)):
            self.resolve_limits(command, request)
        elif isinstance(request, (Pause, Resume)) and command.scope_kind == ScopeKind.ORDER:
            action: Literal["pause", "resume"] = "pause" if isinstance(request, Pause) else "resume"
            instruct(command, Change(handle=command.order_handle, action=action))
        elif isinstance(request, Reconcile):
            command.flags = int(request.adopt)

    def hedge(self, command: OperatorCommand, request: Hedge) -> int:
        """Begin a hedge: the command is about the hedging instrument, its detail says whose exposure it offsets."""
        if self._hedges is None:
            raise RefusedCommandError(RefusalCode.STATE, "this process does not hedge")
        exposed_id = command.instrument_id
        command.instrument_id, command.venue_id = self.instrument(request.with_symbol, 0)
        return self._hedges.begin(command, exposed_id, on_grid(request.ratio, 1, "ratio"))

    def resolve_order(self, command: OperatorCommand, order: Order) -> None:
        """Decimals to ticks and lots, exactly: off the grid is refused, never rounded."""
        found = instruction_of(order, self.place(command.instrument_id))
        if isinstance(found, OrderTerms):
            command.qty_lots, command.price_ticks = found.qty_lots, found.price_ticks
            command.side, command.order_type = found.side, found.order_type
            command.time_in_force, command.flags = found.time_in_force, found.flags
            command.position_side = found.position_side
            command.order_handle = self.take_handle()
        else:
            instruct(command, found)

    def place(self, instrument_id: int) -> Place:
        """What the resolution of an order's words needs of its instrument."""
        row = self._tables.instrument(instrument_id)
        return Place(
            instrument_id=instrument_id,
            tick_e8=row["tick_size_e8"],
            lot_e8=row["lot_size_e8"],
            now_wall_ns=self._clock.time_ns(),
            next_handle=self.take_handle,
            is_hedged=self._tables.is_hedged(row["venue_id"]),
        )

    def take_handle(self) -> int:
        """The number of an operator's order: its record stands before the command's."""
        if handle := (self._names.take_handle or (lambda: next_handle(self._tables)))():
            return handle
        raise RefusedCommandError(RefusalCode.JOURNAL_FULL, NO_ROOM)

    def resolve_amend(self, command: OperatorCommand, request: Amend) -> None:
        """Another price, quantity or trigger of one order, on its symbol's grid."""
        venue_id = known(self._names.venues, request.venue, "venue") if request.venue else 0
        if request.symbol or self._outcomes is None:
            command.instrument_id, command.venue_id = self.instrument(request.symbol, venue_id)
        else:
            command.instrument_id = instrument_of(command, self._outcomes)
            command.venue_id = self._tables.instrument(command.instrument_id)["venue_id"]
        place = self.place(command.instrument_id)
        if request.exits is not None:
            instruct(command, exits_change(request, command, place, self._outcomes))
            return
        command.price_ticks = on_grid(request.price, place.tick_e8, "price") if request.price else 0
        command.qty_lots = on_grid(request.qty, place.lot_e8, "quantity") if request.qty else 0
        trigger_ticks = on_grid(request.trigger, place.tick_e8, "trigger price") if request.trigger else 0
        if not (command.price_ticks or command.qty_lots or trigger_ticks):
            raise WordError("nothing is to be amended: give a price, a quantity, a trigger price or exits")
        if self._outcomes is not None and is_of_parent(command, trigger_ticks, self._outcomes):
            instruct(command, numbers_change(command, trigger_ticks))

    def resolve_limits(self, command: OperatorCommand, request: SetLimits | ResetLimits) -> None:
        """Text to whole numbers; what loosens without being said to, or cannot be, is refused and not journaled."""
        values = request.values if isinstance(request, SetLimits) else {}
        reset = request.names if isinstance(request, ResetLimits) else None
        try:
            command.detail = self.limit_desk().change(*limit_scope(command), values, loosen=request.loosen, reset=reset)
        except LimitRefusedError as refusal:
            raise RefusedCommandError(RefusalCode.BAD_VALUE, str(refusal)) from None

    def limits(self, request: Limits) -> LimitTable:
        """The limits in force with their use."""
        where = OperatorCommand(kind=CommandKind.LIMITS, uid=0)
        self.resolve_scope(where, request.scope)
        only = limit_scope(where) if where.scope_kind != ScopeKind.ALL else None
        return self.limit_desk().table(self._counters.get(Counter.JOURNAL_LAST_SEQ), only)

    def limit_desk(self) -> LimitDesk:
        """Who knows the limits."""
        if self._limits is None:
            raise RefusedCommandError(RefusalCode.STATE, "this process keeps no limits")
        return self._limits

    def book(self, request: Book) -> BookStatus:
        """The top of a book and what we hold and have working there."""
        venue_id = known(self._names.venues, request.venue, "venue") if request.venue else 0
        row_id, _ = self.instrument(request.symbol, venue_id)
        return book_status(self._tables, row_id, self._clock.monotonic_ns())

    def strategies(self) -> StrategyTable:
        """Every strategy's row of the tables."""
        halts, named = self._halts().get("strategies", {}), self._names.strategies.items()
        rows = tuple(strategy_row(self._tables, name, number, halts.get(number, 0)) for name, number in named)
        return StrategyTable(sequence=self._counters.get(Counter.JOURNAL_LAST_SEQ), rows=rows)

    def status(self) -> EngineStatus:
        """The state, from the tables and the counters."""
        state, get = self._tables.control_state(), self._counters.get
        engine_scope = self._tables.scope(LimitScope.ENGINE, 0)
        return EngineStatus(
            engine=self._names.engine,
            engine_id=self._names.engine_id,
            mode=self._names.mode,
            version=self._names.version,
            pid=get(Counter.PID),
            epoch=get(Counter.EPOCH),
            start_wall_ns=get(Counter.START_WALL_NS),
            now_wall_ns=self._clock.time_ns(),
            last_seq=get(Counter.JOURNAL_LAST_SEQ),
            synced_seq=get(Counter.JOURNAL_SYNCED_SEQ),
            open_orders=get(Counter.OPEN_ORDERS),
            market_frames=get(Counter.MARKET_FRAMES),
            book_gaps=get(Counter.BOOK_GAPS),
            intents=get(Counter.INTENTS),
            refused=get(Counter.REFUSED),
            orders_sent=get(Counter.ORDERS_SENT),
            fills=get(Counter.FILLS),
            venue_rejects=get(Counter.VENUE_REJECTS),
            alarms=get(Counter.ALARMS),
            instruments=self._tables.instrument_count,
            strategies=len(self._names.strategies),
            trading_state=state["trading_state"],
            halt_reason=state["halt_reason"],
            reconciled=bool(state["reconciled"]),
            gateway_ready=bool(state["gateway_ready"]),
            user_stream_ready=bool(state["user_stream_ready"]),
            kill=bool(state["kill"]),
            stopping=bool(state["stopping"]),
            journal_reserve=bool(state["journal_reserve"]),
            clock_drift_ns=state["clock_drift_ns"],
            risk_mode=engine_scope["risk_mode"],
            risk_reason=engine_scope["reason"],
            durability=self._names.durability,
            durable_waiting=get(Counter.DURABLE_WAITING),
            durable_waits=get(Counter.DURABLE_WAITS),
            durable_refused=get(Counter.DURABLE_REFUSED),
            snapshot_seq=get(Counter.SNAPSHOT_SEQ),
            recovery_records=get(Counter.RECOVERY_RECORDS),
            recovery_us=get(Counter.RECOVERY_US),
            halted_symbols=self.halted_symbols(),
            killed_strategies=tuple(row.strategy for row in self.strategies().rows if row.halt_reason),
            troubles=self._troubles()[:TROUBLES_MAX],
            lines=tuple(
                line_status(self._tables, name, venue_id, self._word, self._names.engine_id)
                for name, venue_id in self._names.venues.items()
            ),
        )

    def halted_symbols(self) -> dict[str, int]:
        """Symbols that stand still by themselves (kill, mismatch) until `arm`, by `HaltReason`."""
        rows = islice(self._halts()["instruments"].items(), HALTED_SHOWN_MAX)
        return {self.shown(row): reason for row, reason in rows if 0 < row <= self._tables.instrument_count}

    def shown(self, row: int) -> str:
        """An instrument's name: its symbol, with its venue before it where several trade the symbol."""
        symbol, venue_id = self._tables.symbol(row), self._tables.instrument(row)["venue_id"]
        others = [line for line in self._names.venues.values() if self._tables.instrument_id(line, symbol)]
        names = {number: name for name, number in self._names.venues.items()}
        return f"{names.get(venue_id, venue_id)}:{symbol}" if len(others) > 1 else symbol


def instruct(command: OperatorCommand, wish: Wish) -> None:
    """The command carries an instruction, or a change of one, under its handle."""
    command.kind = CommandKind.INSTRUCT
    command.order_handle = wish.handle
    command.detail = encode_wish(wish)
