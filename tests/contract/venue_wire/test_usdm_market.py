"""USD-M market data over REST: every endpoint's keys, types, weights and refusals."""

from __future__ import annotations

from typing import Any

import pytest

from engine.sim.wire.usdm.config import UsdmLimitsConfig, UsdmWireConfig
from tests.usdm_harness import SYMBOL, RunningUsdm, make_usdm_shell, play_usdm, shaped
from tests.venue_harness import KEY

PAIR = {"pair": SYMBOL}
ONE = {"symbol": SYMBOL}
CANDLE = {"interval": "1m", "limit": 3}
PERIOD = {"period": "5m", "limit": 2}
BOOK = "symbol:s bidPrice:s bidQty:s askPrice:s askQty:s time:n lastUpdateId:n"
PREMIUM = (
    "symbol:s markPrice:s indexPrice:s estimatedSettlePrice:s lastFundingRate:s interestRate:s nextFundingTime:n time:n"
)
DAY = (
    "symbol:s priceChange:s priceChangePercent:s weightedAvgPrice:s lastPrice:s lastQty:s openPrice:s highPrice:s "
    "lowPrice:s volume:s quoteVolume:s openTime:n closeTime:n firstId:n lastId:n count:n"
)
RATIO = "symbol:s longShortRatio:s longAccount:s shortAccount:s timestamp:n"
OBJECTS: list[tuple[str, dict[str, Any], str]] = [
    ("fapi/v1/time", {}, "serverTime:n"),
    ("fapi/v1/depth", {**ONE, "limit": 5}, "lastUpdateId:n E:n T:n bids:l asks:l"),
    ("fapi/v1/rpiDepth", ONE, "lastUpdateId:n E:n T:n bids:l asks:l"),
    ("fapi/v1/premiumIndex", ONE, PREMIUM),
    ("fapi/v1/ticker/24hr", ONE, DAY),
    ("fapi/v1/ticker/price", ONE, "symbol:s price:s time:n"),
    ("fapi/v2/ticker/price", ONE, "symbol:s price:s time:n"),
    ("fapi/v1/ticker/bookTicker", ONE, BOOK),
    ("fapi/v1/openInterest", ONE, "openInterest:s symbol:s time:n"),
    ("fapi/v1/symbolAdlRisk", ONE, "symbol:s adlRisk:s updateTime:n"),
    ("fapi/v1/constituents", ONE, "symbol:s time:n constituents:l"),
]
LISTS: list[tuple[str, dict[str, Any], str]] = [
    ("fapi/v1/trades", ONE, "id:n price:s qty:s quoteQty:s time:n isBuyerMaker:b isRPITrade:b"),
    ("fapi/v1/aggTrades", ONE, "a:n p:s q:s nq:s f:n l:n T:n m:b"),
    ("fapi/v1/premiumIndex", {}, PREMIUM),
    ("fapi/v1/ticker/24hr", {}, DAY),
    ("fapi/v2/ticker/price", {}, "symbol:s price:s time:n"),
    ("fapi/v1/ticker/bookTicker", {}, BOOK),
    ("fapi/v1/insuranceBalance", {}, "symbols:l assets:l"),
    ("futures/data/openInterestHist", {**ONE, **PERIOD},
     "symbol:s sumOpenInterest:s sumOpenInterestValue:s CMCCirculatingSupply:s timestamp:n"),
    ("futures/data/topLongShortPositionRatio", {**ONE, **PERIOD}, RATIO),
    ("futures/data/topLongShortAccountRatio", {**ONE, **PERIOD}, RATIO),
    ("futures/data/globalLongShortAccountRatio", {**ONE, **PERIOD}, RATIO),
    ("futures/data/takerlongshortRatio", {**ONE, **PERIOD}, "buySellRatio:s sellVol:s buyVol:s timestamp:n"),
    ("futures/data/basis", {**PAIR, **PERIOD, "contractType": "PERPETUAL"},
     "indexPrice:s contractType:s basisRate:s futuresPrice:s annualizedBasisRate:s basis:s pair:s timestamp:n"),
    ("fapi/v1/assetIndex", {},
     "symbol:s time:n index:s bidBuffer:s askBuffer:s bidRate:s askRate:s autoExchangeBidBuffer:s "
     "autoExchangeAskBuffer:s autoExchangeBidRate:s autoExchangeAskRate:s"),
]  # fmt: skip
CANDLES: list[tuple[str, dict[str, Any]]] = [
    ("fapi/v1/klines", ONE),
    ("fapi/v1/continuousKlines", {**PAIR, "contractType": "PERPETUAL"}),
    ("fapi/v1/indexPriceKlines", PAIR),
    ("fapi/v1/markPriceKlines", ONE),
    ("fapi/v1/premiumIndexKlines", ONE),
]
SYMBOL_KEYS = (
    "symbol:s pair:s contractType:s deliveryDate:n onboardDate:n status:s maintMarginPercent:s requiredMarginPercent:s "
    "baseAsset:s quoteAsset:s marginAsset:s pricePrecision:n quantityPrecision:n baseAssetPrecision:n quotePrecision:n "
    "underlyingType:s underlyingSubType:l triggerProtect:s liquidationFee:s marketTakeBound:s maxMoveOrderLimit:n "
    "permissionSets:l filters:l orderTypes:l timeInForce:l"
)
FILTERS = {
    "PRICE_FILTER": "filterType:s minPrice:s maxPrice:s tickSize:s",
    "LOT_SIZE": "filterType:s minQty:s maxQty:s stepSize:s",
    "MARKET_LOT_SIZE": "filterType:s minQty:s maxQty:s stepSize:s",
    "MAX_NUM_ORDERS": "filterType:s limit:n",
    "MIN_NOTIONAL": "filterType:s notional:s",
    "PERCENT_PRICE": "filterType:s multiplierUp:s multiplierDown:s multiplierDecimal:s",
    "POSITION_RISK_CONTROL": "filterType:s positionControlSide:s",
}


def test_every_endpoint_answers_with_its_documented_keys_and_types() -> None:
    async def scenario(venue: RunningUsdm) -> None:
        assert await venue.seen("fapi/v1/ping") == {}
        for path, params, shape in OBJECTS:
            shaped(await venue.seen(path, **params), shape)
        for path, params, shape in LISTS:
            for row in await venue.rows(path, **params):
                shaped(row, shape)
        for path, params in CANDLES:
            rows = await venue.seen(path, **params, **CANDLE)
            assert rows, path
            kinds = [type(value).__name__ for value in rows[-1]]
            assert kinds == ["int", *["str"] * 5, "int", "str", "int", *["str"] * 3], path
            assert rows[-1][6] == rows[-1][0] + 59_999
        for path in ("fapi/v1/fundingRate", "fapi/v1/fundingInfo", "fapi/v1/indexInfo"):
            assert isinstance(await venue.seen(path), list), path
        assert await venue.seen("futures/data/delivery-price", **PAIR) == []

    play_usdm(scenario, make_usdm_shell(activity=5.0))


def test_exchange_info_has_the_recorded_keys() -> None:
    async def scenario(venue: RunningUsdm) -> None:
        info = await venue.seen("fapi/v1/exchangeInfo")
        keys = "timezone:s serverTime:n futuresType:s rateLimits:l exchangeFilters:l assets:l symbols:l"
        shaped(info, keys)
        assert [
            (row["rateLimitType"], row["interval"], row["intervalNum"], row["limit"]) for row in info["rateLimits"]
        ] == [
            ("REQUEST_WEIGHT", "MINUTE", 1, 2_400),
            ("ORDERS", "MINUTE", 1, 1_200),
            ("ORDERS", "SECOND", 10, 300),
        ]
        assert info["exchangeFilters"] == []
        for row in info["symbols"]:
            shaped(row, SYMBOL_KEYS)
            for each in row["filters"]:
                shaped(each, FILTERS[each["filterType"]])
            assert {each["filterType"] for each in row["filters"]} == set(FILTERS)
        first = info["symbols"][0]
        assert (first["symbol"], first["contractType"], first["deliveryDate"]) == (
            SYMBOL,
            "PERPETUAL",
            4_133_404_800_000,
        )
        assert "RPI" not in first["timeInForce"]

    play_usdm(scenario)


def test_prices_bear_the_symbols_own_decimals() -> None:
    async def scenario(venue: RunningUsdm) -> None:
        book = await venue.seen("fapi/v1/depth", symbol=SYMBOL, limit=5)
        price, qty = book["bids"][0]
        assert (len(price.split(".")[1]), len(qty.split(".")[1])) == (2, 3)
        assert float(price) < float(book["asks"][0][0])
        assert len((await venue.seen("fapi/v1/premiumIndex", symbol=SYMBOL))["markPrice"].split(".")[1]) == 8

    play_usdm(scenario)


@pytest.mark.parametrize(
    ("path", "params", "status", "code"),
    [
        ("fapi/v1/depth", {"symbol": "NOPEUSDT"}, 400, -1121),
        ("fapi/v1/depth", {}, 400, -1102),
        ("fapi/v1/depth", {**ONE, "limit": 7}, 400, -1130),
        ("fapi/v1/klines", {**ONE, "interval": "1s"}, 400, -1120),
        ("fapi/v1/klines", ONE, 400, -1102),
        ("fapi/v1/aggTrades", {**ONE, "fromId": 1, "startTime": 1}, 400, -1128),
        ("fapi/v1/historicalTrades", ONE, 401, -2014),
        ("futures/data/basis", {**PAIR, "period": "7m", "contractType": "PERPETUAL"}, 400, -1130),
        ("fapi/v1/nothing", {}, 404, -1000),
        ("futures/data/nothing", {}, 404, -1000),
    ],
)
def test_refusals_have_their_codes(path: str, params: dict[str, Any], status: int, code: int) -> None:
    async def scenario(venue: RunningUsdm) -> None:
        told, body = await venue.get(path, **params)
        assert (told, body["code"]) == (status, code)

    play_usdm(scenario)


def test_unknown_parameters_are_passed_over_and_older_trades_need_a_key() -> None:
    async def scenario(venue: RunningUsdm) -> None:
        await venue.seen("fapi/v1/ping", timestamp=1, whatever="x")
        await venue.rows("fapi/v1/trades", 2, symbol=SYMBOL)
        status, rows, _ = await venue.raw("GET", "fapi/v1/historicalTrades", f"symbol={SYMBOL}&limit=2", key=KEY)
        assert (status, len(rows)) == (200, 2)

    play_usdm(scenario, make_usdm_shell(activity=5.0))


def test_weights_are_told_and_the_statistics_have_a_pool_of_their_own() -> None:
    async def used(venue: RunningUsdm, path: str) -> int:
        reply = await venue.http.get(f"{venue.rest_url}/{path}")
        return int(reply.headers["X-MBX-USED-WEIGHT-1M"])

    async def scenario(venue: RunningUsdm) -> None:
        before = await used(venue, "fapi/v1/ping")
        for path, weight in (
            (f"fapi/v1/depth?symbol={SYMBOL}&limit=1000", 20),
            (f"fapi/v1/klines?symbol={SYMBOL}&interval=1m&limit=1500", 10),
            ("fapi/v1/ticker/24hr", 40),
            ("fapi/v1/premiumIndex", 10),
            (f"fapi/v1/aggTrades?symbol={SYMBOL}", 20),
            (f"futures/data/openInterestHist?symbol={SYMBOL}&period=5m", 0),
            ("fapi/v1/fundingInfo", 0),
        ):
            after = await used(venue, path)
            assert after - before == weight, path
            before = after
        status, _ = await venue.get("futures/data/openInterestHist", symbol=SYMBOL, period="5m")
        assert status == 200
        status, body = await venue.get("futures/data/openInterestHist", symbol=SYMBOL, period="5m")
        assert (status, body["code"]) == (429, -1003)
        await venue.seen("fapi/v1/ping")

    play_usdm(scenario, make_usdm_shell(limits=UsdmLimitsConfig(data_5m=2)))


def test_the_strict_switch_leaves_the_undocumented_away() -> None:
    async def scenario(venue: RunningUsdm) -> None:
        row = await venue.seen("fapi/v1/ticker/bookTicker", symbol=SYMBOL)
        shaped(row, BOOK.removesuffix(" lastUpdateId:n"))
        assert row["symbol"] == SYMBOL

    play_usdm(scenario, make_usdm_shell(wire=UsdmWireConfig(strict_2026_07=True)))


def test_spot_and_futures_share_the_port() -> None:
    async def scenario(venue: RunningUsdm) -> None:
        spot = await venue.seen("api/v3/ticker/price", symbol=SYMBOL)
        futures = await venue.seen("fapi/v1/ticker/price", symbol=SYMBOL)
        assert (len(spot["price"].split(".")[1]), len(futures["price"].split(".")[1])) == (8, 2)
        reply = await venue.http.post(f"{venue.rest_url}/fapi/v1/ping")
        assert reply.status == 405

    play_usdm(scenario)
