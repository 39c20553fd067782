from collections.abc import Callable
from typing import Any

from engine.runtime.actor import Pipeline
from engine.runtime.clock import Clock
from engine.runtime.session import Link, Session

class CallLink(Link):
    messages_sent: int
    def __init__(self, deliver: Callable[[bytes], Any], hang_up: Callable[[], Any]) -> None: ...

class MemoryReceiver:
    link: CallLink
    session: Session
    last_frame_mono_ns: int
    data_frames: int
    failure: BaseException | None
    def __init__(
        self,
        session: Session,
        pipeline: Pipeline,
        clock: Clock,
        deliver: Callable[[bytes], Any],
        hang_up: Callable[[], Any],
        *,
        run_each_frame: bool = False,
        on_ping: Callable[[], Any] | None = None,
        on_fatal: Callable[[BaseException], Any] | None = None,
        on_closed: Callable[[str], Any] | None = None,
        tap: Callable[[bytes], Any] | None = None,
    ) -> None: ...
    def open(self) -> None: ...
    def take(self, frames: list[bytes]) -> None: ...
    def touch(self) -> None: ...
    def ping(self) -> None: ...
    def lose(self, reason: str) -> None: ...
    def end(self, reason: str = "") -> None: ...
