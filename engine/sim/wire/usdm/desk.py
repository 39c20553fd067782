"""Commands of the test port that concern USD-M futures; a venue without them refuses each."""

from __future__ import annotations

import msgspec

from engine.sim.decimals import parse_e8
from engine.sim.wire import fault_commands as commands
from engine.sim.wire.shell import VenueShell
from engine.sim.wire.usdm import account_json, order_json
from engine.sim.wire.usdm.side import UsdmSide

Reply = dict[str, object]


def _side(shell: VenueShell) -> UsdmSide:
    if shell.usdm is None:
        raise ValueError("this venue has no USD-M futures")
    return shell.usdm


def deposit(shell: VenueShell, command: commands.UsdmDeposit, now_ns: int) -> Reply:
    """Move USDT into or out of a futures wallet."""
    size_e8 = parse_e8(command.amount.removeprefix("-"), "amount")
    amount_e8 = -size_e8 if command.amount.startswith("-") else size_e8
    _side(shell).core.deposit(command.account, amount_e8, now_ns)
    return {}


def set_status(shell: VenueShell, command: commands.UsdmStatus, now_ns: int) -> Reply:
    """Change a contract's status."""
    _side(shell).core.set_status(command.symbol, command.status, now_ns)
    return {}


def account(shell: VenueShell, command: commands.UsdmAccount, _now_ns: int) -> Reply:
    """Wallet, positions in use, open orders and conditional orders, as the core has them."""
    usdm = _side(shell)
    orders = usdm.core.open_orders(command.account)
    algos = usdm.core.open_algo_orders(command.account)
    return {
        "account": msgspec.Raw(account_json.account_v3(usdm.core.account(command.account), usdm.digits)),
        "open_orders": [msgspec.Raw(order_json.order_row(row, usdm.digits[row.symbol])) for row in orders],
        "open_algo_orders": [msgspec.Raw(order_json.algo_row(row, usdm.digits[row.symbol])) for row in algos],
    }
