"""The numbers of records are the same for Python and for compiled code."""

from __future__ import annotations

import inspect
import re
from enum import IntEnum

from engine.model import codes
from tests.style.tree import ROOT


def python_codes() -> dict[str, dict[str, int]]:
    """The enums of ``codes.py`` as C spells them: ``OrderType.LIMIT`` is ``ORDER_TYPE_LIMIT`` of ``OrderTypeCode``."""
    found = {}
    for name, kind in inspect.getmembers(codes, inspect.isclass):
        if issubclass(kind, IntEnum) and kind is not IntEnum:
            prefix = re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper()
            found[f"{name}Code"] = {f"{prefix}_{member.name}": int(member) for member in kind}
    return found


def compiled_codes(text: str) -> dict[str, dict[str, int]]:
    """Enumerations declared in a ``.pxd``."""
    found: dict[str, dict[str, int]] = {}
    for name, body in re.findall(r"^cdef enum (\w+):\n((?:    .*\n?)+)", text, re.MULTILINE):
        found[name] = {key: int(value, 0) for key, value in re.findall(r"(\w+)\s*=\s*(-?\w+)", body)}
    return found


def test_python_and_compiled_codes_are_the_same_numbers() -> None:
    assert compiled_codes((ROOT / "ext/engine/model/codes.pxd").read_text()) == python_codes()


def test_a_changed_number_is_seen() -> None:
    text = (ROOT / "ext/engine/model/codes.pxd").read_text()
    assert compiled_codes(text.replace("SIDE_SELL = 1", "SIDE_SELL = 2", 1)) != python_codes()


def test_numbers_of_a_code_are_given_once() -> None:
    repeated = {name for name, members in python_codes().items() if len(set(members.values())) != len(members)}
    assert repeated == set()


def test_the_scanners_reasons_are_those_of_frame_fault() -> None:
    text = (ROOT / "ext/engine/venues/binance/scan.h").read_text()
    found = {name: int(value) for name, value in re.findall(r"TW_FAULT_(\w+) = (\d+)", text)}
    assert found == {member.name: int(member) for member in codes.FrameFault}
