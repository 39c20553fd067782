from typing import Any

from engine.oms.reconciliation import Reconciliation

class Commands(Reconciliation):
    def __init__(self, *wiring: Any, has_cancel_all: bool = ..., **options: Any) -> None: ...
    def left_standing(self) -> list[dict[str, Any]]: ...
