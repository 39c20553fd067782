class TriggerTable:
    count: int
    happened: int
    def add(
        self,
        instrument_id: int,
        *,
        is_above: bool,
        is_ask: bool = False,
        source: int = 0,
        level: int = 0,
        trail_kind: int = 0,
        trail_amount: int = 0,
        activation: int = 0,
        extreme: int = 0,
    ) -> int: ...
    def drop(self, trigger_id: int) -> bool: ...
    def extreme(self, trigger_id: int) -> int: ...
    def level(self, trigger_id: int) -> int: ...
    def watches(self, instrument_id: int) -> bool: ...
    def look(self, instrument_id: int, source: int, bid: int, ask: int) -> list[tuple[int, int, bool]]: ...
