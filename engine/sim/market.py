"""The generated market: agents of all symbols in one queue of turns, run up to a given time."""

from __future__ import annotations

import heapq
from typing import TypeVar

from engine.sim.agents import SECOND_NS, Agent, DeepMaker, FairValue, InnerMaker, Scene, Taker, TrendFollower
from engine.sim.floor import Floor
from engine.sim.seeded import SeededRandom

AGENT_OWNER_MIN = 1 << 20
INNER_MAKERS = 3
CATCH_UP_NS_MAX = 30 * SECOND_NS
TURNS_MAX = 20_000
NEVER_NS = (1 << 63) - 1

A = TypeVar("A", bound=Agent)


class GeneratedMarket:
    """Fills the books at once; with ``activity`` 0 they then stand still."""

    def __init__(self, floor: Floor, activity: float, seed: int, start_ns: int) -> None:
        if not 0 <= activity <= 1000:
            raise ValueError("activity must be 0..1000")
        self._turns: list[tuple[int, int, Agent]] = []
        self._turn_number = 0
        self._next_owner = AGENT_OWNER_MIN
        self.scenes: dict[str, Scene] = {}
        dice = SeededRandom(seed)
        for listing in floor.listings:
            scene = self.scenes[listing.symbol] = Scene(floor, listing, activity, dice)
            self._populate(scene, dice, start_ns)

    def _populate(self, scene: Scene, dice: SeededRandom, start_ns: int) -> None:
        deep = self._hire(DeepMaker, scene, dice)
        makers = [self._hire(InnerMaker, scene, dice) for _ in range(INNER_MAKERS)]
        others = [self._hire(kind, scene, dice) for kind in (FairValue, Taker, TrendFollower)]
        deep.fill(start_ns)
        for maker in makers:
            maker.act(start_ns)
        if scene.rate > 0:
            for agent in (deep, *makers, *others):
                self._schedule(agent, start_ns)

    def _hire(self, kind: type[A], scene: Scene, dice: SeededRandom) -> A:
        self._next_owner += 1
        return kind(scene, self._next_owner, SeededRandom(dice.bits64()))

    def _schedule(self, agent: Agent, now_ns: int) -> None:
        self._turn_number += 1
        heapq.heappush(self._turns, (now_ns + agent.delay_ns(), self._turn_number, agent))

    def fair_e8(self, symbol: str) -> int:
        """The value that a symbol's agents believe in, in whole ticks (1e-8): an index price for those who need one."""
        scene = self.scenes[symbol]
        return round(scene.fair) * scene.listing.tick_e8

    def next_wake_ns(self) -> int:
        """When the next agent acts."""
        return self._turns[0][0] if self._turns else NEVER_NS

    def run(self, now_ns: int) -> None:
        """Give every turn that is due by ``now_ns``, at its own time; a long absence is skipped, not made up for.

        A market that is too lively for its machine slows down: what is due beyond ``TURNS_MAX`` turns of one call is put off.
        """
        self._put_off(now_ns - self.next_wake_ns() - CATCH_UP_NS_MAX)
        turns = self._turns
        for _ in range(TURNS_MAX):
            if not turns or turns[0][0] > now_ns:
                return
            due_ns, _, agent = heapq.heappop(turns)
            agent.act(due_ns)
            self._schedule(agent, due_ns)
        self._put_off(now_ns - self.next_wake_ns())

    def _put_off(self, late_ns: int) -> None:
        if late_ns > 0:
            self._turns = [(due_ns + late_ns, number, agent) for due_ns, number, agent in self._turns]
