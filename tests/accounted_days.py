"""Simulated days of two accounts - spot and futures, fees in several assets, funding told twice - as records and as events."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import msgspec

from engine.control.catalog import InstrumentRow, Names
from engine.journal import layout
from engine.model.codes import OrderState, RecordKind, Side
from tests.ledger_harness import body

E8 = 10**8
DAY_NS = 86_400 * 10**9
HOUR_NS = 3_600 * 10**9
START_NS = 1_767_225_600 * 10**9
ASSETS = {1: "BTC", 2: "USDT", 3: "BNB"}
SPOT, FUTURE = 1, 2
ROW: dict[str, Any] = {
    "base_asset_id": 1,
    "quote_asset_id": 2,
    "settle_asset_id": 2,
    "version": 1,
    "tick_size_e8": 1_000_000,
    "lot_size_e8": 100_000,
    "tick_lot_value_numerator": 1,
    "tick_lot_value_denominator": 1,
    "min_qty_lots": 1,
    "max_qty_lots": 10**9,
    "min_notional_e8": 0,
}
ROWS = {
    SPOT: InstrumentRow(instrument_id=SPOT, venue_id=1, symbol="BTCUSDT", kind=0, **ROW),
    FUTURE: InstrumentRow(instrument_id=FUTURE, venue_id=2, symbol="BTCPERP", kind=1, **ROW),
}


class FakeRecord:
    """What a reader of the ledger gives: header fields and a payload."""

    def __init__(self, kind: RecordKind, payload: bytes, **header: Any) -> None:
        self.kind, self.payload = int(kind), payload
        fields = ("seq", "wall_ns", "venue_id", "account_id", "strategy_id", "instrument_id", "order_handle", "epoch")
        for name in (*fields, "position_side", "cause_seq", "frame_length"):
            setattr(self, name, header.get(name, 0))


class Days:
    """`records` and `events` of the same days; `balances` are the venue's, kept from the events alone."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.records: list[FakeRecord] = []
        self.events: list[dict[str, Any]] = []
        self.balances: dict[tuple[int, int], Fraction] = {
            (1, 1): Fraction(5),
            (1, 2): Fraction(100_000),
            (1, 3): Fraction(10),
            (2, 2): Fraction(50_000),
            (2, 3): Fraction(10),
        }
        self.positions: dict[int, tuple[Fraction, Fraction]] = {1: (Fraction(0),) * 2, 2: (Fraction(0),) * 2}
        self.now_ns = START_NS
        self._seq = 0
        self._catalog()
        self.tell(1)
        self.tell(2)

    def _catalog(self) -> None:
        names = Names(engine="test", mode="sim", venues={1: "spot", 2: "perp"}, strategies={1: "maker"}, assets=ASSETS)
        self._add(RecordKind.INSTRUMENT, msgspec.json.encode(names))
        for number, row in ROWS.items():
            self._add(RecordKind.INSTRUMENT, msgspec.json.encode(row), instrument_id=number)

    def _add(self, kind: RecordKind, payload: bytes, **header: Any) -> None:
        self._seq += 1
        self.records.append(FakeRecord(kind, payload, seq=self._seq, wall_ns=self.now_ns, epoch=1, **header))

    def tell(self, account: int, *, lose: Fraction = Fraction(0)) -> None:
        """The venue's word of an account; `lose`: so much USDT is gone without a reason."""
        self.balances[account, 2] -= lose
        rows = [(asset, value) for (owner, asset), value in self.balances.items() if owner == account]
        head = body(RecordKind.BALANCE, count=len(rows), is_complete=1)
        data = b"".join(layout.BALANCE_ROW.pack(asset, int(value * E8), 0) for asset, value in rows)
        self._add(RecordKind.BALANCE, head + data, account_id=account, venue_id=account)

    def stand(self, account: int, position_lots: int, realised_pnl_e8: int) -> None:
        """The engine's own word of an account's position."""
        data = body(RecordKind.POSITION, position_lots=position_lots, realised_pnl_e8=realised_pnl_e8)
        self._add(RecordKind.POSITION, data, account_id=account, venue_id=account, instrument_id=account)

    def fill(self) -> None:
        """A trade of one account, its order, and the venue's new balances."""
        account = instrument = self.dice.choice((1, 2))
        lots, ticks = self.dice.randint(1, 500), self.dice.randint(2_900_000, 3_100_000)
        side = self.dice.choice((Side.BUY, Side.SELL))
        fee_asset = self.dice.choice((1, 2, 3) if account == 1 else (2, 3))
        fee_e8 = self.dice.randint(-50, 20_000)
        price, qty = Fraction(ticks, 100), Fraction(lots, 1000)
        self._book(account, side, price, qty, fee_asset, Fraction(fee_e8, E8))
        handle = self._seq + 1
        numbers = {"price_ticks": ticks, "qty_lots": lots, "side": side}
        about = {"account_id": account, "venue_id": account, "instrument_id": instrument, "order_handle": handle}
        order = body(RecordKind.ORDER_STATE, state=OrderState.FILLED, cum_qty_lots=lots, **numbers)
        self._add(RecordKind.ORDER_STATE, order, strategy_id=1, **about)
        fee = {"commission_e8": fee_e8, "commission_asset_id": fee_asset}
        self._add(RecordKind.FILL, body(RecordKind.FILL, trade_id=handle, **numbers, **fee), strategy_id=1, **about)
        self.events.append(
            {
                "what": "fill",
                "time": self.now_ns,
                "account": account,
                "symbol": ROWS[instrument].symbol,
                "side": side.name,
                "price": price,
                "qty": qty,
                "base": "BTC",
                "quote": "USDT",
                "fee": Fraction(fee_e8, E8),
                "fee_asset": ASSETS[fee_asset],
                "is_future": instrument == FUTURE,
            }
        )
        self.tell(account)

    def _book(self, account: int, side: Side, price: Fraction, qty: Fraction, fee_asset: int, fee: Fraction) -> None:
        """The venue's own bookkeeping: spot by legs, a future by the profit of what it closes."""
        signed = qty if side == Side.BUY else -qty
        self.balances[account, fee_asset] -= fee
        if account == 1:
            self.balances[1, 1] += signed
            self.balances[1, 2] -= signed * price
            return
        held, average = self.positions[2]
        if held * signed < 0:
            closing = min(abs(held), abs(signed))
            # a venue books whole 10^-8
            profit = closing * (price - average) * (1 if held > 0 else -1)
            self.balances[2, 2] += Fraction(round(profit * E8), E8)
            held += closing if signed > 0 else -closing
            signed = (abs(signed) - closing) * (1 if signed > 0 else -1)
        if signed:
            average = (held * average + signed * price) / (held + signed)
            held += signed
        self.positions[2] = held, average

    def fund(self) -> None:
        """A settlement: told by the stream, then named by the list, once or twice."""
        amount_e8 = self.dice.randint(-(10**9), 10**9) or 1
        header = {"account_id": 2, "venue_id": 2, "instrument_id": FUTURE}
        event_ns = (self.now_ns + HOUR_NS // 2) // HOUR_NS * HOUR_NS
        told = body(RecordKind.FUNDING_PAYMENT, amount_e8=amount_e8, event_ns=event_ns, asset_id=2)
        listed = body(
            RecordKind.FUNDING_PAYMENT, amount_e8=amount_e8, event_ns=event_ns, asset_id=2, is_answer=1, payments=1
        )
        for payload in self.dice.choice(([told], [told, listed], [listed, told], [told, listed, listed])):
            self._add(RecordKind.FUNDING_PAYMENT, payload, **header)
        amount = Fraction(amount_e8, E8)
        self.balances[2, 2] += amount
        self.events.append({"what": "funding", "time": self.now_ns, "account": 2, "asset": "USDT", "amount": amount})
        self.tell(2)

    def live(self, days: int, events: int) -> None:
        """So many events, spread over the days."""
        step_ns = days * DAY_NS // (events + 1)
        for number in range(events):
            self.now_ns += step_ns
            if number % 17 == 5:
                self.fund()
            else:
                self.fill()
