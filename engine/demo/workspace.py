"""The demo's folder: keys made for this run only, the venue's and the engine's configuration."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from engine.demo.markets import SPOT, DemoMarket


@dataclass(frozen=True)
class Key:
    """One API key: its id and what signs for it (HMAC secret text, or Ed25519 private key PEM)."""

    api_key: str
    secret: str
    public: str


@dataclass(frozen=True)
class Workspace:
    """Where everything of one demo lives."""

    root: Path
    engine_key: Key
    observer_key: Key
    market: DemoMarket

    @property
    def venue_config(self) -> Path:
        """The simulated venue's configuration."""
        return self.root / "venue.toml"

    @property
    def engine_config(self) -> Path:
        """The engine's configuration."""
        return self.root / "tradewind.toml"

    @property
    def admin_socket(self) -> Path:
        """The venue's test port."""
        return self.root / "venue-admin.sock"

    @property
    def credentials(self) -> Path:
        """What `$CREDENTIALS_DIRECTORY` points at."""
        return self.root / "credentials"

    @property
    def data_dir(self) -> Path:
        """Journal segments."""
        return self.root / "data"

    @property
    def runtime_dir(self) -> Path:
        """Journal fronts, counters, control socket."""
        return self.root / "run"

    @property
    def frame_log(self) -> Path:
        """What the venue says it sent."""
        return self.root / "frames.bin"

    @property
    def ready_file(self) -> Path:
        """The ports that the venue chose."""
        return self.root / "venue-ready.json"


def _ed25519_key() -> Key:
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return Key(secrets.token_hex(32), pem.decode(), public.decode())


def _hmac_key() -> Key:
    secret = secrets.token_hex(32)
    return Key(secrets.token_hex(32), secret, secret)


def _private_file(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def create(root: Path, market: DemoMarket = SPOT) -> Workspace:
    """Make the folder's skeleton and fresh keys. The observer key reads the account as the venue sees it."""
    workspace = Workspace(root, _ed25519_key(), _hmac_key(), market)
    for folder in (workspace.data_dir, workspace.runtime_dir, workspace.credentials):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _private_file(workspace.credentials / "demo.key", workspace.engine_key.api_key)
    _private_file(workspace.credentials / "demo.pem", workspace.engine_key.secret)
    _private_file(workspace.venue_config, venue_text(workspace))
    return workspace


def venue_text(workspace: Workspace) -> str:
    """The venue: one account with two keys and funds."""
    balances = "\n".join(f'{asset} = "{amount}"' for asset, amount in workspace.market.balances.items())
    return f'''[[venue.accounts]]
name = "demo"

[[venue.accounts.keys]]
api_key = "{workspace.engine_key.api_key}"
kind = "ed25519"
secret = """{workspace.engine_key.public}"""

[[venue.accounts.keys]]
api_key = "{workspace.observer_key.api_key}"
kind = "hmac"
secret = "{workspace.observer_key.secret}"

[venue.accounts.balances]
{balances}

{workspace.market.venue_tables}'''


def engine_text(workspace: Workspace, rest_port: int, ws_port: int, wait: str, symbols: tuple[str, ...]) -> str:
    """The engine: the simulated venue by its ports, limits for each symbol, the market maker on each."""
    listed = ", ".join(f'"{symbol}"' for symbol in symbols)
    limits = "\n".join(_instrument_limits(workspace.market, symbol) for symbol in symbols)
    strategies = "\n".join(_strategy(workspace.market, symbol) for symbol in symbols)
    return f"""[engine]
name = "demo"
id = 1
mode = "sim"
data_dir = "{workspace.data_dir}"
runtime_dir = "{workspace.runtime_dir}"
wait = "{wait}"
strategy_turn_ms_max = 100
crash_loop = "off"

[venue.simulated]
kind = "{workspace.market.kind}"
rest_url = "http://127.0.0.1:{rest_port}"
stream_url = "ws://127.0.0.1:{ws_port}"
ws_api_url = "ws://127.0.0.1:{ws_port}"
credential = "demo"
key_type = "ed25519"
symbols = [{listed}]
{workspace.market.settings}
[risk]
max_open_orders = 60
message_rate_per_s = 20
message_burst = 30
stale_after_ms = 3000
clock_drift_ms_max = 1000
{limits}
{strategies}
[desk]
listen = "127.0.0.1:0"

[reconcile]
cancel_on_start = true
interval_s = 5
"""


def _instrument_limits(market: DemoMarket, symbol: str) -> str:
    return f"""
[risk.instrument.{symbol}]
max_order_qty = "{market.qty[symbol]}"
max_order_notional = "5000"
max_position = "{market.max_positions[symbol]}"
price_collar_bps = 200
max_open_orders = 20
"""


def _strategy(market: DemoMarket, symbol: str) -> str:
    return f"""
[strategy.maker-{symbol.lower()}]
class = "engine.strategy.market_maker:MarketMaker"
symbols = ["{symbol}"]

[strategy.maker-{symbol.lower()}.params]
qty = "{market.qty[symbol]}"
max_inventory = "{market.max_positions[symbol]}"
"""
