"""The USD-M half of the venue's shell: its core, limits, listen keys and streams."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engine.sim.usdm.api import UsdmSymbolRules, UsdmVenue
from engine.sim.wire.faults import Faults
from engine.sim.wire.limits import Limits
from engine.sim.wire.usdm.config import UsdmLimitsConfig, UsdmWireConfig
from engine.sim.wire.usdm.digits import Digits
from engine.sim.wire.usdm.limits import UsdmLimits
from engine.sim.wire.usdm.listen_keys import ListenKeys
from engine.sim.wire.usdm.publisher import UsdmPublisher


class UsdmSide:
    """What USD-M sessions share. ``rules`` and ``digits`` are by symbol; a contract's status is the core's to tell."""

    def __init__(
        self,
        core: UsdmVenue,
        limits: UsdmLimitsConfig,
        wire: UsdmWireConfig,
        spot_limits: Limits,
        faults: Faults,
        start_ns: int,
    ) -> None:
        self.core = core
        self.wire = wire
        self.limits = UsdmLimits(limits, spot_limits)
        self.listen_keys = ListenKeys(wire.listen_key_life_s, start_ns)
        self.rules: dict[str, UsdmSymbolRules] = {rules.symbol: rules for rules in core.exchange_info()}
        self.digits: dict[str, Digits] = {
            name: Digits(rules.price_precision, rules.quantity_precision) for name, rules in self.rules.items()
        }
        self.publisher = UsdmPublisher(core, wire, faults, self.listen_keys, self.digits, start_ns)

    def publish(self, before: Callable[[Sequence[object]], None] | None = None) -> None:
        """Send what the core has ready; `before` is told of it first."""
        events = self.core.drain()
        if events and before is not None:
            before(events)
        if events:
            self.publisher.publish(events)

    def tick(self, now_ns: int) -> None:
        """Emit the timed streams, and end the listen keys whose hour is over."""
        self.publisher.tick(now_ns)
        for key in self.listen_keys.take_expired(now_ns):
            self.publisher.expire_key(key.text, now_ns)

    def next_wake_ns(self) -> int:
        """When the core or a timer acts next (Unix ns)."""
        wake_ns = min(self.core.next_wake_ns(), self.publisher.next_timer_ns())
        expiry_ns = self.listen_keys.next_expiry_ns()
        return wake_ns if expiry_ns is None else min(wake_ns, expiry_ns)

    def close_listen_key(self, account_id: int) -> None:
        """End an account's listen key on its own wish: nothing is told."""
        key = self.listen_keys.close(account_id)
        if key is not None:
            self.publisher.forget_key(key.text)

    def expire_listen_key(self, account_id: int, now_ns: int) -> bool:
        """End an account's listen key before its time; its connections are told. False when there is none."""
        key = self.listen_keys.close(account_id)
        if key is not None:
            self.publisher.expire_key(key.text, now_ns)
        return key is not None
