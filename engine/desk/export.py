"""Tables of a ledger, or of what is recorded of one, for spreadsheets and data frames: made of the records, in exact numbers.

Nothing is kept in memory but names and, where a row needs two records, what waits for the second; the tables of a state (`orders`,
`positions`, `pnl`, `balances`) are folded up to the end of the time asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from engine.desk.accounts import plain
from engine.desk.events import command_words
from engine.desk.ledger import Catalog, LedgerState, side_text
from engine.desk.source import NAMING, Source
from engine.journal import decode
from engine.journal.cursor import Record
from engine.model.codes import RecordKind

Row = dict[str, Any]
# what a column holds: text, whole number, exact decimal, truth, time in nanoseconds since 1970
KINDS = frozenset({"t", "i", "d", "b", "w"})
INTENTS_KEPT_MAX = 100_000
RECORD = "wall_ns:w epoch:i seq:i"
ABOUT = "venue:t account:i symbol:t strategy:t"
ORDERS, FILLS, BALANCES = (frozenset({kind}) for kind in (RecordKind.ORDER_STATE, RecordKind.FILL, RecordKind.BALANCE))
DECISIONS = frozenset({RecordKind.INTENT, RecordKind.VERDICT})
COMMANDS, ALARMS, FUNDING = (
    frozenset({kind}) for kind in (RecordKind.COMMAND, RecordKind.ALARM, RecordKind.FUNDING_PAYMENT)
)
HOLDINGS = frozenset({RecordKind.FILL, RecordKind.POSITION, RecordKind.ACCOUNT})


@dataclass(frozen=True)
class Table:
    """One table: its columns with their kinds, where its rows come from, and which kinds of records they are made of.

    `is_folded`: everything before the window is needed too.
    """

    columns: dict[str, str]
    rows: Callable[[Window], Iterator[Row]]
    kinds: frozenset[RecordKind]
    is_folded: bool = False


@dataclass(frozen=True)
class Window:
    """Records of a ledger, or of what is recorded of one, with `from_ns` <= wall clock < `to_ns`."""

    source: Source
    from_ns: int
    to_ns: int

    def records(self, catalog: Catalog, kinds: Iterable[RecordKind]) -> Iterator[Record]:
        """Those of some kinds; names are learnt on the way, also before the window."""
        wanted = frozenset(kinds)
        for record in self.source.records(wanted, self.from_ns, self.to_ns):
            if record.kind in NAMING:
                catalog.take(record)
            elif record.kind in wanted and self.from_ns <= record.wall_ns < self.to_ns:
                yield record

    def state(self, kinds: frozenset[RecordKind]) -> LedgerState:
        """What these kinds of records come to, folded up to the window's end."""
        state = LedgerState(Catalog())
        for record in self.source.records(kinds, 0, self.to_ns):
            if record.wall_ns >= self.to_ns:
                continue
            if record.kind in NAMING:
                state.catalog.take(record)
            elif record.kind in kinds:
                state.take(record)
        return state


def head(record: Record, catalog: Catalog) -> Row:
    """When, which record, about what."""
    return {
        "wall_ns": record.wall_ns,
        "epoch": record.epoch,
        "seq": record.seq,
        "venue": catalog.venue(record.venue_id),
        "account": record.account_id,
        "symbol": catalog.symbol(record.instrument_id),
        "strategy": catalog.strategy(record.strategy_id),
        "handle": record.order_handle,
    }


def priced(record: Record, catalog: Catalog, body: Row) -> Row:
    """Price and quantity of a record as decimals; empty where the instrument is not known."""
    known = record.instrument_id in catalog.instruments
    price = catalog.price(record.instrument_id, body["price_ticks"]) if known else ""
    return {"price": price, "qty": catalog.qty(record.instrument_id, body["qty_lots"]) if known else ""}


def orders(window: Window) -> Iterator[Row]:
    """Every order that changed in the window, as it last was there."""
    catalog, found = Catalog(), dict[int, Row]()
    for record in window.records(catalog, ORDERS):
        row = order_row(record, catalog)
        first = found.pop(record.order_handle, row)
        found[record.order_handle] = row | {"first_wall_ns": first.get("first_wall_ns", record.wall_ns)}
    yield from found.values()


def order_states(window: Window) -> Iterator[Row]:
    """Every change of every order."""
    catalog = Catalog()
    for record in window.records(catalog, ORDERS):
        yield order_row(record, catalog)


def order_row(record: Record, catalog: Catalog) -> Row:
    """One ORDER_STATE."""
    body = decode.payload(record)
    filled = catalog.qty(record.instrument_id, body["cum_qty_lots"])
    return {
        **head(record, catalog),
        **priced(record, catalog, body),
        "client_order_id": body["client_order_id"],
        "venue_order_id": body["venue_order_id"],
        "side": body["side"],
        "position_side": side_text(record.position_side),
        "type": body["order_type"],
        "time_in_force": body["time_in_force"],
        "filled": filled if record.instrument_id in catalog.instruments else "",
        "average_price": plain(body["average_price_e8"]),
        "state": body["state"],
        "reason": body["reason"],
        "venue_code": body["venue_code"],
    }


def fills(window: Window) -> Iterator[Row]:
    """Every fill that was booked."""
    catalog = Catalog()
    for record in window.records(catalog, FILLS):
        body = decode.payload(record)
        asset = body["commission_asset_id"]
        yield {
            **head(record, catalog),
            **priced(record, catalog, body),
            "client_order_id": body["client_order_id"],
            "trade_id": body["trade_id"],
            "side": body["side"],
            "position_side": side_text(record.position_side),
            "fee": plain(body["commission_e8"]),
            "fee_asset": catalog.asset(asset) if asset else "",
            "is_maker": bool(body["is_maker"]),
            "is_external": bool(body["is_external"]),
        }


def decisions(window: Window) -> Iterator[Row]:
    """Every intent with the gate's verdict; an intent without one has no verdict."""
    catalog, waiting = Catalog(), dict[int, Row]()
    for record in window.records(catalog, DECISIONS):
        body = decode.payload(record)
        if record.kind == RecordKind.INTENT:
            row = head(record, catalog) | priced(record, catalog, body)
            row |= {name: body[name] for name in ("action", "side", "order_type", "time_in_force")}
            waiting[record.seq] = row
            if len(waiting) > INTENTS_KEPT_MAX:
                yield waiting.pop(next(iter(waiting)))
        elif (intent := waiting.pop(record.cause_seq, None)) is not None:
            yield intent | {"verdict_seq": record.seq, **{name: body[name] for name in VERDICT_FIELDS}}
    yield from waiting.values()


VERDICT_FIELDS = ("approved", "reason", "scope", "value", "limit_value")


def commands(window: Window) -> Iterator[Row]:
    """Every command: who, what, why."""
    catalog = Catalog()
    for record in window.records(catalog, COMMANDS):
        words = command_words(decode.payload(record), record.instrument_id, catalog)
        yield head(record, catalog) | words | {"reason": without_zeroes(words["reason"])}


def without_zeroes(text: str) -> str:
    """Text without zero bytes, which neither a spreadsheet nor a database takes."""
    return text.replace("\0", "\\0")


def alarms(window: Window) -> Iterator[Row]:
    """Every alarm."""
    catalog = Catalog()
    for record in window.records(catalog, ALARMS):
        body = decode.payload(record)
        text = without_zeroes(body.get("text", ""))
        yield head(record, catalog) | {"code": body["state"], "detail": body["detail"], "text": text}


def funding(window: Window) -> Iterator[Row]:
    """Every FUNDING_PAYMENT as it came: the stream's word and the income list's are the same payments (`is_answer`)."""
    catalog = Catalog()
    for record in window.records(catalog, FUNDING):
        body = decode.payload(record)
        told = {"amount": plain(body["amount_e8"]), "asset": catalog.asset(body["asset_id"])}
        yield head(record, catalog) | told | {"event_ns": body["event_ns"], "is_answer": bool(body["is_answer"])}


def positions(window: Window) -> Iterator[Row]:
    """Positions as they stood at the window's end."""
    yield from window.state(HOLDINGS).position_rows()


def profits(window: Window) -> Iterator[Row]:
    """Profit and fees by strategy, account and symbol up to the window's end."""
    yield from window.state(HOLDINGS).profit_rows()


def balances(window: Window) -> Iterator[Row]:
    """Balances as the venue last told them before the window's end."""
    yield from (row for _, row in sorted(window.state(BALANCES).balances.items()))


def columns(text: str) -> dict[str, str]:
    """`name:kind` for each column."""
    return {name: kind for name, _, kind in (part.partition(":") for part in text.split())}


_ORDER = (
    f"{RECORD} {ABOUT} handle:i client_order_id:t venue_order_id:i side:t position_side:t type:t time_in_force:t price:d qty:d"
    " filled:d average_price:d state:t reason:t venue_code:i"
)
_POSITION = (
    "venue:t account:i symbol:t side:t position:d average_price:d mark:d realised_pnl:d unrealised_pnl:d fees:d money:t"
)
TABLES: dict[str, Table] = {
    "orders": Table(columns(f"first_wall_ns:w {_ORDER}"), orders, ORDERS),
    "order_states": Table(columns(_ORDER), order_states, ORDERS),
    "fills": Table(
        columns(
            f"{RECORD} {ABOUT} handle:i client_order_id:t trade_id:i side:t position_side:t price:d qty:d fee:d fee_asset:t"
            " is_maker:b is_external:b"
        ),
        fills,
        FILLS,
    ),
    "decisions": Table(
        columns(
            f"{RECORD} {ABOUT} handle:i action:t side:t order_type:t time_in_force:t price:d qty:d verdict_seq:i approved:b"
            " reason:t scope:t value:i limit_value:i"
        ),
        decisions,
        DECISIONS,
    ),
    "commands": Table(
        columns(f"{RECORD} {ABOUT} handle:i command:t uid:i reason:t side:t type:t price:d qty:d"), commands, COMMANDS
    ),
    "alarms": Table(columns(f"{RECORD} {ABOUT} handle:i code:t detail:i text:t"), alarms, ALARMS),
    "funding": Table(columns(f"{RECORD} {ABOUT} amount:d asset:t event_ns:w is_answer:b"), funding, FUNDING),
    "positions": Table(columns(f"{_POSITION} bought:d sold:d fills:i seq:i"), positions, HOLDINGS, is_folded=True),
    "pnl": Table(
        columns(f"strategy:t {_POSITION} net_pnl:d fees_unvalued:t fills:i"), profits, HOLDINGS, is_folded=True
    ),
    "balances": Table(
        columns("venue:t account:i asset:t free:d locked:d total:d seq:i"), balances, BALANCES, is_folded=True
    ),
}
