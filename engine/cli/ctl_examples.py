"""What `tradewind ctl COMMAND --help` teaches by example, and the short usage line above it."""

from __future__ import annotations

import argparse

USAGES = {
    "order": "tradewind ctl order buy|sell SYMBOL [QTY] [options]",
    "protect": "tradewind ctl protect SYMBOL [--stop-loss WHERE] [--take-profit WHERE[@SHARE]] [options]",
    "amend": "tradewind ctl amend ORDER [SYMBOL] [--price P] [--qty Q] [--trigger P] [--stop-loss W] [--take-profit W] [options]",
    "hedge": "tradewind ctl hedge --symbol SYMBOL --with SYMBOL [--ratio R] [options]",
    "flatten": "tradewind ctl flatten [--venue V | --account N | --symbol S] [options]",
    "limits": "tradewind ctl limits get|set|reset [KEY[=VALUE] ...] [scope] [options]",
}
EXAMPLES = {
    "protect": """examples:
  a stop-loss one percent from the average entry price, all out at two percent of profit:
    tradewind ctl protect BTCUSDT --stop-loss 1% --take-profit 2%
  a stop that follows the best price; once half a percent in profit it stands at the entry at least:
    tradewind ctl protect BTCUSDT --stop-loss trail:1% --break-even 0.5%
  a stop at a price by the mark price, out in two halves:
    tradewind ctl protect BTCUSDT --stop-loss 29000 --exit-by mark --take-profit 31000@50% --take-profit 32000@50%
  of the long position of an account in hedge mode:
    tradewind ctl protect BTCUSDT --stop-loss 1% --position-side long

The exits follow the position, whoever changes it: they are as large as it is, and end with it. `ctl orders` shows them,
`ctl cancel --order HANDLE` takes them away. Exit code 0: under way; 1: refused, and why.""",
    "amend": """examples:
  another price; less of it; both (ORDER is a client order id or a handle, as `ctl orders` shows them):
    tradewind ctl amend 4294967297 --price 30001
    tradewind ctl amend 4294967297 --qty 0.005
    tradewind ctl amend 4294967297 --price 30001 --qty 0.005
  another trigger of a stop that the engine holds:
    tradewind ctl amend 4294967297 --trigger 28900
  of a bracket (or a protection): the stop, the take-profits; a take-profit by its own handle; the entry by its own:
    tradewind ctl amend 4294967299 --stop-loss 28900 --take-profit 31000@50% --take-profit 32000@50%
    tradewind ctl amend 4294967303 --price 31500
    tradewind ctl amend 4294967300 --price 29950 --qty 0.02

What the engine holds or carries out keeps its date and its handle (an entry is known by both); its order at the venue is taken
back, and sent again once that is certain. Of any other order less at the same price keeps its place where the venue can; anything
else is a new order in its place, with a handle of its own (`ctl orders`). An order of a venue's list is not changed alone: cancel
the list and place another, or place it with --emulated. Exit code 0: asked of the venue, or changed where the engine holds it; 1:
nothing was done, and why.""",
    "hedge": """examples:
  sell as many futures as the spot position is worth:
    tradewind ctl hedge --symbol spot:BTCUSDT --with futures:BTCUSDT
  half of it; do not wait for its end:
    tradewind ctl hedge --symbol spot:BTCUSDT --with futures:BTCUSDT --ratio 0.5 --no-wait

Market orders of at most `max_order_qty`, one after the other. The position of the second symbol counts, orders that rest do not.
Exit code 0: all of it is traded; 1: not, with what remains and why.""",
    "flatten": """examples:
  close everything, everywhere; one venue; one symbol:
    tradewind ctl flatten --reason "going home"
    tradewind ctl flatten --venue futures
    tradewind ctl flatten --symbol BTCUSDT
  stop all strategies for good and close what they hold:
    tradewind ctl kill --reason drill
    tradewind ctl flatten

Strategies' orders are refused in the scope meanwhile, and pass again afterwards: say `kill` first to stay flat.
Exit code 0: the venue says flat; 1: not, with each position that remains and why.""",
    "limits": """examples:
  every limit with its use; of one symbol:
    tradewind ctl limits get
    tradewind ctl limits get --symbol BTCUSDT
  tighter, at once; wider needs --loosen:
    tradewind ctl limits set max_order_qty=0.01 max_position=0.1 --symbol BTCUSDT --reason "thin market"
    tradewind ctl limits set max_order_qty=0.05 --symbol BTCUSDT --loosen --reason "as before"
  units: a share, a time, money; `none` lifts a limit:
    tradewind ctl limits set max_drawdown_bps=2% --strategy maker
    tradewind ctl limits set max_daily_loss=none --loosen
  back to the configuration, one limit or all of a scope:
    tradewind ctl limits reset max_order_qty --symbol BTCUSDT --loosen
    tradewind ctl limits reset --symbol BTCUSDT --loosen

Changes stand in the journal with your uid and --reason, and hold over restarts. Exit code 0: they are in force; 1: refused,
nothing was changed; 3: what loosens waits for a second person (`ctl approve`), nothing has changed yet.""",
    "arm": """examples:
  everything, after a kill or a halt that only a person clears; one symbol after a mismatch; a strategy that was disabled:
    tradewind ctl arm --reason "the drill is over"
    tradewind ctl arm --symbol BTCUSDT
    tradewind ctl arm --strategy maker

Exit code 0: armed, trading begins after reconciliation; 1: refused, or the kill switch is still on; 3: it waits for a second
person (`ctl approve`), nothing has changed yet.""",
    "resume": """examples:
  one strategy; all of them; one algorithm by its handle:
    tradewind ctl resume --strategy maker
    tradewind ctl resume
    tradewind ctl resume --order 4294967297

Exit code 0: done; 1: refused; 3: it waits for a second person (`ctl approve`), nothing has changed yet.""",
    "approve": """examples:
  what waits, then let it take effect:
    tradewind ctl proposals
    tradewind ctl approve 1 --reason "agreed with risk"

Exit code 0: carried out; 1: refused, or no such proposal waits; 77: it is your own, or you may not command this engine.""",
    "cancel": """examples:
  one order, or a bracket, a list, an algorithm with all its orders; a symbol; everything:
    tradewind ctl cancel --order 4294967297
    tradewind ctl cancel --symbol BTCUSDT
    tradewind ctl cancel

Exit code 0: asked of the venue, or there is nothing in the scope; 1: there is no such order, or it has ended.""",
    "pause": """examples:
  one strategy; all of them; one algorithm by its handle:
    tradewind ctl pause --strategy maker
    tradewind ctl pause
    tradewind ctl pause --order 4294967297""",
}


def teach(name: str, parser: argparse.ArgumentParser) -> None:
    """Put a command's usage line and examples into its help."""
    if name in USAGES:
        parser.usage = USAGES[name]
    if name in EXAMPLES:
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        parser.epilog = EXAMPLES[name]
