"""What an instruction under way is, and what it can ask of the engine.

A `Parent` is pure: no clock and no chance of its own, everything it knows came by its callbacks or is read through its
`Port`. After every callback it compares what should be with what is and asks for the difference, so that the order in which
reports come does not matter. Its quantity is a hard bound: filled and still working lots of all its children, UNKNOWN ones in
full, never exceed it.
"""

from __future__ import annotations

from typing import Any, Protocol

from engine.execution.terms import (
    ENDED_STATES,
    Child,
    ChildTerms,
    FillFact,
    HeldNews,
    InstrumentFacts,
    MarketView,
    Watch,
)
from engine.model.codes import (
    AlarmCode,
    InstructionKind,
    OrderFlag,
    ParentState,
    Reason,
    Side,
)
from engine.model.instructions import ExitPlan, Instruction, OrderTerms

__all__ = [
    "ENDED_KEPT",
    "ENDED_STATES",
    "Child",
    "ChildTerms",
    "Engine",
    "FillFact",
    "HeldNews",
    "InstrumentFacts",
    "MarketView",
    "Parent",
    "Port",
    "Watch",
    "is_reducing",
    "opposite",
]

OVER_STATES = frozenset(
    {ParentState.DONE, ParentState.CANCELED, ParentState.REJECTED, ParentState.EXPIRED},
)
# ended children that are kept for late fills
ENDED_KEPT = 32


class Engine(Protocol):
    """What the stage gives to its parents; tests give the same."""

    @property
    def now_wall_ns(self) -> int: ...
    @property
    def now_mono_ns(self) -> int: ...
    def submit(self, parent: Parent, terms: ChildTerms) -> int: ...
    def cancel(self, parent: Parent, child: Child) -> bool: ...
    def replace(self, parent: Parent, child: Child, price_ticks: int, qty_lots: int) -> int: ...
    def set_timer(self, parent: Parent, delay_ns: int, data: int) -> int: ...
    def drop_timer(self, timer_id: int) -> None: ...
    def arm(self, parent: Parent, watch: Watch) -> int: ...
    def disarm(self, watch_id: int) -> None: ...
    def trail_extreme(self, watch_id: int) -> int: ...
    def listen(self, parent: Parent, wanted: bool) -> None: ...
    def market(self, instrument_id: int) -> MarketView: ...
    def is_open(self, instrument_id: int) -> bool: ...
    def levels(self, instrument_id: int, side: int, depth: int) -> list[tuple[int, int]]: ...
    def position_lots(self, instrument_id: int, position_side: int) -> int: ...
    def strategy_lots(self, strategy_id: int, instrument_id: int, position_side: int) -> int: ...
    def entry_price_ticks(self, instrument_id: int, position_side: int) -> int: ...
    def closable_lots(self, instrument_id: int, position_side: int, side: int) -> int: ...
    def whole_lots(self, instrument_id: int, position_side: int, side: int) -> int: ...
    def urgent_lots(self, instrument_id: int, position_side: int, side: int, order_type: int) -> int: ...
    def make_room(self, parent: Parent, side: int, lots: int) -> int: ...
    def instrument(self, instrument_id: int) -> InstrumentFacts: ...
    def next_handle(self) -> int: ...
    def session_end_ns(self) -> int: ...
    def tell_held(self, parent: Parent, held: HeldNews) -> None: ...
    def alarm(self, parent: Parent, code: int, text: str) -> None: ...


class Port:
    """What one parent can ask for. Nothing here calls the parent back: answers come by its callbacks, later."""

    __slots__ = ("_engine", "_parent")

    def __init__(self, engine: Engine, parent: Parent) -> None:
        self._engine, self._parent = engine, parent

    @property
    def now_ns(self) -> int:
        """The event's stamp on the monotonic clock: for durations."""
        return self._engine.now_mono_ns

    @property
    def now_wall_ns(self) -> int:
        """The event's stamp on the wall clock: for dates."""
        return self._engine.now_wall_ns

    @property
    def remaining_lots(self) -> int:
        """What a new child may ask for at most: the parent's quantity less what is filled or works."""
        return self._parent.remaining_lots

    def submit(self, terms: ChildTerms) -> int:
        """Ask for an order; its handle, or 0 where it would exceed the parent's quantity (PARENT_QTY) or found no room."""
        if terms.qty_lots > self._parent.room_for(terms):
            self._parent.refused_by_bound += 1
            return 0
        return self._engine.submit(self._parent, terms)

    def cancel(self, handle: int) -> bool:
        """Ask for a cancel; False where the child has ended. Asking twice sends one."""
        child = self._parent.children.get(handle)
        if child is None or child.is_ended:
            return False
        if not child.is_cancel_wanted:
            child.is_cancel_wanted = self._engine.cancel(self._parent, child)
            child.was_cancel_asked |= child.is_cancel_wanted
        return True

    def replace(self, handle: int, price_ticks: int, qty_lots: int) -> int:
        """Ask for another price and total quantity; the handle of the child that takes the place, 0 where it cannot be.

        A venue that amends in place keeps one order; one that cancels and places anew may fill the old one meanwhile, so that both
        count in full, and a replace that would not fit the parent's quantity then is not sent: cancel, wait, submit.
        """
        child = self._parent.children.get(handle)
        if child is None or not child.is_resting:
            return 0
        room = self._parent.remaining_lots
        if self.amends_in_place:
            room += child.leaves_lots + child.filled_lots
        if qty_lots > room:
            self._parent.refused_by_bound += 1
            return 0
        return self._engine.replace(self._parent, child, price_ticks, qty_lots)

    @property
    def amends_in_place(self) -> bool:
        """Futures: a replace is the same order at the venue."""
        return self.instrument().kind != 0

    def set_timer(self, delay_ns: int, data: int = 0) -> int:
        """Call `on_timer(timer_id, data)` after `delay_ns`; the timer's id."""
        return self._engine.set_timer(self._parent, max(delay_ns, 0), data)

    def drop_timer(self, timer_id: int) -> None:
        """Take a timer back."""
        self._engine.drop_timer(timer_id)

    def arm(self, watch: Watch) -> int:
        """Call `on_trigger(watch_id, price)` once the price is seen on a valid book; the watch's id. 0: no room."""
        return self._engine.arm(self._parent, watch)

    def disarm(self, watch_id: int) -> None:
        """Wait no longer."""
        if watch_id:
            self._engine.disarm(watch_id)

    def trail_extreme(self, watch_id: int) -> int:
        """The best price that a trailing watch has seen, in its source's units; 0 = none yet."""
        return self._engine.trail_extreme(watch_id)

    def listen(self, wanted: bool = True) -> None:
        """Call `on_market` for every trade, best price and mark price of the parent's instrument, or no longer."""
        self._engine.listen(self._parent, wanted)

    def market(self, instrument_id: int = 0) -> MarketView:
        """The market as it stands (of the parent's instrument)."""
        return self._engine.market(instrument_id or self._parent.instrument_id)

    def reason_against(self) -> int:
        """Why an order that leaves now would be refused for the moment's sake: NONE, BOOK_INVALID, or HALTED (session or state)."""
        if self._engine.is_open(self._parent.instrument_id):
            return Reason.NONE
        return Reason.HALTED if self.market().is_valid else Reason.BOOK_INVALID

    def levels(self, side: int, depth: int) -> list[tuple[int, int]]:
        """Levels (price_ticks, qty_lots) of bids (0) or asks (1) of the parent's instrument, best first."""
        return self._engine.levels(self._parent.instrument_id, side, depth)

    def position_lots(self) -> int:
        """The account's position in the parent's instrument and position side, signed."""
        return self._engine.position_lots(self._parent.instrument_id, self._parent.position_side)

    def strategy_lots(self) -> int:
        """What of it the parent's strategy has traded itself, signed: its own fills, whatever others have."""
        parent = self._parent
        return self._engine.strategy_lots(parent.strategy_id, parent.instrument_id, parent.position_side)

    def entry_price_ticks(self) -> int:
        """Average price of that position, rounded to ticks; 0 where it is flat."""
        return self._engine.entry_price_ticks(self._parent.instrument_id, self._parent.position_side)

    def closable_lots(self, side: int) -> int:
        """What of the position is not yet being closed by orders of `side`, UNKNOWN and just asked for ones in full; spot: no more
        than the account holds."""
        return self._engine.closable_lots(self._parent.instrument_id, self._parent.position_side, side)

    def whole_lots(self, side: int) -> int:
        """What of the position orders of `side` could close if there were no others; spot: no more than the account holds."""
        return self._engine.whole_lots(self._parent.instrument_id, self._parent.position_side, side)

    def urgent_lots(self, side: int, order_type: int) -> int:
        """What a fired stop may send at once. A future's market order: the position less other such orders, since the venue cuts
        it to the position whatever else works; anything else: `closable_lots`."""
        return self._engine.urgent_lots(self._parent.instrument_id, self._parent.position_side, side, order_type)

    def make_room(self, side: int, lots: int) -> int:
        """Take back resting orders that hold what a fired stop closes, whoever's, until `lots` are covered; how many lots are on
        their way. The parent's `on_room` is called as they are freed, while `waits_for_room`."""
        return self._engine.make_room(self._parent, side, lots)

    def instrument(self, instrument_id: int = 0) -> InstrumentFacts:
        """Reference data (of the parent's instrument)."""
        return self._engine.instrument(instrument_id or self._parent.instrument_id)

    def next_handle(self) -> int:
        """A handle that nobody has."""
        return self._engine.next_handle()

    def session_end_ns(self) -> int:
        """When the session ends that is going on: when a DAY order expires, by the wall clock."""
        return self._engine.session_end_ns()

    def tell_held(self, news: HeldNews) -> None:
        """HELD_ORDER: an order of this parent that does not work at the venue, as its owner shall see it."""
        self._engine.tell_held(self._parent, news)

    def warn(self, text: str) -> None:
        """A PARENT_FAILED in this parent's name."""
        self.alarm(AlarmCode.PARENT_FAILED, text)

    def alarm(self, code: AlarmCode, text: str) -> None:
        """An ALARM in this parent's name."""
        self._engine.alarm(self._parent, code, text)


class Parent:
    """Base of everything that is carried out over several orders; subclasses override callbacks, `state` and `restore`.

    `qty_lots`: the hard bound. `is_protective`: it closes what is open and is not ended by kill, pause or a disabled strategy.
    """

    kind: InstructionKind = InstructionKind.NONE
    is_protective = False
    # may a stop at the venue that closes the whole position stand for it
    follows_position = False
    # ended children that a restart needs to know
    ended_saved = 0
    # `on_room` is wanted as orders end that hold what it closes; `on_open` once book and session let orders pass
    waits_for_room = False
    waits_for_market = False
    # an order of it is taken back at the venue, to be sent anew with other numbers
    is_moving = False

    def __init__(self, instruction: Instruction, handle: int, strategy_id: int) -> None:
        self.instruction, self.handle, self.strategy_id = instruction, handle, strategy_id
        self.instrument_id = instruction.instrument_id
        self.position_side = 0
        self.side: int = Side.BUY
        self.qty_lots = 0
        self.status: int = ParentState.NONE
        self.reason: int = Reason.NONE
        self.children: dict[int, Child] = {}
        self.child_count = 0
        self.filled_lots = 0
        self.filled_value = 0  # ticks times lots, of `valued_lots`
        self.valued_lots = 0
        self.refused_by_bound = 0
        self.is_changed = True
        self.port: Port

    # --- callbacks ---

    def on_start(self) -> None:
        """The first thing that is called, once."""

    def on_resume_run(self) -> None:
        """A restart: everything was restored, the account has been read again; take up the work."""

    def on_child(self, child: Child) -> None:
        """A child changed: acknowledged, ended, UNKNOWN, refused (REFUSED and a reason)."""

    def on_fill(self, child: Child, fill: FillFact) -> None:
        """A child was filled; `on_child` came before or comes after."""

    def on_market(self, view: MarketView) -> None:
        """A trade, best price or mark price, where the parent listens."""

    def on_timer(self, timer_id: int, data: int) -> None:
        """A timer came due."""

    def on_trigger(self, watch_id: int, price: int) -> None:
        """A price was seen that a watch waited for (it waits no longer). `price` in the source's units."""

    def on_trail(self, watch_id: int, level: int) -> None:
        """A trailing watch moved its level, in the source's units."""

    def on_position(self, position_lots: int) -> None:
        """The position of the parent's instrument and side changed."""

    def on_room(self) -> None:
        """An order of the instrument has ended that may have held what this one waits to close."""

    def on_open(self) -> None:
        """Book, session and trading state let orders pass (again)."""

    def presses(self, child: Child) -> bool:
        """Does the child carry out a stop that has fired: nobody else's stop takes it back."""
        del child
        return False

    # --- what a person or the owner asks for ---

    def pause(self) -> None:
        """Begin nothing new, take back what works, until `resume`."""
        if self.status == ParentState.WORKING:
            self.move_to(ParentState.PAUSED)
            self.cancel_children()

    def resume(self) -> None:
        """Go on after `pause`."""
        if self.status == ParentState.PAUSED:
            self.move_to(ParentState.WORKING)

    def cancel(self, reason: int = Reason.NONE) -> None:
        """End it: nothing new, children cancelled, CANCELED once the last one has ended."""
        if not self.is_over and self.status != ParentState.CANCELING:
            self.reason = reason
            self.move_to(ParentState.CANCELING)
            self.cancel_children()
        self.settle_cancel()

    def cancel_order(self, handle: int) -> bool:
        """End one order of this parent, held or working; False where it has none by that handle."""
        return self.port.cancel(handle)

    def cancel_by(self, *, by_person: bool) -> None:
        """A cancel of the whole that was asked for by its owner or a person."""
        del by_person
        self.cancel()

    def on_sweep(self, *, is_kill: bool) -> None:
        """Kill, or a person's cancel of a whole scope: what could add to a position ends."""
        if not (is_kill and self.is_protective):
            self.cancel(Reason.HALTED if is_kill else Reason.NONE)

    def on_armed(self) -> None:
        """A person armed the engine again."""

    def on_late_fill(self) -> bool:
        """A fill after the end; True where there is work again."""
        return False

    def amend_exits(self, exits: ExitPlan) -> int:
        """Other exits for what is protected; a Reason where it cannot be."""
        del exits
        return Reason.UNSUPPORTED

    def amend(self, handle: int, price_ticks: int, qty_lots: int, trigger_ticks: int) -> int:
        """Change an order of this parent in place (0 leaves a number as it is); a Reason where it cannot be."""
        del handle, price_ticks, qty_lots, trigger_ticks
        return Reason.UNSUPPORTED

    def terms_of(self, handle: int) -> OrderTerms | None:
        """The order that may be amended by this handle; None where there is none, or its parent alone knows what can be."""
        del handle
        return None

    # --- state ---

    def state(self) -> Any:
        """What a restart needs beside instruction and children: anything that msgspec turns into JSON."""
        return None

    def restore(self, saved: Any) -> None:
        """Take over what `state` returned, as plain JSON values."""

    @property
    def is_over(self) -> bool:
        """Nothing will be done any more."""
        return self.status in OVER_STATES

    @property
    def open_children(self) -> list[Child]:
        """Children that may still be filled, oldest first."""
        return [child for child in self.children.values() if not child.is_over]

    @property
    def working_lots(self) -> int:
        """What the children may still fill, UNKNOWN ones in full."""
        return sum(child.leaves_lots for child in self.children.values())

    @property
    def remaining_lots(self) -> int:
        """What a new child may ask for at most."""
        return max(self.qty_lots - self.filled_lots - self.working_lots, 0)

    def room_for(self, terms: ChildTerms) -> int:
        """What of such a child the bound admits."""
        del terms
        return self.remaining_lots

    def counts(self, child: Child) -> bool:
        """Do the child's fills count to the parent's quantity."""
        del child
        return True

    def move_to(self, status: int) -> None:
        """A new state of the parent's life."""
        self.status = status
        self.is_changed = True

    def end(self, status: int, reason: int = Reason.NONE) -> None:
        """The end of its life."""
        if not self.is_over:
            self.reason = reason
            self.move_to(status)

    def cancel_children(self) -> None:
        """Ask for a cancel of every child that is open."""
        for child in self.open_children:
            self.port.cancel(child.handle)

    def settle_cancel(self) -> None:
        """CANCELED (DONE where all was filled) once nothing of a cancelled parent is open."""
        if self.status == ParentState.CANCELING and not self.open_children:
            is_done = self.qty_lots > 0 and self.filled_lots >= self.qty_lots
            self.end(ParentState.DONE if is_done else ParentState.CANCELED, self.reason)


def is_reducing(flags: int) -> bool:
    """May the order only close."""
    return bool(flags & (OrderFlag.REDUCE_ONLY | OrderFlag.CLOSE_POSITION))


def opposite(side: int) -> int:
    """The other side."""
    return Side.SELL if side == Side.BUY else Side.BUY
