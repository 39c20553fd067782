from typing import Any

from engine.oms.disputes import Disputes

class Reconciliation(Disputes):
    @property
    def phase(self) -> int: ...
    def __init__(
        self,
        *wiring: Any,
        cancel_on_start: bool = ...,
        stop_keeps_protection: bool = ...,
        reporting_currency: str = ...,
        liquidation_near_bps: int = ...,
        **options: Any,
    ) -> None: ...
    def is_reading(self) -> bool: ...
    def differences(self) -> list[dict[str, Any]]: ...
