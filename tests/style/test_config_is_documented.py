"""Every key of the configuration stands in its page."""

from __future__ import annotations

import importlib
import inspect
from types import ModuleType

import msgspec
import pytest

from tests.style.tree import ROOT


class Sample(msgspec.Struct, frozen=True):
    """A section as a configuration would have it."""

    wait: str = "block"
    cpu_core: int = 0


def keys(module: ModuleType) -> set[str]:
    """Every key of every section that the module defines, as it is spelt in a file."""
    sections = [
        kind
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, msgspec.Struct) and kind.__module__ == module.__name__
    ]
    return {field.encode_name for section in sections for field in msgspec.structs.fields(section)}


def undocumented(names: set[str], page: str) -> set[str]:
    """Keys that the page does not name in code type."""
    return {name for name in names if f"`{name}`" not in page and f"`{name} " not in page}


def test_every_key_is_documented() -> None:
    schema = ROOT / "engine/config_schema.py"
    if not schema.exists():
        pytest.skip("there is no configuration yet")
    modules = ("engine.config_schema", "engine.config_risk_schema", "engine.config_recorder_schema")
    names = set().union(*(keys(importlib.import_module(module)) for module in modules))
    assert names
    assert undocumented(names, (ROOT / "docs/config.md").read_text()) == set()


def test_a_key_without_words_is_found() -> None:
    module = importlib.import_module(__name__)
    assert keys(module) == {"wait", "cpu_core"}
    assert undocumented(keys(module), "| `wait` | how to wait |") == {"cpu_core"}
