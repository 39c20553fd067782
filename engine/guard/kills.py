"""Kills that outlive every process: a file beside the journal, written by the guard, read by the engine at its start.

An engine that was dead or hung when it was killed has no KILL in its journal. It finds this file when it starts again, and is
killed before it trades. `arm` removes the kills in its scope, by the engine's hand and by the guard's.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import math
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from engine.line_names import Trades, lines_trading

FILE_NAME = "guard-kills.json"
# a kill on a full disk is written into this much that was taken before
ROOM_BYTES = 16_384
# engine and guard change the file by turns
TURN_RETRY_S = 0.001
# a file's times are of the clock's last tick
FILE_TIME_COARSE_NS = 20_000_000
# one text, so that it is known again when it is cleared
DAMAGED = "what stood before cannot be read"
# of a command
REASON_CHARS_MAX = 200


class KillOrder(msgspec.Struct, frozen=True):
    """Who killed what, when and why. Without `symbol` everything of the line `venue`, without both the whole engine.

    A symbol without a line is every line's. Earlier builds have written that; `Kills` reads one for each line that trades it.
    """

    symbol: str
    uid: int
    reason: str
    wall_ns: int
    venue: str = ""

    @property
    def is_whole(self) -> bool:
        """Is it the whole engine's."""
        return not self.symbol and not self.venue

    @property
    def part(self) -> tuple[str, str]:
        """What it stops: (line, symbol)."""
        return self.venue, self.symbol

    @property
    def shown(self) -> str:
        """Its line and symbol as they stand in the file."""
        return ":".join(filter(None, (self.venue, self.symbol))) or "ALL"

    @property
    def told_reason(self) -> str:
        """What an engine is told, and writes down, of who killed it and why."""
        text = f"the guard was told by uid {self.uid} to kill {self.shown}"
        return (f"{text}: {self.reason}" if self.reason else text)[:REASON_CHARS_MAX]

    def is_in(self, symbol: str, venue: str) -> bool:
        """Is it cleared by an `arm` of this scope: of a line what is of that line, of a symbol what is of that symbol there.

        A symbol's kill without a line that no line trades belongs to whichever is named.
        """
        if symbol:
            return self.symbol == symbol and (not venue or self.venue in ("", venue))
        return not venue or self.venue == venue


class KillsUnreadable(Exception):
    """The file is damaged: whoever reads it must take it for a kill of everything."""


class Kills:
    """The kills of one engine, by its data directory: what stands in the file, and what this process has changed in it.

    A change is made in memory, and `settle` brings it into the file; until it has, this process alone knows of it.

    `lines`: what is traded where, as it is configured. `draft`: the suffix of the file this process writes next, its own.
    """

    def __init__(self, data_dir: Path, lines: Mapping[str, Trades] | None = None, draft: str = ".new") -> None:
        self._lines = lines or {}
        self.path = data_dir / FILE_NAME
        self._draft = self.path.with_suffix(draft)
        self._added: list[KillOrder] = []
        self._removed: list[KillOrder] = []
        # scopes (symbol, line, newest wall_ns) cleared while the file could not be read
        self._blind: list[tuple[str, str, float]] = []
        # why the last `settle` did not
        self.fault = ""

    def make_room(self) -> bool:
        """Have the next file's blocks ready, so that a full disk does not keep a kill from being noted. False: it has none."""
        try:
            if self._draft.stat().st_size >= ROOM_BYTES:
                return True
        except OSError:
            pass
        try:
            with self._draft.open("ab") as draft:
                os.posix_fallocate(draft.fileno(), 0, ROOM_BYTES)
        except OSError:
            return False
        return True

    @property
    def is_settled(self) -> bool:
        """Does the file hold every change."""
        return not (self._added or self._removed or self._blind)

    def read(self) -> list[KillOrder]:
        """What stands, in the file or not yet; raises KillsUnreadable."""
        try:
            return self._changed(self._in_file())
        except OSError as error:
            raise KillsUnreadable(f"{self.path}: {error}") from error

    def _in_file(self) -> list[KillOrder]:
        """Raises KillsUnreadable for a damaged file, OSError where it cannot be read now."""
        try:
            found = msgspec.json.decode(self.path.read_bytes(), type=list[KillOrder])
        except FileNotFoundError:
            return []
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise KillsUnreadable(f"{self.path}: {error}") from error
        return [part for kill in found for part in self._by_line(kill)]

    def _changed(self, stood: list[KillOrder]) -> list[KillOrder]:
        """What is left of `stood` after the changes; the newest kill of a part stands for it."""
        parts = {item.part for item in self._added}
        return [item for item in stood if not self._is_cleared(item) and item.part not in parts] + self._added

    def _is_cleared(self, kill: KillOrder) -> bool:
        return kill in self._removed or any(
            kill.is_in(symbol, venue) and kill.wall_ns <= newest_ns for symbol, venue, newest_ns in self._blind
        )

    def _by_line(self, kill: KillOrder) -> list[KillOrder]:
        """A symbol's kill in each line that trades it, so that an `arm` of one leaves the others. Where none does: as it is."""
        if kill.venue or not kill.symbol:
            return [kill]
        lines = [line for line, _ in lines_trading(self._lines, kill.symbol)]
        return [msgspec.structs.replace(kill, venue=line) for line in lines] or [kill]

    def add(self, *orders: KillOrder) -> None:
        """Kills that stand from now on."""
        for kill in (part for order in orders for part in self._by_line(order)):
            self._added = [*(item for item in self._added if item.part != kill.part), kill]
            self._removed = [item for item in self._removed if item != kill]

    def clear(self, symbol: str = "", venue: str = "") -> bool:
        """Forget the kills in a scope, or all of them; was there one. A damaged file is cleared only as a whole.

        These kills, not those that come to the scope later: a change that a disk takes late must not undo what came meanwhile.
        """
        try:
            stood = [item for item in self._standing() if not self._is_cleared(item)]
        except OSError:
            # what stands is not known: whatever of this scope is found there later and is of this time
            self._blind.append((symbol, venue, self._newest_ns()))
            stood = []
        gone = [item for item in (*stood, *self._added) if item.is_in(symbol, venue)]
        self._added = [item for item in self._added if item not in gone]
        self._removed += gone
        return bool(gone or self._blind)

    def _newest_ns(self) -> float:
        """No kill that stands in the file is younger: it was killed before it was written."""
        try:
            return self.path.stat().st_mtime_ns + FILE_TIME_COARSE_NS
        except OSError:
            return math.inf

    def settle(self, wait_s: float = 0.0, *, may_go_alone: bool = False) -> bool:
        """Bring the changes into the file, in a turn that is waited for so long. False: not, or not for certain; `fault` says why.

        `may_go_alone`: write without a turn where the other process does not end its own. The changes stay to be settled then:
        the other one may still put in place what it had read before. `sync` makes them outlive a power cut, too.
        """
        if self.is_settled:
            return True
        try:
            with self._turn(wait_s) as is_mine:
                self.fault = "" if is_mine else "another process has not ended its turn"
                if is_mine or may_go_alone:
                    self._write()
        except OSError as error:
            self.fault = str(error)
        if self.fault:
            return False
        self._added, self._removed, self._blind = [], [], []
        return True

    def sync(self) -> None:
        """Wait until what was written is on the disk."""
        for path, flags in ((self.path, os.O_RDONLY), (self.path.parent, os.O_RDONLY | os.O_DIRECTORY)):
            try:
                descriptor = os.open(path, flags | os.O_CLOEXEC)
            except FileNotFoundError:
                # armed again in the meantime
                continue
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    @contextlib.contextmanager
    def _turn(self, wait_s: float) -> Iterator[bool]:
        """One process at a time between reading the file and replacing it. False: it was not this one's in time.

        The lock is the directory's: a full disk has no room for another file.
        """
        directory = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            end_s = time.monotonic() + wait_s
            while not (is_mine := _locked(directory)) and time.monotonic() < end_s:
                time.sleep(TURN_RETRY_S)
            yield is_mine
        finally:
            os.close(directory)

    def _standing(self) -> list[KillOrder]:
        """What stands in the file; in place of one that is damaged, the kill of everything that it counts as."""
        try:
            return self._in_file()
        except KillsUnreadable:
            return [KillOrder("", os.getuid(), DAMAGED, 0)]

    def _write(self) -> None:
        before = self._version()
        stood = self._standing()
        left = self._changed(stood)
        if left == stood:
            return
        if left:
            self._write_draft(left)
        # what another one has changed since must not be taken back; who waits too long for this turn writes without one
        if self._version() != before:
            raise BlockingIOError(errno.EAGAIN, "another process changed the kills at the same time")
        if left:
            self._draft.replace(self.path)
        else:
            self.path.unlink(missing_ok=True)

    def _version(self) -> tuple[int, int, int]:
        """Tells one state of the file from the next; zeros: there is none."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return 0, 0, 0
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _write_draft(self, orders: list[KillOrder]) -> None:
        text = msgspec.json.encode(orders)
        # over what stands ready there: on a full disk there is no more
        descriptor = os.open(self._draft, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
        with open(descriptor, "wb", buffering=0) as draft:
            if draft.write(text) != len(text):
                raise OSError(errno.ENOSPC, f"{self._draft}: no room for a kill")
            draft.truncate()


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        # no locks are to be had here: nobody's turn is known, and nobody is waited for
        return True
    return True
