"""The shared tables: ids are steady, sums of money are exact or too large for every limit."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.model.instruments import INT64_MAX, InstrumentSpec
from engine.model.tables import Tables

LIMITS = {"max_order_qty_lots": 1, "max_order_notional_e8": 2, "max_position_lots": 3, "price_collar_bps": 4}


def spec(symbol: str = "BTCUSDT", **changes: Any) -> InstrumentSpec:
    """An instrument with ticks of 0.01 and lots of 0.00001."""
    fields: dict[str, Any] = {"tick_size_e8": 1_000_000, "lot_size_e8": 1_000, "quote_asset": "USDT"} | changes
    return InstrumentSpec(venue_id=1, symbol=symbol, base_asset=symbol[:3], **fields)


@pytest.fixture
def tables() -> Tables:
    return Tables()


def test_ids_count_from_one_and_are_found_again(tables: Tables) -> None:
    assert [tables.add_instrument(spec(name)) for name in ("BTCUSDT", "ETHUSDT")] == [1, 2]
    assert (tables.instrument_id(1, "ETHUSDT"), tables.instrument_id(2, "ETHUSDT"), tables.instrument_id(1, "X")) == (
        2,
        0,
        0,
    )
    assert (tables.instrument_count, tables.symbol(2)) == (2, "ETHUSDT")


def test_an_instrument_given_again_keeps_its_id_and_raises_its_version(tables: Tables) -> None:
    first = tables.add_instrument(spec())
    before = tables.instrument(first)["version"]
    assert tables.add_instrument(spec(tick_size_e8=10_000_000)) == first
    row = tables.instrument(first)
    assert (row["version"], row["tick_size_e8"], tables.instrument_count) == (before + 1, 10_000_000, 1)


def test_a_row_holds_what_the_specification_says(tables: Tables) -> None:
    row = tables.instrument(tables.add_instrument(spec(min_qty_lots=5, max_price_ticks=10**7, is_trading=False)))
    assert (row["min_qty_lots"], row["max_price_ticks"], row["is_trading"], row["max_qty_lots"]) == (
        5,
        10**7,
        0,
        INT64_MAX,
    )
    assert (row["base_asset_id"], row["quote_asset_id"], row["settle_asset_id"]) == (1, 2, 2)


@pytest.mark.parametrize("wrong", [{"tick_size_e8": 0}, {"lot_size_e8": 0}, {"tick_size_e8": -1}])
def test_a_size_that_is_not_positive_is_refused(tables: Tables, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="positive"):
        tables.add_instrument(spec(**wrong))
    assert tables.instrument_count == 0


def test_a_symbol_that_does_not_fit_is_refused(tables: Tables) -> None:
    with pytest.raises(ValueError, match="longer than 31 bytes"):
        tables.add_instrument(spec("X" * 32))


def test_the_table_has_an_end(tables: Tables) -> None:
    for number in range(1, 512):
        assert tables.add_instrument(spec(f"A{number}")) == number
    with pytest.raises(ValueError, match="more than 511 instruments"):
        tables.add_instrument(spec("ONE"))


@pytest.mark.parametrize("missing", [0, 2, 511, 512, 2**32 - 1])
def test_a_row_that_was_never_given_out_is_an_index_error(tables: Tables, missing: int) -> None:
    tables.add_instrument(spec())
    for read in (tables.symbol, tables.instrument, tables.market, tables.exposure):
        with pytest.raises(IndexError):
            read(missing)
    with pytest.raises(IndexError):
        tables.notional(missing, 1, 1)


def test_assets_get_ids_at_first_sight(tables: Tables) -> None:
    assert [tables.asset_id(name) for name in ("BTC", "USDT", "BTC")] == [1, 2, 1]
    assert tables.asset_name(2) == "USDT"
    assert tables.assets() == ("BTC", "USDT")


def test_a_changed_tick_gets_a_new_row_and_leaves_the_old_one(tables: Tables) -> None:
    first = tables.append_instrument(spec())
    second = tables.append_instrument(spec(tick_size_e8=10_000_000))
    assert (first, second, tables.instrument_id(1, "BTCUSDT")) == (1, 2, 2)
    assert (tables.instrument(first)["tick_size_e8"], tables.instrument(second)["tick_size_e8"]) == (
        1_000_000,
        10_000_000,
    )


def test_a_row_that_no_longer_trades_does_not_take_the_symbol(tables: Tables) -> None:
    first = tables.append_instrument(spec())
    retired = tables.append_instrument(spec(is_trading=False))
    assert (retired, tables.instrument_id(1, "BTCUSDT")) == (2, first)


@pytest.mark.parametrize(
    "wrong",
    [
        {"tick_size_e8": 0},
        {"max_qty_lots": 2**63},
        {"underlying_id": -1},
        {"native_order_types": 2**32},
        {"lot_size_e8": 3**39, "tick_size_e8": 7},
    ],
)
def test_a_refused_specification_changes_nothing(tables: Tables, wrong: dict[str, Any]) -> None:
    first = tables.append_instrument(spec())
    before = tables.instrument(first)
    for add in (tables.append_instrument, tables.add_instrument):
        for symbol in ("BTCUSDT", "NEWUSDT"):
            with pytest.raises((ValueError, OverflowError)):
                add(spec(symbol, quote_asset="NEW", **wrong))
    assert (tables.instrument_count, tables.instrument_id(1, "BTCUSDT"), tables.instrument(first)) == (1, first, before)
    assert (tables.instrument_id(1, "NEWUSDT"), tables.assets()) == (0, ("BTC", "USDT"))


def test_an_instrument_without_room_for_its_assets_is_refused_whole(tables: Tables) -> None:
    for number in range(1, 511):
        tables.asset_id(f"A{number}")
    with pytest.raises(ValueError, match="more than 511 assets"):
        tables.append_instrument(spec())
    assert (tables.instrument_count, tables.asset_count, tables.instrument_id(1, "BTCUSDT")) == (0, 511, 0)


def test_a_full_table_appends_nothing(tables: Tables) -> None:
    for number in range(1, 512):
        tables.add_instrument(spec(f"A{number}"))
    assert tables.append_instrument(spec("ONE")) == 0
    assert tables.instrument_count == 511


@example(price=2**62, qty=2**62, tick=10**15, lot=10**15)
@example(price=INT64_MAX, qty=INT64_MAX, tick=10**11, lot=10**11)
@example(price=-(2**62), qty=2**62, tick=10**15, lot=10**15)
@example(price=6_400_001, qty=-100_000, tick=1_000_000, lot=1_000)
@given(
    st.integers(-INT64_MAX, INT64_MAX),
    st.integers(-INT64_MAX, INT64_MAX),
    st.integers(1, 10**15),
    st.integers(1, 10**15),
)
def test_a_notional_is_exact_or_too_large_for_every_limit(price: int, qty: int, tick: int, lot: int) -> None:
    numerator, denominator = spec(tick_size_e8=tick, lot_size_e8=lot).tick_lot_value
    if numerator > INT64_MAX:
        return
    tables = Tables()
    row = tables.add_instrument(spec(tick_size_e8=tick, lot_size_e8=lot))
    product = abs(price * qty * numerator)
    exact = product // denominator * (1 if price * qty >= 0 else -1)
    fits = product < 2**127 and abs(exact) <= INT64_MAX
    assert tables.notional(row, price, qty) == (exact if fits else INT64_MAX)


def test_the_product_that_wraps_64_bits_does_not_pass(tables: Tables) -> None:
    row = tables.add_instrument(spec(tick_size_e8=1, lot_size_e8=1))
    price, qty = 92_200_000_000, 100_000_000 * 10
    assert tables.notional(row, price, qty) == price * qty // 10**8


def test_a_new_table_trades_nothing(tables: Tables) -> None:
    state = tables.control_state()
    assert (state["trading_state"], state["reconciled"], state["gateway_ready"], state["kill"]) == (
        0,
        False,
        False,
        False,
    )


def test_control_fields_are_set_by_name_and_no_other(tables: Tables) -> None:
    tables.set_control(trading_state=2, reconciled=1, clock_drift_ns=-5)
    assert (tables.control_state()["trading_state"], tables.control_state()["clock_drift_ns"]) == (2, -5)
    with pytest.raises(KeyError):
        tables.set_control(trading_stat=2)


@pytest.mark.parametrize("left_out", list(LIMITS))
def test_no_limit_has_a_default(tables: Tables, left_out: str) -> None:
    row = tables.add_instrument(spec())
    given_limits = {name: value for name, value in LIMITS.items() if name != left_out}
    with pytest.raises(TypeError, match=left_out):
        tables.set_limits(row, max_open_orders=1, **given_limits)


@pytest.mark.parametrize("asset", [0, -1, 512])
def test_a_balance_of_no_asset_is_an_index_error(tables: Tables, asset: int) -> None:
    with pytest.raises(IndexError):
        tables.set_balance(asset, 1, 1)
    with pytest.raises(IndexError):
        tables.balance(asset)


def test_balances_are_kept_per_asset(tables: Tables) -> None:
    tables.set_balance(1, 5, 6)
    tables.set_balance(511, INT64_MAX, 0)
    assert (tables.balance(1), tables.balance(511), tables.balance(2)) == ((5, 6), (INT64_MAX, 0), (0, 0))


def test_a_strategy_beyond_the_table_is_an_index_error(tables: Tables) -> None:
    assert tables.strategy(63)["enabled"] == 0
    with pytest.raises(IndexError):
        tables.strategy(64)
