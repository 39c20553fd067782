"""When a slice comes and how much must be done by then: integers only, the whole quantity exactly.

A plan is a list of slices; slice k begins at `begins_ns[k]` after the start, and `targets_lots[k]` are to be done when it ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.execution.algos.dice import spread
from engine.model.algo_terms import WHOLE_BPS, CatchUp

# seeds of the two kinds of chance must differ, or a late slice would always be a large one
TIME_SALT, SIZE_SALT = 0x54494D45, 0x53495A45


@dataclass(frozen=True)
class Plan:
    """Begins in ns after the start (first 0 or later, ascending), targets in lots (ascending to the quantity)."""

    begins_ns: tuple[int, ...]
    targets_lots: tuple[int, ...]
    duration_ns: int

    def goal_lots(self, index: int, filled_lots: int, catch_up: CatchUp) -> int:
        """How much must be filled when slice `index` ends, by the rule for what earlier slices missed."""
        whole, target = self.targets_lots[-1], self.targets_lots[index]
        before = self.targets_lots[index - 1] if index else 0
        if catch_up == "next" or filled_lots >= target:
            return target
        if catch_up == "none":
            return min(whole, filled_lots + target - before)
        rest, planned = whole - filled_lots, whole - before
        return filled_lots + (rest * (target - before) // planned if planned else rest)

    def due_lots(self, elapsed_ns: int) -> int:
        """How much a smooth execution has done by now: the line between targets, for comparison only."""
        done, begin = 0, 0
        for index, target in enumerate(self.targets_lots):
            end = self.begins_ns[index + 1] if index + 1 < len(self.begins_ns) else self.duration_ns
            if elapsed_ns < end:
                return done + (target - done) * max(0, elapsed_ns - begin) // max(1, end - begin)
            done, begin = target, end
        return done


def make_plan(weights: Sequence[int], qty_lots: int, duration_ns: int, seed: int, jitter_bps: tuple[int, int]) -> Plan:
    """A plan by weights. `jitter_bps`: of an interval's length and of a slice's share, both ways."""
    time_jitter_bps, size_jitter_bps = jitter_bps
    shares = [
        weight * (WHOLE_BPS + spread(seed ^ SIZE_SALT, number, min(size_jitter_bps, WHOLE_BPS - 1)))
        for number, weight in enumerate(weights)
    ]
    return Plan(
        tuple(begins(len(weights), duration_ns, seed, time_jitter_bps)), tuple(targets(shares, qty_lots)), duration_ns
    )


def begins(slices: int, duration_ns: int, seed: int, jitter_bps: int) -> list[int]:
    """Ascending begins; a jitter of a whole interval moves one by half of it either way, so that none overtakes another."""
    most = duration_ns * jitter_bps // (slices * 2 * WHOLE_BPS)
    exact = [duration_ns * number // slices for number in range(slices)]
    return [max(0, begin + spread(seed ^ TIME_SALT, number, most)) for number, begin in enumerate(exact)]


def targets(weights: Sequence[int], qty_lots: int) -> list[int]:
    """Cumulated shares of the quantity, rounded down: the errors never add up, the last is the quantity."""
    whole, found, so_far = sum(weights), [], 0
    for weight in weights:
        so_far += weight
        found.append(qty_lots * so_far // whole)
    return found
