from engine.sim.floor import Floor, Listing
from engine.sim.seeded import SeededRandom

SECOND_NS: int
FAIR_STEP_NS: int

class Regime:
    multiplier: float
    def __init__(self, states: tuple[tuple[float, float, float, float], ...], dice: SeededRandom) -> None: ...
    def step(self, now_ns: int) -> None: ...

class Scene:
    floor: Floor
    listing: Listing
    home: float
    fair: float
    anchor: float
    half_spread: float
    mean_lots: float
    rate: float
    mood: Regime
    volatility: Regime
    ticks_max: int
    def __init__(self, floor: Floor, listing: Listing, activity: float, dice: SeededRandom) -> None: ...

class Agent:
    scene: Scene
    owner: int
    dice: SeededRandom
    def __init__(self, scene: Scene, owner: int, dice: SeededRandom) -> None: ...
    def act(self, now_ns: int) -> None: ...
    def delay_ns(self) -> int: ...

class FairValue(Agent): ...

class DeepMaker(Agent):
    offsets: list[float]
    slots: list[list[tuple[int, int]]]
    def fill(self, now_ns: int) -> None: ...

class InnerMaker(Agent):
    slots: list[list[tuple[int, int]]]
    width: float

class Taker(Agent): ...
class TrendFollower(Agent): ...
