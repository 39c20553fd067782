"""Volume-weighted: as much in each slice as a profile from history expects of the market's volume."""

from __future__ import annotations

from engine.execution.algos.core import Order
from engine.execution.algos.scheduled import ScheduledAlgo
from engine.model.algo_terms import Vwap


class VwapAlgo(ScheduledAlgo):
    """The weights of the terms: see `engine.model.volume_profile`."""

    def __init__(self, terms: Vwap, order: Order) -> None:
        super().__init__(terms, order, terms.weights)
