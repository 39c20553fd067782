"""What is left open and can never be closed: less than the venue takes, or gone from the account (fees in the base asset)."""

from __future__ import annotations

from engine.execution.parent import Port

# balances are told apart from fills: what looks like dust must look so for that long, with nothing at work
DUST_NS = 10_000_000_000


class Dust:
    """`is_final`: the wait is over, and nothing will be tried any more."""

    def __init__(self, port: Port) -> None:
        self.port = port
        self.timer_id = 0
        self.is_final = False

    def is_dust(self, lots: int, side: int, price_ticks: int) -> bool:
        """Would the venue take no order that closes what of `lots` the account has, at that price or the market's."""
        facts, view = self.port.instrument(), self.port.market()
        left_lots = min(lots, self.port.whole_lots(side), facts.max_qty_lots)
        price_ticks = max(price_ticks, view.last_trade_ticks, view.best_bid_ticks)
        if left_lots <= 0 or price_ticks <= 0:
            return left_lots <= 0
        return not facts.is_sendable(price_ticks, left_lots, reduces=True)

    def wait(self) -> None:
        """Begin the wait, once."""
        if not self.timer_id and not self.is_final:
            self.timer_id = self.port.set_timer(DUST_NS)

    def forget(self) -> None:
        """There is something to be closed after all."""
        self.is_final = False
        if self.timer_id:
            self.port.drop_timer(self.timer_id)
            self.timer_id = 0

    def on_timer(self, timer_id: int) -> None:
        """Long enough."""
        if timer_id and timer_id == self.timer_id:
            self.timer_id, self.is_final = 0, True
