"""What the ledger says now: orders, positions, balances, states, folded from its records.

The fold is a reader's view, never an input of trading. It begins with the first record there is, or with the current
run when the ledger is large; each listing says as of which sequence it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from engine.control.catalog import InstrumentRow, Names
from engine.control.refusals import Units
from engine.desk.accounts import NOTHING_TOLD, account_row, average_e8, margin_row, plain
from engine.desk.exits import trail_text
from engine.desk.parents import OPEN_PARENTS, Family
from engine.desk.profit import Profits, fees_shown
from engine.journal import decode
from engine.journal.cursor import Record
from engine.journal.places import LANE_NAMES, Front, segments
from engine.journal.reader import JournalReader, read_header
from engine.model.codes import InstructionKind, Lane, OrderState, OrderType, RecordKind
from engine.model.instruments import to_e8

FOLD_WHOLE_BYTES = 256 << 20
FRONT_HEADER_BYTES = 4096
AT_VENUE_STATES = frozenset(state.name for state in OrderState if OrderState.APPROVED <= state <= OrderState.UNKNOWN)
# a held order waits in the engine
OPEN_STATES = AT_VENUE_STATES | {OrderState.HELD.name}
EVENT_KINDS = frozenset(
    {
        RecordKind.START,
        RecordKind.STOP,
        RecordKind.RECOVERED,
        RecordKind.CUT,
        RecordKind.ALARM,
        RecordKind.TRADING_STATE,
        RecordKind.STRATEGY_STATE,
        RecordKind.COMMAND,
        RecordKind.SESSION_STATE,
        RecordKind.RECONCILE_BEGIN,
        RecordKind.RECONCILE_END,
    }
)
ORDER_KEPT_MAX = 100_000
# they have no limit price
PRICELESS_TYPES = frozenset(
    kind.name for kind in (OrderType.MARKET, OrderType.STOP, OrderType.MARKET_IF_TOUCHED, OrderType.TRAILING_STOP)
) | {OrderType.TRAILING_STOP_LIMIT.name}  # its limit is where it fires, and its offset
# by PositionSide; `both`: the account nets its positions
POSITION_SIDES = ("both", "long", "short")


@dataclass
class Catalog:
    """Numbers to names; what is not known is shown as its number."""

    registry: Path | None = None
    names: Names = field(default_factory=lambda: Names(engine="", mode="", venues={}, strategies={}, assets={}))
    instruments: dict[int, InstrumentRow] = field(default_factory=dict)

    def take(self, record: Record) -> None:
        """Read one INSTRUMENT or ASSET record; one that is not ours is passed over."""
        if record.kind == RecordKind.ASSET:
            body = decode.payload(record)
            self.names.assets[body["asset_id"]] = body.get("text", "")
            return
        text = bytes(record.payload).rstrip(b"\0")
        try:
            if record.instrument_id == 0:
                self.names = msgspec.json.decode(text, type=Names)
            else:
                self.instruments[record.instrument_id] = msgspec.json.decode(text, type=InstrumentRow)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return

    def symbol(self, instrument_id: int) -> str:
        """The symbol of an instrument; empty for 0."""
        row = self.instruments.get(instrument_id)
        return row.symbol if row else (f"#{instrument_id}" if instrument_id else "")

    def strategy(self, strategy_id: int) -> str:
        """The name of a strategy; empty for 0, which is an operator or the engine itself."""
        return self.names.strategies.get(strategy_id, f"#{strategy_id}" if strategy_id else "")

    def venue(self, venue_id: int) -> str:
        """The name of a venue; empty for 0."""
        return self.names.venues.get(venue_id, f"#{venue_id}" if venue_id else "")

    def asset(self, asset_id: int) -> str:
        """The name of an asset; one that came after the catalog was written is looked up in the engine's registry."""
        if asset_id not in self.names.assets and self.registry is not None:
            self.names.assets.update(registered_assets(self.registry))
        return self.names.assets.get(asset_id, f"#{asset_id}")

    def units(self, instrument_id: int) -> Units:
        """The words of an instrument, for what the gate said of it."""
        row = self.instruments.get(instrument_id)
        if row is None:
            return Units(symbol=self.symbol(instrument_id))
        base, quote = (self.asset(asset).rsplit(":", 1)[-1] for asset in (row.base_asset_id, row.quote_asset_id))
        return Units(row.symbol, row.tick_size_e8, row.lot_size_e8, base, quote)

    def price(self, instrument_id: int, ticks: int) -> str:
        """Ticks as decimal text; bare ticks where the instrument is not known."""
        row = self.instruments.get(instrument_id)
        return plain(ticks * row.tick_size_e8) if row else f"{ticks} ticks"

    def qty(self, instrument_id: int, lots: int) -> str:
        """Lots as decimal text; bare lots where the instrument is not known."""
        row = self.instruments.get(instrument_id)
        return plain(lots * row.lot_size_e8) if row else f"{lots} lots"

    def quote_asset(self, instrument_id: int) -> str:
        """The asset that an instrument's money is in."""
        row = self.instruments.get(instrument_id)
        return self.asset(row.quote_asset_id) if row else ""


def side_text(position_side: int) -> str:
    """Of which of an account's positions, by PositionSide; empty for none that this build knows."""
    return POSITION_SIDES[position_side] if position_side < len(POSITION_SIDES) else ""


def registered_assets(path: Path) -> dict[int, str]:
    """Number to name of the assets in an engine's registry, `names.json` of its data directory; empty without one."""
    try:
        registry = msgspec.json.decode(path.read_bytes(), type=_Registry)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return dict(enumerate(registry.assets, start=1))


class _Registry(msgspec.Struct):
    """What is wanted of the registry: position in the list, plus one, is the number."""

    assets: list[str] = []


@dataclass
class LedgerState:
    """The fold. `as_of` is the last sequence taken, `since` the first."""

    catalog: Catalog = field(default_factory=Catalog)
    orders: dict[int, dict[str, Any]] = field(default_factory=dict)
    positions: dict[tuple[int, int, int], dict[str, Any]] = field(default_factory=dict)
    balances: dict[tuple[int, int], dict[str, Any]] = field(default_factory=dict)
    accounts: dict[tuple[int, int, int], dict[str, Any]] = field(default_factory=dict)
    margins: dict[tuple[int, int, int], dict[str, Any]] = field(default_factory=dict)
    trading: dict[str, Any] = field(default_factory=dict)
    strategies: dict[int, dict[str, Any]] = field(default_factory=dict)
    family: Family = field(default_factory=Family)
    profits: Profits = field(default_factory=Profits)
    epoch: int = 0
    since: int = 0
    as_of: int = 0

    def take(self, record: Record) -> None:
        """Fold one ledger record."""
        self.as_of = record.seq
        self.since = self.since or record.seq
        action = _ACTIONS.get(record.kind)
        if action is not None:
            action(self, record)

    def _start(self, record: Record) -> None:
        self.epoch = record.epoch

    def _order(self, record: Record) -> None:
        body = decode.payload(record)
        catalog, row_id = self.catalog, record.instrument_id
        price = catalog.price(row_id, body["price_ticks"])
        former = self.orders.pop(record.order_handle, None)
        is_first = former is None or former["state"] == OrderState.HELD.name
        self.family.take_state(record.order_handle, body["state"], is_first=is_first)
        self.orders[record.order_handle] = {
            "handle": record.order_handle,
            "client_order_id": body["client_order_id"],
            "venue_order_id": body["venue_order_id"],
            "venue": catalog.venue(record.venue_id),
            "symbol": catalog.symbol(row_id),
            "strategy": catalog.strategy(record.strategy_id),
            "side": body["side"],
            "position_side": side_text(record.position_side),
            "type": body["order_type"],
            "time_in_force": body["time_in_force"],
            "parent": self.family.parent_of.get(record.order_handle, 0),
            "list": self.family.list_of(record.order_handle),
            "trigger": self._trigger(record, body),
            "trail": self._trail(record),
            "price": "" if body["order_type"] in PRICELESS_TYPES and not body["price_ticks"] else price,
            "qty": catalog.qty(row_id, body["qty_lots"]),
            "filled": catalog.qty(row_id, body["cum_qty_lots"]),
            "leaves": catalog.qty(row_id, body["leaves_qty_lots"]),
            "average_price": plain(body["average_price_e8"]),
            "state": body["state"],
            "reason": body["reason"],
            "venue_code": body["venue_code"],
            "epoch": record.epoch,
            "seq": record.seq,
            "wall_ns": record.wall_ns,
        }
        if len(self.orders) > ORDER_KEPT_MAX:
            self._forget_closed()

    def _trigger(self, record: Record, body: dict[str, Any]) -> str:
        """The price that a conditional order waits for: its record's, what its intent said, or where it begins to trail."""
        asked = self.family.conditions.get(record.order_handle, {})
        ticks = body.get("trigger_ticks") or asked.get("trigger_ticks") or asked.get("activation_ticks") or 0
        return self.catalog.price(record.instrument_id, ticks) if ticks else ""

    def _trail(self, record: Record) -> str:
        """The distance at which a trailing order follows, as its intent or its parent's state said it; empty for others."""
        asked = self.family.conditions.get(record.order_handle, {})
        price = partial(self.catalog.price, record.instrument_id)
        return trail_text(asked.get("trail_kind", 0), asked.get("trail_amount", 0), price)

    def _held(self, record: Record) -> None:
        """An order that the engine holds: its record names the parent where an order at the venue has the venue's number."""
        parent_handle = decode.payload(record)["venue_order_id"]
        self.family.adopt(record.order_handle, parent_handle)
        self._order(record)
        parent = self.family.parents.get(parent_handle, {})
        side = parent.get("position_side", side_text(record.position_side))
        self.orders[record.order_handle] |= {"venue_order_id": 0, "position_side": side}

    def _intent(self, record: Record) -> None:
        self.family.take_intent(record)

    def _verdict(self, record: Record) -> None:
        self.family.take_verdict(record)

    def _parent(self, record: Record) -> None:
        """An instruction's state and progress."""
        catalog, row_id = self.catalog, record.instrument_id
        body = self.family.take_parent(record, partial(catalog.price, row_id), partial(catalog.qty, row_id))
        self.family.parents[record.order_handle] = {
            "handle": record.order_handle,
            "kind": body["kind"],
            "what": body["what"],
            "venue": catalog.venue(record.venue_id),
            "symbol": catalog.symbol(row_id),
            "strategy": catalog.strategy(record.strategy_id),
            "side": body["side"],
            "position_side": side_text(record.position_side),
            "qty": catalog.qty(row_id, body["qty_lots"]),
            "filled": catalog.qty(row_id, body["filled_lots"]),
            "working": catalog.qty(row_id, body["working_lots"]),
            "average_price": plain(body["average_price_e8"]) if body["average_price_e8"] else "",
            "children": body["children"],
            "state": body["state"],
            "reason": body["reason"],
            "progress": body["progress"],
            "held_exits": body["held_exits"],
            "epoch": record.epoch,
            "seq": record.seq,
            "wall_ns": record.wall_ns,
        }
        self._complete_held(record, body)

    def _complete_held(self, record: Record, body: dict[str, Any]) -> None:
        """What the record of a held order does not say and its parent's state, which may come after it, does."""
        held = self.orders.get(record.order_handle)
        if body["kind"] == InstructionKind.HELD.name and held is not None:
            held["trail"] = self._trail(record)
            held["trigger"] = held["trigger"] or self._trigger(record, {})
        for handle in (record.order_handle, *body["order_handles"]):
            order = self.orders.get(handle)
            if order is not None and order["state"] == OrderState.HELD.name:
                order["position_side"] = side_text(record.position_side)

    def _forget_closed(self) -> None:
        """Keep open orders and the younger half of the closed ones."""
        closed = [handle for handle, order in self.orders.items() if order["state"] not in OPEN_STATES]
        for handle in closed[: ORDER_KEPT_MAX // 2]:
            del self.orders[handle]
            self.family.forget_order(handle)

    def _position(self, record: Record) -> None:
        body = decode.payload(record)
        catalog, row_id = self.catalog, record.instrument_id
        lots, cost_e8 = body["position_lots"], body["position_cost_e8"]
        row = catalog.instruments.get(row_id)
        average = plain(average_e8(row, lots, cost_e8)) if lots and row else ""
        told = self.margins.get((record.account_id, row_id, record.position_side), {}) if lots else {}
        self.positions[(record.account_id, row_id, record.position_side)] = {
            "venue": catalog.venue(record.venue_id),
            "account": record.account_id,
            "symbol": catalog.symbol(row_id),
            "side": side_text(record.position_side),
            "position": catalog.qty(row_id, lots),
            "average_price": average,
            "cost": plain(cost_e8),
            "realised_pnl": plain(body["realised_pnl_e8"]),
            "fees": plain(body["fees_quote_e8"]),
            "money": catalog.quote_asset(row_id),
            "bought": catalog.qty(row_id, body["buy_lots"]),
            "sold": catalog.qty(row_id, body["sell_lots"]),
            "fills": body["fills"],
            **(NOTHING_TOLD | told),
            "seq": record.seq,
        }

    def _fill(self, record: Record) -> None:
        self.profits.take(self.catalog, record)

    def rates(self) -> dict[int, int]:
        """What each asset is worth in the reporting currency, in 10^-8; without those that nothing values."""
        return {key[2]: rate for key, row in self.accounts.items() if (rate := row["raw"]["rate_e8"])}

    def marks(self) -> dict[int, str]:
        """Mark prices of what accounts hold, as text by instrument."""
        return {key[1]: row["mark"] for key, row in self.margins.items() if row["mark"]}

    def position_rows(self) -> list[dict[str, Any]]:
        """Positions with all their fees: those in third assets valued, or named."""
        rates, shown = self.rates(), []
        for (account_id, row_id, side), row in self.positions.items():
            instrument = self.catalog.instruments.get(row_id)
            if instrument is None:
                shown.append(row | {"fees_unvalued": "", "third_fees": {}})
                continue
            third = self.profits.third_fees(account_id, instrument.venue_id, instrument.symbol, side)
            shown.append(row | fees_shown(self.catalog, to_e8(row["fees"]), instrument.settle_asset_id, third, rates))
        return shown

    def profit_rows(self) -> list[dict[str, Any]]:
        """Profit and fees by strategy, account, symbol and position side."""
        return list(self.profits.rows(self.catalog, self.marks(), self.rates()))

    def _balance(self, record: Record) -> None:
        body = decode.payload(record)
        told = list(body["balances"])
        if body["is_complete"]:
            # what a complete list does not name is gone
            named = {row["asset_id"] for row in told}
            for (account_id, asset_id), held in self.balances.items():
                if account_id == record.account_id and asset_id not in named and held["total"] != "0":
                    told.append({"asset_id": asset_id, "free_e8": 0, "locked_e8": 0})
        for row in told:
            self.balances[(record.account_id, row["asset_id"])] = {
                "venue": self.catalog.venue(record.venue_id),
                "account": record.account_id,
                "asset": self.catalog.asset(row["asset_id"]),
                "free": plain(row["free_e8"]),
                "locked": plain(row["locked_e8"]),
                "total": plain(row["free_e8"] + row["locked_e8"]),
                "seq": record.seq,
            }

    def _account(self, record: Record) -> None:
        """An asset of an account, and what its positions are worth now."""
        body = decode.payload(record)
        self.accounts[(record.venue_id, record.account_id, body["asset_id"])] = account_row(self.catalog, record, body)
        settled = {
            row_id for row_id, row in self.catalog.instruments.items() if row.settle_asset_id == body["asset_id"]
        }
        for key, position in self.positions.items():
            if key[0] == record.account_id and key[1] in settled:
                self.margins.pop(key, None)
                position.update(NOTHING_TOLD)
        for row in body["rows"]:
            key = (record.account_id, row["instrument_id"], row["position_side"])
            self.margins[key] = margin_row(self.catalog, row)
            if key in self.positions:
                self.positions[key].update(self.margins[key])

    def _trading(self, record: Record) -> None:
        self.trading = decode.payload(record) | {"seq": record.seq, "wall_ns": record.wall_ns}

    def _strategy(self, record: Record) -> None:
        self.strategies[record.strategy_id] = decode.payload(record) | {"seq": record.seq, "wall_ns": record.wall_ns}

    def _reconciled(self, record: Record) -> None:
        """The venue was asked: an order of a former run that this run does not know any more is not open."""
        for handle, order in list(self.orders.items()):
            if order["epoch"] < record.epoch and order["state"] in AT_VENUE_STATES:
                del self.orders[handle]

    def _name(self, record: Record) -> None:
        self.catalog.take(record)

    def open_orders(self) -> list[dict[str, Any]]:
        """Orders that may still trade, oldest change first."""
        return [order for order in self.orders.values() if order["state"] in OPEN_STATES]

    def open_parents(self) -> list[dict[str, Any]]:
        """Instructions that are under way, oldest change first."""
        return [parent for parent in self.family.parents.values() if parent["state"] in OPEN_PARENTS]


_ACTIONS: dict[int, Callable[[LedgerState, Record], None]] = {
    RecordKind.START: LedgerState._start,
    RecordKind.INSTRUMENT: LedgerState._name,
    RecordKind.ORDER_STATE: LedgerState._order,
    RecordKind.HELD_ORDER: LedgerState._held,
    RecordKind.INTENT: LedgerState._intent,
    RecordKind.VERDICT: LedgerState._verdict,
    RecordKind.PARENT_STATE: LedgerState._parent,
    RecordKind.FILL: LedgerState._fill,
    RecordKind.POSITION: LedgerState._position,
    RecordKind.BALANCE: LedgerState._balance,
    RecordKind.ACCOUNT: LedgerState._account,
    RecordKind.TRADING_STATE: LedgerState._trading,
    RecordKind.STRATEGY_STATE: LedgerState._strategy,
    RecordKind.RECONCILE_END: LedgerState._reconciled,
}


class LedgerFold:
    """Folds a ledger's segments and goes on folding as they grow: a few milliseconds behind the engine.

    `whole`: from the first record there is, however large the ledger.
    """

    def __init__(self, data_dir: Path, runtime_dir: Path | None = None, *, whole: bool = False) -> None:
        self.runtime_dir = runtime_dir
        self.state = LedgerState(Catalog(registry=data_dir / "names.json"))
        first = 0 if whole else first_wanted(data_dir)
        # False: what adds up fills counts from the current run's start on
        self.is_whole = first == 0
        self._follower = JournalReader(data_dir).follow(max(0, first - 1), Lane.LEDGER)

    def refresh(self) -> LedgerState:
        """Take what has come since the last call."""
        while (record := self._follower.next_record()) is not None:
            self.state.take(record)
        return self.state

    def lag_records(self) -> int:
        """How many sequence numbers the engine's ledger is ahead of the fold; 0 where no front is there."""
        return max(0, committed_seq(self.runtime_dir) - self.state.as_of) if self.runtime_dir else 0


def first_wanted(data_dir: Path) -> int:
    """The sequence at which to begin: 0, or the current run's first segment when the ledger is large."""
    found = segments(data_dir, Lane.LEDGER)
    if sum(path.stat().st_size for _, path in found) <= FOLD_WHOLE_BYTES:
        return 0
    headers = [header for _, path in found if (header := read_header(path)) is not None]
    current = [header.first_seq for header in headers if header.epoch == headers[-1].epoch]
    return min(current) if current else 0


def committed_seq(runtime_dir: Path) -> int:
    """The last sequence committed to the ledger's front; 0 where there is none."""
    try:
        with open(runtime_dir / f"{LANE_NAMES[Lane.LEDGER]}.front", "rb") as file:
            front = Front.parse(file.read(FRONT_HEADER_BYTES))
    except OSError:
        return 0
    return front.last_seq if front else 0
