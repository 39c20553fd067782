"""From a configuration's words to a strategy object, with one clear line for each way to get it wrong."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping

import msgspec

from engine.model.subscriptions import Subscription, parse_subscription
from engine.strategy.api import Strategy


class StrategyLoadError(ValueError):
    """The configured strategy cannot be made; the text says why and what to mend."""


def load_strategy(class_path: str, params: Mapping[str, object]) -> Strategy:
    """Import ``module:Class`` and make it from its parameters. Raises StrategyLoadError."""
    strategy_class = find_class(class_path)
    try:
        return strategy_class.from_params(params)
    except msgspec.ValidationError as error:
        raise StrategyLoadError(f"{class_path}: params: {error}") from error


def find_class(class_path: str) -> type[Strategy]:
    """The class that ``module:Class`` names. Raises StrategyLoadError."""
    module_name, separator, class_name = class_path.partition(":")
    if not separator or not module_name or not class_name:
        raise StrategyLoadError(f'{class_path!r}: a strategy is named "module:Class"')
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise StrategyLoadError(f"{class_path}: module {module_name!r} cannot be imported: {error}") from error
    found = getattr(module, class_name, None)
    if found is None:
        raise StrategyLoadError(f"{class_path}: module {module_name!r} has no {class_name!r}")
    if not (isinstance(found, type) and issubclass(found, Strategy)):
        raise StrategyLoadError(f"{class_path}: {class_name} is no subclass of engine.Strategy")
    return found


def subscriptions_of(strategy: Strategy, words: Iterable[str]) -> tuple[Subscription, ...]:
    """What the class asks for and the configuration adds, each once. Raises StrategyLoadError for what nobody would hear."""
    found = []
    for word in dict.fromkeys((*getattr(type(strategy), "subscriptions", ()), *words)):
        try:
            row = parse_subscription(word)
        except ValueError as error:
            raise StrategyLoadError(f"subscriptions: {error}") from None
        # a compiled strategy has only the callbacks that it writes itself
        if getattr(type(strategy), row.callback, None) in (None, getattr(Strategy, row.callback)):
            raise StrategyLoadError(
                f"subscriptions: {word!r} is for {row.callback}, which {type(strategy).__name__} has not"
            )
        found.append(row)
    return tuple(found)
