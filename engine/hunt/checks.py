"""All checkers, in the order in which they look."""

from __future__ import annotations

from engine.hunt.check import Check
from engine.hunt.checks_orders import Journaled, LifeOfOrders, Limits, MayLeave, OnceEach, Runaway, Strategies
from engine.hunt.checks_whole import BecomesWell, Books, EqualToVenue, FillsOnce, JournalWhole, PositionIsItsFills

CHECKS: tuple[type[Check], ...] = (
    *(JournalWhole, OnceEach, Journaled, MayLeave, Limits, Runaway, Strategies, LifeOfOrders),
    *(Books, FillsOnce, BecomesWell, EqualToVenue, PositionIsItsFills),
)
