"""The seeded traders of the generated market: what each does when its turn comes, and how long till its next.

Agents have unlimited funds and no account; they act on the floor like anybody else, so that an account's order can be
hit by them and can hit them. ``fair`` is a price in ticks that only agents know, and only roughly.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

from engine.sim.decimals import config_e8
from engine.sim.floor import BUY, SELL, Floor, Listing
from engine.sim.matching import TifKind
from engine.sim.seeded import SeededRandom

SECOND_NS = 1_000_000_000
FAIR_STEP_NS = 100_000_000
_IOC = int(TifKind.TIF_IOC)
# (multiplier, chance, shortest and longest stay in seconds)
_MOODS = ((0.35, 0.25, 2.0, 5.0), (1.0, 0.5, 8.0, 30.0), (3.0, 0.25, 0.8, 2.5))
_VOLATILITIES = ((0.5, 0.35, 20.0, 90.0), (1.0, 0.45, 20.0, 90.0), (2.5, 0.2, 5.0, 20.0))


class Regime:
    """A multiplier that jumps between states and stays in each for a random while."""

    def __init__(self, states: tuple[tuple[float, float, float, float], ...], dice: SeededRandom) -> None:
        self._states = states
        self._dice = dice
        self._until_ns = 0
        self.multiplier = 1.0

    def step(self, now_ns: int) -> None:
        """Jump when the stay is over."""
        if now_ns < self._until_ns:
            return
        draw = self._dice.unit()
        index = 0
        while index < len(self._states) - 1 and draw >= self._states[index][1]:
            draw -= self._states[index][1]
            index += 1
        self.multiplier, _, shortest_s, longest_s = self._states[index]
        self._until_ns = now_ns + int(self._dice.between(shortest_s, longest_s) * SECOND_NS)


class Scene:
    """What the agents of one symbol share: the fair value, the mood, the units."""

    def __init__(self, floor: Floor, listing: Listing, activity: float, dice: SeededRandom) -> None:
        self.floor = floor
        self.listing = listing
        self.home = float(listing.tape.last_price_e8 // listing.tick_e8)
        self.fair = self.home
        self.anchor = self.home
        self.half_spread = max(1.0, self.home * listing.config.half_spread_bps / 10_000)
        self.mean_lots = max(1.0, config_e8(listing.config.mean_order_qty) / listing.step_e8)
        self.rate = activity * listing.config.activity
        self.mood = Regime(_MOODS, SeededRandom(dice.bits64()))
        self.volatility = Regime(_VOLATILITIES, SeededRandom(dice.bits64()))
        self.ticks_max = listing.rules.max_price_e8 // listing.tick_e8

    def mid(self) -> float:
        """The middle of the book, the fair value when a side is empty."""
        bid, _, ask, _ = self.listing.best
        return (bid + ask) / 2 if bid and ask else self.fair

    def tick(self, price: float) -> int:
        """A price that the book takes."""
        return min(self.ticks_max, max(1, round(price)))


class Agent(ABC):
    """One trader: an owner number, its own random stream, how often it acts (per second at activity 1)."""

    per_second = 1.0

    def __init__(self, scene: Scene, owner: int, dice: SeededRandom) -> None:
        self.scene = scene
        self.owner = owner
        self.dice = dice

    @abstractmethod
    def act(self, now_ns: int) -> None:
        """Take a turn."""

    def delay_ns(self) -> int:
        """How long till the next turn: turns are a Poisson process of the scene's mood."""
        mean_s = 1.0 / (self.per_second * self.scene.rate * self._mood())
        return 1 + int(self.dice.exponential(mean_s) * SECOND_NS)

    def _mood(self) -> float:
        return self.scene.mood.multiplier

    def place(self, side: int, price: float, lots: float, now_ns: int) -> tuple[int, int]:
        """Rest a limit order; returns its id and price."""
        scene = self.scene
        order_id = scene.floor.take_order_id()
        ticks = scene.tick(price)
        scene.floor.new(scene.listing, self.owner, order_id, side, ticks, max(1, round(lots)), now_ns)
        return order_id, ticks

    def withdraw(self, order_id: int, now_ns: int) -> None:
        """Cancel an order that may be gone."""
        if self.is_resting(order_id):
            self.scene.floor.cancel(self.scene.listing, self.owner, order_id, now_ns)

    def is_resting(self, order_id: int) -> bool:
        """Whether an order of mine still waits in the book."""
        return order_id != 0 and self.scene.floor.engine.order(order_id) is not None

    def take(self, side: int, lots: float, now_ns: int) -> None:
        """Trade at once against what stands within 15 basis points of the best price."""
        scene = self.scene
        bid, _, ask, _ = scene.listing.best
        best = ask if side == BUY else bid
        if best == 0:
            return
        reach = best * (1.0015 if side == BUY else 0.9985)
        scene.floor.new(
            scene.listing,
            self.owner,
            scene.floor.take_order_id(),
            side,
            scene.tick(reach),
            max(1, round(lots)),
            now_ns,
            tif=_IOC,
        )


class FairValue(Agent):
    """Moves the fair value: a mean-reverting walk around a slow anchor, calm and wild by turns."""

    def __init__(self, scene: Scene, owner: int, dice: SeededRandom) -> None:
        super().__init__(scene, owner, dice)
        per_minute = scene.home * scene.listing.config.volatility_bps_minute / 10_000
        self._per_step = per_minute / math.sqrt(60 * SECOND_NS / FAIR_STEP_NS)

    def act(self, now_ns: int) -> None:
        scene = self.scene
        scene.mood.step(now_ns)
        scene.volatility.step(now_ns)
        scene.anchor += 2e-6 * (scene.home - scene.anchor) + 0.8 * self._per_step * self.dice.gauss()
        pull = 0.0007 * (scene.anchor - scene.fair)
        scene.fair += pull + self._per_step * scene.volatility.multiplier * self.dice.gauss()
        scene.fair = min(max(scene.fair, 0.5 * scene.home), 1.8 * scene.home)

    def delay_ns(self) -> int:
        return FAIR_STEP_NS


class DeepMaker(Agent):
    """Keeps a book of many levels a side, mends it bit by bit and its inside at every turn."""

    per_second = 12.0
    inner_slots = 6

    def __init__(self, scene: Scene, owner: int, dice: SeededRandom) -> None:
        super().__init__(scene, owner, dice)
        levels = scene.listing.config.levels
        self.offsets = [scene.half_spread * (1.6 + 0.4 * i + 0.004 * i * i) for i in range(levels)]
        self.slots = [[(0, 0)] * levels, [(0, 0)] * levels]

    def fill(self, now_ns: int) -> None:
        """Quote every level."""
        for side in (BUY, SELL):
            for index in range(len(self.offsets)):
                self._quote(side, index, now_ns)

    def act(self, now_ns: int) -> None:
        for side in (BUY, SELL):
            for index in range(min(self.inner_slots, len(self.offsets))):
                if self._is_stale(side, index):
                    self._quote(side, index, now_ns)
        self._quote(self.dice.below(2), self.dice.below(len(self.offsets)), now_ns)

    def _is_stale(self, side: int, index: int) -> bool:
        order_id, price = self.slots[side][index]
        distance = self.scene.fair - price if side == BUY else price - self.scene.fair
        wanted = self.offsets[index]
        return not 0.5 * wanted < distance < 2 * wanted + self.scene.half_spread or not self.is_resting(order_id)

    def _quote(self, side: int, index: int, now_ns: int) -> None:
        offset = self.offsets[index] * self.dice.between(0.9, 1.1)
        price = self.scene.fair - offset if side == BUY else self.scene.fair + offset
        lots = self.dice.lognormal(self.scene.mean_lots * (1 + index / 15), 0.7)
        self.withdraw(self.slots[side][index][0], now_ns)
        self.slots[side][index] = self.place(side, price, lots, now_ns)


class InnerMaker(Agent):
    """Quotes a few small levels at the touch around its own, noisy view of the fair value."""

    per_second = 1.6
    levels = 3

    def __init__(self, scene: Scene, owner: int, dice: SeededRandom) -> None:
        super().__init__(scene, owner, dice)
        self.slots = [[(0, 0)] * self.levels, [(0, 0)] * self.levels]
        self.width = dice.between(0.8, 1.4)

    def act(self, now_ns: int) -> None:
        scene = self.scene
        view = scene.fair + 0.25 * scene.half_spread * self.dice.gauss()
        for side in (BUY, SELL):
            sign = -1 if side == BUY else 1
            for level in range(self.levels):
                offset = scene.half_spread * (self.width + 0.5 * level) * self.dice.between(0.85, 1.15)
                self._requote(side, level, view + sign * offset, now_ns)

    def _requote(self, side: int, level: int, price: float, now_ns: int) -> None:
        order_id, old_price = self.slots[side][level]
        if self.is_resting(order_id) and abs(old_price - price) < 0.4 * self.scene.half_spread:
            return
        lots = self.dice.lognormal(0.5 * self.scene.mean_lots, 0.6)
        self.withdraw(order_id, now_ns)
        self.slots[side][level] = self.place(side, price, lots, now_ns)


class Taker(Agent):
    """Arrives like a Poisson process and trades at once; now and then in a burst on one side."""

    per_second = 3.5

    def __init__(self, scene: Scene, owner: int, dice: SeededRandom) -> None:
        super().__init__(scene, owner, dice)
        self._burst_left = 0
        self._burst_side = BUY

    def act(self, now_ns: int) -> None:
        if self._burst_left:
            self._burst_left -= 1
            side = self._burst_side
        else:
            side = self._choose_side()
            if self.dice.chance(0.04):
                self._burst_left, self._burst_side = 2 + self.dice.below(6), side
        self.take(side, self.dice.lognormal(self.scene.mean_lots, 0.9), now_ns)

    def delay_ns(self) -> int:
        if self._burst_left:
            return int(self.dice.between(0.01, 0.06) * SECOND_NS)
        return super().delay_ns()

    def _choose_side(self) -> int:
        """Buy more often below the fair value than above it."""
        lean = (self.scene.fair - self.scene.mid()) / (6 * self.scene.half_spread)
        return BUY if self.dice.chance(0.5 + min(0.35, max(-0.35, lean))) else SELL


class TrendFollower(Agent):
    """Buys what rises and sells what falls, by a fast and a slow average of the middle."""

    per_second = 0.8

    def __init__(self, scene: Scene, owner: int, dice: SeededRandom) -> None:
        super().__init__(scene, owner, dice)
        self._fast = self._slow = scene.fair

    def act(self, now_ns: int) -> None:
        mid = self.scene.mid()
        self._fast += 0.5 * (mid - self._fast)
        self._slow += 0.1 * (mid - self._slow)
        trend = self._fast - self._slow
        if abs(trend) > 0.8 * self.scene.half_spread and self.dice.chance(0.6):
            self.take(BUY if trend > 0 else SELL, self.dice.lognormal(self.scene.mean_lots, 0.7), now_ns)
