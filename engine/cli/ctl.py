"""`tradewind ctl`: ask or command a running engine.

Commands and the fixed-size answers go through the control port; listings are read from the journal and the counters and
say as of which sequence they are.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

from engine.cli import ctl_commands, ctl_emergency, ctl_limits, ctl_listings, ctl_orders, ctl_second
from engine.cli.ctl_examples import teach
from engine.cli.render import clear_screen
from engine.cli.target import add_target_options
from engine.exit_codes import ExitCode

WATCH_S_DEFAULT = 1.0

COMMANDS = {
    "pause": "a strategy (or all) sends nothing new, its orders are cancelled, until `resume`",
    "resume": "undo pause",
    "kill": "halt at once and cancel everything, until `arm`",
    "arm": "clear a halt that a person must clear; or enable a strategy again",
    "flatten": "cancel, then close the positions by orders through the gate, until the venue says flat",
    "cancel": "cancel orders",
    "stop": "orderly end: cancel all, verify at the venue, close the journal",
    "reconcile": "compare orders and balances with the venue now",
}
ORDERS = {
    "hedge": "offset the exposure of a symbol by market orders in another, sized by value, in parts up to the limits",
    "order": "send orders of your own, of every type; the gate judges them like any other",
    "protect": "a stop-loss and take-profits that follow the position of a symbol",
    "amend": "another price, quantity or trigger price of an order",
}
LISTINGS = {
    "status": "the engine's state",
    "orders": "open orders as a tree under their parents (or --all that the ledger holds; --flat)",
    "algos": "execution algorithms: progress, average price, against arrival and schedule",
    "positions": "positions, mark, profit, fees, margin, liquidation price and distance",
    "pnl": "realised and unrealised profit and fees by strategy and symbol",
    "account": "balances, equity and margin by account and asset, and all together in one currency",
    "balances": "balances as the venue told them",
    "book": "the top of a symbol's book and what we have there",
    "strategies": "each strategy's state and counts",
    "latency": "latency histograms by stage",
    "events": "starts, stops, alarms, commands, state changes",
}

ORDER_OPTIONS: dict[str, Callable[[argparse.ArgumentParser], None]] = {
    "hedge": ctl_emergency.add_hedge_options,
    "order": ctl_orders.add_options,
    "protect": ctl_orders.add_protect_options,
    "amend": ctl_orders.add_amend_options,
}
ORDER_RUNS: dict[str, Callable[[argparse.Namespace], int]] = {
    "hedge": ctl_emergency.hedge,
    "order": ctl_orders.run,
    "protect": ctl_orders.protect,
    "amend": ctl_orders.amend,
}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`ctl ACTION`: one sub-command each."""
    parser = subparsers.add_parser("ctl", help="ask or command a running engine", description=__doc__)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=ctl_limits.Parser)
    for name, text in LISTINGS.items():
        action = _action(actions, name, text)
        action.add_argument(
            "--watch", nargs="?", type=positive, const=WATCH_S_DEFAULT, metavar="SECONDS", help="again and again"
        )
        ctl_listings.add_options(name, action)
    for name, text in COMMANDS.items():
        ctl_commands.add_options(name, _action(actions, name, text))
    guard = _action(actions, "guard", "ask the engine's guard: what it sees and what it did last")
    guard.add_argument("what", choices=["status"], help="what it sees and what it did last")
    guard.add_argument("--timeout", type=float, default=2.0, metavar="SECONDS", help="wait so long for the answer (2)")
    for name, add in ORDER_OPTIONS.items():
        add(_action(actions, name, ORDERS[name]))
    for name, text in ctl_second.ACTIONS.items():
        ctl_second.add_options(name, _action(actions, name, text))
    ctl_limits.add_options(_action(actions, "limits", "limits with their use: get, set, reset"))


def _action(actions: argparse._SubParsersAction[ctl_limits.Parser], name: str, text: str) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    teach(name, parser)
    parser.add_argument("--json", action="store_true", help="one JSON object (a line for each with --watch)")
    add_target_options(parser)
    return parser


def positive(text: str) -> float:
    """A number of seconds of at least 0.05."""
    value = float(text)
    if not 0.05 <= value <= 86_400:
        raise argparse.ArgumentTypeError("must be 0.05 to 86400 seconds")
    return value


def run(args: argparse.Namespace) -> int:
    """Do the action; with --watch until interrupted."""
    if args.action in COMMANDS:
        return ctl_commands.run(args)
    if args.action == "guard":
        from engine.cli.ctl_guard import run as show_guard

        return show_guard(args)
    if args.action in ORDERS:
        return ORDER_RUNS[args.action](args)
    if args.action == "limits":
        return ctl_limits.run(args)
    if args.action in ctl_second.ACTIONS:
        return ctl_second.run(args)
    if args.action == "events":
        return ctl_listings.events(args)
    show: Callable[[argparse.Namespace], Any] = ctl_listings.opened(args)
    if args.watch is None:
        return int(show(args))
    return _watch(args, show)


def _watch(args: argparse.Namespace, show: Callable[[argparse.Namespace], Any]) -> int:
    """Show again and again until the engine is gone or Ctrl-C, which is how a watch ends."""
    try:
        while True:
            if not args.json:
                clear_screen()
            show(args)
            time.sleep(args.watch)
    except KeyboardInterrupt:
        return ExitCode.OK
