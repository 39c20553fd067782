"""USD-M: fills that the venue counts of an order and does not tell, and the position that they have moved: it follows them once."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from engine.journal.cursor import parse
from engine.journal.decode import payload as fields_of
from engine.model.clientid import encode
from engine.model.codes import AlarmCode, CommandKind, HaltReason, RecordKind
from engine.model.instruments import InstrumentSpec, to_e8
from tests.orders_harness import SECOND_NS, Rig, payload
from tests.others_fills import ADOPT, FULL, PART, listed_again, told_of, unanswered
from tests.usdm_rig import MS_NS, UsdmRig

# of one symbol, and of all
ARMS = [{"instrument_id": 1}, {}]


def in_vain(rig: UsdmRig, seconds: int = 90) -> None:
    for _ in range(seconds):
        rig.tick(SECOND_NS)


def listed_order(rig: UsdmRig, handle: int, cum: str) -> dict[str, Any]:
    """The order as the venue's list has it, with so much of it filled."""
    now_ms = rig.clock.time_ns() // MS_NS
    return {
        "symbol": "BTCUSDT", "clientOrderId": encode(7, handle), "orderId": rig.venue_number(handle), "price": "100.00",
        "avgPrice": "100.00", "stopPrice": "0", "origQty": "0.010", "executedQty": cum, "cumQuote": "0.4",
        "status": "PARTIALLY_FILLED", "timeInForce": "GTC", "type": "LIMIT", "origType": "LIMIT", "side": "BUY",
        "positionSide": "BOTH", "reduceOnly": False, "closePosition": False, "updateTime": now_ms, "time": now_ms,
        "workingType": "CONTRACT_PRICE",
    }  # fmt: skip


def listed_trade(rig: UsdmRig, handle: int, trade_id: int, qty: str) -> dict[str, Any]:
    return {
        "symbol": "BTCUSDT", "id": trade_id, "orderId": rig.venue_number(handle), "price": "100.00", "qty": qty, "commission": "0",
        "commissionAsset": "USDT", "time": 1, "buyer": True, "maker": False,
    }  # fmt: skip


def counted(rig: UsdmRig, cum: str = "0.004") -> int:
    """An open order of which the venue counts so much, and tells no trade."""
    handle = rig.intend()
    rig.ack(handle)
    rig.update(handle, X="PARTIALLY_FILLED", z=cum)
    return handle


def restarted() -> tuple[UsdmRig, int]:
    """An engine, 2.4 s after its start, whose earlier run left such an order disputed: (rig, the order's handle)."""
    rig = UsdmRig()
    handle = counted(rig)
    in_vain(rig)
    assert rig.halt_of() == HaltReason.MISMATCH
    later = UsdmRig(connect=False)
    later.oms.restore(iter(list(parse(rig.journal.front_bytes(0)))))
    later.account.positions["BTCUSDT"] = "0.004"
    later.account.orders = [listed_order(later, handle, "0.004")]
    later.connect()
    later.listen()
    later.settle()
    return later, handle


def disputed(rig: Rig) -> list[str]:
    return [row["kind"] for row in rig.oms.differences()]


def standing(rig: Rig) -> tuple[int, int]:
    return rig.exposure()["position_lots"], rig.register.halts()["instruments"].get(1, 0)


def booked(rig: Rig) -> list[tuple[int, str, int]]:
    """Trade, side and lots of each FILL."""
    fills = [fields_of(record) for record in rig.records(RecordKind.FILL)]
    return [(fill["trade_id"], fill["side"], fill["qty_lots"]) for fill in fills]


# --- over a restart ---


@pytest.mark.invariant("R34")
def test_positions_are_compared_after_the_disputed_order_has_been_asked_for_again() -> None:
    rig, _ = restarted()
    assert disputed(rig) == ["order"]
    assert AlarmCode.RECONCILE_MISMATCH not in rig.alarms()
    in_vain(rig)
    rig.command(CommandKind.RECONCILE)
    rig.settle()
    assert disputed(rig) == ["order", "position"]


@pytest.mark.invariant("R34")
@pytest.mark.parametrize("scope", ARMS)
@pytest.mark.parametrize("arms", [0, 1, 2])
def test_what_is_adopted_after_a_restart_moves_the_position_once(arms: int, scope: dict[str, int]) -> None:
    rig, _ = restarted()
    for _ in range(arms):  # too early: it has not been asked in vain again
        rig.command(CommandKind.ARM, **scope)
        rig.tick(MS_NS)
        assert standing(rig) == (0, HaltReason.MISMATCH)
    in_vain(rig)
    for _ in range(2):
        rig.command(CommandKind.ARM, **scope)
        rig.settle()
        assert standing(rig) == (4, 0)
    assert (booked(rig), disputed(rig)) == ([(-1, "BUY", 4)], [])


@pytest.mark.invariant("R34")
@pytest.mark.parametrize("scope", ARMS)
def test_fills_that_turn_up_after_an_early_arm_move_the_position_once(scope: dict[str, int]) -> None:
    rig, handle = restarted()
    rig.command(CommandKind.ARM, **scope)
    rig.account.trades = [listed_trade(rig, handle, 70, "0.004")]
    in_vain(rig, 30)
    rig.command(CommandKind.ARM, **scope)
    rig.settle()
    assert (standing(rig), booked(rig)) == ((4, 0), [(70, "BUY", 4)])


# --- a position that is disputed while an order of it misses fills ---


def position_told(rig: UsdmRig, position: str) -> None:
    """The venue is asked until the difference, where there is one, is disputed."""
    rig.account.positions["BTCUSDT"] = position
    rig.command(CommandKind.RECONCILE)
    rig.settle()


@pytest.mark.invariant("R34")
@pytest.mark.parametrize("scope", ARMS)
def test_a_disputed_position_is_adopted_after_the_fills_that_an_order_of_it_misses(scope: dict[str, int]) -> None:
    rig = UsdmRig()
    handle = rig.intend()
    rig.ack(handle)
    rig.account.orders = [listed_order(rig, handle, "0.000")]
    position_told(rig, "0.020")
    rig.account.orders = [listed_order(rig, handle, "0.004")]
    position_told(rig, "0.024")
    assert disputed(rig) == ["position"]  # its fills are asked for
    rig.command(CommandKind.ARM, **scope)
    assert (standing(rig), disputed(rig)) == ((0, HaltReason.MISMATCH), ["position"])
    rig.account.trades = [listed_trade(rig, handle, 70, "0.004")]
    in_vain(rig, 10)
    assert standing(rig) == (4, HaltReason.MISMATCH)
    rig.command(CommandKind.ARM, **scope)
    rig.settle()
    assert (standing(rig), booked(rig), disputed(rig)) == ((24, 0), [(70, "BUY", 4), (-1, "BUY", 20)], [])


class FuturesRig(Rig):
    """The test is the session: a perpetual contract, and what the venue says of its position."""

    def _fill_tables(self, engine_orders: int) -> None:
        super()._fill_tables(engine_orders)
        self.tables.add_instrument(
            InstrumentSpec(
                venue_id=1, symbol="BTCUSDT", base_asset="BTC", quote_asset="USDT", settle_asset="USDT", kind=1,
                tick_size_e8=to_e8(Decimal("0.01")), lot_size_e8=to_e8(Decimal("0.001")), max_qty_lots=10_000_000,
                max_price_ticks=10_000_000, min_notional_e8=to_e8("0.5"), max_notional_e8=to_e8("9000000"),
            )
        )  # fmt: skip

    def account_read(self, lots: int, handle: int, number: int, state: int, cum_lots: int) -> None:
        """The position, and the one order, until their difference, where there is one, is disputed."""
        for _ in range(4):
            self.tick(SECOND_NS)
            self.command(CommandKind.RECONCILE)
            self.give(RecordKind.RECONCILE_BEGIN, payload(RecordKind.RECONCILE_BEGIN))
            answer = {"position_lots": lots, "entry_price_e8": 10**10, "as_of_ns": self.clock.time_ns(), "is_answer": 1}
            self.give(RecordKind.VENUE_POSITION, payload(RecordKind.VENUE_POSITION, **answer), instrument_id=1)
            told_of(self, handle, number, state, cum_lots)
            self.give(RecordKind.RECONCILE_END, payload(RecordKind.RECONCILE_END))
        self.sent()


@pytest.mark.invariant("R34")
@pytest.mark.parametrize("scope", ARMS)
def test_where_more_of_an_order_is_listed_than_counted_its_position_is_not_adopted_before_its_count(
    scope: dict[str, int],
) -> None:
    rig = FuturesRig()
    handle, number = unanswered(rig, 10)
    listed_again(rig, handle, number, 10, 4, order_state=PART)
    rig.account_read(4, handle, number, PART, 4)
    for _ in range(3):
        assert (standing(rig), disputed(rig)) == ((10, HaltReason.MISMATCH), ["order", "position"])
        rig.command(CommandKind.ARM, **scope)
        rig.account_read(4, handle, number, PART, 4)
    listed_again(rig, handle, number, 10, 10)
    rig.account_read(10, handle, number, FULL, 10)
    rig.command(CommandKind.ARM, **scope)
    rig.account_read(10, handle, number, FULL, 10)
    assert (standing(rig), disputed(rig)) == ((10, 0), [])


@pytest.mark.invariant("R34")
def test_what_a_person_adopts_by_name_before_its_count_has_come_moves_the_position_with_it() -> None:
    rig = FuturesRig()
    handle, number = unanswered(rig, 10)
    listed_again(rig, handle, number, 10, 4, order_state=PART)
    rig.account_read(4, handle, number, PART, 4)
    rig.command(CommandKind.RECONCILE, flags=ADOPT, instrument_id=1)
    rig.account_read(4, handle, number, PART, 4)
    rig.command(CommandKind.ARM, instrument_id=1)
    assert (standing(rig), disputed(rig)) == ((4, 0), [])
    assert booked(rig) == [(70, "BUY", 10), (70, "SELL", 10), (-1, "BUY", 4)]
