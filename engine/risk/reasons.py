"""What each Reason means: which check gives it, of which limit, in which scopes. docs/risk.md has the table of it."""

from __future__ import annotations

from typing import NamedTuple

from engine.model.codes import LimitScope, Reason

ALL = tuple(LimitScope)
NONE: tuple[LimitScope, ...] = ()
ENGINE = (LimitScope.ENGINE,)
INSTRUMENT = (LimitScope.INSTRUMENT,)
STRATEGY = (LimitScope.STRATEGY,)
NOT_STRATEGY = (LimitScope.ENGINE, LimitScope.ACCOUNT, LimitScope.VENUE, LimitScope.INSTRUMENT)
WIDE = (LimitScope.ENGINE, LimitScope.ACCOUNT, LimitScope.VENUE, LimitScope.STRATEGY)
LINE = (LimitScope.ENGINE, LimitScope.ACCOUNT, LimitScope.VENUE)


class Meaning(NamedTuple):
    """Who gives the reason, for what; keys of the configuration and their scopes; `yields`: what reduces passes."""

    by: str
    check: str
    keys: tuple[str, ...] = ()
    scopes: tuple[LimitScope, ...] = NONE
    yields: bool = False


def gate(check: str, *keys: str, scopes: tuple[LimitScope, ...] = NONE, yields: bool = False) -> Meaning:
    """A check of the gate."""
    return Meaning("gate", check, keys, scopes, yields)


MEANINGS: dict[Reason, Meaning] = {
    Reason.NONE: Meaning("-", "approved, or ended as asked"),
    Reason.HALTED: gate("trading state, kill, a symbol's halt", scopes=ALL),
    Reason.REDUCING_ONLY: gate("REDUCING, and reduce-only orders: may close the position, not turn it", scopes=ALL),
    Reason.UNKNOWN_INSTRUMENT: gate("no such instrument"),
    Reason.INSTRUMENT_NOT_TRADING: gate("the venue's status of the instrument"),
    Reason.BOOK_INVALID: gate("the book is not valid"),
    Reason.STALE: gate("market data older than allowed, or a trigger's price never told", "stale_after_ms"),
    Reason.PRICE_NOT_POSITIVE: gate("a limit price above 0"),
    Reason.QTY_NOT_POSITIVE: gate("a quantity above 0"),
    Reason.QTY_BELOW_MIN: gate("the venue's least quantity, of market orders its own"),
    Reason.QTY_ABOVE_MAX: gate(
        "the largest order; the venue's, of market orders its own", "max_order_qty", scopes=INSTRUMENT
    ),
    Reason.NOTIONAL_BELOW_MIN: gate("the venue's least value of an order"),
    Reason.NOTIONAL_ABOVE_MAX: gate("the largest value of an order; the venue's", "max_order_notional", scopes=ALL),
    Reason.PRICE_COLLAR: gate(
        "farthest price from the mid; of conditional orders the limit from its trigger", "price_collar_bps", scopes=ALL
    ),
    Reason.POSITION_LIMIT: gate(
        "the largest position with all that works on the side", "max_position", scopes=INSTRUMENT
    ),
    Reason.OPEN_ORDERS_LIMIT: gate("orders open at once", "max_open_orders", scopes=ALL),
    Reason.MESSAGE_RATE: gate("token buckets", "message_rate_per_s", "message_burst", scopes=ALL),
    Reason.INSUFFICIENT_BALANCE: gate("spot: what the order may spend is there, beside what is promised"),
    Reason.UNSUPPORTED: gate("the venue does not carry it out by itself; the execution stage may"),
    Reason.UNKNOWN_ORDER: gate("a replace's target: known, own, same instrument and side"),
    Reason.ORDER_NOT_OPEN: gate("a replace's target: open, nothing under way"),
    Reason.STRATEGY_DISABLED: gate("the strategy raised, hung or was killed"),
    Reason.STRATEGY_PAUSED: gate("the strategy is paused"),
    Reason.ORDER_POOL_FULL: gate("room for the order"),
    Reason.RING_FULL: gate("room on the way to the venue"),
    Reason.JOURNAL_FULL: gate("room in the ledger"),
    Reason.SESSION_DOWN: Meaning("order session", "no connection"),
    Reason.RATE_BUDGET: Meaning("order session", "the venue's rate limits"),
    Reason.APPROVAL_INVALID: Meaning("order session", "no approval, or spent"),
    Reason.VENUE_REJECT: Meaning("venue", "the venue refused it"),
    Reason.WOULD_CROSS: gate("post-only: would trade at once"),
    Reason.DUPLICATE: gate(
        "a handle is approved once; the same order again within the window", "duplicate_window_ms", scopes=ALL
    ),
    Reason.VENUE_TIMEOUT: Meaning("venue", "no answer in time"),
    Reason.NOT_FOUND: Meaning("venue", "no such order there"),
    Reason.INTERNAL: Meaning("engine", "a fault of the engine's own"),
    Reason.NOT_ARMED: gate("limits were never set"),
    Reason.KEY_REFUSED: Meaning("order session", "the venue refuses the API key"),
    Reason.RESTRICTED: gate(
        "a side or everything taken away", "no_buy", "no_sell", "restricted", scopes=ALL, yields=True
    ),
    Reason.SHORT_BANNED: gate("futures: no selling below a position of 0, no short side", "no_short", scopes=ALL),
    Reason.COLLAR_PERIOD: gate(
        "farthest price from the reference of a period ago",
        "price_collar_period_bps",
        "price_collar_period_ms",
        scopes=NOT_STRATEGY,
    ),
    Reason.SLIPPAGE: gate(
        "market orders: the average of the levels walked from the mid", "max_slippage_bps", scopes=ALL
    ),
    Reason.GROSS_EXPOSURE: gate(
        "sum of the values of positions, worst case of all working orders", "max_gross_exposure", scopes=ALL
    ),
    Reason.NET_EXPOSURE: gate(
        "longs less shorts, all working orders of the side filled", "max_net_exposure", scopes=ALL
    ),
    Reason.LEVERAGE: gate("gross exposure over equity", "max_leverage", scopes=LINE),
    Reason.POSITIONS_LIMIT: gate("positions that are not flat, working ones included", "max_positions", scopes=WIDE),
    Reason.POSITION_NOTIONAL: gate(
        "value of one position, working orders of the side filled", "max_position_notional", scopes=ALL
    ),
    Reason.MARGIN: gate("futures: initial margin of what would be opened is available"),
    Reason.SELF_TRADE: gate("would meet an own resting limit order of the account", "no_self_trade", scopes=ALL),
    Reason.REPEATED_EXECUTION: gate(
        "so many executions within the window: nothing of the strategy until `arm`",
        "max_executions",
        "executions_window_ms",
        scopes=ALL,
    ),
    Reason.DAILY_LOSS: gate("loss of the day", "max_daily_loss", scopes=ALL, yields=True),
    Reason.DRAWDOWN: gate(
        "fall from the peak, in money or basis points", "max_drawdown", "max_drawdown_bps", scopes=ALL, yields=True
    ),
    Reason.LOSS_STREAK: gate(
        "cool-down after losses in a row", "max_loss_streak", "loss_cooldown_ms", scopes=ALL, yields=True
    ),
    Reason.PRICE_MOVE: gate(
        "pause after a move of the price",
        "max_price_move_bps",
        "price_move_window_ms",
        "price_move_pause_ms",
        scopes=INSTRUMENT,
        yields=True,
    ),
    Reason.CAPITAL_BUDGET: gate(
        "gross exposure of a strategy's own positions and orders", "capital_budget", scopes=STRATEGY
    ),
    Reason.RISK_MODE: gate("the risk mode lets nothing open", scopes=ALL, yields=True),
    Reason.NOT_VALUED: gate(
        "no rate from the quote asset to the reporting currency, or a value beyond 1.4 * 10^9, a gross exposure beyond "
        "4.6 * 10^10",
        yields=True,
    ),
    Reason.VENUE_UNHEALTHY: gate("the venue's circuit breaker is open", scopes=ALL),
    Reason.TRIGGER_PRICE: gate("a trigger within the venue's prices; a trailing distance above 0"),
    Reason.TRIGGERED_AT_ONCE: gate("the trigger lies on the far side of the market"),
    Reason.DISPLAY_QTY: gate("iceberg: shows more than the least quantity, less than all"),
    Reason.EXPIRE_TIME: gate("GTD: ends in the future"),
    Reason.POSITION_SIDE: gate(
        "LONG or SHORT in a hedged account, neither elsewhere; of a bracket: no position on the other side"
    ),
    Reason.PARENT_QTY: Meaning("execution stage", "children never exceed their parent's quantity"),
    Reason.LIST_INCOMPLETE: Meaning("OMS", "a leg of the list was refused"),
    Reason.HELD_FULL: Meaning("execution stage", "no room to hold another order"),
    Reason.EXPIRED: Meaning("execution stage", "its time was over"),
    Reason.CANCELED_BY_CONTINGENCY: Meaning("execution stage", "another order of the list filled or ended"),
    Reason.PRICE_STEP: gate("the venue's price step, where it is coarser than a tick"),
    Reason.QTY_STEP: gate("the venue's quantity step, where it is coarser than a lot; of market orders its own"),
    Reason.VENUE_ORDERS: gate("the most orders that the venue lets be open on the symbol"),
    Reason.VENUE_CONDITIONAL_ORDERS: gate("the same of conditional orders, of the symbol or the account"),
    Reason.VENUE_ICEBERG_ORDERS: gate("the same of icebergs"),
    Reason.VENUE_ORDER_LISTS: gate("the same of order lists"),
    Reason.CLOSE_POSITION_TWICE: gate("one order of a type, side and position side at most closes the whole position"),
    Reason.NOT_DURABLE: Meaning("order session", "the order's records reach the disk in time (durability level order)"),
}


def row(reason: Reason) -> str:
    """One line of the table."""
    meaning = MEANINGS[reason]
    scopes = "all" if meaning.scopes == ALL else ", ".join(scope.name.lower() for scope in meaning.scopes)
    keys = ", ".join(f"`{key}`" for key in meaning.keys)
    passes = "yes" if meaning.yields else "-"
    return f"| {reason.value} | `{reason.name}` | {meaning.by} | {meaning.check} | {keys or '-'} | {scopes or '-'} | {passes} |"


def table() -> str:
    """The table of all reasons, in the order of their numbers."""
    head = "| number | reason | by | check | limit | scopes | what reduces passes |"
    return "\n".join([head, "|---|---|---|---|---|---|---|", *(row(reason) for reason in Reason)])


__all__ = ["MEANINGS", "Meaning", "table"]
