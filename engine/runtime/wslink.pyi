from collections.abc import Callable
from typing import Any

from picows import WSListener

from engine.runtime.actor import Pipeline
from engine.runtime.clock import Clock
from engine.runtime.session import Link, Session

class WsLink(Link):
    is_congested: bool
    messages_sent: int

class WsReceiver(WSListener):
    link: WsLink
    session: Session
    last_frame_mono_ns: int
    data_frames: int
    pings: int
    failure: BaseException | None
    def __init__(
        self,
        session: Session,
        pipeline: Pipeline,
        clock: Clock,
        *,
        run_each_frame: bool = False,
        on_fatal: Callable[[BaseException], Any] | None = None,
        on_closed: Callable[[str], Any] | None = None,
        tap: Callable[[bytes], Any] | None = None,
    ) -> None: ...
    def ping(self) -> None: ...
    def lose(self, reason: str) -> None: ...
