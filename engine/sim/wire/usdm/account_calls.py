"""USD-M account endpoints: balances, positions, settings, income, limits and listen keys."""

from __future__ import annotations

from engine.sim.wire import errors
from engine.sim.wire.calls import Call, array
from engine.sim.wire.usdm import account_json
from engine.sim.wire.usdm.digits import bare
from engine.sim.wire.usdm.errors import bad_value
from engine.sim.wire.usdm.reading import (
    decimal,
    integer,
    mandatory_flag,
    optional_symbol,
    side_of,
    symbol,
    window_ns,
    word,
)

SUCCESS = b'{"code":200,"msg":"success"}'


def account_v2(call: Call) -> bytes:
    """Wallet, margins and every position."""
    side = side_of(call)
    return account_json.account_v2(side.core.account(call.account_id), side.digits)


def account_v3(call: Call) -> bytes:
    """Wallet, margins and the positions in use."""
    side = side_of(call)
    return account_json.account_v3(side.core.account(call.account_id), side.digits)


def balance(call: Call) -> bytes:
    """The wallet."""
    return account_json.balance(side_of(call).core.account(call.account_id))


def risk_v2(call: Call) -> bytes:
    """Every position."""
    side = side_of(call)
    rows = side.core.positions(call.account_id, optional_symbol(call))
    return array([account_json.risk_v2(row, side.digits[row.symbol]) for row in rows])


def risk_v3(call: Call) -> bytes:
    """Positions and symbols with open orders."""
    side = side_of(call)
    rows = side.core.positions(call.account_id, optional_symbol(call))
    return array(
        [
            account_json.risk_v3(row, side.digits[row.symbol], side.rules[row.symbol].margin_asset)
            for row in rows
            if account_json.is_in_use(row)
        ]
    )


def account_config(call: Call) -> bytes:
    """What the account may do, and its modes."""
    return account_json.account_config(side_of(call).core.account(call.account_id))


def symbol_config(call: Call) -> bytes:
    """Margin type and leverage."""
    rows = side_of(call).core.symbol_settings(call.account_id, optional_symbol(call))
    return array([account_json.symbol_config(row) for row in rows])


def commission_rate(call: Call) -> bytes:
    """Fees."""
    return account_json.commission_rate(symbol(call), side_of(call).core.account(call.account_id))


def leverage_bracket(call: Call) -> bytes:
    """Brackets of one or every symbol."""
    core, name = side_of(call).core, optional_symbol(call)
    names = core.symbols() if name is None else (name,)
    return array([account_json.bracket_rows(each, core.leverage_brackets(each)) for each in names])


def set_leverage(call: Call) -> bytes:
    """Change the initial leverage."""
    name, leverage = symbol(call), integer(call.params, "leverage")
    return account_json.leverage(side_of(call).core.set_leverage(call.account_id, name, leverage, call.now_ns))


def set_margin_type(call: Call) -> bytes:
    """ISOLATED or CROSSED."""
    name, kind = symbol(call), word(call.params, "marginType", ("ISOLATED", "CROSSED"))
    side_of(call).core.set_margin_type(call.account_id, name, kind, call.now_ns)
    return SUCCESS


def position_mode(call: Call) -> bytes:
    """Hedge mode or not."""
    is_dual = side_of(call).core.position_mode(call.account_id)
    return b'{"dualSidePosition":%b}' % (b"true" if is_dual else b"false")


def set_position_mode(call: Call) -> bytes:
    """Hedge mode on or off."""
    is_dual = mandatory_flag(call.params, "dualSidePosition")
    side_of(call).core.set_position_mode(call.account_id, is_dual, call.now_ns)
    return SUCCESS


def assets_mode(_call: Call) -> bytes:
    """Single-asset mode is the only one."""
    return b'{"multiAssetsMargin":false}'


def fee_burn(_call: Call) -> bytes:
    """Fees are never paid in another asset."""
    return b'{"feeBurn":false}'


def trading_status(call: Call) -> bytes:
    """No trading rule of the venue's has been broken: none is measured."""
    return b'{"indicators":{},"updateTime":%d}' % (call.now_ns // 1_000_000)


def change_position_margin(call: Call) -> bytes:
    """Add or take margin of an isolated position."""
    name, kind, amount_e8 = symbol(call), integer(call.params, "type"), decimal(call.params, "amount")
    if kind not in (1, 2):
        raise bad_value("type")
    if not amount_e8:
        raise errors.mandatory("amount")
    core = side_of(call).core
    core.change_position_margin(
        call.account_id, name, call.params.optional("positionSide"), kind, amount_e8, call.now_ns
    )
    text = b'{"amount":%b,"code":200,"msg":"Successfully modify position margin.","type":%d}'
    return text % (bare(amount_e8).encode(), kind)


def position_margin_history(call: Call) -> bytes:
    """Changes of isolated margin."""
    name, (start_ns, end_ns) = symbol(call), window_ns(call)
    rows = side_of(call).core.position_margin_history(
        call.account_id,
        name,
        kind=call.params.integer("type"),
        start_ns=start_ns,
        end_ns=end_ns,
        limit=call.params.limit(500, 500),
    )
    return array([account_json.margin_change_row(row) for row in rows])


def income(call: Call) -> bytes:
    """Everything that moved the wallet."""
    name, (start_ns, end_ns) = optional_symbol(call), window_ns(call)
    rows = side_of(call).core.income(
        call.account_id,
        name,
        kind=call.params.optional("incomeType"),
        start_ns=start_ns,
        end_ns=end_ns,
        limit=call.params.limit(100, 1_000),
    )
    return array([account_json.income_row(row) for row in rows])


def adl_quantile(call: Call) -> bytes:
    """How near each position is to auto-deleveraging."""
    rows = side_of(call).core.adl_quantiles(call.account_id, optional_symbol(call))
    return array([account_json.adl_row(row) for row in rows])


def order_limits(call: Call) -> bytes:
    """The order limits and what is used of them."""
    counts = side_of(call).limits.account(call.account_id)
    counts.roll(call.now_ns)
    return b"[" + counts.rows() + b"]"


# --- listen keys ---------------------------------------------------------------------------------------------------


def start_user_data(call: Call) -> bytes:
    """The account's listen key, new or renewed."""
    key = side_of(call).listen_keys.create(call.account_id, call.now_ns)
    return b'{"listenKey":"%b"}' % key.encode()


def renew_user_data(call: Call) -> bytes:
    """Another hour for the listen key."""
    key = side_of(call).listen_keys.renew(call.account_id, call.now_ns)
    return b'{"listenKey":"%b"}' % key.encode()


def stop_user_data(call: Call) -> bytes:
    """End the listen key; its connections stay open and silent."""
    side_of(call).close_listen_key(call.account_id)
    return b"{}"
