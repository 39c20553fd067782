import numpy as np
import numpy.typing as npt

from engine.journal.journal import Journal

def read_ticks() -> int: ...
def append_paced(
    journal: Journal,
    lane: int,
    kind: int,
    payload_bytes: int,
    pause_ticks: int,
    burst: int,
    ticks: npt.NDArray[np.uint64],
    each: bool,
) -> int: ...
def empty_ticks(ticks: npt.NDArray[np.uint64]) -> None: ...
