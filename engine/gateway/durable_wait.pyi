from typing import final

@final
class DurableWait:
    head: int
    tail: int
    @property
    def depth(self) -> int: ...
