"""USD-M user data events, and the market events that are made of orders and contracts, as the exchange's JSON.

Amounts are written without needless zeros here (``0``, ``999.872``), prices and quantities with the symbol's decimals.
"""

from __future__ import annotations

from engine.sim.usdm.api import (
    AccountConfigUpdate,
    AccountUpdate,
    AlgoUpdate,
    Bracket,
    ContractInfo,
    ForceOrder,
    MarginCall,
    MarkPriceUpdate,
    OrderTradeUpdate,
    PositionChange,
    UsdmSymbolRules,
)
from engine.sim.wire.usdm.account_json import MARGIN_WORDS
from engine.sim.wire.usdm.digits import Digits, bare, e8, fixed
from engine.sim.wire.usdm.market_json import MS_NS, ST, TRUTH, origin


def _price(value_e8: int, digits: Digits) -> str:
    return digits.price(value_e8) if value_e8 else "0"


def _qty(value_e8: int, digits: Digits) -> str:
    return digits.qty(value_e8) if value_e8 else "0"


def order_trade_update(event: OrderTradeUpdate, digits: Digits) -> bytes:
    """ORDER_TRADE_UPDATE."""
    order, stamp = event.order, event.event_ns // MS_NS
    fee = f'"n":"{bare(event.commission_e8)}","N":"{event.commission_asset}",' if event.commission_asset else ""
    return (
        f'{{"e":"ORDER_TRADE_UPDATE","E":{stamp},"T":{stamp},"o":{{"s":"{order.symbol}","c":"{order.client_order_id}",'
        f'"S":"{order.side}","o":"{order.type}","f":"{order.time_in_force}","q":"{digits.qty(order.qty_e8)}",'
        f'"p":"{_price(order.price_e8, digits)}","ap":"{_price(order.avg_price_e8, digits)}",'
        f'"sp":"{_price(order.stop_price_e8, digits)}","x":"{event.execution_type}","X":"{order.status}",'
        f'"i":{order.order_id},"l":"{_qty(event.last_qty_e8, digits)}","z":"{_qty(order.executed_e8, digits)}",'
        f'"L":"{_price(event.last_price_e8, digits)}",{fee}"T":{stamp},"t":{event.trade_id},'
        f'"b":"{bare(event.bid_notional_e8)}","a":"{bare(event.ask_notional_e8)}","m":{TRUTH[event.is_maker]},'
        f'"R":{TRUTH[order.reduce_only]},"wt":"{order.working_type}","ot":"{order.orig_type}",'
        f'"ps":"{order.position_side}","cp":{TRUTH[order.close_position]}{_trailing(event, digits)},'
        f'"pP":{TRUTH[order.price_protect]},"si":0,"ss":0,"rp":"{bare(event.realized_pnl_e8)}",'
        f'"V":"{order.stp_mode}","pm":"{order.price_match}","gtd":{order.good_till_ns // MS_NS},'
        f'"er":"{order.expiry_reason}"{_modified(event)}}}}}'
    ).encode()


def _trailing(event: OrderTradeUpdate, digits: Digits) -> str:
    order = event.order
    if order.orig_type != "TRAILING_STOP_MARKET":
        return ""
    return f',"AP":"{_price(order.activate_price_e8, digits)}","cr":"{bare(order.callback_rate_e8)}"'


def _modified(event: OrderTradeUpdate) -> str:
    return "" if event.modify_id is None else f',"M":{event.modify_id}'


def trade_lite(event: OrderTradeUpdate, digits: Digits) -> bytes:
    """TRADE_LITE: the least that tells of a fill."""
    order, stamp = event.order, event.event_ns // MS_NS
    return (
        f'{{"e":"TRADE_LITE","E":{stamp},"T":{stamp},"s":"{order.symbol}","q":"{digits.qty(order.qty_e8)}",'
        f'"p":"{_price(order.price_e8, digits)}","m":{TRUTH[event.is_maker]},"c":"{order.client_order_id}",'
        f'"S":"{order.side}","L":"{digits.price(event.last_price_e8)}","l":"{digits.qty(event.last_qty_e8)}",'
        f'"t":{event.trade_id},"i":{order.order_id}}}'
    ).encode()


def account_update(event: AccountUpdate, digits: dict[str, Digits]) -> bytes:
    """ACCOUNT_UPDATE: only what changed."""
    stamp = event.event_ns // MS_NS
    balances = ",".join(
        f'{{"a":"{row.asset}","wb":"{bare(row.wallet_e8)}","cw":"{bare(row.cross_wallet_e8)}",'
        f'"bc":"{bare(row.change_e8)}"}}'
        for row in event.balances
    )
    positions = ",".join(_position(row, digits[row.symbol]) for row in event.positions)
    symbol = f',"S":"{event.symbol}"' if event.symbol else ""
    return (
        f'{{"e":"ACCOUNT_UPDATE","E":{stamp},"T":{stamp},"a":{{"m":"{event.reason}","B":[{balances}],'
        f'"P":[{positions}]{symbol}}}}}'
    ).encode()


def _position(row: PositionChange, digits: Digits) -> str:
    return (
        f'{{"s":"{row.symbol}","pa":"{_qty(row.qty_e8, digits)}","ep":"{fixed(row.entry_price_e8, 1)}",'
        f'"bep":"{bare(row.break_even_price_e8)}","cr":"{bare(row.realized_e8)}","up":"{bare(row.unrealized_e8)}",'
        f'"mt":"{MARGIN_WORDS[row.margin_type]}","iw":"{bare(row.isolated_wallet_e8)}","ps":"{row.position_side}"}}'
    )


def algo_update(event: AlgoUpdate, digits: Digits) -> bytes:
    """ALGO_UPDATE."""
    algo, stamp = event.algo, event.event_ns // MS_NS
    actual_id = str(algo.actual_order_id) if algo.actual_order_id else ""
    reason = f',"rm":"{algo.reject_reason}"' if algo.reject_reason else ""
    active = f',"ia":{TRUTH[algo.is_activated]}' if algo.type == "TRAILING_STOP_MARKET" else ""
    return (
        f'{{"e":"ALGO_UPDATE","T":{stamp},"E":{stamp},"o":{{"caid":"{algo.client_algo_id}","aid":{algo.algo_id},'
        f'"at":"CONDITIONAL","o":"{algo.type}","s":"{algo.symbol}","S":"{algo.side}","ps":"{algo.position_side}",'
        f'"f":"{algo.time_in_force}","q":"{_qty(algo.qty_e8, digits)}","X":"{algo.status}","ai":"{actual_id}",'
        f'"ap":"{_price(algo.actual_price_e8, digits)}","aq":"{_qty(algo.actual_qty_e8, digits)}",'
        f'"act":"{algo.actual_type or "0"}","tp":"{_price(algo.trigger_price_e8, digits)}",'
        f'"p":"{_price(algo.price_e8, digits)}","V":"{algo.stp_mode}","wt":"{algo.working_type}",'
        f'"pm":"{algo.price_match}","cp":{TRUTH[algo.close_position]},"pP":{TRUTH[algo.price_protect]},'
        f'"R":{TRUTH[algo.reduce_only]},"tt":{algo.trigger_ns // MS_NS},"gtd":{algo.good_till_ns // MS_NS}'
        f"{reason}{active}}}}}"
    ).encode()


def account_config_update(event: AccountConfigUpdate) -> bytes:
    """ACCOUNT_CONFIG_UPDATE after a change of leverage."""
    stamp = event.event_ns // MS_NS
    return (
        f'{{"e":"ACCOUNT_CONFIG_UPDATE","E":{stamp},"T":{stamp},"ac":{{"s":"{event.symbol}","l":{event.leverage}}}}}'
    ).encode()


def margin_call(event: MarginCall, digits: dict[str, Digits]) -> bytes:
    """MARGIN_CALL; the crossed wallet is told only beside a crossed position."""
    crossed = any(row.margin_type == "CROSSED" for row in event.positions)
    wallet = f'"cw":"{bare(event.cross_wallet_e8)}",' if crossed else ""
    rows = ",".join(
        f'{{"s":"{row.symbol}","ps":"{row.position_side}","pa":"{_qty(row.qty_e8, digits[row.symbol])}",'
        f'"mt":"{row.margin_type}","iw":"{bare(row.isolated_wallet_e8)}","mp":"{bare(row.mark_price_e8)}",'
        f'"up":"{bare(row.unrealized_e8)}","mm":"{bare(row.maint_margin_e8)}"}}'
        for row in event.positions
    )
    return f'{{"e":"MARGIN_CALL","E":{event.event_ns // MS_NS},{wallet}"p":[{rows}]}}'.encode()


def listen_key_expired(listen_key: str, event_ns: int) -> bytes:
    """listenKeyExpired."""
    return f'{{"e":"listenKeyExpired","E":{event_ns // MS_NS},"listenKey":"{listen_key}"}}'.encode()


# --- market events -------------------------------------------------------------------------------------------------


def mark_price_update(event: MarkPriceUpdate) -> bytes:
    """markPriceUpdate, for the streams of one symbol and of all."""
    return (
        f'{{"e":"markPriceUpdate","E":{event.event_ns // MS_NS},"s":"{event.symbol}","p":"{e8(event.mark_price_e8)}",'
        f'"ap":"{e8(event.average_mark_price_e8)}","i":"{e8(event.index_price_e8)}","P":"{e8(event.settle_price_e8)}",'
        f'"r":"{e8(event.funding_rate_e8)}","T":{event.next_funding_ns // MS_NS}{ST}}}'
    ).encode()


def force_order(event: ForceOrder, digits: Digits, event_ns: int) -> bytes:
    """forceOrder."""
    order = event.order
    return (
        f'{{"e":"forceOrder","E":{event_ns // MS_NS},"o":{{"s":"{order.symbol}","S":"{order.side}",'
        f'"o":"{order.type}","f":"{order.time_in_force}","q":"{digits.qty(order.qty_e8)}",'
        f'"p":"{_price(order.price_e8, digits)}","ap":"{_price(order.avg_price_e8, digits)}","X":"{order.status}",'
        f'"l":"{_qty(event.last_qty_e8, digits)}","z":"{_qty(order.executed_e8, digits)}",'
        f'"T":{event.event_ns // MS_NS}}}{origin(order.symbol)}}}'
    ).encode()


def contract_info(event: ContractInfo, rules: UsdmSymbolRules, brackets: tuple[Bracket, ...]) -> bytes:
    """contractInfo: a contract's status changed; its brackets stand beside it."""
    lowest = [row.initial_leverage + 1 for row in brackets[1:]] + [1]
    rows = ",".join(
        f'{{"bs":{row.number},"bnf":{bare(row.notional_floor_e8)},"bnc":{bare(row.notional_cap_e8)},'
        f'"mmr":{bare(row.maint_ratio_e8)},"cf":{bare(row.cum_e8)},"mi":{least},"ma":{row.initial_leverage}}}'
        for row, least in zip(brackets, lowest, strict=True)
    )
    return (
        f'{{"e":"contractInfo","E":{event.event_ns // MS_NS},"s":"{event.symbol}","ps":"{rules.pair}",'
        f'"ct":"{rules.contract_type}","dt":{rules.delivery_ms},"ot":{rules.onboard_ms},"cs":"{event.status}",'
        f'"bks":[{rows}]{ST}}}'
    ).encode()
