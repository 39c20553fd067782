from collections.abc import Iterable
from typing import Any

from engine.risk.monitor import RiskMonitor

def restore(monitor: RiskMonitor, records: Iterable[Any]) -> int: ...
