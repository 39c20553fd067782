"""Checkers of what must be equal - fills, positions, balances, open orders, books, the journal -, and that all becomes well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from engine.hunt.check import Check
from engine.hunt.checks_orders import side_of
from engine.hunt.ledger import Entry
from engine.hunt.place import OURS
from engine.hunt.truth import FillKey
from engine.journal.verify import verify
from engine.model import clientid
from engine.model.codes import BookState, HaltReason, PositionSide, RecordKind, Side, TradingState
from engine.sim.records import NO_TRADE_ID

NS_PER_S = 1_000_000_000
# a book is put right again within so long of calm (R08)
BOOK_S_MAX = 20
READY_S_MAX = 60
# `is_external` of a FILL that takes back what was booked as another's (docs/orders.md)
TAKEN_BACK = 2


class FillsOnce(Check):
    """R11, R01, R34: every fill of the venue stands in the ledger once, with its size; and no others do."""

    invariants = ("R11", "R01", "R34")
    name = "fills once"

    def __init__(self, hunt: Any) -> None:
        super().__init__(hunt)
        self.booked: Counter[FillKey] = Counter()
        # of a trade of ours with ourselves both sides can stand as another's, under one key
        self.sides: Counter[tuple[FillKey, str]] = Counter()
        self.lots: dict[FillKey, tuple[int, str]] = {}
        self.netted: dict[tuple[int, PositionSide], int] = {}

    def on_entry(self, entry: Entry) -> None:
        if entry.kind != RecordKind.FILL:
            return
        life = self.hunt.life
        if life is None or "engine" not in vars(life):
            return
        symbol = life.engine.tables.symbol(entry.instrument_id)
        key = (symbol, int(entry.body["trade_id"]), str(entry.body["client_order_id"]))
        side = str(entry.body["side"])
        if entry.body["is_external"] == TAKEN_BACK:
            self._count(key, (Side.SELL if side == Side.BUY.name else Side.BUY).name, -1)
        else:
            self._count(key, side, 1)
            self.lots[key] = (entry.body["qty_lots"], side)
        sign = 1 if side == Side.BUY.name else -1
        place = (entry.instrument_id, PositionSide(entry.position_side))
        self.netted[place] = self.netted.get(place, 0) + sign * entry.body["qty_lots"]

    def _count(self, key: FillKey, side: str, times: int) -> None:
        """Booked or taken back: each side of a trade stands once or not at all."""
        self.booked[key] += times
        self.sides[key, side] += times
        # -1: a difference that a person adopted, as often as he does
        if not 0 <= self.sides[key, side] <= 1 and key[1] != NO_TRADE_ID:
            raise self.fail(f"trade {key[1]} of {key[2]} ({key[0]}) is booked {self.sides[key, side]} times")

    def at_quiet(self) -> None:
        hunt = self.hunt
        assert hunt.life is not None
        tables = hunt.life.engine.tables
        named = {key: row for key, row in hunt.truth.fills.items() if clientid.decode(key[2])}
        for name, row in named.items():
            # an order that a power cut took from the ledger: its fills are nobody's, external, and halt the symbol
            external = (name[0], name[1], "")
            may_be_lost = hunt.lost_power_at_s >= 0 and hunt.schedule.durability != "order"
            key = external if may_be_lost and self.booked[external] and not self.booked[name] else name
            if self.booked[key] == 0:
                raise self.fail(
                    f"{key} ({row.side} {row.qty_e8 / 1e8}) at {self._at(row.at_ns)} s is not booked", "R01"
                )
            lot_e8 = tables.instrument(tables.instrument_id(hunt.life.engine.lines[0].venue_id, key[0]))["lot_size_e8"]
            if self.lots[key][0] * lot_e8 != row.qty_e8:
                raise self.fail(f"{key}: {row.qty_e8} at the venue, {self.lots[key][0] * lot_e8} booked")
        hunt.counts["fills compared"] += len(named)
        self._no_others()

    def _no_others(self) -> None:
        """Nothing is booked that the venue has not made; and what it has made for us is not booked as another's beside it."""
        made = self.hunt.truth.fills
        trades = {key[:2] for key in made}
        foreign = {key[:2] for key in made if not clientid.decode(key[2])}
        for symbol, trade_id, name in self.booked:
            if trade_id <= 0 or not self.booked[symbol, trade_id, name]:
                continue
            if (symbol, trade_id) not in trades or (clientid.decode(name) and (symbol, trade_id, name) not in made):
                raise self.fail(f"trade {trade_id} of {name or 'nobody'} ({symbol}) is booked, and the venue made none")
            own = [key for key in made if key[:2] == (symbol, trade_id) and self.booked[key]] if not name else []
            if own and (symbol, trade_id) not in foreign:
                raise self.fail(f"trade {trade_id} ({symbol}) is booked as {own[0][2]}'s and as another's")

    def _at(self, wall_ns: int) -> str:
        return f"{(wall_ns - self.hunt.venue_ns) / NS_PER_S + self.hunt.at_s:.3f}"


class EqualToVenue(Check):
    """R34: at rest the engine's open orders, positions and balances are the venue's."""

    invariants = ("R34",)
    name = "equal to the venue"

    def at_quiet(self) -> None:
        hunt = self.hunt
        life = hunt.life
        if life is None:
            raise self.fail("no engine at the end of a calm", "R26")
        self._orders()
        self._positions()
        self._balances()
        hunt.counts["compared with the venue"] += 1

    def _orders(self) -> None:
        life = self.hunt.life
        assert life is not None
        at_venue = self.hunt.open_at_venue()
        oms = life.engine.lines[0].oms
        ours = {row["client_order_id"]: row for row in oms.orders(open_only=True)}
        known = set(ours) | {str(row.get("client_order_id", "")) for row in oms.external_open_orders()}
        for name in sorted(set(ours) - at_venue):
            raise self.fail(f"{name} is {ours[name]['state']} here and not open at the venue: {ours[name]}")
        for name in sorted(at_venue - known):
            if clientid.decode(name):
                raise self.fail(f"{name} is open at the venue and not here: {oms.order(clientid.decode(name))}")

    def _positions(self) -> None:
        life, shell = self.hunt.life, self.hunt.shell
        assert life is not None
        if shell.usdm is None:
            return
        tables = life.engine.tables
        for position in shell.usdm.core.positions(OURS):
            row = tables.instrument_id(life.engine.lines[0].venue_id, position.symbol)
            if row:
                side = side_of(position.position_side)
                ours_e8 = tables.exposure(row, side)["position_lots"] * tables.instrument(row)["lot_size_e8"]
                if ours_e8 != position.qty_e8:
                    raise self.fail(
                        f"{position.symbol} {side.name}: {ours_e8 / 1e8} here, {position.qty_e8 / 1e8} at the venue"
                    )

    def _balances(self) -> None:
        life, shell = self.hunt.life, self.hunt.shell
        assert life is not None
        if shell.usdm is not None:
            return
        tables = life.engine.tables
        theirs = {row.asset: (row.free_e8, row.locked_e8) for row in shell.core.account(OURS).balances}
        for number, name in enumerate(tables.assets(), start=1):
            bare = name.rsplit(":", 1)[-1]
            if bare in theirs and tables.balance(number) != theirs[bare]:
                raise self.fail(f"{bare}: {tables.balance(number)} here, {theirs[bare]} at the venue")


class PositionIsItsFills(Check):
    """R34, R03: an engine's position is the sum of the fills in its ledger, over all its lives."""

    invariants = ("R34", "R03")
    name = "position is its fills"

    def at_quiet(self) -> None:
        hunt = self.hunt
        fills = next(check for check in hunt.checks if isinstance(check, FillsOnce))
        assert hunt.life is not None
        if hunt.counts["position adopted"]:
            return
        for (row, side), lots in fills.netted.items():
            ours = hunt.life.engine.tables.exposure(row, side)["position_lots"]
            if ours != lots:
                raise self.fail(
                    f"{hunt.life.engine.tables.symbol(row)} {side.name}: position {ours} lots, fills sum up to {lots}"
                )

    def on_entry(self, entry: Entry) -> None:
        if entry.kind == RecordKind.ALARM and entry.body.get("state") == "POSITION_ADOPTED":
            self.hunt.reached("position adopted")


class Books(Check):
    """R08, R09: a book that is VALID shows the best prices that the venue had at that update."""

    invariants = ("R08", "R09")
    name = "books"

    def each_second(self) -> None:
        hunt = self.hunt
        life = hunt.life
        if life is None or "engine" not in vars(life):
            return
        tables = life.engine.tables
        for symbol in hunt.schedule.symbols:
            row = tables.instrument_id(life.engine.lines[0].venue_id, symbol)
            market = tables.market(row)
            tops = hunt.truth.tops.get(symbol)
            if market["book_state"] != BookState.VALID or tops is None or hunt.flawed(symbol):
                continue
            told = tops.as_of(market["update_id"])
            if told is None:
                continue
            tick_e8 = tables.instrument(row)["tick_size_e8"]
            ours = (market["best_bid_ticks"] * tick_e8, market["best_ask_ticks"] * tick_e8)
            hunt.counts["books compared"] += 1
            if ours != told:
                raise self.fail(f"{symbol} as of {market['update_id']}: {ours} here, {told} at the venue")

    def at_quiet(self) -> None:
        life = self.hunt.life
        assert life is not None
        tables = life.engine.tables
        for symbol in self.hunt.schedule.symbols:
            state = tables.market(tables.instrument_id(life.engine.lines[0].venue_id, symbol))["book_state"]
            if state != BookState.VALID:
                raise self.fail(f"{symbol}: the book is {BookState(state).name} at the end of a calm")


class JournalWhole(Check):
    """R03, R04, R02: whatever ended a run, the journal is whole; nothing that was synced is missing."""

    invariants = ("R03", "R02", "R04")
    name = "journal whole"

    def __init__(self, hunt: Any) -> None:
        super().__init__(hunt)
        self.synced_seq = 0

    def on_end(self, why: str) -> None:
        life = self.hunt.life
        assert life is not None
        self.synced_seq = (
            max(self.synced_seq, life.journal.synced_sequence) if not life.journal.error else self.synced_seq
        )

    def on_start(self) -> None:
        life = self.hunt.life
        assert life is not None
        recovery = life.journal.recovery
        assert recovery is not None
        if recovery.recovered.get("ledger_from_front"):
            self.hunt.reached("records recovered from the front")
        if recovery.last_seq < self.synced_seq:
            raise self.fail(f"synced up to {self.synced_seq}, recovered up to {recovery.last_seq}", "R02")

    def at_end(self) -> None:
        if self.hunt.life is not None:
            self.hunt.life.journal.flush()
        report = verify(self.hunt.loaded.data_dir)
        if not report.is_whole:
            raise self.fail(f"{report.damage} {report.gaps}")


class BecomesWell(Check):
    """Progress: at the end of a calm the engine trades again, with all that belongs to it."""

    invariants = ("R15", "R26")
    name = "becomes well"

    def at_quiet(self) -> None:
        hunt = self.hunt
        if hunt.life is None or "engine" not in vars(hunt.life):
            raise self.fail("no engine at the end of a calm")
        engine = hunt.life.engine
        state = engine.tables.control_state()
        if state["trading_state"] != TradingState.ACTIVE:
            raise self.fail(
                f"not ACTIVE at the end of a calm: {HaltReason(state['halt_reason']).name}, {state}, "
                f"{engine.lines[0].session.failure}, {hunt.gateway_error()}"
            )
        if stopped := hunt.stopped_parts():
            raise self.fail(f"at the end of a calm something does not trade: {stopped}")
        hunt.counts["became well"] += 1

    def on_venue(self, events: Sequence[object]) -> None:
        return
