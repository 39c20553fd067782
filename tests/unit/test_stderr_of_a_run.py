"""An engine whose stderr stands on a full disk or leads to nobody runs on, and its end is never taken for an orderly one."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from engine import daemon
from engine.cli import main, run
from engine.exit_codes import ExitCode


class Failing:
    """A stderr that takes nothing."""

    def __init__(self, error: Exception) -> None:
        self._error = error
        self.texts: list[str] = []

    def write(self, text: str) -> int:
        self.texts.append(text)
        raise self._error

    def flush(self) -> None:
        raise self._error


FAULTS = [OSError(errno.ENOSPC, "no room"), BrokenPipeError(errno.EPIPE, "nobody reads"), ValueError("closed file")]


@pytest.mark.invariant("R25")
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
def test_a_line_that_stderr_does_not_take_is_no_fault_of_the_engine(
    monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    failing = Failing(fault)
    monkeypatch.setattr(sys, "stderr", failing)
    daemon.say("armed, but the file still has the kill")
    assert failing.texts == ["tradewind: armed, but the file still has the kill\n"]


@pytest.mark.parametrize("fault", FAULTS[1:2])
def test_a_broken_pipe_of_a_run_is_no_orderly_end(monkeypatch: pytest.MonkeyPatch, fault: Exception) -> None:
    def fail(_loaded: object) -> int:
        raise fault

    monkeypatch.setattr(run, "load_config", lambda _path: SimpleNamespace())
    monkeypatch.setattr(daemon, "run", fail)
    assert main.main(["run", "--config", "engine.toml"]) == ExitCode.IO_ERROR


def test_the_exit_code_stands_where_nobody_reads_the_complaint() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        words = [sys.executable, "-m", "engine", "run", "--config", "/nowhere/engine.toml"]
        ended = subprocess.run(words, stderr=writer, cwd=Path(__file__).parents[2], check=False, timeout=120)
    finally:
        os.close(writer)
    assert ended.returncode in (ExitCode.CONFIG, ExitCode.NO_INPUT)
