class DurableWait:
    head: int
    tail: int
    @property
    def depth(self) -> int: ...
