"""Faults that a test asks for. Plain state: sessions and publisher read it, the admin port and simulations set it."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.sim.wire import errors


@dataclass(slots=True)
class OrderError:
    """Answer the next ``count`` order requests with ``code``, after executing them or not."""

    count: int
    code: int
    executed: bool

    def error(self) -> errors.ApiError:
        """The refusal to send."""
        text = errors.UNKNOWN_OUTCOME_TEXT.get(self.code, "An unknown error occurred while processing the request.")
        return errors.ApiError(self.code, text)


@dataclass(slots=True)
class Faults:
    """Every armed fault.

    ``drop_order_responses``: that many order replies are never sent (REST closes the connection instead).
    ``delay_ms``: replies (only those to orders with ``delay_orders_only``) leave that much later.
    ``timestamp_errors``: that many signed requests get -1021. ``gaps``: that many depth emissions a symbol vanish.
    ``clock_offset_ms``: the venue's server time and its timestamp check run ahead by this.
    ``events_first``: user data events leave before the reply that caused them. ``mute_user_events``: that many user
    data events are never sent; ``duplicate_user_events``: each is sent twice.
    """

    drop_order_responses: int = 0
    order_error: OrderError | None = None
    delay_ms: int = 0
    delay_orders_only: bool = False
    timestamp_errors: int = 0
    gaps: dict[str, int] = field(default_factory=dict)
    clock_offset_ms: int = 0
    events_first: bool = False
    mute_user_events: int = 0
    duplicate_user_events: bool = False

    def take_drop(self) -> bool:
        """Use up one dropped order reply."""
        if self.drop_order_responses <= 0:
            return False
        self.drop_order_responses -= 1
        return True

    def take_timestamp_error(self) -> bool:
        """Use up one forced -1021."""
        if self.timestamp_errors <= 0:
            return False
        self.timestamp_errors -= 1
        return True

    def take_order_error(self) -> OrderError | None:
        """Use up one forced order error."""
        armed = self.order_error
        if armed is None or armed.count <= 0:
            return None
        armed.count -= 1
        return armed

    def take_gap(self, symbol: str) -> bool:
        """Use up one vanished depth emission of ``symbol``."""
        if self.gaps.get(symbol, 0) <= 0:
            return False
        self.gaps[symbol] -= 1
        return True

    def take_muted_event(self) -> bool:
        """Use up one user data event that is never sent."""
        if self.mute_user_events <= 0:
            return False
        self.mute_user_events -= 1
        return True
