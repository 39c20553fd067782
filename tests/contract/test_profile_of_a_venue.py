"""`tradewind profile --config`: the venue's own candles make the profile, page after page."""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec
import pytest

from engine.cli.profile import _fetch
from engine.config import load
from engine.exit_codes import CommandError, ExitCode
from engine.model.volume_profile import profile_of
from tests.config_text import GOOD
from tests.venue_harness import RunningVenue, make_shell, play

HOUR_NS = 3_600 * 10**9


def test_the_venues_candles_make_a_profile(tmp_path: Path) -> None:
    (tmp_path / "engine.toml").write_text(GOOD)
    [section] = load(tmp_path / "engine.toml").config.venue.values()

    async def scenario(venue: RunningVenue) -> None:
        there = msgspec.structs.replace(section, kind="binance-spot", rest_url=venue.rest_url.removesuffix("/api/v3"))
        rows = await _fetch(argparse.Namespace(symbol="BTCUSDT", bin="1m", days=1), there)
        assert [at for at, _ in rows] == sorted({at for at, _ in rows})
        assert any(profile_of("BTCUSDT", rows, HOUR_NS).bins_e8)
        with pytest.raises(CommandError) as refused:
            await _fetch(argparse.Namespace(symbol="NOSUCH", bin="1m", days=1), there)
        assert refused.value.code == ExitCode.UNAVAILABLE

    play(scenario, make_shell(activity=20.0))
