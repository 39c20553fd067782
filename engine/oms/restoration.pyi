from collections.abc import Iterable
from typing import Any

from engine.oms.commands import Commands

class Restoration(Commands):
    def __init__(self, *wiring: Any, **options: Any) -> None: ...
    def restore(self, records: Iterable[Any]) -> int: ...
