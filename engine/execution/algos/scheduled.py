"""TWAP, VWAP and implementation shortfall are one thing: a plan of slices, by equal weights, a volume profile or a trajectory."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from engine.execution.algos.core import Algo, Facts, Order, Wish
from engine.execution.algos.schedule import make_plan
from engine.model.algo_terms import Scheduled


class ScheduledAlgo(Algo[Scheduled]):
    """Follows a plan. `goal_lots` is what is to be filled when the current slice ends."""

    def __init__(self, terms: Scheduled, order: Order, weights: Sequence[int]) -> None:
        super().__init__(terms, order)
        self.duration_ns, self.at_end = terms.duration_ns, terms.at_end
        jitter_bps = (terms.time_jitter_bps, terms.size_jitter_bps)
        self.plan = make_plan(weights, order.qty_lots, terms.duration_ns, order.seed, jitter_bps)
        self.slice_index = -1
        self.goal_lots = 0

    def wish(self, facts: Facts) -> Wish:
        """What the current slice lacks."""
        index = bisect_right(self.plan.begins_ns, facts.elapsed_ns) - 1
        if index > self.slice_index:
            self._begin(index, facts)
        if index + 1 < len(self.plan.begins_ns):
            self.wake_ns = self.plan.begins_ns[index + 1]
        # what ends elsewhere (a cancel under way) may still fill: it is not asked for twice
        ending_lots = self.order.qty_lots - facts.filled_lots - facts.unfilled_lots
        due_lots = min(self.goal_lots - facts.filled_lots - ending_lots, facts.unfilled_lots)
        return self.take(facts, due_lots) if self.terms.style == "take" else self.join(facts, due_lots)

    def _begin(self, index: int, facts: Facts) -> None:
        self.slice_index = index
        self.goal_lots = self.plan.goal_lots(index, facts.filled_lots, self.terms.catch_up)
        self.next_try_ns = 0

    def planned_lots(self, elapsed_ns: int) -> int:
        """What a smooth execution would have done by now."""
        return self.plan.due_lots(elapsed_ns)

    def memory(self) -> dict[str, Any]:
        """The slice and its goal too: the goal depends on what had been filled when it began."""
        return super().memory() | {"slice_index": self.slice_index, "goal_lots": self.goal_lots}

    def remember(self, memory: dict[str, Any]) -> None:
        """Continue within the slice."""
        super().remember(memory)
        self.slice_index, self.goal_lots = int(memory["slice_index"]), int(memory["goal_lots"])
