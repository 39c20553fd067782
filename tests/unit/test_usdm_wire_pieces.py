"""The pieces of the USD-M wire that need no market: numbers, stream names, listen keys, limits, request reading."""

from __future__ import annotations

from typing import Any

import pytest

from engine.sim.reject import VenueReject
from engine.sim.wire.limits import Limits, LimitsConfig
from engine.sim.wire.params import Params
from engine.sim.wire.stream_session import Target
from engine.sim.wire.usdm import reading
from engine.sim.wire.usdm.config import UsdmLimitsConfig
from engine.sim.wire.usdm.digits import Digits, bare, e8, fixed, rounded
from engine.sim.wire.usdm.limits import UsdmLimits
from engine.sim.wire.usdm.listen_keys import ListenKeys
from engine.sim.wire.usdm.stream_names import parse

HOUR_NS = 3_600_000_000_000
MINUTE_NS = 60_000_000_000
SYMBOLS = frozenset({"BTCUSDT", "ETHUSDT"})


@pytest.mark.parametrize(
    ("value_e8", "places", "text"),
    [
        (6_400_010_000_000, 2, "64000.10"),
        (1_000_000, 3, "0.010"),
        (0, 2, "0.00"),
        (0, 0, "0"),
        (300_000_000, 0, "3"),
        (-150_000_000, 0, "-1.5"),
        (1, 3, "0.00000001"),
        (6_400_010_123_456, 2, "64000.10123456"),
        (99_987_200_000, 0, "999.872"),
    ],
)
def test_a_number_keeps_its_decimals_and_never_loses_a_digit(value_e8: int, places: int, text: str) -> None:
    assert fixed(value_e8, places) == text


def test_money_is_written_with_eight_decimals_over_rest_and_bare_in_events() -> None:
    assert (e8(99_987_200_000), bare(99_987_200_000), rounded(12_345_678, 4)) == ("999.87200000", "999.872", "0.1235")


def test_levels_are_written_with_the_symbols_decimals() -> None:
    assert Digits(2, 3).levels([(6_400_010_000_000, 1_000_000)]) == '["64000.10","0.010"]'
    assert Digits(0, 3).levels([(6_400_000_000_000, 0)]) == '["64000","0.000"]'


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("btcusdt@depth", ("depth", "public", "BTCUSDT", "", 250)),
        ("btcusdt@depth@0ms", ("depth", "public", "BTCUSDT", "", 0)),
        ("btcusdt@depth@500ms", ("depth", "public", "BTCUSDT", "", 500)),
        ("ethusdt@depth20@100ms", ("partialDepth", "public", "ETHUSDT", "20", 100)),
        ("btcusdt@trade", ("trade", "public", "BTCUSDT", "", 0)),
        ("!bookTicker", ("bookTickerAll", "public", "", "", 0)),
        ("btcusdt@aggTrade", ("aggTrade", "market", "BTCUSDT", "", 0)),
        ("btcusdt@markPrice", ("markPrice", "market", "BTCUSDT", "", 3_000)),
        ("!markPrice@arr@1s", ("markPriceAll", "market", "", "", 1_000)),
        ("btcusdt@kline_1m", ("kline", "market", "BTCUSDT", "1m", 0)),
        ("btcusdt_perpetual@continuousKline_1h", ("continuousKline", "market", "BTCUSDT", "1h", 0)),
        ("!forceOrder@arr", ("forceOrderAll", "market", "", "", 0)),
    ],
)
def test_stream_names_are_read(name: str, told: tuple[Any, ...]) -> None:
    spec = parse(name, SYMBOLS)
    assert spec is not None
    assert (spec.kind, spec.route, spec.symbol, spec.argument, spec.speed_ms) == told


@pytest.mark.parametrize(
    "name",
    [
        "BTCUSDT@depth",
        "btcusdt@kline_1s",
        "dogeusdt@trade",
        "btcusdt@depth@1000ms",
        "btcusdt_current_quarter@continuousKline_1m",
    ],
)
def test_names_without_meaning_are_none(name: str) -> None:
    assert parse(name, SYMBOLS) is None


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("/public/ws/btcusdt@depth", ("public", "ws", False, ["btcusdt@depth"])),
        (
            "/market/stream?streams=btcusdt@aggTrade/!markPrice@arr",
            ("market", "stream", True, ["btcusdt@aggTrade", "!markPrice@arr"]),
        ),
        ("/public/ws/3", ("public", "ws", False, [])),
        ("/public/ws/!bookTicker", ("public", "ws", False, ["!bookTicker"])),
        ("/ws/btcusdt@trade", ("", "ws", False, ["btcusdt@trade"])),
        ("/ws-fapi/v1", ("", "ws-fapi", False, [])),
    ],
)
def test_urls_tell_route_interface_and_streams(url: str, told: tuple[Any, ...]) -> None:
    target = Target(url)
    assert (target.route, target.interface, target.combined, target.names) == told


# --- listen keys ---------------------------------------------------------------------------------------------------


def test_a_listen_key_lives_an_hour_from_its_last_renewal() -> None:
    keys = ListenKeys(3_600, 7)
    text = keys.create(1, 0)
    assert len(text) == 64
    assert keys.create(1, 10) == text, "the same key while it lives"
    assert keys.renew(1, HOUR_NS) == text
    assert keys.take_expired(HOUR_NS + MINUTE_NS) == []
    assert [key.text for key in keys.take_expired(2 * HOUR_NS)] == [text]
    assert keys.account_of(text) is None
    with pytest.raises(VenueReject) as refusal:
        keys.renew(1, 2 * HOUR_NS)
    assert refusal.value.code == -1125
    assert keys.create(1, 2 * HOUR_NS) != text


def test_listen_keys_of_two_accounts_differ_and_end_apart() -> None:
    keys = ListenKeys(3_600, 7)
    first, second = keys.create(1, 0), keys.create(2, MINUTE_NS)
    assert first != second
    assert keys.next_expiry_ns() == HOUR_NS
    keys.close(1)
    assert (keys.account_of(first), keys.account_of(second)) == (None, 2)


# --- limits --------------------------------------------------------------------------------------------------------


def limits(**changes: int) -> UsdmLimits:
    """Limits beside spot's own."""
    return UsdmLimits(UsdmLimitsConfig(**changes), Limits(LimitsConfig()))


def test_usdm_weight_is_counted_apart_from_spot() -> None:
    spot = Limits(LimitsConfig())
    usdm = UsdmLimits(UsdmLimitsConfig(weight_minute=10), spot)
    usdm.address("a").charge(10, MINUTE_NS)
    assert spot.address("a").weight.count == 0
    with pytest.raises(VenueReject) as refusal:
        usdm.address("a").charge(1, MINUTE_NS)
    assert refusal.value.code == -1003
    assert "10 request weight" in refusal.value.msg


def test_a_ban_holds_on_both_interfaces() -> None:
    spot = Limits(LimitsConfig())
    usdm = UsdmLimits(UsdmLimitsConfig(), spot)
    spot.address("a").ban(5 * MINUTE_NS)
    with pytest.raises(VenueReject) as refusal:
        usdm.address("a").charge(1, MINUTE_NS)
    assert getattr(refusal.value, "status", 0) == 418
    usdm.address("b").ban(5 * MINUTE_NS)
    with pytest.raises(VenueReject):
        spot.address("b").charge(1, MINUTE_NS)


def test_order_counts_refuse_without_moving_when_a_window_is_full() -> None:
    counts = limits(orders_10s=5, orders_minute=100).account(1)
    counts.take(MINUTE_NS, 5, 1)
    with pytest.raises(VenueReject) as refusal:
        counts.take(MINUTE_NS)
    assert refusal.value.code == -1015
    assert (counts.short.count, counts.minute.count) == (5, 1)
    counts.take(MINUTE_NS + 10_000_000_000)
    assert (counts.short.count, counts.minute.count) == (1, 2)


def test_the_statistics_pool_is_empty_after_its_last_request() -> None:
    address = limits(data_5m=2).address("a")
    address.draw("data", MINUTE_NS)
    address.draw("data", MINUTE_NS)
    with pytest.raises(VenueReject) as refusal:
        address.draw("data", MINUTE_NS)
    assert getattr(refusal.value, "status", 0) == 429
    address.draw("funding", MINUTE_NS)


# --- reading -------------------------------------------------------------------------------------------------------


def test_a_batch_is_read_as_it_was_written() -> None:
    text = '[{"symbol":"BTCUSDT","quantity":"0.010","price":64000.10,"reduceOnly":true,"extra":null}]'
    rows = reading.order_list(Params({"batchOrders": text}), "batchOrders", 5)
    assert rows[0].values == {"symbol": "BTCUSDT", "quantity": "0.010", "price": "64000.10", "reduceOnly": "true"}


@pytest.mark.parametrize("text", ["[]", "{}", "[1]", "nonsense"])
def test_a_malformed_batch_is_refused(text: str) -> None:
    with pytest.raises(VenueReject) as refusal:
        reading.order_list(Params({"batchOrders": text}), "batchOrders", 5)
    assert refusal.value.code == -1130


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [("price", "1.123456789", -1111), ("price", "-1", -4001), ("quantity", "-1", -4003), ("price", "1e5", -1102)],
)
def test_decimals_are_refused_in_the_futures_words(name: str, value: str, code: int) -> None:
    with pytest.raises(VenueReject) as refusal:
        reading.decimal(Params({name: value}), name)
    assert refusal.value.code == code


def test_client_ids_may_hold_what_futures_allow_and_no_more() -> None:
    assert reading.client_id(Params({"newClientOrderId": "a.B:/_-9"}), "newClientOrderId") == "a.B:/_-9"
    with pytest.raises(VenueReject) as refusal:
        reading.client_id(Params({"newClientOrderId": "a b"}), "newClientOrderId")
    assert refusal.value.code == -4015
