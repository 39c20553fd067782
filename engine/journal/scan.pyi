from typing_extensions import Buffer, disjoint_base

DAMAGE_TEXTS: tuple[str, ...]

@disjoint_base
class Scan:
    end: int
    records: int
    first_seq: int
    last_seq: int
    last_kind: int
    code: int
    @property
    def damage(self) -> str: ...

def scan(data: Buffer, start: int, lane: int, last_seq: int = 0) -> Scan: ...
def is_whole(data: Buffer, offset: int = 0) -> bool: ...
def checksum(data: Buffer, seed: int = 0) -> int: ...
def ring_stream(
    front: Buffer, written: int, committed: int, ring_bytes: int, lane: int, last_seq: int
) -> tuple[bytes, str]: ...
