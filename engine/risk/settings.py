"""What the risk monitor is set to."""

from __future__ import annotations

import msgspec

from engine.model.codes import BreakerState, RiskMode, TradingState
from engine.model.instruments import INT64_MAX

NS_PER_S = 1_000_000_000


class ModeTerms(msgspec.Struct, frozen=True, kw_only=True):
    """When a risk mode begins (INT64_MAX or CLOSED: not by this) and what it does; money in 10^-8 of the reporting currency."""

    mode: RiskMode
    drawdown_e8: int = INT64_MAX
    drawdown_bps: int = INT64_MAX
    window_loss_e8: int = INT64_MAX
    volatility_bps: int = INT64_MAX
    venue_health: BreakerState = BreakerState.CLOSED
    percent: int = 100
    state: TradingState = TradingState.ACTIVE
    until_arm: bool = False


class RiskSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Times in nanoseconds. `day_offset_ns`: how long after midnight UTC a trading day begins."""

    day_offset_ns: int = 0
    loss_window_ns: int = 3600 * NS_PER_S
    volatility_halflife_s: int = 300
    calm_ns: int = 60 * NS_PER_S
    breaker_failures: int = 5
    breaker_window_ns: int = 30 * NS_PER_S
    breaker_cooldown_ns: int = 10 * NS_PER_S
    breaker_probes: int = 2
    modes: tuple[ModeTerms, ...] = ()
