"""USD-M limits: their own weight pool beside spot's, order counts in ten seconds and a minute, shared pools."""

from __future__ import annotations

from engine.sim.wire import errors
from engine.sim.wire.limits import AddressLimits, Limits, LimitsConfig, Window
from engine.sim.wire.usdm.config import UsdmLimitsConfig

POOL_TEXT = "Too many requests; current limit is {limit} requests per 5 MINUTE."


class UsdmAddress(AddressLimits):
    """What one client address has used of USD-M. A ban holds on spot and here alike."""

    def __init__(self, config: UsdmLimitsConfig, spot: AddressLimits) -> None:
        base = LimitsConfig(
            weight_minute=config.weight_minute, raw_5m=config.raw_5m, bans_after=config.bans_after, ban_s=config.ban_s
        )
        super().__init__(base)
        self._spot = spot
        self._pools = {
            "funding": Window("MINUTE", 5, config.funding_5m),
            "data": Window("MINUTE", 5, config.data_5m),
        }

    def _charge(self, weight: int, now_ns: int) -> None:
        self.banned_until_ns = max(self.banned_until_ns, self._spot.banned_until_ns)
        super()._charge(weight, now_ns)

    def may_come(self, now_ns: int) -> bool:
        """Nothing that was asked for keeps the address quiet now."""
        return super().may_come(now_ns) and now_ns >= self._spot.banned_until_ns

    def ban(self, until_ns: int) -> None:
        """Answer 418 on every interface until ``until_ns`` (Unix)."""
        super().ban(until_ns)
        self._spot.ban(until_ns)

    def draw(self, pool: str, now_ns: int) -> None:
        """Count one request to the pool "funding" or "data"; refuses 429 when it is empty."""
        window = self._pools[pool]
        window.roll(now_ns)
        window.count += 1
        if window.count > window.limit:
            text = POOL_TEXT.format(limit=window.limit)
            raise errors.ApiError(-1003, text, status=429, retry_at_ms=-(-window.end_ns // 1_000_000))


class UsdmOrderCounts:
    """An account's order counts; a fill gives nothing back."""

    def __init__(self, config: UsdmLimitsConfig) -> None:
        self.short = Window("SECOND", 10, config.orders_10s)
        self.minute = Window("MINUTE", 1, config.orders_minute)

    def roll(self, now_ns: int) -> None:
        """Bring both windows to ``now_ns``."""
        self.short.roll(now_ns)
        self.minute.roll(now_ns)

    def take(self, now_ns: int, short: int = 1, minute: int = 1) -> None:
        """Count orders; refuses -1015 when a window has no room for them."""
        self.roll(now_ns)
        for window, wanted in ((self.minute, minute), (self.short, short)):
            if window.count + wanted > window.limit:
                refusal = errors.too_many_orders(window.limit, f"{window.interval_num} {window.interval}")
                refusal.retry_at_ms = window.end_ns // 1_000_000
                raise refusal
        self.short.count += short
        self.minute.count += minute

    def rows(self) -> bytes:
        """Both counts as ``rateLimits`` objects, separated by commas."""
        return self.short.row("ORDERS") + b"," + self.minute.row("ORDERS")


class UsdmLimits:
    """Every limit of USD-M."""

    def __init__(self, config: UsdmLimitsConfig, spot: Limits) -> None:
        self.config = config
        self._spot = spot
        self._addresses: dict[str, UsdmAddress] = {}
        self._accounts: dict[int, UsdmOrderCounts] = {}

    def address(self, address: str) -> UsdmAddress:
        """The counters of one client address."""
        found = self._addresses.get(address)
        if found is None:
            found = self._addresses[address] = UsdmAddress(self.config, self._spot.address(address))
        return found

    def rows(self) -> dict[str, dict[str, int]]:
        """What each address has used, as ``status`` of the test port shows it."""
        return {address: limits.row() for address, limits in self._addresses.items()}

    def account(self, account_id: int) -> UsdmOrderCounts:
        """The order counts of one account."""
        found = self._accounts.get(account_id)
        if found is None:
            found = self._accounts[account_id] = UsdmOrderCounts(self.config)
        return found

    def describe(self) -> list[dict[str, object]]:
        """``rateLimits`` of exchangeInfo."""
        rows = (
            ("REQUEST_WEIGHT", "MINUTE", 1, self.config.weight_minute),
            ("ORDERS", "MINUTE", 1, self.config.orders_minute),
            ("ORDERS", "SECOND", 10, self.config.orders_10s),
        )
        return [
            {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit}
            for kind, interval, number, limit in rows
        ]
