"""The limits of a configuration as whole numbers, and the faults that only several of its keys show."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from engine.config_metas import Section
from engine.config_risk_schema import ModeRule
from engine.config_schema import Config
from engine.config_source import Path as KeyPath
from engine.model.codes import LimitScope
from engine.model.instruments import to_e8
from engine.model.limits import DECIMAL_UNITS, LIMITS, NEEDS, Unit

MODES = ("ELEVATED", "HIGH", "CRITICAL")
THRESHOLDS = ("drawdown", "drawdown_bps", "window_loss", "volatility_bps", "venue_health")


def limit_values(section: Section) -> dict[str, int]:
    """The limits that a table sets, in the units of `engine.model.limits`."""
    found = {}
    for name, limit in LIMITS.items():
        value = getattr(section, name, None)
        if value is not None and not (limit.unit is Unit.PERMISSION and not value):
            found[name] = to_e8(value) if limit.unit in DECIMAL_UNITS else int(value)
    return found


def scope_faults(config: Config) -> Iterator[tuple[KeyPath, str]]:
    """Scopes that do not exist, and limits without the times that they need."""
    accounts = [str(number) for number in range(1, len(config.venue) + 1)]
    for table, names in (("account", accounts), ("venue", list(config.venue)), ("strategy", list(config.strategy))):
        for name in getattr(config.risk, table):
            if name not in names:
                yield ("risk", table, name), unknown_text(table, name, names)
    for path, section in scopes(config):
        for name, partners in NEEDS.items():
            if getattr(section, name, None) is not None:
                yield from (
                    ((*path, name), f"needs {partner} beside it")
                    for partner in partners
                    if getattr(section, partner) is None
                )
    for name, strategy in config.risk.strategy.items():
        if strategy.max_drawdown_bps is not None and strategy.capital_budget is None:
            yield ("risk", "strategy", name, "max_drawdown_bps"), "counts from capital_budget, which is missing"
    yield from mode_faults(config)


def mode_faults(config: Config) -> Iterator[tuple[KeyPath, str]]:
    """A mode without a threshold never begins; a later one is never milder than an earlier one."""
    percent = 100
    for name in MODES:
        rule = getattr(config.risk.modes, name.lower())
        if rule is None:
            continue
        path = ("risk", "modes", name)
        if all(getattr(rule, threshold) is None for threshold in THRESHOLDS):
            yield path, f"needs a threshold: one of {', '.join(THRESHOLDS)}"
        if rule.limits_percent > percent:
            yield (*path, "limits_percent"), f"is milder than the mode before it, which leaves {percent}"
        percent = min(percent, rule.limits_percent)


def unknown_text(table: str, name: str, names: list[str]) -> str:
    """What to say of a scope that nothing in the file is called."""
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean {near[0]}?" if near else f"; there are: {', '.join(names) or 'none'}"
    return f"there is no {table} of this name{hint}"


def scopes(config: Config) -> Iterator[tuple[KeyPath, Any]]:
    """Every table of limits with its path."""
    risk = config.risk
    yield ("risk",), risk
    for table in ("account", "venue", "strategy", "instrument"):
        for name, section in getattr(risk, table).items():
            yield ("risk", table, name), section


def scope_id_rows(
    config: Config, accounts: Iterable[int], venues: Mapping[str, int], strategies: Mapping[str, int]
) -> Iterator[tuple[LimitScope, int, dict[str, int]]]:
    """Every scope's limits but the instruments', by id."""
    risk = config.risk
    yield LimitScope.ENGINE, 0, limit_values(risk)
    for number in accounts:
        if str(number) in risk.account:
            yield LimitScope.ACCOUNT, number, limit_values(risk.account[str(number)])
    for name, section in risk.venue.items():
        yield LimitScope.VENUE, venues[name], limit_values(section)
    for name, strategy in risk.strategy.items():
        if name in strategies:
            yield LimitScope.STRATEGY, strategies[name], limit_values(strategy)


def mode_rules(config: Config) -> list[tuple[int, ModeRule]]:
    """The configured modes with their numbers (1 ELEVATED, 2 HIGH, 3 CRITICAL)."""
    rules = [(number, getattr(config.risk.modes, name.lower())) for number, name in enumerate(MODES, 1)]
    return [(number, rule) for number, rule in rules if rule is not None]
