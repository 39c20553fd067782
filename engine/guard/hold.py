"""Kills of a line or a symbol that an engine may not have heard: told to it until it has taken them.

An engine that hung when it was killed never took the message; one that starts reads the file of kills by itself. A kill that an
engine has accepted stands in its ledger and is told no more. What it knows by no name is told as a kill of everything.
"""

from __future__ import annotations

from collections.abc import Mapping

from engine.control.messages import Accepted, EngineStatus, Kill, RefusalCode, Refused, Scope, Status
from engine.guard.kills import KillOrder
from engine.guard.relay import KillRelay
from engine.guard.sweep import Note
from engine.line_names import Trades, lines_trading
from engine.model.codes import HaltReason

ASK_INTERVAL_NS = 500_000_000
# a kill without effect is told again more rarely each time, and an answer that came too late is waited for longer
BACK_OFF_NS_MIN = 1_000_000_000
BACK_OFF_NS_MAX = 60_000_000_000
WAIT_NS_MAX = 8_000_000_000


class ScopedKills:
    """Of one engine, beside the kill of everything, which `Guard` itself holds. `lines`: what is traded where."""

    def __init__(self, relay: KillRelay, lines: Mapping[str, Trades], note: Note) -> None:
        self._relay = relay
        self._lines = lines
        self._note = note
        self._pid = 0
        self._obeyed: set[KillOrder] = set()
        self._refused: dict[KillOrder, RefusalCode] = {}
        self._back_off_ns: dict[KillOrder, int] = {}
        self._next_tell_ns: dict[KillOrder, int] = {}
        self._told: KillOrder | None = None
        self._is_asking = False
        self._wait_ns = BACK_OFF_NS_MIN
        self._next_ask_ns = 0

    def hold(self, pid: int, kept: list[KillOrder], now_ns: int) -> list[KillOrder]:
        """One look: `kept` are the guard's kills, `pid` the engine that makes progress. What of them it is not known to obey."""
        if pid != self._pid:
            self._begin(pid)
        # a symbol without a line, of an earlier build, is obeyed by the engine's next start
        open_kills = [kill for kill in kept if kill.venue and kill not in self._obeyed]
        if not open_kills:
            self.let_go()
            return []
        reply = self._relay.reply()
        if reply is not None:
            self._is_asking, self._next_ask_ns = False, now_ns + ASK_INTERVAL_NS
        if isinstance(reply, EngineStatus):
            self._obeyed |= {kill for kill in open_kills if self.is_in_force(kill, reply)}
            # under a kill of everything nothing trades: a part is told when that one ends before it
            if not reply.kill:
                self._tell_next([kill for kill in open_kills if kill not in self._obeyed], now_ns)
        elif self._told is not None and isinstance(reply, Accepted) and reply.sequence > 0:
            self._obeyed.add(self._told)
        elif self._told is not None and isinstance(reply, Refused):
            self._note_refusal(self._told, reply)
        if now_ns >= self._next_ask_ns:
            if self._is_asking:
                self._wait_ns = min(2 * self._wait_ns, WAIT_NS_MAX)
            self._ask(Status(), None, now_ns)
        return [kill for kill in open_kills if kill not in self._obeyed]

    def let_go(self) -> None:
        """Nothing is to be told: what was not heard must not reach the engine after it was armed."""
        self._relay.close()
        self._is_asking, self._told, self._next_ask_ns = False, None, 0

    def is_in_force(self, kill: KillOrder, status: EngineStatus) -> bool:
        """Does the engine obey it, by either of the names that it may have there."""
        if not kill.symbol:
            return any(row.line == kill.venue and row.kill for row in status.lines)
        names = [f"{kill.venue}:{kill.symbol}"]
        # the engine remembers symbols that are configured no more: what it names alone may be two lines' here, and the reverse
        if all(line == kill.venue for line, _ in lines_trading(self._lines, kill.symbol)):
            names.append(kill.symbol)
        return any(status.halted_symbols.get(name) == HaltReason.KILL for name in names)

    def _begin(self, pid: int) -> None:
        """Another engine: what the one before it took says nothing of this one."""
        self.let_go()
        self._pid, self._wait_ns = pid, BACK_OFF_NS_MIN
        self._obeyed.clear()
        self._refused.clear()
        self._back_off_ns.clear()
        self._next_tell_ns.clear()

    def _tell_next(self, open_kills: list[KillOrder], now_ns: int) -> None:
        """One at a time: its answer comes before the next status."""
        for kill in open_kills:
            if now_ns >= self._next_tell_ns.get(kill, 0):
                back_off_ns = self._back_off_ns.get(kill, BACK_OFF_NS_MIN)
                self._next_tell_ns[kill] = now_ns + back_off_ns
                self._back_off_ns[kill] = min(2 * back_off_ns, BACK_OFF_NS_MAX)
                is_unknown = self._refused.get(kill) == RefusalCode.UNKNOWN_NAME
                scope = Scope() if is_unknown else Scope(venue=kill.venue, symbol=kill.symbol)
                self._ask(Kill(reason=kill.told_reason, scope=scope), kill, now_ns)
                return

    def _ask(self, request: Kill | Status, told: KillOrder | None, now_ns: int) -> None:
        self._relay.ask(request)
        self._is_asking, self._told, self._next_ask_ns = True, told, now_ns + self._wait_ns

    def _note_refusal(self, kill: KillOrder, reply: Refused) -> None:
        """Told once an engine and kill. A name that is unknown there may be of another configuration: wider is told next."""
        if kill not in self._refused:
            self._note("kill_refused", venue=kill.venue, symbol=kill.symbol, error=reply.text)
        self._refused[kill] = reply.code
