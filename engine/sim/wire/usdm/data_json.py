"""Mark prices, funding, open interest and the ratios of ``/futures/data`` as the exchange's JSON."""

from __future__ import annotations

from engine.sim.usdm.api import (
    Basis,
    FundingRate,
    LongShortRatio,
    OpenInterest,
    PremiumIndex,
    TakerVolume,
    UsdmSymbolRules,
)
from engine.sim.wire.usdm.digits import Digits, e8, fixed, rounded
from engine.sim.wire.usdm.market_json import MS_NS

ASSET_BUFFER_E8 = 10_000
E8 = 100_000_000


def symbol_object(rules: UsdmSymbolRules) -> dict[str, object]:
    """A symbol of exchangeInfo."""
    return {
        "symbol": rules.symbol,
        "pair": rules.pair,
        "contractType": rules.contract_type,
        "deliveryDate": rules.delivery_ms,
        "onboardDate": rules.onboard_ms,
        "status": rules.status,
        "maintMarginPercent": fixed(rules.maint_margin_percent_e8, 4),
        "requiredMarginPercent": fixed(rules.required_margin_percent_e8, 4),
        "baseAsset": rules.base,
        "quoteAsset": rules.quote,
        "marginAsset": rules.margin_asset,
        "pricePrecision": rules.price_precision,
        "quantityPrecision": rules.quantity_precision,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "triggerProtect": fixed(rules.trigger_protect_e8, 4),
        "liquidationFee": fixed(rules.liquidation_fee_e8, 6),
        "marketTakeBound": fixed(rules.market_take_bound_e8, 2),
        "maxMoveOrderLimit": 10_000,
        "permissionSets": [],
        "filters": rules.filters(),
        "orderTypes": list(rules.order_types),
        "timeInForce": list(rules.times_in_force),
    }


def premium_row(row: PremiumIndex) -> str:
    """REST premiumIndex."""
    return (
        f'{{"symbol":"{row.symbol}","markPrice":"{e8(row.mark_price_e8)}","indexPrice":"{e8(row.index_price_e8)}",'
        f'"estimatedSettlePrice":"{e8(row.settle_price_e8)}","lastFundingRate":"{e8(row.last_funding_rate_e8)}",'
        f'"interestRate":"{e8(row.interest_rate_e8)}","nextFundingTime":{row.next_funding_ns // MS_NS},'
        f'"time":{row.time_ns // MS_NS}}}'
    )


def funding_row(row: FundingRate) -> str:
    """REST fundingRate."""
    return (
        f'{{"symbol":"{row.symbol}","fundingTime":{row.time_ns // MS_NS},"fundingRate":"{e8(row.rate_e8)}",'
        f'"markPrice":"{e8(row.mark_price_e8)}","rateType":"Regular"}}'
    )


def funding_info_row(rules: UsdmSymbolRules) -> str:
    """REST fundingInfo."""
    cap_e8 = rules.funding_rate_cap_e8
    return (
        f'{{"symbol":"{rules.symbol}","adjustedFundingRateCap":"{e8(cap_e8)}",'
        f'"adjustedFundingRateFloor":"{e8(-cap_e8)}","fundingIntervalHours":{rules.funding_interval_hours},'
        '"disclaimer":false}'
    )


def open_interest(row: OpenInterest, digits: Digits) -> bytes:
    """REST openInterest."""
    return (
        f'{{"openInterest":"{digits.qty(row.qty_e8)}","symbol":"{row.symbol}","time":{row.time_ns // MS_NS}}}'
    ).encode()


def open_interest_row(row: OpenInterest) -> str:
    """A row of openInterestHist (the circulating supply is another house's figure and unknown here: 0)."""
    return (
        f'{{"symbol":"{row.symbol}","sumOpenInterest":"{e8(row.qty_e8)}","sumOpenInterestValue":"{e8(row.value_e8)}",'
        f'"CMCCirculatingSupply":"{e8(0)}","timestamp":{row.time_ns // MS_NS}}}'
    )


def ratio_row(row: LongShortRatio) -> str:
    """A row of the three long/short ratios."""
    return (
        f'{{"symbol":"{row.symbol}","longAccount":"{rounded(row.long_e8, 4)}",'
        f'"longShortRatio":"{rounded(row.ratio_e8, 4)}","shortAccount":"{rounded(row.short_e8, 4)}",'
        f'"timestamp":{row.time_ns // MS_NS}}}'
    )


def taker_row(row: TakerVolume) -> str:
    """A row of takerlongshortRatio; it names no symbol."""
    return (
        f'{{"buySellRatio":"{rounded(row.ratio_e8, 4)}","sellVol":"{fixed(row.sell_e8, 4)}",'
        f'"buyVol":"{fixed(row.buy_e8, 4)}","timestamp":{row.time_ns // MS_NS}}}'
    )


def basis_row(row: Basis, digits: Digits) -> str:
    """A row of basis."""
    return (
        f'{{"indexPrice":"{e8(row.index_price_e8)}","contractType":"PERPETUAL",'
        f'"basisRate":"{rounded(row.basis_rate_e8, 4)}","futuresPrice":"{digits.price(row.futures_price_e8)}",'
        f'"annualizedBasisRate":"","basis":"{e8(row.basis_e8)}","pair":"{row.pair}",'
        f'"timestamp":{row.time_ns // MS_NS}}}'
    )


def _asset_rates() -> tuple[str, str, str]:
    return e8(E8), e8(E8 - ASSET_BUFFER_E8), e8(E8 + ASSET_BUFFER_E8)


def asset_index(asset: str, time_ns: int) -> str:
    """REST assetIndex: the margin asset is the unit of account, so its index is one."""
    index, bid, ask = _asset_rates()
    buffer = e8(ASSET_BUFFER_E8)
    return (
        f'{{"symbol":"{asset}USD","time":{time_ns // MS_NS},"index":"{index}","bidBuffer":"{buffer}",'
        f'"askBuffer":"{buffer}","bidRate":"{bid}","askRate":"{ask}","autoExchangeBidBuffer":"{buffer}",'
        f'"autoExchangeAskBuffer":"{buffer}","autoExchangeBidRate":"{bid}","autoExchangeAskRate":"{ask}"}}'
    )


def asset_index_event(asset: str, event_ns: int) -> bytes:
    """assetIndexUpdate."""
    index, bid, ask = _asset_rates()
    buffer = e8(ASSET_BUFFER_E8)
    return (
        f'{{"e":"assetIndexUpdate","E":{event_ns // MS_NS},"s":"{asset}USD","i":"{index}","b":"{buffer}",'
        f'"a":"{buffer}","B":"{bid}","A":"{ask}","q":"{buffer}","g":"{buffer}","Q":"{bid}","G":"{ask}"}}'
    ).encode()
