"""What a strategy can ask of the execution stage, in decimals: held orders, lists, brackets, protection - a mixin of `Strategy`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from engine.model.codes import (
    Contingency,
    PositionSide,
    TrailKind,
    TriggerSource,
)
from engine.model.instructions import (
    AtrTrail,
    Bracket,
    BreakEven,
    Change,
    Distance,
    ExitPlan,
    Instruction,
    OrderList,
    OrderTerms,
    Placement,
    Protection,
    StopPlan,
    TargetPlan,
    encode,
    fault_of,
    fault_of_exits,
)
from engine.strategy.instrument import Amount, Instrument
from engine.strategy.terms import Leg

WHOLE_BPS = 10_000
NS_PER_S = 1_000_000_000
NATIVE_LEGS_MAX = 3


class Bps(NamedTuple):
    """A distance in basis points of the price that it counts from."""

    amount: int


class Target(NamedTuple):
    """A take-profit: `at` a price, or so far from the entry (`Bps`, or `Away` in price). `is_held`: the engine waits, then takes
    at the market; else a limit order rests at the venue. `share`: of the quantity, in basis points."""

    at: Amount | Bps | Away
    share: int = WHOLE_BPS
    is_held: bool = False


class Away(NamedTuple):
    """A distance in price."""

    amount: Amount


class Atr(NamedTuple):
    """Trail by the average true range of `bars` bars of `interval_s`, times `multiple`."""

    interval_s: int
    bars: int
    multiple: Decimal = Decimal(1)


class Instructing:
    """See the module; `Strategy` has all of it. Handles come at once, answers by `on_order`, `on_fill` and `on_parent`."""

    def submit_oco(self, symbol: str, *legs: Leg) -> tuple[int, ...]:
        """Two or more orders of one size of which one may fill: what happens first to one ends the others. Their handles.

        Carried out by the venue where it has such lists; else by the engine, and then at most one of them may be without a trigger:
        only that one rests at the venue.
        """
        return self._submit_legs(symbol, Contingency.OCO, legs)

    def submit_ouo(self, symbol: str, *legs: Leg) -> tuple[int, ...]:
        """Like OCO, but a fill reduces the others by what was filled."""
        return self._submit_legs(symbol, Contingency.OUO, legs)

    def submit_oto(self, symbol: str, first: Leg, *others: Leg, exclusive: bool = False) -> tuple[int, ...]:
        """`first` works; the others are released once it is filled (`exclusive`: as an OCO among themselves). Their handles."""
        return self._submit_legs(symbol, Contingency.OTOCO if exclusive else Contingency.OTO, (first, *others))

    def submit_bracket(
        self,
        symbol: str,
        entry: Leg,
        *,
        stop: Amount | Bps | Away | None = None,
        targets: Sequence[Target] = (),
        **exits: Any,
    ) -> tuple[int, int]:
        """An entry, and a stop-loss and take-profits for exactly what it has filled: the handles of bracket and entry.

        `exits`: see `exit_plan`. ValueError in words for what makes no sense."""
        instrument = self._instrument_of(symbol)
        plan = exit_plan(instrument, stop=stop, targets=targets, **exits)
        terms = self._leg_terms(instrument, entry)
        wish = Bracket(instrument_id=instrument.instrument_id, entry=terms, exits=plan)
        return self._instruct(wish, (terms,)), terms.handle

    def protect(
        self,
        symbol: str,
        *,
        stop: Amount | Bps | Away | None = None,
        targets: Sequence[Target] = (),
        position_side: PositionSide = PositionSide.BOTH,
        **exits: Any,
    ) -> int:
        """A stop-loss and take-profits for the account's position, as large as it is whatever changes it; the instruction's handle.

        It ends with the position, or by a person; `amend_exits` gives it another plan. `exits`: see `exit_plan`.
        """
        instrument = self._instrument_of(symbol)
        plan = exit_plan(instrument, stop=stop, targets=targets, **exits)
        wish = Protection(instrument_id=instrument.instrument_id, exits=plan, position_side=position_side)
        return self._instruct(wish, ())

    def amend_held(
        self,
        symbol: str,
        handle: int,
        *,
        price: Amount | None = None,
        qty: Amount | None = None,
        trigger: Amount | None = None,
    ) -> bool:
        """Other numbers for an order that is held; False where there was no room: ask again. The answer comes by `on_order`."""
        instrument = self._instrument_of(symbol)
        change = Change(
            handle=handle,
            action="amend",
            price_ticks=instrument.price_ticks(price) if price is not None else 0,
            qty_lots=instrument.qty_lots(qty) if qty is not None else 0,
            trigger_ticks=instrument.price_ticks(trigger) if trigger is not None else 0,
        )
        return self.change(instrument.instrument_id, handle, encode(change))

    def amend_exits(self, symbol: str, handle: int, **exits: Any) -> bool:
        """Another plan for a bracket's or protection's exits (`exit_plan`); False where there was no room: ask again."""
        instrument = self._instrument_of(symbol)
        change = Change(handle=handle, action="amend", exits=exit_plan(instrument, **exits))
        return self.change(instrument.instrument_id, handle, encode(change))

    def cancel_parent(self, handle: int) -> bool:
        """End an instruction: a list, a held order, an algorithm, a bracket's entry; what was filled stays protected."""
        return self._change_parent(handle, "cancel")

    def pause_parent(self, handle: int) -> bool:
        """Begin nothing new of it until `resume_parent`; protection is not paused."""
        return self._change_parent(handle, "pause")

    def resume_parent(self, handle: int) -> bool:
        """Go on after `pause_parent`."""
        return self._change_parent(handle, "resume")

    # --- what it is made of ---

    def _change_parent(self, handle: int, action: Any) -> bool:
        instrument_id = self.parents().get(handle)
        if instrument_id is None:
            return False
        return self.change(instrument_id, handle, encode(Change(handle=handle, action=action)))

    def _submit_legs(self, symbol: str, contingency: Contingency, legs: Sequence[Leg]) -> tuple[int, ...]:
        if contingency != Contingency.OUO and len(legs) <= NATIVE_LEGS_MAX:
            return self.submit_list(symbol, contingency, legs)
        instrument = self._instrument_of(symbol)
        orders = tuple(self._leg_terms(instrument, leg) for leg in legs)
        self._instruct(
            OrderList(instrument_id=instrument.instrument_id, contingency=contingency, orders=orders), orders
        )
        return tuple(order.handle for order in orders)

    def _leg_terms(self, instrument: Instrument, leg: Leg) -> OrderTerms:
        return OrderTerms(handle=self.new_handle(), **leg.ticks(instrument))

    def _instruct(self, wish: Instruction, orders: Sequence[OrderTerms]) -> int:
        if fault := fault_of(wish):
            raise ValueError(fault)
        handle = wish.handle or self.new_handle()
        self.instruct(wish.instrument_id, handle, encode(wish), [(order.handle, order) for order in orders])
        return handle

    def _instrument_of(self, symbol: str) -> Instrument:
        return self.instrument(symbol)

    # what `Strategy` brings along
    instrument: Callable[[str], Instrument]
    new_handle: Callable[[], int]
    instruct: Callable[[int, int, bytes, list[tuple[int, OrderTerms]]], int]
    change: Callable[[int, int, bytes], bool]
    parents: Callable[[], dict[int, int]]
    submit_list: Callable[[str, Contingency, Sequence[Leg]], tuple[int, ...]]


def distance_of(instrument: Instrument, away: Bps | Away) -> Distance:
    """A distance in ticks or basis points."""
    if isinstance(away, Bps):
        return Distance(unit=TrailKind.BPS, amount=away.amount)
    return Distance(unit=TrailKind.TICKS, amount=instrument.price_ticks(away.amount))


def exit_plan(
    instrument: Instrument,
    *,
    stop: Amount | Bps | Away | None = None,
    targets: Sequence[Target] = (),
    trail: Bps | Away | None = None,
    atr: Atr | None = None,
    activation: Bps | Away | None = None,
    break_even: tuple[Bps | Away, Amount] | None = None,
    stop_limit_offset: Amount | None = None,
    trigger_source: TriggerSource = TriggerSource.LAST,
    placement: Placement = "auto",
) -> ExitPlan:
    """Exits in ticks. `stop`: a price, or a distance from the average entry price; `trail`, `atr`: it follows the best price
    (from `activation` in profit on); `break_even`: (after so much profit, entry price plus this). ValueError in words."""
    plan = ExitPlan(
        stop=stop_plan(instrument, stop, trail, atr, activation, stop_limit_offset, trigger_source),
        targets=tuple(target_plan(instrument, target) for target in targets),
        break_even=None
        if break_even is None
        else BreakEven(
            after=distance_of(instrument, break_even[0]), offset_ticks=instrument.price_ticks(break_even[1])
        ),
        placement=placement,
    )
    if fault := fault_of_exits(plan):
        raise ValueError(fault)
    return plan


def stop_plan(
    instrument: Instrument,
    stop: Amount | Bps | Away | None,
    trail: Bps | Away | None,
    atr: Atr | None,
    activation: Bps | Away | None,
    limit_offset: Amount | None,
    source: TriggerSource,
) -> StopPlan | None:
    """The stop's part of a plan; None where none of it was named."""
    if stop is None and trail is None and atr is None:
        return None
    return StopPlan(
        trigger_ticks=0 if stop is None or isinstance(stop, Bps | Away) else instrument.price_ticks(stop),
        distance=distance_of(instrument, stop) if isinstance(stop, Bps | Away) else None,
        trail=None if trail is None else distance_of(instrument, trail),
        atr=None
        if atr is None
        else AtrTrail(
            interval_ns=atr.interval_s * NS_PER_S, bars=atr.bars, multiple_e4=int(Decimal(atr.multiple) * WHOLE_BPS)
        ),
        activation=None if activation is None else distance_of(instrument, activation),
        limit_offset_ticks=0 if limit_offset is None else instrument.price_ticks(limit_offset),
        trigger_source=source,
    )


def target_plan(instrument: Instrument, target: Target) -> TargetPlan:
    """One take-profit in ticks."""
    if isinstance(target.at, Bps | Away):
        away = distance_of(instrument, target.at)
        return TargetPlan(distance=away, share_bps=target.share, is_held=target.is_held)
    return TargetPlan(price_ticks=instrument.price_ticks(target.at), share_bps=target.share, is_held=target.is_held)
