"""From the configuration to the risk monitor: its settings, every scope's limits, and what the reporting currency is worth."""

from __future__ import annotations

from collections.abc import Mapping

from engine.config import Config
from engine.config_limits import limit_values, mode_rules, scope_id_rows
from engine.config_risk_schema import ModeRule
from engine.line_names import risk_rows
from engine.model.codes import BreakerState, LimitScope, RiskMode, TradingState
from engine.model.instruments import E8, INT64_MAX, to_e8
from engine.model.tables import Tables
from engine.risk.monitor import RiskMonitor
from engine.risk.settings import ModeTerms, RiskSettings

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
HEALTH = {None: BreakerState.CLOSED, "half-open": BreakerState.HALF_OPEN, "open": BreakerState.OPEN}
STATES = {None: TradingState.ACTIVE, "reducing": TradingState.REDUCING, "halted": TradingState.HALTED}


def settings_of(config: Config) -> RiskSettings:
    """What the monitor is set to."""
    measures, health = config.risk.measures, config.health
    hours, minutes = measures.day_start_utc.split(":")
    return RiskSettings(
        day_offset_ns=(int(hours) * 60 + int(minutes)) * 60 * NS_PER_S,
        loss_window_ns=measures.loss_window_s * NS_PER_S,
        volatility_halflife_s=measures.volatility_halflife_s,
        calm_ns=config.risk.modes.calm_s * NS_PER_S,
        breaker_failures=health.failures,
        breaker_window_ns=health.window_ms * NS_PER_MS,
        breaker_cooldown_ns=health.cooldown_ms * NS_PER_MS,
        breaker_probes=health.probes,
        modes=tuple(mode_terms(mode, rule) for mode, rule in mode_rules(config)),
    )


def mode_terms(mode: int, rule: ModeRule) -> ModeTerms:
    """One mode's rule in the monitor's units."""

    def amount(text: str | None) -> int:
        return INT64_MAX if text is None else to_e8(text)

    def count(value: int | None) -> int:
        return INT64_MAX if value is None else value

    return ModeTerms(
        mode=RiskMode(mode),
        drawdown_e8=amount(rule.drawdown),
        drawdown_bps=count(rule.drawdown_bps),
        window_loss_e8=amount(rule.window_loss),
        volatility_bps=count(rule.volatility_bps),
        venue_health=HEALTH[rule.venue_health],
        percent=rule.limits_percent,
        state=STATES[rule.state],
        until_arm=rule.until_arm,
    )


def configure_limits(
    monitor: RiskMonitor, tables: Tables, config: Config, venues: Mapping[str, int], strategies: Mapping[str, int]
) -> None:
    """Every limit of the configuration to the monitor, which puts it in force. A line's account has the number of its venue."""
    for scope, scope_id, values in scope_id_rows(config, venues.values(), venues, strategies):
        monitor.limits.configure(scope, scope_id, values)
    for line, symbol, key in risk_rows(config):
        row_id = tables.instrument_id(venues[line], symbol)
        monitor.limits.configure(LimitScope.INSTRUMENT, row_id, limit_values(config.risk.instrument[key]))


def set_currency(tables: Tables, currency: str) -> None:
    """The reporting currency is worth itself, at whichever venue it lies."""
    for asset_id, name in enumerate(tables.assets(), 1):
        if name.rsplit(":", 1)[-1] == currency:
            tables.set_rate(asset_id, E8)
