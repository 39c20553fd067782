"""The configuration and keys of a benchmarked engine: its limits never bind, so that the path is measured and no refusal."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SYMBOL = "BTCUSDT"
MEMORY = Path("/dev/shm")


def runtime_folder() -> Path:
    """A new private folder in memory, where an engine's journal fronts belong; the caller removes it."""
    return Path(tempfile.mkdtemp(prefix="tradewind-bench-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None))


def remove(folder: Path) -> None:
    """The folder and all in it."""
    shutil.rmtree(folder, ignore_errors=True)


def ed25519_pem() -> str:
    """A private key made for this run."""
    private = Ed25519PrivateKey.generate()
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return private.private_bytes(encoding, form, serialization.NoEncryption()).decode()


def write_credentials(folder: Path) -> Path:
    """Files of an HMAC and an Ed25519 key; the folder for $CREDENTIALS_DIRECTORY."""
    credentials = folder / "credentials"
    credentials.mkdir(mode=0o700)
    for name, text in (("bench.key", "k" * 64), ("bench.secret", "s" * 64), ("bench.pem", ed25519_pem())):
        path = credentials / name
        path.touch(mode=0o600)
        path.write_text(text)
    return credentials


def write_config(
    folder: Path,
    runtime_dir: Path,
    *,
    rest_port: int = 1,
    stream_port: int = 1,
    wait: str = "block",
    tls_ca: Path | None = None,
    key_type: str = "hmac",
    strategy: str = "wire_strategy:Reply",
    cpu: int | None = None,
    data_dir: Path | None = None,
    durability: str = "group",
) -> Path:
    """The configuration file; the journal's segments lie in `folder` unless `data_dir` is given."""
    scheme, authority = ("wss", f'tls_ca = "{tls_ca}"') if tls_ca else ("ws", "")
    config = folder / "tradewind.toml"
    config.write_text(f"""[engine]
name = "bench"
id = 1
mode = "sim"
data_dir = "{data_dir or folder / "data"}"
runtime_dir = "{runtime_dir}"
wait = "{wait}"
strategy_turn_ms_max = 1000
crash_loop = "off"
{f"cpu = {cpu}" if cpu is not None else ""}

[journal]
durability = "{durability}"

[venue.bench]
kind = "binance-spot"
rest_url = "http://127.0.0.1:{rest_port}"
stream_url = "{scheme}://127.0.0.1:{stream_port}"
ws_api_url = "{scheme}://127.0.0.1:{stream_port}"
{authority}
credential = "bench"
key_type = "{key_type}"
order_timeout_ms = 60000
symbols = ["{SYMBOL}"]

[risk]
max_open_orders = 100000
message_rate_per_s = 100000
message_burst = 100000
stale_after_ms = 600000
clock_drift_ms_max = 1000

[risk.instrument.{SYMBOL}]
max_order_qty = "1"
max_order_notional = "1000000"
max_position = "50"
price_collar_bps = 1000
max_open_orders = 100000

[runaway]
executions_per_10s_max = 1000000

[strategy.reply]
class = "{strategy}"
symbols = ["{SYMBOL}"]

[reconcile]
cancel_on_start = false
interval_s = 3600
""")
    return config
