"""Who may not command is told so by exit code 77 from every action; what waits for a second person is not done, nor refused: 3."""

from __future__ import annotations

import json
import os
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.cli import main as cli
from engine.cli.ctl import COMMANDS, LISTINGS, ORDERS
from engine.cli.ctl_second import ACTIONS
from engine.control.operators import Operators
from engine.control.second_person import SecondPerson
from engine.control.server import Caller, ControlServer
from engine.exit_codes import ExitCode
from engine.model.codes import HaltReason
from engine.runtime.clock import Clock
from tests.config_text import GOOD
from tests.control_harness import FakeEngine, serving

# listings from the ledger and the counters file ask nobody
OF_FILES = ("orders", "algos", "positions", "pnl", "account", "balances", "latency", "events")
WORDS = {
    "book": ["BTCUSDT"],
    "hedge": ["--symbol", "BTCUSDT", "--with", "BTCUSDT"],
    "order": ["buy", "BTCUSDT", "1"],
    "protect": ["BTCUSDT", "--stop-loss", "1%"],
    "amend": ["4294967297", "BTCUSDT", "--price", "1"],
    "approve": ["1"],
    "reject": ["1"],
}
ASKING = [
    *([name, *WORDS.get(name, [])] for name in (*LISTINGS, *COMMANDS, *ORDERS, *ACTIONS) if name not in OF_FILES),
    *(["limits", *words] for words in (["get"], ["set", "max_positions=1"], ["reset"])),
    ["guard", "status"],
]
GUARD = "runtime/guard.sock"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ctl(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs an action in this process against the sockets of this directory: exit code, stdout, stderr."""
    monkeypatch.delenv("TRADEWIND_CONFIG", raising=False)
    (tmp_path / "engine.toml").write_text(GOOD)
    (tmp_path / GUARD).parent.mkdir()

    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = cli.main(["ctl", words[0], *words[1:], "--config", str(tmp_path / "engine.toml")])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


@pytest.mark.parametrize("words", ASKING, ids=" ".join)
def test_a_uid_that_is_no_operator_ends_with_77_from_every_action(ctl: Run, tmp_path: Path, words: list[str]) -> None:
    engine = FakeEngine()
    nobody: frozenset[int] = frozenset()
    with (
        serving(ControlServer(tmp_path / "control.sock", engine.control, allowed_uids=nobody)),
        serving(ControlServer(tmp_path / GUARD, engine.control, allowed_uids=nobody)),
    ):
        code, out, err = ctl(*words)
    assert (code, out) == (ExitCode.NO_PERMISSION, "")
    assert f"refused: uid {os.geteuid()} may not command this engine" in err
    assert err.count("\n") == 1
    assert engine.submitted == []


def closed_to_all(path: str, *_: Any) -> Any:
    raise PermissionError(13, "Permission denied", path)


@pytest.mark.parametrize("closed", ["the socket", "its folder"])
@pytest.mark.parametrize("words", ASKING, ids=" ".join)
def test_a_socket_that_is_closed_to_the_caller_ends_with_77_and_says_whose_it_is(
    ctl: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], closed: str
) -> None:
    (tmp_path / "control.sock").touch()
    (tmp_path / GUARD).touch()
    looks = {"access": lambda *_: False, "path": os.path, "stat": os.stat if closed == "the socket" else closed_to_all}
    monkeypatch.setattr("engine.control.client.os", types.SimpleNamespace(W_OK=os.W_OK, **looks))
    code, out, err = ctl(*words)
    assert (code, out) == (ExitCode.NO_PERMISSION, ""), err
    assert "is not open to you: it is for the engine's user, or one of [control] operators" in err


def test_a_counters_file_that_is_closed_to_the_caller_ends_with_77(
    ctl: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.runtime.counters_reader.open", closed_to_all, raising=False)
    code, _, err = ctl("latency")
    assert code == ExitCode.NO_PERMISSION
    assert "counters: Permission denied; run this as the engine's user" in err


def test_a_kill_that_only_the_guard_of_a_dead_engine_refuses_ends_with_77_and_with_69_where_it_is_gone_too(
    ctl: Run, tmp_path: Path
) -> None:
    with serving(ControlServer(tmp_path / GUARD, FakeEngine().control, allowed_uids=frozenset())):
        assert ctl("kill")[0] == ExitCode.NO_PERMISSION
    assert ctl("kill")[0] == ExitCode.UNAVAILABLE


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[FakeEngine]:
    """One where two people arm and resume; the second one's uid is whatever `others` makes of it."""
    fake = FakeEngine()
    fake.tables.set_control(kill=1, halt_reason=HaltReason.KILL)
    second = SecondPerson(frozenset({"arm", "resume", "limits"}), 60, Clock())
    operators = Operators(fake.control, second, lambda _text, _cause: None)
    uids = iter(range(1000, 2000))
    handler = lambda request, caller: operators(request, Caller(next(uids), caller.pid))  # noqa: E731 - one line
    with serving(ControlServer(tmp_path / "control.sock", handler)):
        yield fake


@pytest.mark.parametrize("action", ["arm", "resume"])
def test_a_proposal_ends_with_3_and_names_its_number_and_its_approval_with_0(
    ctl: Run, engine: FakeEngine, action: str
) -> None:
    code, out, _ = ctl(action)
    assert code == ExitCode.PROPOSED
    assert "proposed as 1: nothing has changed until another person says" in out
    code, out, _ = ctl(action, "--json")
    told = json.loads(out)
    assert (code, told["proposal"], told["sequence"]) == (ExitCode.PROPOSED, 2, 0)
    assert engine.submitted == []
    engine.tables.set_control(kill=0, halt_reason=HaltReason.NONE)
    code, out, err = ctl("approve", "2", "--json")
    assert (code, err) == (ExitCode.OK, "")
    assert "proposal" not in json.loads(out)
    assert len(engine.submitted) == 1
    assert ctl("reject", "1")[0] == ExitCode.OK
    assert ctl("approve", "1")[0] == ExitCode.REFUSED


def test_an_arm_that_waits_ends_with_3_beside_a_guard_too(ctl: Run, engine: FakeEngine, tmp_path: Path) -> None:
    with serving(ControlServer(tmp_path / GUARD, FakeEngine().control)):
        code, out, _ = ctl("arm", "--json")
    assert (code, json.loads(out)["guard"]) == (ExitCode.PROPOSED, "not told: nothing has changed yet")


@pytest.mark.parametrize("action", ["arm", "resume", "limits"])
def test_the_help_of_what_can_wait_names_the_code(action: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["ctl", action, "--help"])
    assert f"{int(ExitCode.PROPOSED)}: " in capsys.readouterr().out
