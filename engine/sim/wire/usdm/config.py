"""The USD-M half of the venue's file that is the shell's: limits and timing (defaults: the exchange's)."""

from __future__ import annotations

import msgspec


class UsdmLimitsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Table ``usdm_limits``. ``funding_5m`` is the pool that the funding endpoints share, ``data_5m`` that of
    ``/futures/data`` (both requests in five minutes an address)."""

    weight_minute: int = 2_400
    orders_10s: int = 300
    orders_minute: int = 1_200
    raw_5m: int = 300_000
    funding_5m: int = 500
    data_5m: int = 1_000
    bans_after: int = 20
    ban_s: int = 120
    stream_messages_s: int = 10
    streams_per_connection: int = 1_024


class UsdmWireConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Table ``usdm_wire``. ``strict_2026_07`` leaves away what the exchange announced to drop or never documented:
    ``avgPrice`` and ``cumQuote`` in the replies that change an order, ``lastUpdateId`` of the book ticker. The other
    keys are paces and times of the streams."""

    strict_2026_07: bool = False
    listen_key_life_s: int = 3_600
    ping_interval_s: int = 180
    pong_timeout_s: int = 600
    ticker_ms: int = 2_000
    kline_ms: int = 250
    force_order_ms: int = 1_000
