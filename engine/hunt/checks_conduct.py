"""Checkers of conduct: quiet when asked for, kills in time, the dead-man switch, timers, nothing that leaks."""

from __future__ import annotations

from typing import Any

from engine.hunt.check import Check
from engine.hunt.ledger import Entry
from engine.hunt.place import DEADMAN_MS, OURS
from engine.hunt.wire import Request
from engine.model import clientid
from engine.model.codes import PositionSide, RecordKind

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
KILL_S_MAX = 1.0
TIMER_NS_MAX = NS_PER_MS
# the latest feed may have been under way for so long when the engine ended, and a turn of the venue
FEED_LATE_S_MAX = 3.5
RESTING = frozenset({"NEW", "PARTIALLY_FILLED"})


class Quiet(Check):
    """R17: inside a Retry-After nothing leaves, on no connection; of the venue's weight orders leave the cancels their share."""

    invariants = ("R17",)
    name = "quiet when asked for"

    def on_request(self, request: Request) -> None:
        life = self.hunt.life
        if life is None or "engine" not in vars(life):
            return
        if (left_ns := self.hunt.quiet_until_ns - self.hunt.now_ns) > 0:
            raise self.fail(
                f"{request.method} leaves {left_ns / NS_PER_S:.3f} s before the end of an earlier process's wait"
            )
        session = life.engine.lines[0].session
        if (left_ns := session.quiet_ns()) > 0:
            raise self.fail(f"{request.method} leaves {left_ns / NS_PER_S:.3f} s before the end of a Retry-After")
        if request.is_place and not self.hunt.others_weight:
            used, limit = session.usage()["weight_minute"]
            if used * 100 > limit * 80 + 100:
                raise self.fail(f"{request.method} leaves at {used} of {limit} of the weight")


class Kill(Check):
    """R25: a kill reaches every order at once: a second later none rests that nobody has asked to be cancelled."""

    invariants = ("R25",)
    name = "kill"

    def __init__(self, hunt: Any) -> None:
        super().__init__(hunt)
        self.armed = 0

    def on_command(self, what: str, sequence: int, fields: dict[str, Any]) -> None:
        life = self.hunt.life
        self.armed += what == "arm"
        if what != "kill" or not sequence or life is None:
            return
        session = life.engine.lines[0].session
        known = [row for row in life.engine.lines[0].oms.orders(open_only=True) if row["state"] in RESTING]
        self.hunt.reached("kill with orders open", int(bool(known)))
        if session.quiet_ns() > 0:
            self.hunt.reached("kill during a ban")
        if session.is_ready and not self.hunt.is_troubled():
            epoch, armed = life.engine.journal.epoch, self.armed
            self.hunt.in_a_while(KILL_S_MAX, lambda: self._look(epoch, armed))

    def _look(self, epoch: int, armed: int) -> None:
        """Nothing rests untouched, where nothing stood in the way meanwhile."""
        hunt = self.hunt
        life = hunt.life
        if life is None or not life.is_wired or life.is_dead or hunt.is_troubled():
            return
        if life.engine.journal.epoch != epoch:
            return
        line = life.engine.lines[0]
        if not line.session.is_ready or line.session.quiet_ns() > 0 or self.armed != armed:
            return
        if not life.engine.tables.control_state()["kill"]:
            hunt.stop_with(self.fail("a kill stands in the journal and the engine is not killed"))
        hunt.counts["kills looked at"] += 1
        at_venue = hunt.open_at_venue()
        resting = [
            row
            for row in line.oms.orders(open_only=True)
            if row["state"] in RESTING and row["client_order_id"] in at_venue
        ]
        if resting:
            hunt.stop_with(self.fail(f"{len(resting)} orders rest {KILL_S_MAX} s after a kill: {resting[0]}"))


class DeadMan(Check):
    """R16: an engine that is gone leaves nothing resting for longer than the venue's countdown (USD-M)."""

    invariants = ("R16",)
    name = "dead-man switch"

    def __init__(self, hunt: Any) -> None:
        super().__init__(hunt)
        self.since_s = -1.0
        self.had: bool = False

    def on_end(self, why: str) -> None:
        life = self.hunt.life
        assert life is not None
        switch = life.dead_man
        fed = switch is not None and switch.feeds > 0 and not switch.is_down
        self.hunt.reached("end with the dead-man switch down", int(switch is not None and switch.is_down))
        self.since_s = self.hunt.at_s if fed else -1.0
        self.had = fed and self.hunt.shell.usdm is not None and bool(self.hunt.shell.usdm.core.open_orders(OURS))

    def on_start(self) -> None:
        self.since_s = -1.0

    def each_second(self) -> None:
        hunt = self.hunt
        if hunt.life is not None or self.since_s < 0 or hunt.shell.usdm is None:
            return
        if hunt.at_s - self.since_s > DEADMAN_MS / 1_000 + FEED_LATE_S_MAX:
            left = [order for order in hunt.shell.usdm.core.open_orders(OURS) if not order.algo_id]
            if left:
                raise self.fail(
                    f"{left[0].client_order_id} rests {hunt.at_s - self.since_s:.1f} s after the engine's end"
                )
            hunt.reached("dead-man switch ran out", int(self.had))
            self.had = False


class Timers(Check):
    """R06: a strategy's timers come at their time, whatever the wall clock is set to."""

    invariants = ("R06",)
    name = "timers"

    def __init__(self, hunt: Any) -> None:
        super().__init__(hunt)
        self.was_idle = True
        self.was_told = False

    def on_command(self, what: str, sequence: int, fields: dict[str, Any]) -> None:
        self.was_told = True  # a pause may begin and end within a second: its timers come with the resume

    def each_second(self) -> None:
        life = self.hunt.life
        if life is None:
            self.was_idle = True
            return
        trader = life.trader
        late_ns, early_ns = trader.late_ns_max, trader.early_ns_max
        trader.late_ns_max = trader.early_ns_max = 0
        was_told, self.was_told = self.was_told, False
        is_idle = was_told or trader.status != 1 or self.hunt.now_ns - self.hunt.stalled_until_ns < 2 * NS_PER_S
        if not (is_idle or self.was_idle):
            self.hunt.counts["timers looked at"] += 1
            if max(late_ns, early_ns) > TIMER_NS_MAX:
                raise self.fail(
                    f"a timer came {late_ns / NS_PER_MS:.3f} ms late, one {early_ns / NS_PER_MS:.3f} ms early"
                )
        self.was_idle = is_idle


class Leaks(Check):
    """R31, R18: no record is lost on the way, no slot of an order that has ended stays taken."""

    invariants = ("R31", "R18")
    name = "nothing leaks"

    def _look(self) -> None:
        life = self.hunt.life
        if life is None or "engine" not in vars(life):
            return
        engine = life.engine
        if engine.sequencer.lost:
            raise self.fail(f"the sequencer lost {engine.sequencer.lost} inputs")
        for line in engine.lines:
            if line.oms.lost_records and not life.journal.error:
                raise self.fail(f"{line.oms.lost_records} records of {line.name} had no room")

    def on_end(self, why: str) -> None:
        self._look()

    def at_quiet(self) -> None:
        self._look()
        life = self.hunt.life
        assert life is not None
        rows = life.engine.lines[0].oms.orders(open_only=True)
        counted = sum(
            life.engine.tables.exposure(row, side)["open_orders"]
            for row in life.engine.lines[0].instrument_ids
            for side in PositionSide
        )
        if counted != len(rows):
            raise self.fail(f"{counted} orders are counted as open, {len(rows)} are: {rows}")


class Judged(Check):
    """R24: nothing leaves that the gate has not judged, not even what the engine places by itself."""

    invariants = ("R24",)
    name = "judged by the gate"

    def __init__(self, hunt: Any) -> None:
        super().__init__(hunt)
        self.approved: set[int] = set()
        self.unseen: dict[int, tuple[str, float]] = {}

    def on_request(self, request: Request) -> None:
        for name in request.names:
            handle = clientid.decode(name)
            if handle not in self.approved:
                self.unseen[handle] = (name, self.hunt.at_s)

    def on_entry(self, entry: Entry) -> None:
        if entry.kind == RecordKind.VERDICT:
            self.approved.add(entry.order_handle)
            self.unseen.pop(entry.order_handle, None)

    def on_end(self, why: str) -> None:
        self.unseen.clear()  # what the next life finds, `journaled before sent` looks at

    def each_second(self) -> None:
        if self.hunt.life is None or self.hunt.life.journal.error:
            return
        for handle, (name, at_s) in self.unseen.items():
            if at_s < self.hunt.at_s - 0.2:
                raise self.fail(f"{name} (handle {handle}) left and the gate never judged it")
