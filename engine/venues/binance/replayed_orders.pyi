from collections.abc import Callable
from typing import final

from typing_extensions import disjoint_base

from engine.journal.replayed import RecordedSession
from engine.runtime.actor import Actor
from engine.venues.binance.order_session import BinanceOrderSession

@disjoint_base
@final
class ReplayGateway(Actor):
    compared: int
    withheld: int
    def __init__(
        self, name: str, session: BinanceOrderSession, recorded: RecordedSession, *, has_key: bool = False
    ) -> None: ...

@disjoint_base
@final
class ReplayGateways:
    on_state: Callable[[bytes], list[str]] | None
    state_differences: list[str]
    states: int
    def __init__(self, recorded: RecordedSession) -> None: ...
    def add(self, gateway: ReplayGateway) -> None: ...
    def text(self) -> bytes: ...
    @property
    def has_all_keys(self) -> bool: ...
    def counts(self) -> dict[str, tuple[int, int]]: ...
