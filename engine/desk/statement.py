"""A day of an engine's accounts from its ledger's records: what was ordered, traded, paid and earned, and whether it adds up.

Everything is computed from the records alone, in whole numbers (10^-16 of an asset), and held against what the venue said of its
balances and what the engine booked as positions. Days are UTC, by the records' wall clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from engine.desk.accounts import average_units_e8, plain
from engine.desk.funding_count import FundingCount
from engine.desk.ledger import OPEN_STATES, Catalog, side_text
from engine.desk.profit import Holding, half_even, value_e16
from engine.desk.source import NAMING, Source
from engine.journal import decode
from engine.journal.cursor import Record
from engine.model.codes import RecordKind, Side
from engine.model.instruments import E8

CAUSES = ("trades", "realised", "fees", "funding", "transfers")
# a venue rounds each booking to 10^-8: so much may differ for each
ROUNDING_E16 = E8
# the records that a day is made of
KINDS = frozenset(
    {
        RecordKind.ORDER_STATE,
        RecordKind.FILL,
        RecordKind.POSITION,
        RecordKind.BALANCE,
        RecordKind.BALANCE_UPDATE,
        RecordKind.FUNDING_PAYMENT,
        RecordKind.ACCOUNT,
    }
)

AssetKey = tuple[int, int]
PositionKey = tuple[int, int, str, int]


@dataclass
class AssetDay:
    """One asset of one account. Money in 10^-16. `since_told`: what has moved since the venue last told the balance."""

    venue_id: int
    opening_e16: int | None = None
    closing_e16: int | None = None
    moved: dict[str, int] = field(default_factory=lambda: dict.fromkeys(CAUSES, 0))
    since_told_e16: int = 0
    bookings: int = 0

    def move(self, cause: str, amount_e16: int) -> None:
        """The account changed by so much, by our own books."""
        self.moved[cause] += amount_e16
        self.since_told_e16 += amount_e16
        self.bookings += 1

    def tell(self, total_e16: int, *, in_day: bool) -> None:
        """The venue's word. The first one of a ledger that began within the day opens it."""
        if in_day and self.opening_e16 is None:
            self.opening_e16 = total_e16
            self.moved, self.bookings = dict.fromkeys(CAUSES, 0), 0
        self.closing_e16, self.since_told_e16 = total_e16, 0

    def begin_day(self) -> None:
        """What stands now is the opening."""
        self.opening_e16 = self.closing_e16
        self.moved, self.since_told_e16, self.bookings = dict.fromkeys(CAUSES, 0), 0, 0

    def unexplained_e16(self) -> int:
        """Closing less opening less all that moved. The venue may not have told the last bookings yet, or told them first."""
        if self.opening_e16 is None or self.closing_e16 is None:
            return 0
        difference = self.closing_e16 - self.opening_e16 - sum(self.moved.values())
        return min(difference, difference + self.since_told_e16, key=abs)

    def ties_out(self) -> bool:
        """Is the rest no more than rounding."""
        return abs(self.unexplained_e16()) <= ROUNDING_E16 * self.bookings


@dataclass
class PositionDay:
    """One position. `told`: the last POSITION record, which the engine's own books wrote."""

    holding: Holding
    fees_e8: dict[int, int] = field(default_factory=dict)
    opening_e8: int = 0
    opening_realised_e16: int = 0
    opening_unrealised_e8: int | None = 0
    bought_e8: int = 0
    sold_e8: int = 0
    fills: int = 0
    mark_e8: int = 0
    told: dict[str, Any] | None = None

    def begin_day(self) -> None:
        """What stands now is the opening."""
        self.opening_e8, self.opening_realised_e16 = self.holding.qty_e8, self.holding.realised_e16()
        self.opening_unrealised_e8 = self.unrealised_e8()
        self.bought_e8 = self.sold_e8 = self.fills = 0
        self.fees_e8 = {}

    def unrealised_e8(self) -> int | None:
        """At the last mark; None where none is known and something is open."""
        if self.holding.qty_e8 == 0:
            return 0
        return self.holding.unrealised_e8(self.mark_e8) if self.mark_e8 else None

    def differences(self) -> Iterable[str]:
        """What does not add up, in words."""
        if self.opening_e8 + self.bought_e8 - self.sold_e8 != self.holding.qty_e8:
            yield f"opening and fills give {plain(self.opening_e8 + self.bought_e8 - self.sold_e8)}"
        if self.told is not None:
            booked_e8 = self.told["position_lots"] * self.holding.row.lot_size_e8
            if booked_e8 != self.holding.qty_e8:
                yield f"the engine booked {plain(booked_e8)}, its fills give {plain(self.holding.qty_e8)}"
            realised_e8 = half_even(self.holding.realised_e16(), E8)
            if self.told["realised_pnl_e8"] != realised_e8:
                yield f"the engine booked a profit of {plain(self.told['realised_pnl_e8'])}, its fills give {plain(realised_e8)}"


class DayBooks:
    """Takes a ledger's records in order, up to the day's end; `account_id` 0: every account."""

    def __init__(self, start_ns: int, end_ns: int, account_id: int = 0) -> None:
        self.start_ns, self.end_ns = start_ns, end_ns
        self.catalog = Catalog()
        self.assets: dict[AssetKey, AssetDay] = {}
        self.positions: dict[PositionKey, PositionDay] = {}
        self.orders: dict[int, dict[str, Any]] = {}
        self.fills: list[dict[str, Any]] = []
        self.payments: list[dict[str, Any]] = []
        self.first_seq = self.last_seq = 0
        # of which something is told up to the day's end, and whether the day has a record of what is asked for
        self.accounts: set[int] = set()
        self.has_records = False
        self._account_id = account_id
        self._funding: dict[int, FundingCount] = {}
        self._in_day = False
        self._actions: dict[int, Callable[[Record], None]] = {
            RecordKind.ORDER_STATE: self._order,
            RecordKind.FILL: self._fill,
            RecordKind.POSITION: self._position,
            RecordKind.BALANCE: self._balance,
            RecordKind.BALANCE_UPDATE: self._transfer,
            RecordKind.FUNDING_PAYMENT: self._paid,
            RecordKind.ACCOUNT: self._account,
        }

    def take(self, record: Record) -> bool:
        """One record; False where it is of a later day. Others may follow: a clock that was ahead is put back."""
        is_later = record.wall_ns >= self.end_ns
        if record.kind in NAMING and not (is_later and record.instrument_id):
            # names hold for ever, an instrument's terms from then on
            self.catalog.take(record)
        if is_later:
            return False
        if record.kind not in KINDS:
            return True
        if not self._in_day and record.wall_ns >= self.start_ns:
            self._begin_day(record)
        self.last_seq = record.seq
        self.accounts.add(record.account_id)
        if not self._account_id or record.account_id in (0, self._account_id):
            self.has_records |= self._in_day
            self._actions[record.kind](record)
        return True

    def _begin_day(self, record: Record) -> None:
        self._in_day = True
        self.first_seq = record.seq
        for asset in self.assets.values():
            asset.begin_day()
        for position in self.positions.values():
            position.begin_day()
        self.orders = {handle: row for handle, row in self.orders.items() if row["state"] in OPEN_STATES}
        for row in self.orders.values():
            row["is_carried"] = True

    def end(self) -> None:
        """No more records: a ledger without one in the day still has an opening and a closing."""
        if not self._in_day:
            for asset in self.assets.values():
                asset.begin_day()
            for position in self.positions.values():
                position.begin_day()
            self.orders = {}

    def asset(self, record: Record, asset_id: int) -> AssetDay:
        """An account's asset."""
        return self.assets.setdefault((record.account_id, asset_id), AssetDay(record.venue_id))

    # --- records ---

    def _order(self, record: Record) -> None:
        body = decode.payload(record)
        row = self.orders.get(record.order_handle, {"is_carried": False, "first_wall_ns": record.wall_ns, "changes": 0})
        self.orders[record.order_handle] = row | {
            "handle": record.order_handle,
            "client_order_id": body["client_order_id"],
            "account": record.account_id,
            "venue": self.catalog.venue(record.venue_id),
            "symbol": self.catalog.symbol(record.instrument_id),
            "strategy": self.catalog.strategy(record.strategy_id),
            "side": body["side"],
            "type": body["order_type"],
            "price": self.catalog.price(record.instrument_id, body["price_ticks"]),
            "qty": self.catalog.qty(record.instrument_id, body["qty_lots"]),
            "filled": self.catalog.qty(record.instrument_id, body["cum_qty_lots"]),
            "state": body["state"],
            "reason": body["reason"],
            "changes": row["changes"] + 1,
            "seq": record.seq,
            "wall_ns": record.wall_ns,
        }

    def _fill(self, record: Record) -> None:
        row = self.catalog.instruments.get(record.instrument_id)
        if row is None:
            return
        body = decode.payload(record)
        key = (record.account_id, record.venue_id, row.symbol, record.position_side)
        position = self.positions.setdefault(key, PositionDay(Holding(row)))
        realised_e16 = position.holding.realised_e16()
        position.holding.take(row, body)
        price_e8, qty_e8 = body["price_ticks"] * row.tick_size_e8, body["qty_lots"] * row.lot_size_e8
        is_buy = body["side"] == Side.BUY.name
        position.fills += 1
        position.bought_e8 += qty_e8 if is_buy else 0
        position.sold_e8 += 0 if is_buy else qty_e8
        if row.kind:
            gained_e16 = position.holding.realised_e16() - realised_e16
            self.asset(record, row.settle_asset_id).move("realised", gained_e16)
        else:
            sign = 1 if is_buy else -1
            self.asset(record, row.base_asset_id).move("trades", sign * qty_e8 * E8)
            self.asset(record, row.quote_asset_id).move("trades", -sign * value_e16(row, price_e8, qty_e8))
        self._fee(record, position, body)
        if self._in_day:
            self.fills.append(self._fill_row(record, body, price_e8, qty_e8))

    def _fee(self, record: Record, position: PositionDay, body: dict[str, Any]) -> None:
        asset_id, fee_e8 = body["commission_asset_id"], body["commission_e8"]
        if asset_id and fee_e8:
            position.fees_e8[asset_id] = position.fees_e8.get(asset_id, 0) + fee_e8
            self.asset(record, asset_id).move("fees", -fee_e8 * E8)

    def _fill_row(self, record: Record, body: dict[str, Any], price_e8: int, qty_e8: int) -> dict[str, Any]:
        asset_id = body["commission_asset_id"]
        return {
            "seq": record.seq,
            "wall_ns": record.wall_ns,
            "account": record.account_id,
            "venue": self.catalog.venue(record.venue_id),
            "symbol": self.catalog.symbol(record.instrument_id),
            "strategy": self.catalog.strategy(record.strategy_id),
            "handle": record.order_handle,
            "client_order_id": body["client_order_id"],
            "trade_id": body["trade_id"],
            "side": body["side"],
            "position_side": side_text(record.position_side),
            "price": plain(price_e8),
            "qty": plain(qty_e8),
            "fee": plain(body["commission_e8"]),
            "fee_asset": self.catalog.asset(asset_id) if asset_id else "",
            "liquidity": "maker" if body["is_maker"] else "taker",
            "external": bool(body["is_external"]),
        }

    def _position(self, record: Record) -> None:
        row = self.catalog.instruments.get(record.instrument_id)
        if row is not None:
            key = (record.account_id, record.venue_id, row.symbol, record.position_side)
            self.positions.setdefault(key, PositionDay(Holding(row))).told = decode.payload(record)

    def _balance(self, record: Record) -> None:
        body = decode.payload(record)
        told = {item["asset_id"]: item["free_e8"] + item["locked_e8"] for item in body["balances"]}
        if body["is_complete"]:
            gone = (key[1] for key in self.assets if key[0] == record.account_id and key[1] not in told)
            told |= dict.fromkeys(gone, 0)
        for asset_id, total_e8 in told.items():
            if asset_id:
                self.asset(record, asset_id).tell(total_e8 * E8, in_day=self._in_day)

    def _transfer(self, record: Record) -> None:
        for item in decode.payload(record)["balances"]:
            if item["asset_id"]:
                self.asset(record, item["asset_id"]).move("transfers", item["free_e8"] * E8)

    def _paid(self, record: Record) -> None:
        body = decode.payload(record)
        moved_e8 = self._funding.setdefault(record.account_id, FundingCount()).take(record.instrument_id, body)
        if not moved_e8:
            return
        self.asset(record, body["asset_id"]).move("funding", moved_e8 * E8)
        if self._in_day:
            told = {"symbol": self.catalog.symbol(record.instrument_id), "asset": self.catalog.asset(body["asset_id"])}
            head = {"seq": record.seq, "wall_ns": record.wall_ns, "account": record.account_id}
            self.payments.append(head | told | {"amount": plain(moved_e8)})

    def _account(self, record: Record) -> None:
        for item in decode.payload(record)["rows"]:
            row = self.catalog.instruments.get(item["instrument_id"])
            if row is None or not item["mark_e8"]:
                continue
            key = (record.account_id, record.venue_id, row.symbol, item["position_side"])
            if key in self.positions:
                self.positions[key].mark_e8 = item["mark_e8"]

    # --- the statement ---

    def balance_rows(self) -> list[dict[str, Any]]:
        """An account's assets: opening, what moved, closing, and the rest."""
        rows = []
        for (account_id, asset_id), asset in sorted(self.assets.items()):
            row = {
                "account": account_id,
                "venue": self.catalog.venue(asset.venue_id),
                "asset": self.catalog.asset(asset_id),
                "opening": amount(asset.opening_e16),
                **{cause: amount(asset.moved[cause]) for cause in CAUSES},
                "closing": amount(asset.closing_e16),
                "unexplained": amount(asset.unexplained_e16()),
                "ties_out": asset.ties_out(),
            }
            rows.append(row)
        return rows

    def position_rows(self) -> list[dict[str, Any]]:
        """Positions that are open, or that the day moved."""
        rows = []
        for (account_id, venue_id, symbol, side), position in sorted(self.positions.items()):
            holding, unrealised_e8 = position.holding, position.unrealised_e8()
            if not (position.fills or holding.qty_e8 or position.opening_e8):
                continue
            average_e8 = average_units_e8(holding.row, holding.qty_e8, half_even(holding.cost_e16(), E8))
            rows.append(
                {
                    "account": account_id,
                    "venue": self.catalog.venue(venue_id),
                    "symbol": symbol,
                    "side": side_text(side),
                    "opening": plain(position.opening_e8),
                    "bought": plain(position.bought_e8),
                    "sold": plain(position.sold_e8),
                    "closing": plain(holding.qty_e8),
                    "average_price": plain(average_e8) if holding.qty_e8 else "",
                    "mark": plain(position.mark_e8) if position.mark_e8 else "",
                    "realised": amount(holding.realised_e16() - position.opening_realised_e16),
                    "unrealised_opening": "" if (before := position.opening_unrealised_e8) is None else plain(before),
                    "unrealised": "" if unrealised_e8 is None else plain(unrealised_e8),
                    "fees": {self.catalog.asset(item): plain(fee) for item, fee in sorted(position.fees_e8.items())},
                    "money": self.catalog.asset(holding.row.settle_asset_id),
                    "ties_out": not list(position.differences()),
                }
            )
        return rows

    def differences(self) -> list[str]:
        """Everything that does not add up, in words; empty: it all does."""
        found = [
            f"account {row['account']}, {row['asset']}: {row['unexplained']} are not explained by what was booked"
            for row in self.balance_rows()
            if not row["ties_out"]
        ]
        for (account_id, _, symbol, side), position in sorted(self.positions.items()):
            found += [f"account {account_id}, {symbol} {side_text(side)}: {text}" for text in position.differences()]
        return found


def amount(value_e16: int | None) -> str:
    """10^-16 as decimal text, rounded to 8 decimals; empty for what is not known."""
    return "" if value_e16 is None else plain(half_even(value_e16, E8))


class UnknownAccountError(Exception):
    """No line of the engine has this account, and no record names it."""

    def __init__(self, account_id: int, names: dict[int, str]) -> None:
        there = ", ".join(f"{number} ({name})" if name else str(number) for number, name in sorted(names.items()))
        super().__init__(f"no account {account_id}; there are: {there or 'none'}")


def statement(source: Source, start_ns: int, end_ns: int, account_id: int = 0) -> dict[str, Any]:
    """A day, as text and whole numbers; `first_seq` and `last_seq` are of its records; `has_records`: is one the account's.

    Raises as the source does, and UnknownAccountError.
    """
    books = DayBooks(start_ns, end_ns, account_id)
    for record in source.records(KINDS, 0, end_ns):
        books.take(record)
    books.end()
    known = dict.fromkeys(books.accounts - {0}, "") | books.catalog.names.venues
    if account_id and account_id not in known:
        raise UnknownAccountError(account_id, known)
    orders = list(books.orders.values())
    differences = books.differences()
    return {
        "engine": books.catalog.names.engine,
        "start_wall_ns": start_ns,
        "end_wall_ns": end_ns,
        "first_seq": books.first_seq,
        "last_seq": books.last_seq if books.first_seq else 0,
        "has_records": books.has_records,
        "balances": books.balance_rows(),
        "positions": books.position_rows(),
        "funding": books.payments,
        "orders": orders,
        "fills": books.fills,
        "counts": counted(orders, books.fills),
        "ties_out": not differences,
        "differences": differences,
    }


def counted(orders: Iterable[dict[str, Any]], fills: Iterable[dict[str, Any]]) -> dict[str, int]:
    """How many orders ended how, and how many fills there were."""
    counts = {"orders": 0, "carried": 0, "fills": sum(1 for _ in fills)}
    for row in orders:
        counts["orders"] += 1
        counts["carried"] += row["is_carried"]
        state = str(row["state"]).lower()
        counts[state] = counts.get(state, 0) + 1
    return counts
