"""Decimal text becomes integers exactly, or is refused."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model.instruments import E8, INT64_MAX, InstrumentSpec, format_e8, to_e8


def spec(**changes: Any) -> InstrumentSpec:
    """BTCUSDT as the venue lists it: ticks of 0.01, lots of 0.00001."""
    fields: dict[str, Any] = {"tick_size_e8": 1_000_000, "lot_size_e8": 1_000} | changes
    return InstrumentSpec(venue_id=1, symbol="BTCUSDT", base_asset="BTC", quote_asset="USDT", **fields)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("0.00000001", 1),
        ("-1.5", -150_000_000),
        ("64000.01", 6_400_001_000_000),
        ("1e-8", 1),
        ("1E3", 10**11),
    ],
)
def test_decimal_text_is_taken_exactly(text: str, value: int) -> None:
    assert to_e8(text) == value


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "0.000000001", "1.123456789"])
def test_what_has_no_exact_integer_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"finite|decimals"):
        to_e8(text)


@pytest.mark.parametrize("text", ["", "abc", "1,5", "0x10"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a number"):
        to_e8(text)


@pytest.mark.parametrize(
    "text",
    [
        "92233720368.54775808",
        "-92233720368.54775808",
        "1e11",
        "1e999999",
        "123456789012345678901234567890.5",
        "9" * 80,
        "1." + "0" * 70 + "1",
    ],
)
def test_what_64_bits_do_not_hold_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="64 bits"):
        to_e8(text)


@pytest.mark.parametrize(
    "text", ["1.00000001234567890123456789012345", "1e-999999", "1.000000000000000000000000000001"]
)
def test_a_number_of_more_digits_than_the_ordinary_context_is_not_rounded(text: str) -> None:
    with pytest.raises(ValueError, match="more than 8 decimals"):
        to_e8(text)


def test_zeros_behind_the_number_do_no_harm() -> None:
    assert to_e8("1.5" + "0" * 70) == 150_000_000
    assert to_e8("92233720368.54775807") == INT64_MAX


@given(st.integers(-INT64_MAX, INT64_MAX))
def test_text_and_integer_go_both_ways(value: int) -> None:
    assert to_e8(format_e8(value)) == value
    assert Decimal(format_e8(value)) == Decimal(value).scaleb(-8)


@given(st.integers(1, 10**12), st.integers(1, 10**12), st.integers(1, 10**12))
def test_the_value_of_a_tick_and_lot_is_the_exact_reduced_ratio(tick: int, lot: int, multiplier: int) -> None:
    numerator, denominator = spec(tick_size_e8=tick, lot_size_e8=lot, multiplier_e8=multiplier).tick_lot_value
    exact = Fraction(tick, E8) * Fraction(lot, E8) * Fraction(multiplier, E8) * E8
    assert (numerator, denominator) == (exact.numerator, exact.denominator)


def test_an_instrument_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        spec().tick_size_e8 = 1  # type: ignore[misc]


def test_a_field_that_does_not_exist_is_refused() -> None:
    with pytest.raises(TypeError):
        InstrumentSpec(venue_id=1, symbol="A", base_asset="A", quote_asset="B", tick_size_e8=1, lot_size_e8=1, tick=1)  # type: ignore[call-arg]


def test_an_instrument_survives_its_message_form() -> None:
    assert msgspec.json.decode(msgspec.json.encode(spec()), type=InstrumentSpec) == spec()
