"""Tradewind: a headless trading engine daemon with a compiled core."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.strategy.api import StaleView, Strategy, StrategyConfig, StrategyHang

__all__ = ["StaleView", "Strategy", "StrategyConfig", "StrategyHang"]


def __getattr__(name: str) -> object:
    # on first use: the command line must not load the compiled core to print its help
    if name in __all__:
        from engine.strategy import api

        return getattr(api, name)
    raise AttributeError(f"module 'engine' has no attribute {name!r}")
