"""`make install` into a prefix, what its units start, and that `make uninstall` leaves what it did not put there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "systemd/install.py"
# nothing of this checkout may help an installed command
CLEAN = {"PATH": os.environ.get("PATH", ""), "HOME": "/nonexistent"}


def run_script(action: str, root: Path, *more: str) -> str:
    """The script with everything below `root`; what it printed."""
    prefix = root / "opt"
    places = ["--prefix", prefix, "--config-dir", prefix / "etc/tradewind", "--unit-dir", prefix / "lib/systemd/system"]
    command = [sys.executable, str(SCRIPT), action, *map(str, places), *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prefix with everything in it."""
    root = tmp_path_factory.mktemp("install")
    run_script("install", root, "--without-bytecode")
    return root / "opt"


def command(prefix: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The installed command, away from the checkout."""
    return subprocess.run(
        [str(prefix / "bin/tradewind"), *words],
        env=CLEAN,
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_installed_command_answers_from_its_own_files(installed: Path) -> None:
    done = command(installed, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith("usage: tradewind")
    python = installed / "lib/tradewind/bin/python"
    code = "import engine.oms.oms, sys; print(engine.__file__, engine.oms.oms.__file__)"
    found = subprocess.run([str(python), "-c", code], env=CLEAN, cwd="/", capture_output=True, text=True, check=True)
    assert all(place.startswith(str(installed)) for place in found.stdout.split())


@pytest.mark.parametrize("verb", ["run", "guard", "desk"])
def test_what_a_unit_starts_is_there_and_judges_a_configuration(installed: Path, verb: str) -> None:
    name = {"run": "tradewind@", "guard": "tradewind-guard@", "desk": "tradewind-desk@"}[verb]
    unit = (installed / f"lib/systemd/system/{name}.service").read_text()
    [line] = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    program, *words = line.replace("%i", "none").split()
    assert program == str(installed / "bin/tradewind")
    assert words == [verb, "--config", str(installed / "etc/tradewind/none.toml")]
    done = command(installed, *words)
    assert done.returncode == 78
    assert "none.toml" in done.stderr
    assert "/opt/tradewind" not in unit.replace(str(installed), "")


def test_the_examples_are_legal_where_they_lie(installed: Path) -> None:
    for name in ("binance-spot", "demo"):
        assert (
            command(installed, "config", "check", str(installed / f"etc/tradewind/examples/{name}.toml")).returncode
            == 0
        )


def test_uninstall_leaves_configurations_what_was_changed_and_what_is_not_ours(tmp_path: Path) -> None:
    run_script("install", tmp_path, "--without-bytecode")
    prefix = tmp_path / "opt"
    mine = prefix / "etc/tradewind/mine.toml"
    mine.write_text("mine")
    changed = prefix / "etc/tradewind/examples/demo.toml"
    changed.write_text("changed")
    (prefix / "bin/other").write_text("not ours")
    told = run_script("install", tmp_path, "--without-bytecode")
    assert f"kept as it is: {changed}" in told
    assert changed.read_text() == "changed"
    run_script("uninstall", tmp_path)
    left = {path.relative_to(prefix).as_posix() for path in prefix.rglob("*") if not path.is_dir()}
    assert left == {"bin/other", "etc/tradewind/examples/demo.toml", "etc/tradewind/mine.toml"}
    again = subprocess.run(
        [sys.executable, str(SCRIPT), "uninstall", "--prefix", str(prefix), "--config-dir", "/x", "--unit-dir", "/x"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 1
    assert "nothing is installed" in again.stderr


def test_destdir_stands_before_every_file_and_in_none(tmp_path: Path) -> None:
    root = tmp_path / "image"
    root.mkdir()
    places = ["--prefix", "/opt/tradewind", "--config-dir", "/etc/tradewind", "--unit-dir", "/etc/systemd/system"]
    command = [sys.executable, str(SCRIPT), "install", *places, "--destdir", str(root), "--without-bytecode"]
    subprocess.run(command, check=True, capture_output=True, timeout=240)
    for name in ("tradewind@", "tradewind-guard@", "tradewind-desk@"):
        shipped = (ROOT / f"systemd/{name}.service").read_text()
        assert (root / f"etc/systemd/system/{name}.service").read_text() == shipped
    launcher = (root / "opt/tradewind/lib/tradewind/bin/tradewind").read_text()
    assert launcher.startswith("#!/opt/tradewind/lib/tradewind/bin/python ")
    assert os.readlink(root / "opt/tradewind/bin/tradewind") == "../lib/tradewind/bin/tradewind"
    assert str(root) not in (root / "opt/tradewind/lib/tradewind/manifest.json").read_text()
