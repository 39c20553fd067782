"""A statement of a day against slow sums over plain events: every opening, movement and closing, and where it does not add up."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import pytest

from engine.desk.profit import half_even
from engine.desk.statement import CAUSES, DayBooks
from tests.accounted_days import DAY_NS, E8, START_NS, Days
from tests.reference.day_statement import asset_sums, position

EXACT = Fraction(1, 10**8)


def books_of(days: Days, day: int) -> DayBooks:
    begin = START_NS + day * DAY_NS
    books = DayBooks(begin, begin + DAY_NS)
    for record in days.records:
        if not books.take(record):  # type: ignore[arg-type]
            break
    books.end()
    return books


def rows(days: Days, day: int) -> Iterator[tuple[dict[str, Any], dict[str, Fraction]]]:
    begin = START_NS + day * DAY_NS
    for row in books_of(days, day).balance_rows():
        yield row, asset_sums(days.events, row["account"], row["asset"], begin, begin + DAY_NS)


@pytest.mark.invariant("R34")
@pytest.mark.parametrize("seed", range(12))
def test_each_days_sums_are_the_slow_twins_and_opening_and_changes_give_closing(seed: int) -> None:
    days = Days(seed)
    days.live(3, 150)
    closing: dict[tuple[int, str], str] = {}
    for day in range(3):
        books = books_of(days, day)
        assert books.differences() == []
        for row, expected in rows(days, day):
            for cause in CAUSES:
                slack = EXACT * 150 if cause == "realised" else EXACT
                assert abs(Fraction(row[cause]) - expected.get(cause, Fraction(0))) <= slack, (day, cause, row)
            assert row["ties_out"]
            key = (row["account"], row["asset"])
            assert closing.get(key, row["opening"]) == row["opening"]
            closing[key] = row["closing"]
        begin = START_NS + day * DAY_NS
        for held in books.position_rows():
            account, symbol = held["account"], held["symbol"]
            assert Fraction(held["opening"]) == position(days.events, account, symbol, begin)
            assert Fraction(held["closing"]) == position(days.events, account, symbol, begin + DAY_NS)
            moved = Fraction(held["bought"]) - Fraction(held["sold"])
            assert Fraction(held["opening"]) + moved == Fraction(held["closing"])


def test_fees_of_a_day_are_summed_by_asset() -> None:
    days = Days(5)
    days.live(1, 80)
    paid: dict[str, Fraction] = {}
    for held in books_of(days, 0).position_rows():
        for asset, fee in held["fees"].items():
            paid[asset] = paid.get(asset, Fraction(0)) + Fraction(fee)
    expected: dict[str, Fraction] = {}
    for event in days.events:
        if event["what"] == "fill" and event["time"] < START_NS + DAY_NS:
            expected[event["fee_asset"]] = expected.get(event["fee_asset"], Fraction(0)) + event["fee"]
    assert paid == {asset: fee for asset, fee in expected.items() if fee}


def test_money_that_is_gone_without_a_reason_is_named_with_its_amount() -> None:
    days = Days(7)
    days.live(1, 40)
    days.tell(2, lose=Fraction(3, 2))
    books = books_of(days, 0)
    lost = next(row for row in books.balance_rows() if not row["ties_out"])
    assert (lost["account"], lost["asset"]) == (2, "USDT")
    assert abs(Fraction(lost["unexplained"]) + Fraction(3, 2)) <= EXACT * 40
    assert any(f"account 2, USDT: {lost['unexplained']}" in text for text in books.differences())


def test_a_fill_that_the_ledger_does_not_have_is_seen_in_both_legs() -> None:
    days = Days(8)
    days.live(1, 40)
    from engine.model.codes import RecordKind

    gone = next(item for item in days.records if item.kind == RecordKind.FILL and item.account_id == 1)  # type: ignore[attr-defined]
    days.records.remove(gone)
    texts = books_of(days, 0).differences()
    assert sum("account 1" in text for text in texts) >= 2


@pytest.mark.invariant("R34")
def test_a_position_that_the_engine_booked_otherwise_than_its_fills_is_named() -> None:
    days = Days(8)
    days.live(1, 40)
    (held,) = [one for key, one in books_of(days, 0).positions.items() if key[0] == 2]
    lots, realised_e8 = held.holding.qty_e8 // held.holding.row.lot_size_e8, half_even(held.holding.realised_e16(), E8)
    days.stand(2, lots, realised_e8)
    assert books_of(days, 0).differences() == []
    days.stand(2, lots + 1, realised_e8)
    (text,) = books_of(days, 0).differences()
    assert "account 2, BTCPERP" in text
    assert "the engine booked" in text
    assert "a profit" not in text
    days.stand(2, lots, realised_e8 + 1)
    (text,) = books_of(days, 0).differences()
    assert "the engine booked a profit of" in text


def test_a_day_without_records_carries_everything_over() -> None:
    days = Days(9)
    days.live(1, 30)
    books = books_of(days, 5)
    assert books.differences() == []
    assert all(row["opening"] == row["closing"] and row["trades"] == "0" for row in books.balance_rows())
    assert books.fills == []
