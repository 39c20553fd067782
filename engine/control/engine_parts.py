"""What of a wired engine the control side reads; `engine.app.Engine` has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from engine.execution.stage import ExecutionStage
    from engine.model.tables import Tables
    from engine.oms.oms import Oms
    from engine.risk.gate import RiskGate


class LineParts(Protocol):
    """One venue and account."""

    @property
    def venue_id(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def oms(self) -> Oms: ...


class EngineParts(Protocol):
    """The stages that tell what became of a command, and what they share."""

    @property
    def tables(self) -> Tables: ...
    @property
    def lines(self) -> Sequence[LineParts]: ...
    @property
    def strategy_ids(self) -> Mapping[str, int]: ...
    @property
    def execution(self) -> ExecutionStage: ...
    @property
    def gate(self) -> RiskGate: ...
