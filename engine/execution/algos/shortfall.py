"""Implementation shortfall: the trajectory of Almgren and Chriss, as a plan of slices."""

from __future__ import annotations

from engine.execution.algos.core import Order
from engine.execution.algos.scheduled import ScheduledAlgo
from engine.execution.algos.trajectory import shares
from engine.model.algo_terms import Shortfall


class ShortfallAlgo(ScheduledAlgo):
    """Weights are the trades n_k of the optimal trajectory."""

    def __init__(self, terms: Shortfall, order: Order) -> None:
        super().__init__(terms, order, shares(terms))
