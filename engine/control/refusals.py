"""A refusal of the gate in words: what was asked and what is allowed, in the units of the instrument.

A VERDICT holds two whole numbers whose unit follows from its reason and the scope of the limit; this is the one place where they
become text, for who commands, and for who reads the ledger later.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from engine.control.exact import decimal_text
from engine.model.codes import HaltReason, LimitScope, PositionSide, Reason, TradingState
from engine.risk.reasons import MEANINGS

NS_PER_MS = 1_000_000


@dataclass(frozen=True)
class Units:
    """An instrument's grid and the names of its assets; `currency`: of limits over several instruments, empty where not known."""

    symbol: str = ""
    tick_e8: int = 1
    lot_e8: int = 1
    base: str = ""
    quote: str = ""
    currency: str = ""

    def qty(self, lots: int) -> str:
        """Lots as a quantity with its asset."""
        return worded(decimal_text(lots, self.lot_e8, zero="0"), self.base)

    def price(self, ticks: int) -> str:
        """Ticks as a price with its asset."""
        return worded(decimal_text(ticks, self.tick_e8, zero="0"), self.quote)

    def price_e8(self, price_e8: int) -> str:
        """A price of 10^-8 with its asset."""
        return worded(decimal_text(price_e8, 1, zero="0"), self.quote)

    def money(self, value_e8: int) -> str:
        """Money of the instrument's own quote asset."""
        return worded(decimal_text(value_e8, 1, zero="0"), self.quote)

    def total(self, value_e8: int) -> str:
        """Money of the reporting currency."""
        return worded(decimal_text(value_e8, 1, zero="0"), self.currency)

    def plain(self, value: int) -> str:
        """A count."""
        return str(value)

    def bps(self, value: int) -> str:
        """Basis points."""
        return f"{value} bps"

    def milliseconds(self, value_ns: int) -> str:
        """A time of nanoseconds."""
        return f"{value_ns // NS_PER_MS} ms"

    def amount(self, value_e8: int) -> str:
        """An amount of the asset that the order pays with, which the record does not name."""
        return decimal_text(value_e8, 1, zero="0")


Shown = Callable[[Units, int], str]


@dataclass(frozen=True)
class Form:
    """How the two numbers of a reason are shown: what the limit is called, and in which units both stand."""

    limit: str
    unit: Shown
    asked: str = "asked"
    limit_unit: Shown | None = None


QTY_FORMS = {
    Reason.QTY_BELOW_MIN: Form("least order quantity", Units.qty),
    Reason.QTY_ABOVE_MAX: Form("max order quantity", Units.qty),
    Reason.QTY_STEP: Form("quantity step", Units.qty),
    Reason.POSITION_LIMIT: Form("max position", Units.qty, "would reach"),
    Reason.SHORT_BANNED: Form("no selling below a position of", Units.qty, "would reach"),
    Reason.DISPLAY_QTY: Form("whole quantity", Units.qty, "shown"),
}
PRICE_FORMS = {
    Reason.PRICE_STEP: Form("price step", Units.price),
    Reason.WOULD_CROSS: Form("best opposite price", Units.price),
    Reason.SELF_TRADE: Form("own resting order at", Units.price),
    Reason.TRIGGERED_AT_ONCE: Form("the market", Units.price_e8, "trigger"),
    Reason.PRICE_COLLAR: Form("max distance from the reference price", Units.bps),
    Reason.COLLAR_PERIOD: Form("max distance from the price of a period ago", Units.bps),
    Reason.SLIPPAGE: Form("max slippage", Units.bps, "would be"),
}
MONEY_FORMS = {
    Reason.NOTIONAL_BELOW_MIN: Form("least order value", Units.money),
    Reason.NOTIONAL_ABOVE_MAX: Form("max order value", Units.money),
    Reason.POSITION_NOTIONAL: Form("max value of the position", Units.total, "would reach"),
    Reason.GROSS_EXPOSURE: Form("max gross exposure", Units.total, "would reach"),
    Reason.NET_EXPOSURE: Form("max net exposure", Units.total, "would reach"),
    Reason.CAPITAL_BUDGET: Form("capital budget", Units.total, "would use"),
    Reason.LEVERAGE: Form("equity", Units.total, "gross exposure would reach"),
    Reason.DAILY_LOSS: Form("the day may not fall below", Units.total, "it is at"),
    Reason.INSUFFICIENT_BALANCE: Form("the account has", Units.amount, "needed with what is promised"),
    Reason.MARGIN: Form("available", Units.money, "would open"),
}
COUNT_FORMS = {
    Reason.OPEN_ORDERS_LIMIT: Form("max open orders", Units.plain, "would be"),
    Reason.POSITIONS_LIMIT: Form("max positions", Units.plain, "would be"),
    Reason.MESSAGE_RATE: Form("messages a second", Units.plain, "burst"),
    Reason.STALE: Form("market data may be old", Units.milliseconds, "it is"),
    Reason.ORDER_POOL_FULL: Form("room for orders", Units.plain, "open"),
    Reason.RING_FULL: Form("room on the way to the venue", Units.plain, "waiting"),
}
FORMS: dict[Reason, Form] = {**QTY_FORMS, **PRICE_FORMS, **MONEY_FORMS, **COUNT_FORMS}
# by a limit over several instruments these are money of the reporting currency
TOTALS = frozenset({Reason.NOTIONAL_ABOVE_MAX})


def refusal_text(reason_code: int, scope_code: int, value: int, limit_value: int, units: Units) -> str:
    """A refusal's reason, what is allowed and what was asked. `scope_code`: as in VERDICT, 1 + `LimitScope`; 0 = none."""
    reason = Reason(reason_code)
    scope = LimitScope(scope_code - 1) if scope_code else None
    told = special_text(reason, scope, value, limit_value, units) or form_text(reason, scope, value, limit_value, units)
    return f"{reason.name}: {told or MEANINGS[reason].check}{source_text(reason, scope, units)}"


def form_text(reason: Reason, scope: LimitScope | None, value: int, limit_value: int, units: Units) -> str:
    """Of reasons whose two numbers are alike; empty for others."""
    form = FORMS.get(reason)
    if form is None or (value == 0 and limit_value == 0):
        return ""
    unit = form.unit
    if reason in TOTALS and scope not in (None, LimitScope.INSTRUMENT):
        unit = Units.total
    return f"{form.limit}: {unit(units, limit_value)}, {form.asked} {unit(units, value)}"


def special_text(reason: Reason, scope: LimitScope | None, value: int, limit_value: int, units: Units) -> str:
    """Reasons whose numbers are no pair of amounts, or not always."""
    if reason == Reason.HALTED:
        return f"trading is halted ({halt_name(value)})" if scope is None else "trading is halted in this scope"
    if reason in (Reason.PRICE_COLLAR, Reason.SLIPPAGE) and scope is None and limit_value == 0:
        return f"the book is too thin: {units.qty(value)} of it would find no price"
    if reason == Reason.PRICE_COLLAR and scope is None:
        return f"the venue's prices end at {units.price(limit_value)}, asked {units.price(value)}"
    if reason in (Reason.PRICE_NOT_POSITIVE, Reason.QTY_NOT_POSITIVE):
        return f"{MEANINGS[reason].check} is needed"
    if reason == Reason.POSITION_SIDE:
        return side_text(value, limit_value)
    if reason == Reason.DUPLICATE and limit_value:
        return f"the same order was sent {units.milliseconds(value)} ago, within {units.milliseconds(limit_value)}"
    if reason == Reason.REDUCING_ONLY and scope is None and (value or limit_value):
        # by the side of the order: what is open on its own side it cannot close
        return f"it may close {units.qty(max(limit_value, 0))}, closing orders would reach {units.qty(value)}"
    if reason == Reason.REDUCING_ONLY and scope is not None:
        return f"only what reduces a position passes ({TradingState.REDUCING.name})"
    return drawdown_text(value, limit_value, units) if reason == Reason.DRAWDOWN else ""


def drawdown_text(value: int, limit_value: int, units: Units) -> str:
    """A fall from the peak in basis points, or - above the most that these can be - in money."""
    show = Units.bps if max(value, limit_value) <= 1_000_000 else Units.total
    return f"max fall from the peak: {show(units, limit_value)}, it is {show(units, value)}"


def side_text(asked: int, is_hedged: int) -> str:
    """Which side of a position an order is of."""
    if is_hedged and not asked:
        return "the account keeps long and short positions apart (hedge mode): say --position-side long or short"
    if not is_hedged:
        return "the account nets its positions (one-way mode): an order has no position side there"
    sides = {side.value: side.name for side in PositionSide}
    return f"the order that it replaces is of another side than {sides.get(asked, asked)}, or there is no such side"


def source_text(reason: Reason, scope: LimitScope | None, units: Units) -> str:
    """Whose limit it is and by which key it is set; nothing where it is the venue's rule or no limit."""
    keys = MEANINGS[reason].keys
    if scope is None or not keys:
        return ""
    owner = units.symbol if scope == LimitScope.INSTRUMENT and units.symbol else f"the {scope.name.lower()}"
    return f" ({keys[0]} of {owner})"


def halt_name(number: int) -> str:
    """A halt's reason by name."""
    return HaltReason(number).name if number in list(HaltReason) else str(number)


def worded(text: str, asset: str) -> str:
    """An amount with its asset, where that is known."""
    return f"{text} {asset}" if asset else text
