"""`ctl arm --venue OLD`: a line that the engine has no more, of which its guard still keeps a kill."""

from __future__ import annotations

import argparse
from typing import Any, cast

import msgspec
import pytest

from engine.cli import ctl_guard
from engine.cli.target import Target
from engine.control.messages import (
    Accepted,
    AnyReply,
    AnyRequest,
    Arm,
    EngineStatus,
    RefusalCode,
    Refused,
    Scope,
    Status,
)
from engine.exit_codes import CommandError, ExitCode
from engine.model.codes import HaltReason, TradingState

ARGS = argparse.Namespace(action="arm", json=False, timeout=1.0, venue="old", symbol=None, strategy=None, account=None)
UNKNOWN = Refused(code=RefusalCode.UNKNOWN_NAME, text="unknown venue 'old'")


def killed_engine() -> EngineStatus:
    """The status of an engine that was killed as a whole."""
    fields: dict[str, Any] = {item.name: item.type() for item in msgspec.structs.fields(EngineStatus) if item.required}
    state = {"trading_state": TradingState.HALTED, "halt_reason": HaltReason.KILL, "kill": True}
    return EngineStatus(**(fields | state))


def arm(monkeypatch: pytest.MonkeyPatch, scope: Scope, guard: AnyReply | str) -> tuple[int, list[str]]:
    """The exit code, and whom it told."""
    told = []

    def ask(_target: Target, request: AnyRequest, _timeout_s: float) -> AnyReply:
        told.append(f"engine: {type(request).__name__}")
        return killed_engine() if isinstance(request, Status) else UNKNOWN

    def exchange(*_args: object, engine_too: bool) -> dict[str, AnyReply | str]:
        assert not engine_too
        told.append("guard")
        return {"guard": guard}

    monkeypatch.setattr(ctl_guard, "ask", ask)
    monkeypatch.setattr(ctl_guard, "exchange", exchange)
    return ctl_guard.command_both(ARGS, cast(Target, None), Arm(scope=scope)), told


@pytest.mark.invariant("R25")
def test_the_guard_is_asked_and_the_engines_state_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = arm(monkeypatch, Scope(venue="old"), Accepted(sequence=0))
    assert (code, told) == (ExitCode.OK, ["engine: Arm", "guard", "engine: Status"])
    text = capsys.readouterr().out
    assert "unknown venue 'old'" in text
    assert "HALTED" in text
    assert "guard: armed" in text


@pytest.mark.parametrize("guard", [UNKNOWN, "no guard answers"])
def test_where_the_guard_does_not_know_it_either_it_is_refused(
    monkeypatch: pytest.MonkeyPatch, guard: AnyReply | str
) -> None:
    with pytest.raises(CommandError, match="unknown venue 'old'; its guard:") as raised:
        arm(monkeypatch, Scope(symbol="old:BTCUSDT"), guard)
    assert raised.value.code == ExitCode.REFUSED


def test_a_symbol_of_several_lines_is_not_armed_in_the_guard_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CommandError, match=r"refused: unknown venue 'old'$"):
        arm(monkeypatch, Scope(symbol="BTCUSDT"), Accepted(sequence=0))
