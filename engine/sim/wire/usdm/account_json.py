"""USD-M wallets, margins, positions and settings as the exchange's JSON, with its many spellings of one thing.

``leverage`` is text in positionRisk and account v2, a number elsewhere; ``isAutoAddMargin`` is text in positionRisk v2
and a boolean in symbolConfig; margin types are lower-case words in positionRisk v2.
"""

from __future__ import annotations

from engine.sim.usdm.api import AdlQuantile, Bracket, Income, MarginChange, Position, SymbolSettings, UsdmAccount
from engine.sim.wire.usdm.digits import Digits, bare, e8, fixed
from engine.sim.wire.usdm.market_json import MS_NS, TRUTH

DigitsOf = dict[str, Digits]
MARGIN_WORDS = {"CROSSED": "cross", "ISOLATED": "isolated"}


def alias(account_id: int) -> str:
    """The exchange's short name of an account."""
    return f"TwSm{account_id:04d}"


def _totals(account: UsdmAccount) -> str:
    return (
        f'"totalInitialMargin":"{e8(account.initial_margin_e8)}","totalMaintMargin":"{e8(account.maint_margin_e8)}",'
        f'"totalWalletBalance":"{e8(account.wallet_e8)}","totalUnrealizedProfit":"{e8(account.unrealized_e8)}",'
        f'"totalMarginBalance":"{e8(account.margin_balance_e8)}",'
        f'"totalPositionInitialMargin":"{e8(account.position_initial_margin_e8)}",'
        f'"totalOpenOrderInitialMargin":"{e8(account.open_order_initial_margin_e8)}",'
        f'"totalCrossWalletBalance":"{e8(account.cross_wallet_e8)}",'
        f'"totalCrossUnPnl":"{e8(account.cross_unrealized_e8)}","availableBalance":"{e8(account.available_e8)}",'
        f'"maxWithdrawAmount":"{e8(account.max_withdraw_e8)}"'
    )


def _asset(account: UsdmAccount, extra: str) -> str:
    return (
        f'{{"asset":"{account.asset}","walletBalance":"{e8(account.wallet_e8)}",'
        f'"unrealizedProfit":"{e8(account.unrealized_e8)}","marginBalance":"{e8(account.margin_balance_e8)}",'
        f'"maintMargin":"{e8(account.maint_margin_e8)}","initialMargin":"{e8(account.initial_margin_e8)}",'
        f'"positionInitialMargin":"{e8(account.position_initial_margin_e8)}",'
        f'"openOrderInitialMargin":"{e8(account.open_order_initial_margin_e8)}",'
        f'"crossWalletBalance":"{e8(account.cross_wallet_e8)}","crossUnPnl":"{e8(account.cross_unrealized_e8)}",'
        f'"availableBalance":"{e8(account.available_e8)}","maxWithdrawAmount":"{e8(account.max_withdraw_e8)}"{extra},'
        f'"updateTime":{account.update_ns // MS_NS}}}'
    )


def account_v2(account: UsdmAccount, digits: DigitsOf) -> bytes:
    """GET v2/account: every symbol's position."""
    positions = ",".join(_position_in_v2(row, digits[row.symbol]) for row in account.positions)
    marginable = ',"marginAvailable":true'
    return (
        f'{{"feeTier":0,"feeBurn":false,"canTrade":{TRUTH[account.can_trade]},"canDeposit":true,"canWithdraw":true,'
        f'"updateTime":0,"multiAssetsMargin":false,"tradeGroupId":-1,{_totals(account)},'
        f'"assets":[{_asset(account, marginable)}],"positions":[{positions}]}}'
    ).encode()


def _position_in_v2(row: Position, digits: Digits) -> str:
    return (
        f'{{"symbol":"{row.symbol}","initialMargin":"{bare(row.initial_margin_e8)}",'
        f'"maintMargin":"{bare(row.maint_margin_e8)}","unrealizedProfit":"{e8(row.unrealized_e8)}",'
        f'"positionInitialMargin":"{bare(row.position_initial_margin_e8)}",'
        f'"openOrderInitialMargin":"{bare(row.open_order_initial_margin_e8)}","leverage":"{row.leverage}",'
        f'"isolated":{TRUTH[row.margin_type == "ISOLATED"]},"entryPrice":"{fixed(row.entry_price_e8, 1)}",'
        f'"breakEvenPrice":"{fixed(row.break_even_price_e8, 1)}","maxNotional":"{bare(row.max_notional_e8)}",'
        f'"bidNotional":"{bare(row.bid_notional_e8)}","askNotional":"{bare(row.ask_notional_e8)}",'
        f'"positionSide":"{row.position_side}","positionAmt":"{digits.qty(row.qty_e8)}",'
        f'"notional":"{bare(row.notional_e8)}","isolatedWallet":"{bare(row.isolated_wallet_e8)}",'
        f'"updateTime":{row.update_ns // MS_NS}}}'
    )


def is_in_use(row: Position) -> bool:
    """The third version of the endpoints leaves the rest away."""
    return row.qty_e8 != 0 or row.has_open_orders


def account_v3(account: UsdmAccount, digits: DigitsOf) -> bytes:
    """GET v3/account: positions in use."""
    rows = [row for row in account.positions if is_in_use(row)]
    positions = ",".join(_position_in_v3(row, digits[row.symbol]) for row in rows)
    return f'{{{_totals(account)},"assets":[{_asset(account, "")}],"positions":[{positions}]}}'.encode()


def _position_in_v3(row: Position, digits: Digits) -> str:
    return (
        f'{{"symbol":"{row.symbol}","positionSide":"{row.position_side}","positionAmt":"{digits.qty(row.qty_e8)}",'
        f'"unrealizedProfit":"{e8(row.unrealized_e8)}","isolatedMargin":"{e8(row.isolated_margin_e8)}",'
        f'"notional":"{bare(row.notional_e8)}","isolatedWallet":"{bare(row.isolated_wallet_e8)}",'
        f'"initialMargin":"{bare(row.initial_margin_e8)}","maintMargin":"{bare(row.maint_margin_e8)}",'
        f'"updateTime":{row.update_ns // MS_NS}}}'
    )


def balance(account: UsdmAccount) -> bytes:
    """GET v2/balance and v3/balance."""
    return (
        f'[{{"accountAlias":"{alias(account.account_id)}","asset":"{account.asset}","balance":"{e8(account.wallet_e8)}",'
        f'"crossWalletBalance":"{e8(account.cross_wallet_e8)}","crossUnPnl":"{e8(account.cross_unrealized_e8)}",'
        f'"availableBalance":"{e8(account.available_e8)}","maxWithdrawAmount":"{e8(account.max_withdraw_e8)}",'
        f'"marginAvailable":true,"updateTime":{account.update_ns // MS_NS}}}]'
    ).encode()


def _price_or_zero(value_e8: int) -> str:
    return e8(value_e8) if value_e8 else "0"


def risk_v2(row: Position, digits: Digits) -> str:
    """A row of v2/positionRisk."""
    return (
        f'{{"symbol":"{row.symbol}","positionAmt":"{digits.qty(row.qty_e8)}",'
        f'"entryPrice":"{fixed(row.entry_price_e8, 1)}","breakEvenPrice":"{fixed(row.break_even_price_e8, 1)}",'
        f'"markPrice":"{e8(row.mark_price_e8)}","unRealizedProfit":"{e8(row.unrealized_e8)}",'
        f'"liquidationPrice":"{_price_or_zero(row.liquidation_price_e8)}","leverage":"{row.leverage}",'
        f'"maxNotionalValue":"{bare(row.max_notional_e8)}","marginType":"{MARGIN_WORDS[row.margin_type]}",'
        f'"isolatedMargin":"{e8(row.isolated_margin_e8)}","isAutoAddMargin":"false",'
        f'"positionSide":"{row.position_side}","notional":"{bare(row.notional_e8)}",'
        f'"isolatedWallet":"{bare(row.isolated_wallet_e8)}","updateTime":{row.update_ns // MS_NS}}}'
    )


def risk_v3(row: Position, digits: Digits, asset: str) -> str:
    """A row of v3/positionRisk."""
    return (
        f'{{"symbol":"{row.symbol}","positionSide":"{row.position_side}","positionAmt":"{digits.qty(row.qty_e8)}",'
        f'"entryPrice":"{fixed(row.entry_price_e8, 1)}","breakEvenPrice":"{fixed(row.break_even_price_e8, 1)}",'
        f'"markPrice":"{e8(row.mark_price_e8)}","unRealizedProfit":"{e8(row.unrealized_e8)}",'
        f'"liquidationPrice":"{_price_or_zero(row.liquidation_price_e8)}",'
        f'"isolatedMargin":"{bare(row.isolated_margin_e8)}","notional":"{bare(row.notional_e8)}",'
        f'"marginAsset":"{asset}","isolatedWallet":"{bare(row.isolated_wallet_e8)}",'
        f'"initialMargin":"{bare(row.initial_margin_e8)}","maintMargin":"{bare(row.maint_margin_e8)}",'
        f'"positionInitialMargin":"{bare(row.position_initial_margin_e8)}",'
        f'"openOrderInitialMargin":"{bare(row.open_order_initial_margin_e8)}","adl":{row.adl},'
        f'"bidNotional":"{bare(row.bid_notional_e8)}","askNotional":"{bare(row.ask_notional_e8)}",'
        f'"updateTime":{row.update_ns // MS_NS}}}'
    )


def account_config(account: UsdmAccount) -> bytes:
    """GET accountConfig."""
    return (
        f'{{"feeTier":0,"canTrade":{TRUTH[account.can_trade]},"canDeposit":true,"canWithdraw":true,'
        f'"dualSidePosition":{TRUTH[account.dual_side]},"updateTime":0,"multiAssetsMargin":false,"tradeGroupId":-1}}'
    ).encode()


def symbol_config(row: SymbolSettings) -> str:
    """A row of symbolConfig."""
    return (
        f'{{"symbol":"{row.symbol}","marginType":"{row.margin_type}","isAutoAddMargin":false,'
        f'"leverage":{row.leverage},"maxNotionalValue":"{bare(row.max_notional_e8)}"}}'
    )


def leverage(row: SymbolSettings) -> bytes:
    """The reply to POST leverage."""
    return (
        f'{{"leverage":{row.leverage},"maxNotionalValue":"{bare(row.max_notional_e8)}","symbol":"{row.symbol}"}}'
    ).encode()


def commission_rate(symbol: str, account: UsdmAccount) -> bytes:
    """GET commissionRate."""
    return (
        f'{{"symbol":"{symbol}","makerCommissionRate":"{fixed(account.maker_fee_e6 * 100, 6)}",'
        f'"takerCommissionRate":"{fixed(account.taker_fee_e6 * 100, 6)}","rpiCommissionRate":"0.000000"}}'
    ).encode()


def bracket_rows(symbol: str, brackets: tuple[Bracket, ...]) -> str:
    """A symbol of leverageBracket; everything is a number."""
    rows = ",".join(
        f'{{"bracket":{row.number},"initialLeverage":{row.initial_leverage},"notionalCap":{bare(row.notional_cap_e8)},'
        f'"notionalFloor":{bare(row.notional_floor_e8)},"maintMarginRatio":{bare(row.maint_ratio_e8)},'
        f'"cum":{bare(row.cum_e8)}}}'
        for row in brackets
    )
    return f'{{"symbol":"{symbol}","brackets":[{rows}]}}'


def income_row(row: Income) -> str:
    """A row of income."""
    trade = str(row.trade_id) if row.trade_id else ""
    return (
        f'{{"symbol":"{row.symbol}","incomeType":"{row.kind}","income":"{e8(row.amount_e8)}","asset":"{row.asset}",'
        f'"info":"{row.info}","time":{row.time_ns // MS_NS},"tranId":{row.tran_id},"tradeId":"{trade}"}}'
    )


def margin_change_row(row: MarginChange) -> str:
    """A row of positionMargin/history."""
    kind = "USER_ADJUST" if row.is_by_user else "TRADE"
    return (
        f'{{"symbol":"{row.symbol}","type":{row.kind},"deltaType":"{kind}","amount":"{e8(row.delta_e8)}",'
        f'"asset":"{row.asset}","time":{row.time_ns // MS_NS},"positionSide":"{row.position_side}"}}'
    )


def adl_row(row: AdlQuantile) -> str:
    """A row of adlQuantile."""
    rows = ",".join(f'"{side}":{quantile}' for side, quantile in row.quantiles.items())
    return f'{{"symbol":"{row.symbol}","adlQuantile":{{{rows}}}}}'
