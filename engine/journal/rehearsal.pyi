from typing_extensions import Buffer

from engine.journal.journal import Journal

def read_ticks() -> int: ...
def append_paced(
    journal: Journal,
    lane: int,
    kind: int,
    payload_bytes: int,
    pause_ticks: int,
    burst: int,
    ticks: Buffer,
    each: bool,
) -> int: ...
def empty_ticks(ticks: Buffer) -> None: ...
