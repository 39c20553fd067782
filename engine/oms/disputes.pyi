from typing import Any

from engine.oms.lifecycle import OrderLifecycle

class Disputes(OrderLifecycle):
    @property
    def disputes_lost(self) -> int: ...
    def disputed_fills(self) -> list[dict[str, Any]]: ...
