"""Frames of the order connection and the user's streams, mutated by the million: read in bounds, refused without an exception."""

from __future__ import annotations

import pytest

from engine.venues.binance.frame_mutants import decode_own_mutants
from engine.venues.binance.market_codec import MarketCodec
from engine.venues.binance.order_codec import OrderCodec
from engine.venues.binance.signer import HmacSigner
from tests.orders_harness import Rig
from tests.usdm_rig import UsdmRig

MUTANTS = 125_000
REPORT = (
    b'{"subscriptionId":0,"event":{"e":"executionReport","E":1,"s":"BTCUSDT","c":"x-1","S":"BUY","o":"LIMIT","f":"GTC",'
    b'"q":"0.01000000","p":"100.00000000","C":"","x":"TRADE","X":"PARTIALLY_FILLED","i":5,"l":"0.00100000","z":"0.00100000",'
    b'"L":"100.00000000","n":"0.1","N":"USDT","T":1,"t":7,"I":1,"m":false,"Z":"0.10000000"}}'
)
REFUSAL = (
    b'{"id":7,"status":400,"error":{"code":-2010,"msg":"x","data":{"retryAfter":5}},"rateLimits":[{"rateLimitType":'
    b'"ORDERS","interval":"SECOND","intervalNum":10,"limit":100,"count":3}]}'
)
REPLY = (
    b'{"id":7,"status":200,"result":{"symbol":"BTCUSDT","orderId":28,"clientOrderId":"x-1","status":"NEW","side":"BUY",'
    b'"type":"LIMIT","timeInForce":"GTC","transactTime":1507725176595},"rateLimits":[]}'
)
BALANCES = (
    b'{"subscriptionId":0,"event":{"e":"outboundAccountPosition","E":1,"u":1,"B":[{"a":"BTC","f":"1.0","l":"0.5"}]}}'
)
UPDATE = (
    b'{"e":"ORDER_TRADE_UPDATE","E":1763640000140,"T":1763640000138,"o":{"s":"BTCUSDT","c":"f-1","S":"BUY","o":"LIMIT","f":"GTC",'
    b'"q":"0.010","p":"64000.10","ap":"64000.10","sp":"0","x":"TRADE","X":"FILLED","i":99001,"l":"0.010","z":"0.010",'
    b'"L":"64000.10","n":"0.128","N":"USDT","T":1763640000138,"t":5511,"m":true,"R":false,"ps":"BOTH","rp":"0","er":"0"}}'
)
ACCOUNT = (
    b'{"e":"ACCOUNT_UPDATE","E":1763640000140,"T":1763640000138,"a":{"m":"ORDER","B":[{"a":"USDT","wb":"999.872",'
    b'"cw":"999.872","bc":"0"}],"P":[{"s":"BTCUSDT","pa":"0.010","ep":"64000.10","up":"0.1","mt":"cross","ps":"BOTH"}]}}'
)

EXPIRED = b'{"e":"listenKeyExpired","E":1763640000140,"listenKey":"abcdefghijklmnopqrstuvwxyz"}'
LITE = (
    b'{"e":"TRADE_LITE","E":1721895408092,"T":1721895408214,"s":"BTCUSDT","q":"0.001","p":"0","m":false,"c":"x-1",'
    b'"S":"BUY","L":"64089.20","l":"0.040","t":109100866,"i":8886774}'
)


def spot_codec() -> OrderCodec:
    tables = Rig().tables
    return OrderCodec(
        tables, MarketCodec(tables, 1, ["BTCUSDT"]), engine_id=7, api_key="k" * 64, signer=HmacSigner(b"secret")
    )


@pytest.mark.invariant("R30")
@pytest.mark.parametrize("frame", [REPORT, REFUSAL, REPLY, BALANCES], ids=["report", "refusal", "reply", "balances"])
def test_mutants_of_spots_own_frames_are_read_in_bounds(frame: bytes) -> None:
    kinds = decode_own_mutants(spot_codec(), frame, MUTANTS, seed=21)
    assert sum(kinds.values()) == MUTANTS
    assert len(kinds) > 1


@pytest.mark.invariant("R30")
@pytest.mark.parametrize("frame", [UPDATE, ACCOUNT, EXPIRED, LITE], ids=["update", "account", "expired", "lite"])
def test_mutants_of_futures_own_frames_are_read_in_bounds(frame: bytes) -> None:
    kinds = decode_own_mutants(UsdmRig(connect=False).codec, frame, MUTANTS, seed=22)
    assert sum(kinds.values()) == MUTANTS
    assert len(kinds) > 1
