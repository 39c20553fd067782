"""An order book that ccxt keeps for a minute is the venue's own, at every update that it shows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.sim.api import DepthSnapshot, Venue
from engine.sim.usdm.api import UsdmVenue
from engine.sim.wire.shell import VenueShell
from tests.contract.venue_wire.client_ccxt_books import LEVELS, digest_of
from tests.contract.venue_wire.clients import interpreter, told_by
from tests.usdm_harness import RunningUsdm, make_usdm_shell, play_usdm

SECONDS = 60
UPDATES_MIN = 300
E8 = 1e8


class Witness:
    """Listens to a depth stream inside the venue and notes the venue's own book at each update that it sends."""

    combined = False
    unit_ns = 1_000_000

    def __init__(self, shell: VenueShell, symbol: str, family: str) -> None:
        self._symbol = symbol
        self.seen: dict[str, str] = {}
        name = f"{symbol.lower()}@depth@100ms"
        if family == "spot":
            self._core: Venue | UsdmVenue = shell.core
            shell.publisher.subscribe(name, self)
        elif shell.usdm is not None:
            self._core = shell.usdm.core
            shell.usdm.publisher.subscribe(name, self, "public")

    def deliver(self, frame: bytes) -> None:
        """Note the book; it is the one of the frame's last update id, because both are of the same turn."""
        snapshot = self._core.depth(self._symbol, LEVELS)
        assert snapshot.last_update_id == json.loads(frame)["u"]
        self.seen[str(snapshot.last_update_id)] = digest(snapshot)


def digest(snapshot: DepthSnapshot) -> str:
    """The snapshot's best levels as the client's script digests them: a quotient of two exact floats is the nearest one."""
    sides = [[(price / E8, qty / E8) for price, qty in side] for side in (snapshot.bids, snapshot.asks)]
    return digest_of(sides[0], sides[1])


@pytest.mark.slow
def test_a_book_kept_by_ccxt_for_a_minute_equals_the_venues_at_every_update() -> None:
    interpreter()
    told: dict[str, Any] = {}

    async def scenario(venue: RunningUsdm) -> None:
        witnesses = {family: Witness(venue.shell, "BTCUSDT", family) for family in ("spot", "usdm")}
        pairs = ("spot=BTC/USDT", "usdm=BTC/USDT:USDT")
        told["client"] = await told_by("client_ccxt_books.py", venue, str(SECONDS), *pairs)
        told["venue"] = {family: witness.seen for family, witness in witnesses.items()}

    play_usdm(scenario, make_usdm_shell(activity=5.0, spot_activity=5.0))
    assert set(told["client"]) == {"spot", "usdm"}
    for family, books in told["client"].items():
        own = told["venue"][family]
        assert len(books) > UPDATES_MIN, family
        # the first is the snapshot that was asked for between two updates of the stream
        compared = {update_id: (digest, own[update_id]) for update_id, digest in books.items() if update_id in own}
        assert len(compared) >= len(books) - 1
        assert [update_id for update_id, (theirs, ours) in compared.items() if theirs != ours] == []
