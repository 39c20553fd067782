"""The seeded traders of the generated market: what each does when its turn comes, and how long till its next.

Agents have unlimited funds and no account; they act on the floor like anybody else, so that an account's order can be
hit by them and can hit them. `fair` is a price in ticks that only agents know, and only roughly. Compiled, because a busy
market is nearly all agents.
"""
from libc.math cimport rint, sqrt
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset

from engine.sim.decimals import config_e8
from engine.book.matching_state cimport OP_CANCEL, OP_NEW, STP_EXPIRE_MAKER, TIF_GTC, TIF_IOC, TYPE_LIMIT, Op
from engine.sim.publication cimport publish_operation
from engine.sim.seeded cimport SeededRandom

cdef enum:
    BUY = 0                    # BookSide of engine.book.matching
    SELL = 1
    INNER_LEVELS = 3
    INNER_SLOTS = 6

SECOND_NS = 1_000_000_000
FAIR_STEP_NS = 100_000_000
cdef double NS_OF_SECOND = 1e9
# (multiplier, chance, shortest and longest stay in seconds)
cdef tuple MOODS = ((0.35, 0.25, 2.0, 5.0), (1.0, 0.5, 8.0, 30.0), (3.0, 0.25, 0.8, 2.5))
cdef tuple VOLATILITIES = ((0.5, 0.35, 20.0, 90.0), (1.0, 0.45, 20.0, 90.0), (2.5, 0.2, 5.0, 20.0))


cdef class Regime:
    """A multiplier that jumps between states and stays in each for a random while."""

    def __init__(self, tuple states not None, SeededRandom dice not None):
        self.states = states
        self.dice = dice
        self.until_ns = 0
        self.multiplier = 1.0

    cpdef step(self, int64_t now_ns):
        """Jump when the stay is over."""
        cdef double draw, shortest_s, longest_s
        cdef Py_ssize_t index = 0
        if now_ns < self.until_ns:
            return
        draw = self.dice.unit()
        while index < len(self.states) - 1 and draw >= <double> self.states[index][1]:
            draw -= <double> self.states[index][1]
            index += 1
        self.multiplier, _, shortest_s, longest_s = self.states[index]
        self.until_ns = now_ns + <int64_t> (self.dice.between(shortest_s, longest_s) * NS_OF_SECOND)


cdef class Scene:
    """What the agents of one symbol share: the fair value, the mood, the units."""

    def __init__(self, object floor not None, object listing not None, double activity, SeededRandom dice not None):
        self.floor = floor
        self.listing = listing
        self.home = float(listing.tape.last_price_e8 // listing.tick_e8)
        self.fair = self.home
        self.anchor = self.home
        self.half_spread = max(1.0, self.home * listing.config.half_spread_bps / 10_000)
        self.mean_lots = max(1.0, config_e8(listing.config.mean_order_qty) / listing.step_e8)
        self.rate = activity * listing.config.activity
        self.mood = Regime(MOODS, SeededRandom(dice.bits64()))
        self.volatility = Regime(VOLATILITIES, SeededRandom(dice.bits64()))
        self.ticks_max = listing.rules.max_price_e8 // listing.tick_e8
        self.engine = floor.engine
        self.index = listing.index

    cdef double mid(self) except? -1:
        """The middle of the book, the fair value when a side is empty."""
        cdef tuple best = self.listing.best
        cdef double bid = best[0], ask = best[2]
        return (bid + ask) / 2 if bid and ask else self.fair

    cdef int64_t tick(self, double price) noexcept:
        """A price that the book takes."""
        return min(self.ticks_max, max(<int64_t> 1, <int64_t> rint(price)))


cdef class Agent:
    """One trader: an owner number, its own random stream, how often it acts (per second at activity 1)."""

    def __init__(self, Scene scene not None, int64_t owner, SeededRandom dice not None):
        self.scene = scene
        self.owner = owner
        self.dice = dice
        self.per_second = 1.0

    cpdef act(self, int64_t now_ns):
        """Take a turn; the fair value's mover and each kind of trader has its own."""
        raise TypeError(f"{type(self).__name__} is no trader: it does not say how it acts")

    cpdef int64_t delay_ns(self) except? -1:
        """How long till the next turn: turns are a Poisson process of the scene's mood."""
        cdef double mean_s = 1.0 / (self.per_second * self.scene.rate * self.scene.mood.multiplier)
        return 1 + <int64_t> (self.dice.exponential(mean_s) * NS_OF_SECOND)

    cdef tuple place(self, int side, double price, double lots, int64_t now_ns):
        """Rest a limit order; returns its id and price."""
        cdef Scene scene = self.scene
        cdef object order_id = scene.floor.take_order_id()
        cdef int64_t ticks = scene.tick(price)
        self.operate(OP_NEW, side, TIF_GTC, order_id, ticks, max(<int64_t> 1, <int64_t> rint(lots)), now_ns)
        return order_id, ticks

    cdef int operate(self, int kind, int side, int tif, uint64_t order_id, int64_t price, int64_t lots, int64_t now_ns) except -1:
        """One operation on the book, published at once: what `Floor.new` and `Floor.cancel` do, without their rows."""
        cdef Scene scene = self.scene
        cdef Op op
        memset(&op, 0, sizeof(Op))
        op.op = kind
        op.side = side
        op.type = TYPE_LIMIT
        op.tif = tif
        op.stp = STP_EXPIRE_MAKER
        op.symbol = scene.index
        op.owner = self.owner
        op.order_id = order_id
        op.price = price
        op.qty = lots
        scene.engine.apply_one(&op)
        return publish_operation(scene.engine, scene.floor, scene.listing, side, price, now_ns)

    cdef int withdraw(self, object order_id, int64_t now_ns) except -1:
        """Cancel an order that may be gone."""
        if self.is_resting(order_id):
            self.operate(OP_CANCEL, 0, 0, order_id, 0, 0, now_ns)
        return 0

    cdef bint is_resting(self, uint64_t order_id) noexcept:
        """Whether an order of mine still waits in the book."""
        return order_id != 0 and self.scene.engine.find(order_id) != 0

    cdef int take(self, int side, double lots, int64_t now_ns) except -1:
        """Trade at once against what stands within 15 basis points of the best price."""
        cdef Scene scene = self.scene
        cdef tuple best = scene.listing.best
        cdef double price = best[2] if side == BUY else best[0]
        if price == 0:
            return 0
        price = price * (1.0015 if side == BUY else 0.9985)
        return self.operate(OP_NEW, side, TIF_IOC, scene.floor.take_order_id(), scene.tick(price),
                            max(<int64_t> 1, <int64_t> rint(lots)), now_ns)


cdef class FairValue(Agent):
    """Moves the fair value: a mean-reverting walk around a slow anchor, calm and wild by turns."""

    cdef double per_step

    def __init__(self, Scene scene not None, int64_t owner, SeededRandom dice not None):
        Agent.__init__(self, scene, owner, dice)
        cdef double per_minute = scene.home * <double> scene.listing.config.volatility_bps_minute / 10_000
        self.per_step = per_minute / sqrt(60 * NS_OF_SECOND / <double> FAIR_STEP_NS)

    cpdef act(self, int64_t now_ns):
        cdef Scene scene = self.scene
        cdef double pull
        scene.mood.step(now_ns)
        scene.volatility.step(now_ns)
        scene.anchor += 2e-6 * (scene.home - scene.anchor) + 0.8 * self.per_step * self.dice.gauss()
        pull = 0.0007 * (scene.anchor - scene.fair)
        scene.fair += pull + self.per_step * scene.volatility.multiplier * self.dice.gauss()
        scene.fair = min(max(scene.fair, 0.5 * scene.home), 1.8 * scene.home)

    cpdef int64_t delay_ns(self) except? -1:
        return FAIR_STEP_NS


cdef class DeepMaker(Agent):
    """Keeps a book of many levels a side, mends it bit by bit and its inside at every turn."""

    cdef readonly list offsets
    cdef readonly list slots

    def __init__(self, Scene scene not None, int64_t owner, SeededRandom dice not None):
        Agent.__init__(self, scene, owner, dice)
        self.per_second = 12.0
        levels = scene.listing.config.levels
        self.offsets = [scene.half_spread * (1.6 + 0.4 * i + 0.004 * i * i) for i in range(levels)]
        self.slots = [[(0, 0)] * levels, [(0, 0)] * levels]

    cpdef fill(self, int64_t now_ns):
        """Quote every level."""
        cdef Py_ssize_t index
        cdef int side
        for side in range(2):
            for index in range(len(self.offsets)):
                self.quote(side, index, now_ns)

    cpdef act(self, int64_t now_ns):
        cdef Py_ssize_t index
        cdef int side
        for side in range(2):
            for index in range(min(<Py_ssize_t> INNER_SLOTS, len(self.offsets))):
                if self.is_stale(side, index):
                    self.quote(side, index, now_ns)
        side = <int> self.dice.below(2)
        self.quote(side, <Py_ssize_t> self.dice.below(len(self.offsets)), now_ns)

    cdef bint is_stale(self, int side, Py_ssize_t index) except -1:
        cdef tuple slot = self.slots[side][index]
        cdef double price = slot[1], wanted = self.offsets[index]
        cdef double distance = self.scene.fair - price if side == BUY else price - self.scene.fair
        return not 0.5 * wanted < distance < 2 * wanted + self.scene.half_spread or not self.is_resting(slot[0])

    cdef int quote(self, int side, Py_ssize_t index, int64_t now_ns) except -1:
        cdef double offset = <double> self.offsets[index] * self.dice.between(0.9, 1.1)
        cdef double price = self.scene.fair - offset if side == BUY else self.scene.fair + offset
        cdef double lots = self.dice.lognormal(self.scene.mean_lots * (1 + <double> index / 15), 0.7)
        self.withdraw(self.slots[side][index][0], now_ns)
        self.slots[side][index] = self.place(side, price, lots, now_ns)
        return 0


cdef class InnerMaker(Agent):
    """Quotes a few small levels at the touch around its own, noisy view of the fair value."""

    cdef readonly list slots
    cdef readonly double width

    def __init__(self, Scene scene not None, int64_t owner, SeededRandom dice not None):
        Agent.__init__(self, scene, owner, dice)
        self.per_second = 1.6
        self.slots = [[(0, 0)] * INNER_LEVELS, [(0, 0)] * INNER_LEVELS]
        self.width = dice.between(0.8, 1.4)

    cpdef act(self, int64_t now_ns):
        cdef Scene scene = self.scene
        cdef double view = scene.fair + 0.25 * scene.half_spread * self.dice.gauss()
        cdef double offset
        cdef int side, level
        for side in range(2):
            for level in range(INNER_LEVELS):
                offset = scene.half_spread * (self.width + 0.5 * level) * self.dice.between(0.85, 1.15)
                self.requote(side, level, view - offset if side == BUY else view + offset, now_ns)

    cdef int requote(self, int side, int level, double price, int64_t now_ns) except -1:
        cdef tuple slot = self.slots[side][level]
        cdef double lots
        if self.is_resting(slot[0]) and abs(<double> slot[1] - price) < 0.4 * self.scene.half_spread:
            return 0
        lots = self.dice.lognormal(0.5 * self.scene.mean_lots, 0.6)
        self.withdraw(slot[0], now_ns)
        self.slots[side][level] = self.place(side, price, lots, now_ns)
        return 0


cdef class Taker(Agent):
    """Arrives like a Poisson process and trades at once; now and then in a burst on one side."""

    cdef double haste
    cdef uint64_t burst_left
    cdef int burst_side

    def __init__(self, Scene scene not None, int64_t owner, SeededRandom dice not None):
        Agent.__init__(self, scene, owner, dice)
        self.haste = scene.listing.config.taker_weight
        self.per_second = 3.5 * self.haste
        self.burst_left = 0
        self.burst_side = BUY

    cpdef act(self, int64_t now_ns):
        cdef int side
        if self.burst_left:
            self.burst_left -= 1
            side = self.burst_side
        else:
            side = self.choose_side()
            if self.dice.chance(0.04):
                self.burst_left, self.burst_side = 2 + self.dice.below(6), side
        self.take(side, self.dice.lognormal(self.scene.mean_lots, 0.9), now_ns)

    cpdef int64_t delay_ns(self) except? -1:
        if self.burst_left:
            return 1 + <int64_t> (self.dice.between(0.01, 0.06) * NS_OF_SECOND / max(1.0, self.scene.rate * self.haste))
        return Agent.delay_ns(self)

    cdef int choose_side(self) except -1:
        """Buy more often below the fair value than above it."""
        cdef double lean = (self.scene.fair - self.scene.mid()) / (6 * self.scene.half_spread)
        return BUY if self.dice.chance(0.5 + min(0.35, max(-0.35, lean))) else SELL


cdef class TrendFollower(Agent):
    """Buys what rises and sells what falls, by a fast and a slow average of the middle."""

    cdef double fast
    cdef double slow

    def __init__(self, Scene scene not None, int64_t owner, SeededRandom dice not None):
        Agent.__init__(self, scene, owner, dice)
        self.per_second = 0.8
        self.fast = self.slow = scene.fair

    cpdef act(self, int64_t now_ns):
        cdef double mid = self.scene.mid()
        cdef double trend
        self.fast += 0.5 * (mid - self.fast)
        self.slow += 0.1 * (mid - self.slow)
        trend = self.fast - self.slow
        if abs(trend) > 0.8 * self.scene.half_spread and self.dice.chance(0.6):
            self.take(BUY if trend > 0 else SELL, self.dice.lognormal(self.scene.mean_lots, 0.7), now_ns)
