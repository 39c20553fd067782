"""USD-M replies and events hold at least the keys of recorded and documented messages, with values of their types."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.usdm_harness import FAR_BUY, MARKET_BUY, SYMBOL, RunningUsdm, make_usdm_shell, own_events, play_usdm
from tests.venue_harness import data_folder

REPLIES = "fixtures/nautilus/binance_py/http_responses"
DOCUMENTED = "fixtures/JKorf/Binance.Net/Binance.Net.UnitTests/Endpoints/UsdFutures"
ONE = {"symbol": SYMBOL}
PAIR = {"pair": SYMBOL}
CANDLE = {"interval": "1m", "limit": 2}
PERIOD = {"period": "5m", "limit": 2}
PUBLIC: list[tuple[str, str, dict[str, Any]]] = [
    (f"{REPLIES}/http_futures_market_agg_trades.json", "fapi/v1/aggTrades", ONE),
    (f"{REPLIES}/http_futures_market_trades.json", "fapi/v1/trades", ONE),
    (f"{REPLIES}/http_futures_market_depth.json", "fapi/v1/depth", ONE),
    (f"{REPLIES}/http_futures_market_book_ticker.json", "fapi/v1/ticker/bookTicker", ONE),
    (f"{REPLIES}/http_futures_market_ticker_24hr.json", "fapi/v1/ticker/24hr", ONE),
    (f"{REPLIES}/http_futures_market_ticker_price.json", "fapi/v1/ticker/price", ONE),
    (f"{REPLIES}/http_futures_market_premium_index.json", "fapi/v1/premiumIndex", ONE),
    (f"{REPLIES}/http_futures_market_open_interest.json", "fapi/v1/openInterest", ONE),
    (f"{REPLIES}/http_futures_market_asset_index.json", "fapi/v1/assetIndex", {}),
    (f"{REPLIES}/http_futures_market_exchange_info.json", "fapi/v1/exchangeInfo", {}),
    (f"{DOCUMENTED}/ExchangeData/GetBasis.txt", "futures/data/basis", {**PAIR, **PERIOD, "contractType": "PERPETUAL"}),
    (f"{DOCUMENTED}/ExchangeData/GetTakerBuySellVolumeRatio.txt", "futures/data/takerlongshortRatio", {**ONE, **PERIOD}),
    (f"{DOCUMENTED}/ExchangeData/GetOpenInterestHistory.txt", "futures/data/openInterestHist", {**ONE, **PERIOD}),
    (f"{DOCUMENTED}/ExchangeData/GetTopLongShortPositionRatio.txt", "futures/data/topLongShortPositionRatio",
     {**ONE, **PERIOD}),
    (f"{DOCUMENTED}/ExchangeData/GetIndexPriceConstituents.txt", "fapi/v1/constituents", ONE),
    (f"{DOCUMENTED}/ExchangeData/GetMarkPrice.txt", "fapi/v1/premiumIndex", ONE),
]  # fmt: skip
SIGNED: list[tuple[str, str, dict[str, Any]]] = [
    (f"{REPLIES}/http_futures_account_trades.json", "v1/userTrades", ONE),
    (f"{REPLIES}/http_futures_account_positions_one_way.json", "v2/positionRisk", {}),
    (f"{REPLIES}/http_futures_account_symbol_config.json", "v1/symbolConfig", {}),
    (f"{REPLIES}/http_futures_wallet_commission_rate_btcusdt.json", "v1/commissionRate", ONE),
    (f"{REPLIES}/http_futures_account_position_side_dual.json", "v1/positionSide/dual", {}),
    (f"{DOCUMENTED}/Account/GetAccountInfo.txt", "v2/account", {}),
    (f"{DOCUMENTED}/Account/GetAccountInfoV3.txt", "v3/account", {}),
    (f"{DOCUMENTED}/Account/GetBalances.txt", "v3/balance", {}),
    (f"{DOCUMENTED}/Account/GetAccountConfiguration.txt", "v1/accountConfig", {}),
    (f"{DOCUMENTED}/Account/GetIncomeHistory.txt", "v1/income", {}),
    (f"{DOCUMENTED}/Account/GetOrderRateLimit.txt", "v1/rateLimit/order", {}),
    (f"{DOCUMENTED}/Account/GetPositionAdlQuantileEstimation.txt", "v1/adlQuantile", {}),
    (f"{DOCUMENTED}/Trading/GetOrder.txt", "v1/allOrders", ONE),
]
# Keys that a document shows and the exchange has dropped, or that only another kind of order or contract has.
NOT_HERE = {
    "notionalCoef", "activatePrice", "priceRate", "underlyingSubType", "settlePlan", "brokerId", "marginAsset",
    "cumBase", "goodTillDate", "maxPrice", "onboardDate", "settlementQty",
}  # fmt: skip
# Documents write these as text or as a number, depending on their age.
EITHER_TYPE = {"timestamp", "tranId", "tradeId", "multiplierDecimal", "autoAssetExchange"}


def recorded(name: str) -> Any:
    """A recorded or documented reply, or a skip where there is none."""
    folder = data_folder()
    if folder is None:
        pytest.skip("no recorded venue messages on this machine (TRADEWIND_DATA)")
    path = folder / name
    if not path.is_file():
        pytest.skip(f"no recorded {name}")
    text = path.read_text(encoding="utf-8-sig")
    return json.loads(text if path.suffix == ".json" else text.split("\n", 3)[3])


def holds(ours: Any, theirs: Any, where: str) -> None:
    """Check that ``ours`` has every key of ``theirs``, with values of the same kind."""
    if isinstance(theirs, list):
        if theirs and ours and isinstance(theirs[0], dict):
            holds(ours[0], theirs[0], f"{where}[]")
        return
    if not isinstance(theirs, dict):
        return
    for name, value in theirs.items():
        if name in NOT_HERE or name in ("HEDGE", "LONG", "SHORT"):
            continue
        assert name in ours, f"{where}: no {name}"
        mine = ours[name]
        if value is not None and name not in EITHER_TYPE and name != "filters":
            assert isinstance(mine, type(value)) or {type(mine), type(value)} == {int, float}, (
                f"{where}.{name}: {mine!r}"
            )
            holds(mine, value, f"{where}.{name}")


@pytest.mark.parametrize(("name", "path", "params"), PUBLIC)
def test_public_replies_hold_the_recorded_keys(name: str, path: str, params: dict[str, Any]) -> None:
    theirs = recorded(name)

    async def scenario(venue: RunningUsdm) -> None:
        await venue.rows("fapi/v1/aggTrades", symbol=SYMBOL)
        ours = await venue.seen(path, **params)
        if isinstance(ours, list) and isinstance(theirs, dict):
            ours = ours[0]
        holds([ours] if isinstance(theirs, list) and isinstance(ours, dict) else ours, theirs, path)

    play_usdm(scenario, make_usdm_shell(activity=5.0))


def test_account_replies_hold_the_recorded_keys() -> None:
    expected = [(path, params, recorded(name)) for name, path, params in SIGNED]

    async def scenario(venue: RunningUsdm) -> None:
        await venue.done("POST", "v1/order", MARKET_BUY)
        for path, params, theirs in expected:
            ours = await venue.done("GET", path, params)
            holds(ours[0] if isinstance(theirs, dict) and isinstance(ours, list) else ours, theirs, path)
        placed = await venue.done("POST", "v1/order", FAR_BUY)
        holds(placed, recorded(f"{DOCUMENTED}/Trading/PlaceOrder.txt"), "order")

    play_usdm(scenario)


@pytest.mark.parametrize(
    ("name", "event_name"),
    [
        ("fixtures/nautilus/binance/futures/user_data_json/order_update_trade.json", "ORDER_TRADE_UPDATE"),
        ("fixtures/nautilus/binance/futures/user_data_json/trade_lite.json", "TRADE_LITE"),
        ("fixtures/nautilus/binance/futures/user_data_json/account_update.json", "ACCOUNT_UPDATE"),
    ],
)
def test_user_events_hold_the_recorded_keys(name: str, event_name: str) -> None:
    theirs = recorded(name)
    for dropped in ("AP", "cr") if event_name == "ORDER_TRADE_UPDATE" else ():
        theirs["o"].pop(dropped)  # the trailing stop's own

    async def scenario(venue: RunningUsdm) -> None:
        async with own_events(venue) as socket:
            await venue.done("POST", "v1/order", MARKET_BUY)
            async with asyncio.timeout(15):
                while True:
                    event = json.loads(await socket.recv())
                    if event["e"] == event_name and event.get("o", {"x": "TRADE"})["x"] == "TRADE":
                        break
        holds(event, theirs, event_name)

    play_usdm(scenario)
