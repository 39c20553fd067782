"""Brackets and protection of a long position in the rig: their plans, and what of them works."""

from __future__ import annotations

from engine.execution.bracket import BracketParent
from engine.execution.parent import Parent
from engine.model.codes import Side
from engine.model.instructions import Bracket, ExitPlan, OrderTerms, Protection, StopPlan, TargetPlan
from tests.execution_rig import INSTRUMENT, PRICE, Rig

STOP = StopPlan(trigger_ticks=PRICE - 100)
HALVES = (TargetPlan(price_ticks=PRICE + 50, share_bps=5000), TargetPlan(price_ticks=PRICE + 90, share_bps=5000))


def bracket(rig: Rig, exits: ExitPlan, **entry: int) -> BracketParent:
    """An entry of 10 lots with these exits."""
    terms = OrderTerms(**{"side": Side.BUY, "qty_lots": 10, "price_ticks": PRICE, "handle": 10, **entry})
    parent = rig.begin(Bracket(instrument_id=INSTRUMENT, entry=terms, exits=exits))
    assert isinstance(parent, BracketParent)
    return parent


def protect(rig: Rig, exits: ExitPlan) -> Parent:
    """Protection of what is held."""
    return rig.begin(Protection(instrument_id=INSTRUMENT, exits=exits))


def sells(rig: Rig) -> list[tuple[int, int]]:
    """(price, leaves) of the exits that may still be filled."""
    return sorted(
        (o.terms.price_ticks, o.leaves_lots) for o in rig.orders.values() if o.terms.side == Side.SELL and o.leaves_lots
    )
