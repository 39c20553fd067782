"""Request weights, order counts, bans and connection limits (spot ``rest-api.md``; wall-clock windows)."""

from __future__ import annotations

import msgspec

from engine.sim.wire import errors

SECOND_NS = 1_000_000_000
UNIT_SECONDS = {"SECOND": 1, "MINUTE": 60, "DAY": 86_400}
TOO_MUCH_WEIGHT = (
    "Too much request weight used; current limit is {limit} request weight per 1 MINUTE. "
    "Please use WebSocket Streams for live updates to avoid polling the API."
)
BANNED = (
    "Way too much request weight used; IP banned until {until}. "
    "Please use WebSocket Streams for live updates to avoid bans."
)


class LimitsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The venue's limits; the defaults are the exchange's.

    ``bans_after`` requests that ignore a 429 inside its window lead to a 418 for ``ban_s`` seconds.
    ``stream_messages_s`` counts a market connection's inbound frames (ping, pong and JSON) in a second.
    """

    weight_minute: int = 6_000
    orders_10s: int = 100
    orders_day: int = 200_000
    raw_5m: int = 300_000
    connections_5m: int = 300
    bans_after: int = 20
    ban_s: int = 120
    stream_messages_s: int = 5
    streams_per_connection: int = 1_024


class Window:
    """A counter that starts again at each multiple of its length on the wall clock."""

    __slots__ = ("count", "interval", "interval_num", "length_ns", "limit", "start_ns")

    def __init__(self, interval: str, interval_num: int, limit: int) -> None:
        self.interval = interval
        self.interval_num = interval_num
        self.limit = limit
        self.length_ns = UNIT_SECONDS[interval] * interval_num * SECOND_NS
        self.start_ns = -1
        self.count = 0

    def roll(self, now_ns: int) -> None:
        """Empty the window when ``now_ns`` (Unix) lies in a later one."""
        start_ns = now_ns - now_ns % self.length_ns
        if start_ns != self.start_ns:
            self.start_ns = start_ns
            self.count = 0

    @property
    def end_ns(self) -> int:
        """When the current window ends (Unix ns)."""
        return self.start_ns + self.length_ns

    def row(self, kind: str) -> bytes:
        """The window as an object of the WebSocket API's ``rateLimits``."""
        return b'{"rateLimitType":"%b","interval":"%b","intervalNum":%d,"limit":%d,"count":%d}' % (
            kind.encode(),
            self.interval.encode(),
            self.interval_num,
            self.limit,
            self.count,
        )


class AddressLimits:
    """What one client address has used."""

    def __init__(self, config: LimitsConfig) -> None:
        self._config = config
        self.weight = Window("MINUTE", 1, config.weight_minute)
        self.raw = Window("MINUTE", 5, config.raw_5m)
        self.connections = Window("MINUTE", 5, config.connections_5m)
        self.banned_until_ns = 0
        self.limited_until_ns = 0  # set by a test: 429 until then
        self.told_until_ns = 0  # a client was asked to be quiet until then
        self.refusals = 0
        self.inside_retry_after = 0
        self._refused = 0

    def roll(self, now_ns: int) -> None:
        """Bring every window to ``now_ns``."""
        if now_ns >= self.weight.end_ns:
            self._refused = 0
        for window in (self.weight, self.raw, self.connections):
            window.roll(now_ns)

    def charge(self, weight: int, now_ns: int) -> None:
        """Count one request; refuses 429 over the limit and 418 while banned."""
        self.roll(now_ns)
        self.inside_retry_after += now_ns < self.told_until_ns
        try:
            self._charge(weight, now_ns)
        except errors.ApiError as refusal:
            self.refusals += 1
            if refusal.retry_at_ms is not None:
                self.told_until_ns = max(self.told_until_ns, refusal.retry_at_ms * 1_000_000)
            raise

    def _charge(self, weight: int, now_ns: int) -> None:
        if now_ns < self.banned_until_ns:
            raise self._banned()
        if now_ns < self.limited_until_ns:
            raise self._too_much(self.limited_until_ns)
        self.raw.count += 1
        self.weight.count += weight
        if self.weight.count > self.weight.limit or self.raw.count > self.raw.limit:
            raise self._limited(now_ns)

    def give_back(self, weight: int) -> None:
        """Take back the weight of an order request that succeeded (it is free since 2026-04-02)."""
        self.weight.count = max(0, self.weight.count - weight)

    def connect(self, now_ns: int) -> bool:
        """Count a WebSocket connection; false when it may not be opened."""
        self.roll(now_ns)
        self.connections.count += 1
        return self.connections.count <= self.connections.limit and now_ns >= self.banned_until_ns

    def may_come(self, now_ns: int) -> bool:
        """Nothing that was asked for keeps the address quiet now."""
        return now_ns >= max(self.banned_until_ns, self.limited_until_ns)

    def quiet(self, status: int, until_ns: int) -> None:
        """Answer ``status`` (429 or 418) to everything until ``until_ns`` (Unix)."""
        if status == 418:
            self.ban(until_ns)
        else:
            self.limited_until_ns = until_ns

    def row(self) -> dict[str, int]:
        """As ``status`` of the test port shows it."""
        return {
            "weight_used": self.weight.count,
            "weight_limit": self.weight.limit,
            "raw_used": self.raw.count,
            "refusals": self.refusals,
            "inside_retry_after": self.inside_retry_after,
        }

    def ban(self, until_ns: int) -> None:
        """Answer 418 until ``until_ns`` (Unix)."""
        self.banned_until_ns = until_ns

    def _limited(self, now_ns: int) -> errors.ApiError:
        self._refused += 1
        if self._refused > self._config.bans_after:
            self.ban(now_ns + self._config.ban_s * SECOND_NS)
            return self._banned()
        return self._too_much(self.weight.end_ns)

    def _too_much(self, until_ns: int) -> errors.ApiError:
        text = TOO_MUCH_WEIGHT.format(limit=self.weight.limit)
        return errors.ApiError(-1003, text, status=429, retry_at_ms=-(-until_ns // 1_000_000))

    def _banned(self) -> errors.ApiError:
        until_ms = -(-self.banned_until_ns // 1_000_000)
        return errors.ApiError(-1003, BANNED.format(until=until_ms), status=418, retry_at_ms=until_ms)


class OrderLimits:
    """An account's unfilled-order counts: one more per order, one less when it first fills."""

    def __init__(self, config: LimitsConfig) -> None:
        self.short = Window("SECOND", 10, config.orders_10s)
        self.day = Window("DAY", 1, config.orders_day)

    def roll(self, now_ns: int) -> None:
        """Bring both windows to ``now_ns``."""
        self.short.roll(now_ns)
        self.day.roll(now_ns)

    def exceeded(self, now_ns: int, orders: int = 1) -> errors.ApiError | None:
        """The refusal that further orders meet, or None."""
        self.roll(now_ns)
        for window in (self.day, self.short):
            if window.count + orders > window.limit:
                refusal = errors.too_many_orders(window.limit, f"{window.interval_num} {window.interval}")
                refusal.retry_at_ms = window.end_ns // 1_000_000
                return refusal
        return None

    def count(self, now_ns: int, orders: int = 1) -> None:
        """Count accepted orders."""
        self.roll(now_ns)
        self.short.count += orders
        self.day.count += orders

    def first_fill(self, now_ns: int) -> None:
        """Give an order's count back at its first fill."""
        self.roll(now_ns)
        self.short.count = max(0, self.short.count - 1)
        self.day.count = max(0, self.day.count - 1)

    def rows(self) -> bytes:
        """Both counts as ``rateLimits`` objects, separated by commas."""
        return self.short.row("ORDERS") + b"," + self.day.row("ORDERS")


class Limits:
    """Every limit of the venue."""

    def __init__(self, config: LimitsConfig) -> None:
        self.config = config
        self._addresses: dict[str, AddressLimits] = {}
        self._accounts: dict[int, OrderLimits] = {}

    def address(self, address: str) -> AddressLimits:
        """The counters of one client address."""
        found = self._addresses.get(address)
        if found is None:
            found = self._addresses[address] = AddressLimits(self.config)
        return found

    def rows(self) -> dict[str, dict[str, int]]:
        """Every address's counters, for ``status`` of the test port."""
        return {name: limits.row() for name, limits in self._addresses.items()}

    def account(self, account_id: int) -> OrderLimits:
        """The order counters of one account."""
        found = self._accounts.get(account_id)
        if found is None:
            found = self._accounts[account_id] = OrderLimits(self.config)
        return found

    def describe(self, last: tuple[str, str, int, int]) -> list[dict[str, object]]:
        """``rateLimits`` of exchangeInfo; ``last`` is RAW_REQUESTS on REST and CONNECTIONS on WebSocket API."""
        rows = (
            ("REQUEST_WEIGHT", "MINUTE", 1, self.config.weight_minute),
            ("ORDERS", "SECOND", 10, self.config.orders_10s),
            ("ORDERS", "DAY", 1, self.config.orders_day),
            last,
        )
        return [
            {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit}
            for kind, interval, number, limit in rows
        ]
