"""Frames of the private stream and lists of REST: as documented, in any order of keys, damaged, and as others recorded them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.model.clientid import encode
from engine.model.codes import AlarmCode, ExecType, OrderState, Side
from engine.model.instruments import E8, InstrumentSpec
from engine.model.tables import Tables
from engine.venues.binance.market_codec import MarketCodec
from engine.venues.binance.signer import HmacSigner
from engine.venues.binance.usdm_order_codec import UsdmOrderCodec
from tests.recorded import data_root

MALFORMED, EXECUTION, OTHER, KEY_EXPIRED, ACCOUNT, WARNING = 0, 2, 7, 8, 9, 10
HANDLE = (3 << 32) + 17


@pytest.fixture
def codec() -> UsdmOrderCodec:
    tables = Tables()
    spec = InstrumentSpec(
        venue_id=1, symbol="BTCUSDT", base_asset="BTC", quote_asset="USDT", settle_asset="USDT", kind=1,
        tick_size_e8=E8 // 100, lot_size_e8=E8 // 1000,
    )  # fmt: skip
    tables.add_instrument(spec)
    symbols = MarketCodec(tables, 1, ["BTCUSDT"])
    return UsdmOrderCodec(tables, symbols, engine_id=7, api_key="k", signer=HmacSigner(b"s"))


def order(**fields: Any) -> dict[str, Any]:
    """The order of an ORDER_TRADE_UPDATE: a partial fill of ours."""
    told: dict[str, Any] = {
        "s": "BTCUSDT",
        "c": encode(7, HANDLE),
        "S": "SELL",
        "o": "LIMIT",
        "f": "GTX",
        "q": "0.050",
        "p": "64000.10",
        "ap": "1",
    }
    told |= {"sp": "0", "x": "TRADE", "X": "PARTIALLY_FILLED", "i": 99001, "l": "0.010", "z": "0.030", "L": "64000.20"}
    return (
        told | {"n": "-0.128", "N": "USDT", "T": 1763640000138, "t": 5511, "m": True, "R": False, "rp": "-1.5"} | fields
    )


def update(**fields: Any) -> bytes:
    return json.dumps({"e": "ORDER_TRADE_UPDATE", "E": 1763640000140, "T": 1, "o": order(**fields)}).encode()


def test_a_fill_is_read_with_its_rebate(codec: UsdmOrderCodec) -> None:
    found = codec.read_user(update())
    told = found["execution"]
    assert (found["kind"], found["instrument_id"], found["order_handle"]) == (EXECUTION, 1, HANDLE)
    assert (told["last_qty_lots"], told["cum_qty_lots"], told["qty_lots"]) == (10, 30, 50)
    assert (told["last_price_ticks"], told["price_ticks"]) == (6_400_020, 6_400_010)
    assert (told["commission_e8"], told["trade_id"], told["venue_order_id"]) == (-12_800_000, 5511, 99001)
    assert (told["side"], told["is_maker"], told["order_state"]) == (Side.SELL, 1, OrderState.PARTIALLY_FILLED)
    assert (found["event_ns"], told["transact_ns"]) == (1763640000140 * 10**6, 1763640000138 * 10**6)


def test_keys_may_stand_in_any_order(codec: UsdmOrderCodec) -> None:
    backwards = dict(reversed(order().items()))
    frame = json.dumps({"o": backwards, "T": 1, "E": 1763640000140, "e": "ORDER_TRADE_UPDATE"}).encode()
    assert codec.read_user(frame) == codec.read_user(update())


@pytest.mark.parametrize("kind", ["NEW", "CANCELED", "EXPIRED", "AMENDMENT"])
def test_an_event_without_a_trade_has_no_trade_id(codec: UsdmOrderCodec, kind: str) -> None:
    told = codec.read_user(update(x=kind, X="NEW", t=0, l="0", L="0"))["execution"]
    assert (told["trade_id"], told.get("order_handle", 0)) == (-1, 0)


def test_a_liquidation_is_a_trade_of_nobody(codec: UsdmOrderCodec) -> None:
    found = codec.read_user(update(c="autoclose-123", x="CALCULATED", X="FILLED"))
    assert (found["order_handle"], found["execution"]["exec_type"]) == (0, ExecType.TRADE)
    assert found["execution"]["trade_id"] == 5511


def test_an_account_update_tells_wallet_change_and_signed_positions(codec: UsdmOrderCodec) -> None:
    rows = [
        {"a": "USDT", "wb": "999.872", "cw": "1", "bc": "-50.12345678"},
        {"a": "BNFCR", "wb": "-1", "cw": "0", "bc": "0"},
    ]
    held = [
        {"s": "BTCUSDT", "pa": "-0.030", "ep": "64000.123456789012", "ps": "BOTH", "mt": "cross"},
        {"s": "BTCUSDT", "pa": "1", "ep": "1", "ps": "LONG"},
        {"s": "XRPUSDT", "pa": "7.5", "ep": "1", "ps": "BOTH"},
    ]
    body = {"m": "FUNDING_FEE", "S": "BTCUSDT", "B": rows, "P": held}
    found = codec.read_user(json.dumps({"e": "ACCOUNT_UPDATE", "E": 9, "T": 8, "a": body}).encode())
    assert found["kind"] == ACCOUNT
    assert [row[1:] for row in found["balances"]] == [(99_987_200_000, -5_012_345_678), (-E8, 0)]
    position, hedged = found["positions"]  # others' contracts are not ours
    assert (hedged["position_side"], hedged["position_lots"]) == (1, 1_000)
    assert (position["position_lots"], position["entry_price_e8"]) == (-30, 6_400_012_345_678)
    assert position["update_ns"] == 9_000_000
    assert (found["is_funding"], found["funding_instrument_id"]) == (True, 1)


def test_what_asks_for_a_person_is_told_apart(codec: UsdmOrderCodec) -> None:
    assert codec.read_user(b'{"e":"listenKeyExpired","E":1,"listenKey":"x"}')["kind"] == KEY_EXPIRED
    assert codec.read_user(b'{"e":"MARGIN_CALL","E":1,"p":[]}')["alarm_code"] == AlarmCode.MARGIN_CALL
    changed = codec.read_user(b'{"e":"ACCOUNT_CONFIG_UPDATE","E":1,"T":1,"ai":{"j":true}}')
    assert (changed["kind"], changed["alarm_code"]) == (WARNING, AlarmCode.ACCOUNT_CHANGED)
    for kind in ("TRADE_LITE", "GRID_UPDATE", "SOMETHING_NEW"):
        assert codec.read_user(json.dumps({"e": kind, "E": 1, "o": {"s": "BTCUSDT"}}).encode())["kind"] == OTHER


def test_every_cut_of_a_frame_is_malformed_and_none_is_half_believed(codec: UsdmOrderCodec) -> None:
    whole = update()
    for length in range(len(whole)):
        assert codec.read_user(whole[:length])["kind"] == MALFORMED, length
    assert codec.read_user(whole + b"x")["kind"] == MALFORMED
    assert codec.read_user(update(l="0.0001"))["kind"] == MALFORMED  # off the lot
    assert codec.read_user(update(L="0"))["kind"] == MALFORMED  # a trade without a price


def test_lists_of_rest_are_read_exactly(codec: UsdmOrderCodec) -> None:
    wallets = [
        {"accountAlias": "x", "asset": "USDT", "balance": "122607.35137903", "crossUnPnl": "-0.1", "updateTime": 5}
    ]
    held = [
        {"symbol": "BTCUSDT", "positionSide": "BOTH", "positionAmt": "-1.002", "entryPrice": "0.0", "updateTime": 7}
    ]
    found = codec.read_account_lists(json.dumps(wallets).encode(), json.dumps(held).encode())
    assert found["balances"][0][1] == 12_260_735_137_903
    assert (found["positions"][0]["position_lots"], found["positions"][0]["update_ns"]) == (-1_002, 7_000_000)
    with pytest.raises(ValueError, match="positions"):
        codec.read_account_lists(b"[]", b'[{"positionAmt":"1"}]')


def recorded(value: Any) -> Iterator[dict[str, Any]]:
    """Every event of a private stream inside a JSON value."""
    if isinstance(value, dict):
        if value.get("e") in ("ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE", "MARGIN_CALL", "ACCOUNT_CONFIG_UPDATE"):
            yield value
        for inner in value.values():
            yield from recorded(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from recorded(inner)


def events_of(path: Path) -> Iterator[dict[str, Any]]:
    for line in [path.read_text(), *path.read_text().splitlines()]:
        try:
            yield from recorded(json.loads(line))
        except json.JSONDecodeError:
            continue


def test_events_that_others_recorded_are_read(codec: UsdmOrderCodec) -> None:
    root = data_root()
    if root is None or not (root / "fixtures").is_dir():
        pytest.skip("no recorded fixtures: set TRADEWIND_DATA to the folder that holds them")
    events = [event for path in (root / "fixtures").rglob("*.json*") for event in events_of(path)]
    assert events
    kinds = {"ORDER_TRADE_UPDATE": EXECUTION, "ACCOUNT_UPDATE": ACCOUNT}
    for event in events:
        found = codec.read_user(json.dumps(event).encode())
        assert found["kind"] == kinds.get(event["e"], WARNING), event
