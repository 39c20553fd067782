"""Errors at start that only whole processes show: one clear line each, the documented exit code, nothing lost.

A missing credential, a wrong certificate, a dead venue, an unknown symbol and a damaged journal stand in
`test_start_refusals.py`.
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.journal.verify import verify
from engine.model.codes import Lane, RecordKind
from tests.fault.market import Market


@pytest.fixture(scope="module")
def market() -> Iterator[Market]:
    """A venue and one engine's folder."""
    root = Path(tempfile.mkdtemp(prefix="tradewind-errors-"))
    found = Market(root)
    yield found
    found.close()
    shutil.rmtree(root, ignore_errors=True)


def told(market: Market, *words: str) -> tuple[int, str]:
    """Exit code and the one line on stderr of a command that must fail."""
    done = subprocess.run(
        [sys.executable, "-m", "engine", *words],
        env={"CREDENTIALS_DIRECTORY": str(market.place.credentials), "PATH": "", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.stdout == ""
    assert done.stderr.startswith("tradewind")
    assert done.stderr.count("\n") == 1, done.stderr
    return done.returncode, done.stderr


@pytest.mark.invariant("R19")
def test_a_misspelt_key_is_78_with_its_line_and_nothing_is_made(market: Market) -> None:
    market.write_config(replaced={"max_open_orders = 60": "max_open_order = 60"})
    done = subprocess.run(
        [sys.executable, "-m", "engine", "run", "--config", str(market.place.engine_config)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    market.write_config()
    assert done.returncode == 78
    lines = done.stderr.splitlines()
    assert all(line.startswith("tradewind: ") for line in lines)
    [line] = [line for line in lines if re.search(r"max_open_order\b", line)]
    assert str(market.place.engine_config) in line
    assert list(market.place.data_dir.iterdir()) == []


def test_a_busy_port_is_69_for_the_venue_and_for_the_desk(market: Market) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, text = told(market, "venue", "--config", str(market.place.venue_config), "--rest-port", port)
        assert code == 69
        assert port in text
        market.write_config(replaced={'listen = "127.0.0.1:0"': f'listen = "127.0.0.1:{port}"'})
        code, text = told(market, "desk", "--config", str(market.place.engine_config))
        market.write_config()
        assert code == 69
        assert port in text


def test_a_key_that_the_venue_refuses_is_77_and_is_not_shown(market: Market) -> None:
    key = market.place.credentials / "demo.key"
    good = key.read_text()
    key.write_text("x" * 64)
    code, text = refused_after_start(market)
    key.write_text(good)
    assert code == 77
    assert "the venue refuses the credential 'demo'" in text
    assert "-2015" in text
    assert "xxxx" not in text
    assert verify(market.place.data_dir).is_whole


def refused_after_start(market: Market) -> tuple[int, str]:
    """Exit code and last line of a daemon that began and could not go on."""
    market.start()
    return market.wait_dead(15), market.tail().splitlines()[-1]


@pytest.mark.invariant("R27")
def test_a_second_engine_under_load_is_75_and_the_journal_of_the_first_is_whole(market: Market) -> None:
    market.start()
    market.wait_active()
    market.wait_for(lambda: market.counters()["orders_acked"] >= 4, "orders")
    for _ in range(3):
        code, text = told(market, "run", "--config", str(market.place.engine_config))
        assert code == 75
        assert str(market.place.root) in text
    sent = market.counters()["orders_sent"]
    market.wait_for(lambda: market.counters()["orders_sent"] > sent, "the first trades on")
    assert market.engine is not None
    assert market.engine.stop() == 0
    assert verify(market.place.data_dir).is_whole
    kinds = [record.kind for record in market.reader().records(Lane.LEDGER)]
    assert kinds[-1] == RecordKind.STOP
    assert market.witness.open_orders() == []
