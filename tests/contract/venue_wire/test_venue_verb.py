"""``tradewind venue`` as a process: ports, TLS, orderly stop, clear refusals."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import websockets

from engine.cli import venue
from tests.venue_harness import CONFIG, REPOSITORY

START = (
    "import argparse,sys\nfrom engine.cli import venue\nparser=argparse.ArgumentParser()\n"
    "verbs=parser.add_subparsers()\nvenue.add_parser(verbs)\narguments=parser.parse_args(['venue',*sys.argv[1:]])\n"
    "sys.exit(venue.run(arguments))"
)


def command(*arguments: str) -> list[str]:
    """The verb in a fresh interpreter."""
    return [sys.executable, "-W", "error", "-c", START, *arguments]


def refused(*arguments: str) -> tuple[int, str]:
    """Run a verb that must not start: exit code and what it said."""
    done = subprocess.run(command(*arguments), capture_output=True, text=True, timeout=30, cwd=REPOSITORY, check=False)
    return done.returncode, done.stderr


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A started venue and what its ready file says; killed if the test did not stop it."""
    ready = folder / "ready.json"
    process = subprocess.Popen(
        command("--config", str(CONFIG), "--ready-file", str(ready), *arguments),
        cwd=REPOSITORY,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        deadline = time.monotonic() + 20
        while not ready.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        yield process, json.loads(ready.read_text())
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_it_serves_plain_and_tls_and_stops_in_order(tmp_path: Path) -> None:
    tls, frames = tmp_path / "tls", tmp_path / "frames.bin"
    options = ("--rest-tls-port", "0", "--ws-tls-port", "0", "--tls-dir", str(tls), "--frame-log", str(frames))

    async def visit(addresses: dict[str, Any]) -> None:
        context = ssl.create_default_context(cafile=str(tls / "ca.pem"))
        async with aiohttp.ClientSession() as http:
            for url in (f"http://127.0.0.1:{addresses['rest']}", f"https://localhost:{addresses['rest_tls']}"):
                async with http.get(f"{url}/api/v3/ping", ssl=context) as reply:
                    assert await reply.json() == {}
        for url, known in (
            (f"ws://127.0.0.1:{addresses['ws']}", None),
            (f"wss://localhost:{addresses['ws_tls']}", context),
        ):
            async with websockets.connect(f"{url}/ws/btcusdt@depth@100ms", ssl=known) as stream:
                assert json.loads(await asyncio.wait_for(stream.recv(), 5))["e"] == "depthUpdate"
        with pytest.raises(ssl.SSLCertVerificationError):
            await websockets.connect(f"wss://localhost:{addresses['ws_tls']}/ws")

    with running(tmp_path, *options) as (process, addresses):
        assert addresses["pid"] == process.pid
        assert (tls / "server.pem").stat().st_mode & 0o077 == 0
        asyncio.run(visit(addresses))
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=10)
        assert (process.returncode, err) == (0, ""), err
        assert f"http://127.0.0.1:{addresses['rest']}/api/v3" in out
    assert frames.stat().st_size % 16 == 0
    assert frames.stat().st_size >= 32


@pytest.mark.parametrize("option", ["--rest-port", "--ws-port"])
def test_a_busy_port_is_one_line_and_exit_69(option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, text = refused(option, port)
    assert code == venue.EXIT_UNAVAILABLE
    assert text.count("\n") == 1
    assert f"127.0.0.1:{port} is in use" in text


@pytest.mark.invariant("R19")
@pytest.mark.parametrize(
    ("change", "text"),
    [
        ("[limits]\nweight_minut = 5\n", "weight_minut"),
        ("[venue]\nactivity = 'much'\n", "activity"),
        ("[venue\n", "line 1"),
        (
            "[[venue.accounts]]\nname = 'a'\nbalances = {}\nkeys = [{api_key = 'k', kind = 'hmac', secret = 's'}]\n",
            "'k'",
        ),
    ],
)
def test_a_wrong_configuration_is_one_line_and_exit_78(tmp_path: Path, change: str, text: str) -> None:
    path = tmp_path / "venue.toml"
    path.write_text(change)
    code, said = refused("--config", str(path))
    assert code == venue.EXIT_CONFIG
    assert said.count("\n") == 1
    assert str(path) in said or text == "'k'"
    assert text in said


def test_other_wrong_starts_are_refused(tmp_path: Path) -> None:
    assert refused("--config", str(tmp_path / "none.toml"))[0] == venue.EXIT_CONFIG
    assert refused("--ws-tls-port", "0")[0] == venue.EXIT_CONFIG
    assert refused("--activity", "-1")[0] == venue.EXIT_CONFIG
    assert refused("--frame-log", str(tmp_path / "no" / "folder"))[0] == venue.EXIT_CANNOT_CREATE
    assert os.listdir(tmp_path) == []
