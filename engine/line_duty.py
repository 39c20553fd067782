"""What runs beside the stages for one line: who keeps its connections, its dead-man switch, its cancel-all on a kill."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from engine.connection_troubles import ConnectionTroubles, Watched
from engine.dead_man_duty import FallAlarm, dead_man_of
from engine.exit_codes import CommandError, ExitCode
from engine.kill_cancels import kill_cancels_of
from engine.line import Line
from engine.venue_access import VenueAccess
from engine.venue_kinds import Keeper


class LineDuty:
    """One line's connections and what hangs on them."""

    def __init__(self, line: Line, access: VenueAccess, on_fatal: Callable[[BaseException], None]) -> None:
        self.line, self.access = line, access
        access.orders.rest.share(line.session)
        self.gateway = line.order_keeper(access.orders, on_fatal)
        self.markets = line.market_keepers(access, on_fatal)
        self.keepers: list[Keeper] = [
            *self.markets,
            self.gateway,
            line.poll_keeper(access),
            line.instrument_keeper(access),
        ]
        self.dead_man = dead_man_of(line, access.orders)
        self.fall_alarm = FallAlarm(line, self.dead_man)
        self.kill_cancels = kill_cancels_of(line, access.orders)
        name = line.name if line.suffix else ""
        self.troubles = ConnectionTroubles(line.engine.sequencer, line.venue_id, self.watched(), name)

    def watched(self) -> list[Watched]:
        """The keepers whose failed attempts are told in words."""
        tables, switch, venue_id = self.line.engine.tables, self.dead_man, self.line.venue_id
        watched = (
            [] if switch is None else [Watched("the dead-man switch", lambda: switch.is_fed, lambda: switch.last_error)]
        )
        return [
            *watched,
            Watched(
                "the market connection",
                lambda: all(keeper.session is not None for keeper in self.markets),
                lambda: next((keeper.last_error for keeper in self.markets if keeper.last_error), ""),
            ),
            Watched(
                "the order connection",
                lambda: bool(tables.line_state(venue_id)["gateway_ready"]),
                lambda: self.gateway.last_error,
            ),
        ]

    def each_tick(self, *, is_stopping: bool) -> None:
        """Tell what has fallen or does not stand."""
        self.fall_alarm.look()
        if not is_stopping:
            self.troubles.look()

    def show(self, number: int) -> None:
        """The line's row for readers of the counters file."""
        row = self.line.engine.tables.line_state(self.line.venue_id)
        flags = (row["reconciled"], row["gateway_ready"], row["user_stream_ready"], row["is_killed"])
        state = row["trading_state"] | row["halt_reason"] << 8 | sum(bool(f) << 16 + bit for bit, f in enumerate(flags))
        self.line.engine.counters.show_line(
            number, self.line.name, state, row["open_orders"], row["clock_drift_ns"], row["reconciles"]
        )

    def feed(self) -> None:
        """The engine makes progress: the venue is told, where it listens."""
        if self.dead_man is not None:
            self.dead_man.feed()

    async def let_go(self, *, is_flat: bool) -> None:
        """The end: the switch is taken back when nothing is open; else what may still be open is the venue's to cancel."""
        if self.dead_man is not None:
            await (self.dead_man.disarm() if is_flat else self.dead_man.leave())

    def require_key(self) -> None:
        """Raises CommandError (NO_PERMISSION) once the venue has refused the key."""
        session, credential = self.line.session, self.line.venue.credential
        if session.is_key_refused:
            text = f"the venue refuses the credential {credential!r}: {session.failure}: check its key and rights"
            raise CommandError(ExitCode.NO_PERMISSION, f"{self.line.name}: {text}")


def first_error(duties: Iterable[LineDuty]) -> str:
    """Why an order connection does not stand; empty where all do."""
    return next((duty.gateway.last_error for duty in duties if duty.gateway.last_error), "")
