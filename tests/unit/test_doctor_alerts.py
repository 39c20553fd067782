"""What the doctor says of alerts: nobody is told, a channel cannot be used, the notifier is gone or reaches nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.cli.doctor_alerts import alerts
from engine.config import load
from engine.notify.heartbeat import Beat, write_beat
from engine.runtime.clock import Clock
from tests.fault.alarm_receiver import config_with, credentials, webhook_to

PAGE = '[alerts.command.page]\nargv = ["{}"]\n'


def checks(config: Path) -> dict[str, tuple[str, str]]:
    return {check.name: (check.state, check.text) for check in alerts(load(config))}


def beat(runtime_dir: Path, age_s: int = 0, **facts: object) -> None:
    runtime_dir.mkdir(exist_ok=True)
    mono_ns = Clock().monotonic_ns() - age_s * 1_000_000_000
    told = {"pid": 7, "mono_ns": mono_ns, "wall_ns": 1, "pending": 2, "oldest_pending_s": 3, "unacknowledged": 1}
    write_beat(runtime_dir, Beat(**(told | facts)))  # type: ignore[arg-type]


def test_without_a_table_nobody_is_told_and_that_is_said(tmp_path: Path) -> None:
    assert checks(config_with(tmp_path, ""))["alerts"][0] == "warn"


def test_a_missing_secret_and_a_program_that_cannot_be_run_are_faults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "none"))
    text = webhook_to("http://127.0.0.1:9/", credential="ops") + PAGE.format(tmp_path / "absent")
    found = checks(config_with(tmp_path, text))
    assert found["alerts ops"][0] == found["alerts page"][0] == "fail"
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials(tmp_path)))
    found = checks(config_with(tmp_path, text.replace(str(tmp_path / "absent"), "/bin/true")))
    assert (found["alerts ops"], found["alerts page"][0]) == (("ok", "a webhook, signed, from warning on"), "ok")


@pytest.mark.parametrize(
    ("age_s", "facts", "state", "words"),
    [
        (0, {}, "ok", "2 alarms wait, 1 are not acknowledged"),
        (60, {}, "fail", "60 s old"),
        (0, {"fault": "ops: HTTP 500"}, "fail", "reach nobody: ops: HTTP 500"),
        (0, {"lost_channels": ("ops",)}, "warn", "take nothing: ops"),
    ],
)
def test_the_notifiers_sign_of_life_is_read(
    tmp_path: Path, age_s: int, facts: dict[str, object], state: str, words: str
) -> None:
    config = config_with(tmp_path, webhook_to("http://127.0.0.1:9/"))
    assert checks(config)["notifier"] == ("warn", "none runs: alarms wait in the ledger")
    beat(tmp_path / "runtime", age_s, **facts)
    found = checks(config)["notifier"]
    assert found[0] == state
    assert words in found[1]
