"""A daemon in paper mode beside a real venue process: no credentials anywhere, the account's file in its data directory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from engine.demo.markets import SPOT, DemoMarket
from engine.demo.processes import Child
from tests.fault.market import Market

PAPER_TABLE = """
[paper]
balances = { USDT = "100000", BTC = "1" }
to_venue_us = 1000
from_venue_us = 1000
jitter_us = 0
"""


class PaperMarket(Market):
    """As `Market`, with the daemon on paper."""

    def __init__(self, root: Path, traded: DemoMarket = SPOT, table: str = PAPER_TABLE, **options: Any) -> None:
        self.table = table
        super().__init__(root, traded=traded, **options)

    def write_config(
        self, *, strategy: str = "", params: dict[str, Any] | None = None, replaced: dict[str, str] | None = None
    ) -> None:
        """The demo's configuration on paper: without a key."""
        paper = {'mode = "sim"': 'mode = "paper"', 'credential = "demo"\n': "", 'key_type = "ed25519"\n': ""}
        super().write_config(strategy=strategy, params=params, replaced={**paper, **(replaced or {})})
        with self.place.engine_config.open("a") as config:
            config.write(self.table)

    def start(self) -> Child:
        """A daemon that could find no key if it looked for one."""
        os.environ.pop("CREDENTIALS_DIRECTORY", None)
        if self.engine is not None:
            self.engine.stop()
        self.engine = Child("engine", ["run", "--config", str(self.place.engine_config)], self.root, {})
        return self.engine

    def venue_orders(self) -> int:
        """Order requests that the venue has ever received."""
        return int(self.fault("status")["orders"])

    def venue_connections(self) -> dict[str, int]:
        """Connections that stand at the venue, by kind."""
        found: dict[str, int] = self.fault("status")["connections"]
        return found

    def account_rows(self) -> list[dict[str, Any]]:
        """The account's file as it stands."""
        import json

        text = (self.place.data_dir / "paper-account.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines()]
