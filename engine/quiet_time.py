"""A venue's wish for quiet (429, 418 with Retry-After) outlives the process that it was told to.

A supervisor restarts an engine within a second; a request of the new process inside the wait would lengthen the ban (R17). So the
end of the wait stands in a file of the runtime directory, and the next start sits it out before it opens anything.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import msgspec

from engine.runtime.service import Supervisor
from engine.runtime.world import World

NS_PER_S = 1_000_000_000
POLL_S = 0.5
EXTENSION_S = 30.0


class _Wish(msgspec.Struct):
    """Until when, on the monotonic clock of one boot of the machine."""

    boot_id: str
    until_mono_ns: int


class QuietTime:
    """The wish as it is kept for the next process."""

    def __init__(self, runtime_dir: Path, world: World) -> None:
        self._path = runtime_dir / "venue-quiet.json"
        self._world = world

    def left_ns(self) -> int:
        """How long nothing may be sent yet; 0 where there is no wish, or it is over, or of an earlier boot."""
        try:
            wish = msgspec.json.decode(self._path.read_bytes(), type=_Wish)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return 0
        if wish.boot_id != self._world.boot_id().hex():
            return 0
        return max(0, wish.until_mono_ns - self._world.clock.monotonic_ns())

    def note(self, left_ns: int) -> None:
        """Keep what is left of a wait for whoever comes next; nothing is left: forget it. OSError where it cannot be kept."""
        if left_ns <= 0:
            # what cannot be taken away is no wish that anybody reads
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)
            return
        wish = _Wish(self._world.boot_id().hex(), self._world.clock.monotonic_ns() + left_ns)
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path.write_bytes(msgspec.json.encode(wish))

    def sit_out(self, supervisor: Supervisor, tell: Callable[[str], None]) -> None:
        """Wait until something may be sent again. The supervisor is asked for patience; SIGTERM ends the process as ever."""
        if self.left_ns() == 0:
            return
        tell(f"the venue asked for quiet: waiting {self.left_ns() / NS_PER_S:.0f} s before anything is sent")
        for _ in self._world.polls(POLL_S):
            if (left_ns := self.left_ns()) == 0:
                return
            supervisor.extend(EXTENSION_S)
            supervisor.status(f"the venue asked for quiet: {left_ns / NS_PER_S:.0f} s left")
