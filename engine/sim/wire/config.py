"""The venue's configuration file (TOML): market and accounts, limits, and the shell's own timing."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec

from engine.sim.config import VenueConfig
from engine.sim.usdm.config import UsdmConfig
from engine.sim.wire.fault_commands import FaultsConfig
from engine.sim.wire.limits import LimitsConfig
from engine.sim.wire.usdm.config import UsdmLimitsConfig, UsdmWireConfig


class WireConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Timing of the shell; the defaults are the exchange's.

    ``depth_fast_ms`` and ``depth_slow_ms`` are the speeds of ``@depth@100ms`` and ``@depth`` (and of the partial
    depth streams): a test that wants a denser feed lowers them. ``turn_ms`` is the longest pause between two turns
    of the generated market.
    """

    depth_fast_ms: int = 100
    depth_slow_ms: int = 1_000
    ping_interval_s: int = 20
    pong_timeout_s: int = 60
    session_cap_s: int = 86_400
    turn_ms: int = 5
    write_buffer_bytes_max: int = 16_777_216


class VenueFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file: tables ``venue`` (symbols, accounts, fees, activity), ``limits``, ``wire`` and ``faults``; for
    USD-M futures, which a venue has when there is a table ``usdm``, also ``usdm_limits`` and ``usdm_wire``."""

    venue: VenueConfig = msgspec.field(default_factory=VenueConfig)
    limits: LimitsConfig = msgspec.field(default_factory=LimitsConfig)
    wire: WireConfig = msgspec.field(default_factory=WireConfig)
    faults: FaultsConfig = msgspec.field(default_factory=FaultsConfig)
    usdm: UsdmConfig | None = None
    usdm_limits: UsdmLimitsConfig = msgspec.field(default_factory=UsdmLimitsConfig)
    usdm_wire: UsdmWireConfig = msgspec.field(default_factory=UsdmWireConfig)


def load(path: Path) -> VenueFile:
    """Read ``path``. Raises ``ValueError`` naming file and place for anything but a legal configuration."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        return msgspec.convert(table, VenueFile)
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cannot be read ({error})") from error
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ValueError(f"{path}: {error}") from error
