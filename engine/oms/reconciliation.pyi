from typing import Any

from engine.oms.lifecycle import OrderLifecycle

class Reconciliation(OrderLifecycle):
    @property
    def phase(self) -> int: ...
    def __init__(
        self,
        *wiring: Any,
        cancel_on_start: bool = ...,
        reporting_currency: str = ...,
        liquidation_near_bps: int = ...,
        **options: Any,
    ) -> None: ...
