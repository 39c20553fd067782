"""Commands of the test port that concern USD-M futures; a venue without them refuses each by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from engine.sim.decimals import parse_e8
from engine.sim.wire.shell import VenueShell
from engine.sim.wire.usdm import account_json, order_json
from engine.sim.wire.usdm.side import UsdmSide

Arguments = dict[str, Any]
Command = Callable[[Arguments, int], dict[str, object]]


def usdm_commands(shell: VenueShell) -> dict[str, Command]:
    """The commands by name."""
    commands: dict[str, Callable[[UsdmSide, Arguments, int], dict[str, object]]] = {
        "usdm_deposit": _deposit,
        "usdm_status": _status,
        "usdm_account": _account,
        "expire_listen_key": _expire,
    }

    def bound(call: Callable[[UsdmSide, Arguments, int], dict[str, object]]) -> Command:
        def command(arguments: Arguments, now_ns: int) -> dict[str, object]:
            if shell.usdm is None:
                raise ValueError("this venue has no USD-M futures")
            return call(shell.usdm, arguments, now_ns)

        return command

    return {name: bound(call) for name, call in commands.items()}


def _deposit(usdm: UsdmSide, arguments: Arguments, now_ns: int) -> dict[str, object]:
    amount = str(arguments["amount"])
    size_e8 = parse_e8(amount.removeprefix("-"), "amount")
    usdm.core.deposit(int(arguments["account"]), -size_e8 if amount.startswith("-") else size_e8, now_ns)
    return {}


def _status(usdm: UsdmSide, arguments: Arguments, now_ns: int) -> dict[str, object]:
    usdm.core.set_status(str(arguments["symbol"]), str(arguments["status"]), now_ns)
    return {}


def _expire(usdm: UsdmSide, arguments: Arguments, now_ns: int) -> dict[str, object]:
    return {"expired": usdm.expire_listen_key(int(arguments["account"]), now_ns)}


def _account(usdm: UsdmSide, arguments: Arguments, _now_ns: int) -> dict[str, object]:
    account_id = int(arguments["account"])
    orders = [order_json.order_row(row, usdm.digits[row.symbol]) for row in usdm.core.open_orders(account_id)]
    algos = [order_json.algo_row(row, usdm.digits[row.symbol]) for row in usdm.core.open_algo_orders(account_id)]
    state = account_json.account_v3(usdm.core.account(account_id), usdm.digits)
    return {
        "account": msgspec.Raw(state),
        "open_orders": [msgspec.Raw(row) for row in orders],
        "open_algo_orders": [msgspec.Raw(row) for row in algos],
    }
