"""Execution algorithms: pure, deterministic, integers only; `now` is the event's stamp, chance is seeded by the parent's handle."""

from __future__ import annotations

from engine.execution.algos.parent import AlgoParent
from engine.execution.parent import Parent
from engine.model.instructions import Algo


def make(instruction: Algo, handle: int, strategy_id: int) -> Parent:
    """The parent of an ALGO instruction, whose terms `engine.model.instructions.fault_of` has found good before it begins."""
    return AlgoParent(instruction, handle, strategy_id)
