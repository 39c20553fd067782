"""Time-weighted: the same in every slice, but for the jitter that hides the rhythm."""

from __future__ import annotations

from engine.execution.algos.core import Order
from engine.execution.algos.scheduled import ScheduledAlgo
from engine.model.algo_terms import Twap


class TwapAlgo(ScheduledAlgo):
    """Equal weights."""

    def __init__(self, terms: Twap, order: Order) -> None:
        super().__init__(terms, order, (1,) * terms.slices)
