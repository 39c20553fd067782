"""An iceberg of our own: parts of uneven size at one price, each after the one before has ended."""

from __future__ import annotations

from typing import Any

from engine.execution.algos.core import NOTHING, Algo, Facts, Order, Wish
from engine.execution.algos.dice import roll, spread
from engine.model.algo_terms import WHOLE_BPS, Iceberg

DELAY_SALT = 0x44454C41


class IcebergAlgo(Algo[Iceberg]):
    """`part` counts the parts shown; sizes and delays follow from it and the seed alone."""

    def __init__(self, terms: Iceberg, order: Order) -> None:
        super().__init__(terms, order)
        self.duration_ns = terms.duration_ns
        self.part = 0

    def wish(self, facts: Facts) -> Wish:
        """The part that is shown stays; the next comes after its delay."""
        if facts.ours_lots:
            return Wish(facts.ours_lots, facts.ours_ticks)
        if facts.elapsed_ns < self.next_try_ns:
            self.wake_ns = min(self.wake_ns, self.next_try_ns)
            return NOTHING
        return Wish(min(self.part_lots(self.part), facts.unfilled_lots), self.terms.limit_ticks)

    def part_lots(self, part: int) -> int:
        """Size of a part: the display quantity, up to the jitter more or less, at least the least that the venue takes."""
        shown = self.terms.display_lots
        lots = shown + spread(self.order.seed, part, shown * self.terms.size_jitter_bps // WHOLE_BPS)
        return max(lots, self.order.least_lots, 1)

    def submitted(self, facts: Facts) -> None:  # noqa: ARG002 - the delay begins with the part's end
        """The next part will be another."""
        self.part += 1

    def ended(self, elapsed_ns: int, *, is_filled: bool, is_taker: bool) -> None:  # noqa: ARG002 - it rests
        """The next part waits for a delay of chance."""
        delay_ns = roll(self.order.seed ^ DELAY_SALT, self.part, self.terms.refresh_ns + 1)
        self.next_try_ns = elapsed_ns + delay_ns

    def memory(self) -> dict[str, Any]:
        """The part too."""
        return super().memory() | {"part": self.part}

    def remember(self, memory: dict[str, Any]) -> None:
        """Continue with the next part."""
        super().remember(memory)
        self.part = int(memory["part"])
