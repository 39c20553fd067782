"""What must hold after rounds of `kill -9`: judged run by run, from the journal on one side, the venue's own lists on the other."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from engine.demo import report
from engine.demo.markets import SPOT
from engine.desk.ledger import Catalog, LedgerState
from engine.journal import decode
from engine.journal.cursor import Record
from engine.journal.verify import verify
from engine.model.codes import Lane, RecordKind
from tests.fault.kills import INSTANT, WINDOWS, Session
from tests.fault.market import Market

CLIENT_ID = re.compile(r'"newClientOrderId":"([^"]+)"')
MS_NS = 1_000_000
Trade = tuple[str, int]


@dataclass
class Run:
    """One life of the daemon by its journal, until it may trade."""

    start_wall_ns: int
    start_seq: int
    active_wall_ns: int = 0
    read_account: bool = False


@dataclass
class Judged:
    """What a session showed: counts of what was compared (what did not hold has failed an assertion), and times in seconds."""

    kills: int = 0
    by_window: Counter[str] = field(default_factory=Counter)
    orders: int = 0
    trades: int = 0
    commands: int = 0
    records: int = 0
    positions_compared: int = 0
    balances_compared: int = 0
    born_to_active_s: list[float] = field(default_factory=list)
    start_to_active_s: list[float] = field(default_factory=list)

    def add(self, other: Judged) -> None:
        """Both sessions in one."""
        for name in ("kills", "orders", "trades", "commands", "records", "positions_compared", "balances_compared"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.by_window += other.by_window
        self.born_to_active_s += other.born_to_active_s
        self.start_to_active_s += other.start_to_active_s


def venue_orders(market: Market) -> list[dict[str, Any]]:
    """Every order of the account at the venue."""
    rows: list[dict[str, Any]] = []
    for symbol in market.symbols:
        first = 0
        while True:
            page = market.witness.get("allOrders", signed=True, symbol=symbol, orderId=first, limit=1000)
            page = [row for row in page if row["orderId"] >= first]
            if not page:
                break
            rows += page
            first = page[-1]["orderId"] + 1
    return rows


class Judge:
    """Folds the whole ledger once; at each run's first ACTIVE the booked position must be what the venue's trades add up to."""

    def __init__(self, market: Market, session: Session) -> None:
        self.market, self.session = market, session
        self.trades = {(symbol, row["id"]): row for symbol in market.symbols for row in market.witness.trades(symbol)}
        self.state = LedgerState(Catalog(registry=market.place.data_dir / "names.json"))
        self.booked: Counter[Trade] = Counter()
        self.runs: list[Run] = []
        self.submits: Counter[int] = Counter()
        self.client_ids: Counter[str] = Counter()
        self.ledger_seqs: set[int] = set()
        self.is_balance_due = False
        self.found = Judged(kills=len(session.done), trades=len(self.trades))

    def judge(self) -> Judged:
        """Everything; AssertionError names what did not hold."""
        for record in self.market.reader().records(Lane.LEDGER):
            self._take(record)
        self._orders_left_once_and_all_are_known()
        self._nothing_told_is_lost()
        self._agree_in_the_end()
        self.found.by_window.update(kill.ended_by for kill in self.session.done)
        return self.found

    def _take(self, record: Record) -> None:
        self.state.take(record)
        self.ledger_seqs.add(record.seq)
        if record.kind == RecordKind.START:
            self.runs.append(Run(record.wall_ns, record.seq))
            self.is_balance_due = False
        elif record.kind == RecordKind.RECONCILE_END:
            self.runs[-1].read_account = True
        elif record.kind == RecordKind.ORDER_BYTES:
            self._left(record)
        elif record.kind == RecordKind.FILL:
            self.booked[self.state.catalog.symbol(record.instrument_id), int(decode.payload(record)["trade_id"])] += 1
        elif record.kind == RecordKind.TRADING_STATE and self._is_first_active(record):
            self._becomes_active(record)
        if self.is_balance_due and record.kind in (RecordKind.TRADING_STATE, RecordKind.BALANCE, RecordKind.FILL):
            self._compare_balances()

    def _is_first_active(self, record: Record) -> bool:
        return not self.runs[-1].active_wall_ns and decode.payload(record)["state"] == "ACTIVE"

    def _left(self, record: Record) -> None:
        """Bytes that could open something: only after the account was read, each order's once."""
        text = str(decode.payload(record)["bytes"])
        if '"order.place"' not in text:
            return
        assert self.runs[-1].read_account, f"an order left before reconciliation: record {record.seq}"
        self.submits[record.order_handle] += 1
        self.client_ids.update(CLIENT_ID.findall(text))

    def _becomes_active(self, record: Record) -> None:
        """Reconciled: all that was traded before this run began is booked, nothing twice, and positions are the sum of it."""
        run = self.runs[-1]
        run.active_wall_ns = record.wall_ns
        assert run.read_account
        before_ms = run.start_wall_ns // MS_NS
        missed = [key for key, row in self.trades.items() if row["time"] < before_ms and not self.booked[key]]
        assert missed == [], f"not booked at record {record.seq}: {missed}"
        self._compare_positions(record.seq)
        self.is_balance_due = self.session.traded is SPOT

    def _compare_positions(self, seq: int) -> None:
        assert all(count == 1 for count in self.booked.values()), f"booked twice before record {seq}"
        unknown = self.booked.keys() - self.trades.keys()
        assert unknown == set(), f"booked and unknown to the venue before record {seq}: {unknown}"
        rows = {symbol: [] for symbol in self.market.symbols}  # type: dict[str, list[dict[str, Any]]]
        for symbol, trade_id in self.booked:
            rows[symbol].append(self.trades[symbol, trade_id])
        assert report.engine_positions(self.state, self.market.symbols) == report.venue_positions(rows), seq
        self.found.positions_compared += 1

    def _compare_balances(self) -> None:
        """Once a run: as soon as a balance that was told after a fill has come, it is the sum of all that is booked."""
        amounts = {asset: Decimal(text) for asset, text in self.session.traded.balances.items()}
        for symbol, trade_id in self.booked:
            row = self.trades[symbol, trade_id]
            base = symbol.removesuffix("USDT")
            amounts[base] += report.signed(row, "qty")
            amounts["USDT"] -= report.signed(row, "quoteQty")
            amounts[row["commissionAsset"]] -= Decimal(row["commission"])
        if report.same_balances(report.engine_balances(self.state), amounts):
            self.is_balance_due = False
            self.found.balances_compared += 1

    def _orders_left_once_and_all_are_known(self) -> None:
        """By us: bytes of each order once. At the venue: each client id once, and of each we know that we sent it."""
        assert self.submits
        assert max(self.submits.values()) == max(self.client_ids.values()) == 1
        at_venue = Counter(str(row["clientOrderId"]) for row in venue_orders(self.market))
        assert max(at_venue.values()) == 1
        lost = at_venue.keys() - self.client_ids.keys()
        assert lost == set(), f"the venue has orders that the journal has lost: {lost}"
        self.found.orders = len(self.submits)

    def _nothing_told_is_lost(self) -> None:
        """Accepted commands stand in the ledger; of each run everything is there up to the sequence that it showed last."""
        lost = set(self.session.accepted) - self.ledger_seqs
        assert lost == set(), f"accepted commands that the ledger has lost: {lost}"
        self.found.commands = len(self.session.accepted)
        whole = verify(self.market.place.data_dir)
        assert whole.is_whole, whole.damage
        assert whole.gaps == []
        self.found.records = whole.records
        ends = [run.start_seq - 1 for run in self.runs[1:]] + [whole.last_seq]
        for kill in self.session.done:
            born = [n for n, run in enumerate(self.runs) if kill.born_wall_ns <= run.start_wall_ns <= kill.dead_wall_ns]
            assert not born or kill.told_seq <= ends[born[0]], (
                f"run {born[0]} showed {kill.told_seq}, kept {ends[born[0]]}"
            )
            if born and self.runs[born[0]].active_wall_ns:
                run = self.runs[born[0]]
                self.found.born_to_active_s.append((run.active_wall_ns - kill.born_wall_ns) / 1e9)
                self.found.start_to_active_s.append((run.active_wall_ns - run.start_wall_ns) / 1e9)

    def _agree_in_the_end(self) -> None:
        assert self.market.witness.open_orders() == []
        self._compare_positions(self.state.as_of)
        assert set(self.booked) == set(self.trades)
        assert report.same_balances(report.engine_balances(self.state), self.market.witness.balances())


def quantiles_s(values: list[float]) -> dict[str, float]:
    """p50, p90, p99 and the largest, in seconds."""
    ordered = sorted(values)
    found = {f"p{share}": ordered[min(len(ordered) - 1, len(ordered) * share // 100)] for share in (50, 90, 99)}
    return {name: round(value, 3) for name, value in (found | {"max": ordered[-1]}).items()}


def windows_hit(found: Judged) -> dict[str, int]:
    """How often each window ended a run, and any instant."""
    return {name: found.by_window[name] for name in (*WINDOWS, INSTANT)}
