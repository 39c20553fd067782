"""The test port: one JSON object a line in, one out (`engine.sim.wire.fault_commands` has the words; every reply has ``"ok"``)."""

from __future__ import annotations

import msgspec

from engine.sim.reject import VenueReject
from engine.sim.wire import fault_commands
from engine.sim.wire.fault_desk import obey
from engine.sim.wire.shell import VenueShell


class AdminSession:
    """One admin connection: lines in, lines out."""

    def __init__(self, shell: VenueShell) -> None:
        self._shell = shell
        self._buffer = b""

    def on_bytes(self, data: bytes, now_ns: int) -> bytes:
        """Take received bytes; return the replies to every whole line."""
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        return b"".join(self._answer(line, now_ns) + b"\n" for line in lines if line.strip())

    def _answer(self, line: bytes, now_ns: int) -> bytes:
        try:
            reply = self._shell.obey_market(line)
            if reply is None:
                reply = obey(self._shell, fault_commands.decode(line), now_ns)
        except (msgspec.DecodeError, ValueError, TypeError, VenueReject) as error:
            return msgspec.json.encode({"ok": False, "error": str(error)})
        return msgspec.json.encode({"ok": True, **reply})
