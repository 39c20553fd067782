"""Where the second virtual environment is, and how a script runs in it while a venue of ours plays.

ccxt and python-binance pin other versions of our own libraries; ``make clients`` installs them in ``.venv-clients``.
``TRADEWIND_CLIENTS_PYTHON`` names another interpreter that has them.
"""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.venue_harness import KEY, REPOSITORY, SECRET, RunningVenue

HERE = Path(__file__).parent


def interpreter() -> str:
    """The interpreter of the second environment; the test is skipped where there is none."""
    named = os.environ.get("TRADEWIND_CLIENTS_PYTHON")
    path = Path(named) if named else REPOSITORY / ".venv-clients" / "bin" / "python"
    if not path.is_file():
        pytest.skip(f"no interpreter with ccxt and python-binance at {path}: run `make clients`")
    return str(path)


async def told_by(script: str, venue: RunningVenue, *more: str, ca: Path | None = None) -> Any:
    """Run a client script of this folder against the venue; the JSON that it printed.

    The script gets key, secret, REST base and WebSocket base as arguments, then ``more``; with ``ca`` the bases are those of
    the venue's TLS ports and the certificate authority is made known by the usual environment variables.
    """
    addresses = venue.server.addresses
    rest, ws, secure = ("rest", "ws", "") if ca is None else ("rest_tls", "ws_tls", "s")
    # a certificate names the host: localhost is in it
    rest_url, ws_url = f"http{secure}://localhost:{addresses[rest]}", f"ws{secure}://localhost:{addresses[ws]}"
    trust = {} if ca is None else {"SSL_CERT_FILE": str(ca), "REQUESTS_CA_BUNDLE": str(ca)}
    process = await asyncio.create_subprocess_exec(
        interpreter(), str(HERE / script), KEY, SECRET, rest_url, ws_url, *more,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env={**os.environ, **trust},
    )  # fmt: skip
    try:
        out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, err.decode()
    return json.loads(out)
