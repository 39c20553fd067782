"""What keeps an engine from starting, with real processes: one clear line, the documented exit code, nothing lost."""

from __future__ import annotations

import errno
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from engine.control.client import ControlClient
from engine.control.messages import EngineStatus, Status
from engine.given_numbers import open_registry
from engine.journal.places import segments
from engine.model.codes import HaltReason, Lane, TradingState
from engine.runtime.account_lock import AccountLocked, lock_account
from engine.runtime.crash_loop import CrashLoopGuard
from engine.runtime.disk import Disk

ROOT = Path(__file__).parents[2]
DOCUMENTED_KEY = "qT7sim0KeyForDocsOnly00000000000000000000000000000000000000000001"
# of this process alone: an account is locked for the whole host, and other tests' engines use the documented one
API_KEY = f"startRefusals{os.getpid()}".ljust(64, "0")
API_SECRET = "wZ9simSecretForDocsOnly0000000000000000000000000000000000000002"
OTHER_KEY = f"otherKeyOfTheSame{os.getpid()}".ljust(64, "0")
ACCOUNTS_KEY = f'''secret = "{API_SECRET}"
'''
ANOTHER = f'''
[[venue.accounts.keys]]
api_key = "{OTHER_KEY}"
kind = "hmac"
secret = "{API_SECRET}"
'''


def wait_for(condition: Any, what: str, timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def start(*words: str, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "engine", *words]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.kill()
    process.wait()
    if process.stderr is not None:
        process.stderr.close()


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A simulated venue with plain and TLS ports, its own test authority."""
    place = tmp_path_factory.mktemp("venue")
    ports = ("--rest-tls-port", "0", "--ws-tls-port", "0", "--tls-dir", str(place / "tls"))
    text = (ROOT / "config" / "venue.toml").read_text().replace(DOCUMENTED_KEY, API_KEY)
    (place / "venue.toml").write_text(text.replace(ACCOUNTS_KEY, ACCOUNTS_KEY + ANOTHER))
    process = start("venue", "--config", str(place / "venue.toml"), "--ready-file", str(place / "ready.json"), *ports)
    ready = place / "ready.json"
    wait_for(lambda: ready.exists() and ready.read_text().strip(), "the venue does not start")
    yield {**orjson.loads(ready.read_text()), "ca": str(place / "tls" / "ca.pem")}
    end(process)


def is_account_free() -> bool:
    """The engine of a test before may take a moment to end."""
    try:
        os.close(lock_account(API_KEY))
    except AccountLocked:
        return False
    return True


class Site:
    """One engine's directory, configuration and credentials."""

    def __init__(self, root: Path, venue: dict[str, Any]) -> None:
        self.root = root
        self.config = root / "engine.toml"
        text = (ROOT / "config" / "demo.toml").read_text().replace("../run/demo/", "")
        text = text.replace("127.0.0.1:18080", f"127.0.0.1:{venue['rest']}").replace(
            '"127.0.0.1:9464"', '"127.0.0.1:0"'
        )
        self.config.write_text(text.replace("127.0.0.1:18081", f"127.0.0.1:{venue['ws']}"))
        for name, content in (("sim.key", API_KEY), ("sim.secret", API_SECRET)):
            (root / name).write_text(content)
            (root / name).chmod(0o400)

    def change(self, old: str, new: str) -> None:
        text = self.config.read_text()
        assert old in text
        self.config.write_text(text.replace(old, new))

    def engine(self) -> subprocess.Popen[str]:
        return start("run", "--config", str(self.config), CREDENTIALS_DIRECTORY=str(self.root))

    def refusal(self) -> tuple[int, str]:
        """Exit code and stderr of a start that must fail, within ten seconds."""
        process = self.engine()
        try:
            _, told = process.communicate(timeout=10)
        finally:
            end(process)
        return process.returncode, told

    def status(self) -> EngineStatus | None:
        """What a running engine says, None while none answers."""
        socket = self.root / "runtime" / "control.sock"
        if not socket.exists():
            return None
        with ControlClient(socket) as client:
            reply = client.request(Status())
        return reply if isinstance(reply, EngineStatus) else None

    def is_reconciled(self) -> bool:
        status = self.status()
        return status is not None and status.reconciled

    def wait_reconciled(self, process: subprocess.Popen[str]) -> None:
        """Wait until it may trade; an engine that ended instead is told with its last words."""

        def done() -> bool:
            assert process.poll() is None, process.stderr and process.stderr.read()
            return self.is_reconciled()

        wait_for(done, "no reconciliation")

    def run_once(self) -> str:
        """Start it, let it reconcile, stop it in order; what it said on stderr."""
        engine = self.engine()
        try:
            self.wait_reconciled(engine)
            engine.send_signal(signal.SIGTERM)
            assert engine.wait(timeout=20) == 0
            assert engine.stderr is not None
            return engine.stderr.read()
        finally:
            end(engine)


@pytest.fixture
def site(tmp_path: Path, venue: dict[str, Any]) -> Site:
    wait_for(is_account_free, "another engine keeps the account")
    return Site(tmp_path, venue)


def assert_one_line(told: str, *words: str) -> None:
    assert told.startswith("tradewind: "), told
    assert told.count("\n") == 1, told
    for word in words:
        assert word in told


def test_a_missing_credential_is_77_and_no_directory_is_made(site: Site) -> None:
    (site.root / "sim.secret").unlink()
    code, told = site.refusal()
    assert code == 77
    assert_one_line(told, "sim.secret is missing")
    assert not (site.root / "data").exists()


def test_a_credential_that_others_can_read_is_77_and_is_not_shown(site: Site) -> None:
    (site.root / "sim.secret").chmod(0o644)
    code, told = site.refusal()
    assert code == 77
    assert_one_line(told, "open to every user")
    assert API_SECRET not in told


def test_names_that_were_lost_are_74_and_are_not_given_anew(site: Site) -> None:
    site.run_once()
    wait_for(is_account_free, "the account is still locked")
    names = site.root / "data" / "names.json"
    kept = names.read_bytes()
    names.unlink()
    code, told = site.refusal()
    assert code == 74
    assert_one_line(told, "names.json is missing", "restore the file from the newest backup")
    assert not names.exists()
    names.write_bytes(kept)
    engine = site.engine()
    try:
        site.wait_reconciled(engine)
    finally:
        end(engine)


def epoch_of(site: Site) -> int:
    return int(orjson.loads((site.root / "data" / "epoch").read_bytes().rpartition(b" ")[0])["epoch"])


@pytest.mark.invariant("R27")
def test_an_engine_whose_directory_was_moved_aside_gives_no_number_of_it_again(site: Site) -> None:
    """The account remembers its client order ids: engine, run and counter."""
    epochs = []
    for number in range(2):
        told = site.run_once()
        assert f"epoch {epoch_of(site)}, a new journal, at sim" in told
        epochs.append(epoch_of(site))
        wait_for(is_account_free, "the account is still locked")
        for folder in ("data", "runtime"):
            (site.root / folder).rename(site.root / f"{folder}-{number}")
        time.sleep(1.1)
    assert epochs[0] + 1 <= epochs[1] <= epochs[0] + 3_600


DAMAGES = ("random", "text", "folder")


def damage(path: Path, how: str) -> None:
    """Random bytes, a byte within a text that is no UTF-8, or a folder of that name."""
    kept = path.read_bytes() if path.exists() else b'[{"symbol": "sim"}]'
    path.unlink(missing_ok=True)
    if how == "folder":
        path.mkdir()
        return
    if b"sim" in kept and how == "text":
        path.write_bytes(kept.replace(b"sim", b"s\xffm"))
        return
    path.write_bytes(random.Random(5).randbytes(len(kept) or 200))


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory, venue: dict[str, Any]) -> Site:
    """An engine that has run and stopped in order."""
    wait_for(is_account_free, "another engine keeps the account")
    site = Site(tmp_path_factory.mktemp("stopped"), venue)
    site.run_once()
    return site


@pytest.fixture
def again(stopped: Site) -> Iterator[Site]:
    """The same, and afterwards as it was."""
    wait_for(is_account_free, "another engine keeps the account")
    kept = stopped.root / "kept"
    for name in ("data", "runtime"):
        shutil.copytree(stopped.root / name, kept / name)
    yield stopped
    for name in ("data", "runtime"):
        shutil.rmtree(stopped.root / name)
        (kept / name).rename(stopped.root / name)
    kept.rmdir()


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize(
    ("name", "way_out"),
    [
        ("data/starts", "look why it did, then move it away; the count begins anew"),
        ("data/names.json", "restore it from a backup of this data directory"),
        ("data/epoch", ""),
        ("data/synced", ""),
    ],
)
def test_a_damaged_small_file_is_74_and_named_with_the_way_out(again: Site, name: str, way_out: str, how: str) -> None:
    path = again.root / name
    damage(path, how)
    code, told = again.refusal()
    assert code == 74
    assert_one_line(told, f"{path}: ", way_out)
    assert path.exists()


@pytest.mark.parametrize("name", ["starts", "names.json"])
def test_a_small_file_of_another_user_is_not_called_damaged(
    again: Site, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends with 77 and who shall run this: nobody is told to restore it or to move it away."""
    read = Path.read_bytes

    def refuse(self: Path) -> bytes:
        if self == again.root / "data" / name:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))
        return read(self)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    data_dir = again.root / "data"
    begin = CrashLoopGuard(data_dir, 3, 2).note_start if name == "starts" else lambda _: open_registry(data_dir, Disk())
    with pytest.raises(PermissionError):
        begin(1)


@pytest.mark.parametrize("name", ["data/starts.new", "runtime/counters"])
def test_a_folder_where_a_start_writes_a_file_is_74_and_named(again: Site, name: str) -> None:
    (again.root / name).unlink(missing_ok=True)
    (again.root / name).mkdir()
    code, told = again.refusal()
    assert code == 74
    assert_one_line(told, str(again.root / name), "Is a directory")


@pytest.mark.invariant("R25")
@pytest.mark.parametrize("how", DAMAGES)
def test_kills_that_cannot_be_read_start_killed(again: Site, how: str) -> None:
    damage(again.root / "data" / "guard-kills.json", how)
    engine = again.engine()
    try:
        again.wait_reconciled(engine)
        status = again.status()
        assert status is not None
        assert (status.trading_state, status.halt_reason) == (TradingState.HALTED, HaltReason.KILL)
    finally:
        end(engine)


def test_a_folder_in_the_place_of_a_wish_for_quiet_ends_no_run(again: Site) -> None:
    (again.root / "runtime" / "venue-quiet.json").mkdir()
    assert "tradewind: stopped\n" in again.run_once()


def test_an_unknown_symbol_is_78(site: Site) -> None:
    site.change("BTCUSDT", "XXXUSDT")
    code, told = site.refusal()
    assert code == 78
    assert_one_line(told, "symbol")


def test_a_limit_off_the_lot_is_78_and_not_rounded(site: Site) -> None:
    text = site.config.read_text()
    site.config.write_text(re.sub(r'max_order_qty = "[^"]+"', 'max_order_qty = "0.01000001"', text, count=1))
    code, told = site.refusal()
    assert code == 78
    assert_one_line(told, "max_order_qty", "lot")


@pytest.mark.invariant("R27")
def test_a_second_engine_on_the_same_account_is_75_whatever_its_directories(site: Site) -> None:
    held = lock_account(API_KEY)
    try:
        code, told = site.refusal()
    finally:
        os.close(held)
    assert code == 75
    assert_one_line(told, "another engine on this host")


@pytest.mark.invariant("R27")
def test_a_second_engine_on_the_same_account_by_another_of_its_keys_is_75_and_the_first_goes_on(
    site: Site, venue: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    first = site.engine()
    try:
        site.wait_reconciled(first)
        other = Site(tmp_path_factory.mktemp("other"), venue)
        key = other.root / "sim.key"
        key.chmod(0o600)
        key.write_text(OTHER_KEY)
        code, told = other.refusal()
        assert code == 75
        assert_one_line(told, "another engine on this host", "by this or another key")
        assert site.is_reconciled()
    finally:
        end(first)
    # the account is free again with its process
    second = other.engine()
    try:
        other.wait_reconciled(second)
    finally:
        end(second)


def test_a_strategy_that_cannot_be_made_is_78(site: Site) -> None:
    site.change('qty = "0.01"', 'quantity = "0.01"')
    code, told = site.refusal()
    assert code == 78
    assert_one_line(told, "strategy.maker", "quantity")


def test_a_dead_venue_is_69(site: Site, venue: dict[str, Any]) -> None:
    site.change(f"127.0.0.1:{venue['rest']}", "127.0.0.1:1")
    code, told = site.refusal()
    assert code == 69
    assert_one_line(told, "127.0.0.1:1", "nothing listens there")


def test_a_certificate_that_is_not_trusted_is_76_and_with_its_authority_it_is(
    site: Site, venue: dict[str, Any]
) -> None:
    site.change(f"http://127.0.0.1:{venue['rest']}", f"https://127.0.0.1:{venue['rest_tls']}")
    site.change(f"ws://127.0.0.1:{venue['ws']}", f"wss://127.0.0.1:{venue['ws_tls']}")
    code, told = site.refusal()
    assert code == 76
    assert_one_line(told, "certificate is not trusted", "tls_ca")
    site.change('credential = "sim"', f'credential = "sim"\ntls_ca = "{venue["ca"]}"')
    process = site.engine()
    try:
        site.wait_reconciled(process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
    finally:
        end(process)


@pytest.mark.invariant("R27")
def test_a_second_engine_is_75_within_a_second_and_the_first_goes_on(site: Site) -> None:
    first = site.engine()
    try:
        site.wait_reconciled(first)
        code, told = site.refusal()
        assert code == 75
        assert_one_line(told, "journal")
        assert first.poll() is None
        assert site.is_reconciled()
        first.send_signal(signal.SIGTERM)
        assert first.wait(15) == 0
    finally:
        end(first)


@pytest.mark.invariant("R04")
def test_a_damaged_journal_is_74_and_is_left_as_it_is(site: Site) -> None:
    process = site.engine()
    try:
        site.wait_reconciled(process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
    finally:
        end(process)
    [(_, segment)] = segments(site.root / "data", Lane.LEDGER)
    content = bytearray(segment.read_bytes())
    content[300] ^= 1
    segment.write_bytes(content)
    code, told = site.refusal()
    assert code == 74
    assert_one_line(told, str(segment), "damaged at byte")
    assert segment.read_bytes() == content


def test_a_directory_that_cannot_be_made_is_told(site: Site) -> None:
    (site.root / "data").write_text("a file")
    code, told = site.refusal()
    assert code in (73, 74)
    assert_one_line(told, "data")
