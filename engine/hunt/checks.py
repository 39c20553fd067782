"""All checkers, in the order in which they look."""

from __future__ import annotations

from engine.hunt.check import Check
from engine.hunt.checks_conduct import DeadMan, Judged, Kill, Leaks, Quiet, Timers
from engine.hunt.checks_desk import AlarmsTold, Readers
from engine.hunt.checks_orders import (
    Journaled,
    LifeOfOrders,
    Limits,
    MayLeave,
    OnceEach,
    OnThePlatter,
    Runaway,
    Strategies,
)
from engine.hunt.checks_whole import BecomesWell, Books, EqualToVenue, FillsOnce, JournalWhole, PositionIsItsFills
from engine.hunt.replays import Replays
from engine.hunt.sometimes import Situations

CHECKS: tuple[type[Check], ...] = (
    *(
        Situations,
        JournalWhole,
        OnceEach,
        Journaled,
        OnThePlatter,
        Judged,
        MayLeave,
        Quiet,
        Limits,
        Runaway,
        Strategies,
        LifeOfOrders,
    ),
    *(Kill, DeadMan, Timers, Leaks, Books, FillsOnce, BecomesWell, EqualToVenue, PositionIsItsFills, Readers),
    AlarmsTold,
    Replays,
)
