"""What commands take: no scope that is always refused, and keys of limits wherever they stand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.exit_codes import ExitCode
from tests.contract.test_cli import Shell


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.delenv("TRADEWIND_CONFIG", raising=False)
    return Shell(tmp_path, capsys)


def test_flatten_offers_no_strategy_since_positions_are_the_accounts(shell: Shell) -> None:
    assert "--strategy" not in shell("ctl", "flatten", "--help").out
    assert shell.ctl("flatten", "--strategy", "maker").code == ExitCode.USAGE


@pytest.mark.parametrize(
    "words",
    [
        ("reset", "--symbol", "BTCUSDT", "max_order_qty", "max_open_orders"),
        ("reset", "max_order_qty", "--symbol", "BTCUSDT", "max_open_orders"),
        ("reset", "max_order_qty", "max_open_orders", "--symbol", "BTCUSDT"),
    ],
)
def test_keys_of_limits_stand_before_or_behind_the_scope(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    taken: list[Any] = []

    def take(args: Any) -> int:
        taken.append(args)
        return 0

    monkeypatch.setattr("engine.cli.ctl_limits.run", take)
    assert shell.ctl("limits", *words).code == ExitCode.OK
    assert [(args.limits, args.symbol) for args in taken] == [(["max_order_qty", "max_open_orders"], "BTCUSDT")]


def test_an_option_that_limits_do_not_have_is_still_a_wrong_command_line(shell: Shell) -> None:
    assert shell.ctl("limits", "reset", "--symbl", "BTCUSDT", "max_order_qty").code == ExitCode.USAGE
    assert shell.ctl("status", "max_order_qty").code == ExitCode.USAGE
