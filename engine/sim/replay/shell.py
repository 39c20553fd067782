"""The shell of a replaying venue: two clocks, and recorded streams.

The present rules requests: serverTime, the judgement of ``timestamp`` and ``recvWindow``, rate limits, pings and the age of
connections. The market's time, which runs with the recording, stamps orders, fills, candles and everything else that the
market does. With ``recorded_time`` the first group but the limits follows the recording too: a client that takes its clock from
serverTime then lives wholly in the recorded day, which fits the recorded pace and no other.
"""

from __future__ import annotations

import msgspec

from engine.sim.api import Venue
from engine.sim.replay.channels import RecordedChannels
from engine.sim.replay.core import ReplayCore
from engine.sim.replay.player import Player
from engine.sim.replay.streams import ReplayPublisher
from engine.sim.replay.usdm import UsdmReplayCore, UsdmReplayPublisher
from engine.sim.wire.config import WireConfig
from engine.sim.wire.faults import Faults
from engine.sim.wire.frame_log import FrameLog
from engine.sim.wire.limits import LimitsConfig
from engine.sim.wire.shell import VenueShell
from engine.sim.wire.usdm.config import UsdmLimitsConfig, UsdmWireConfig


class ReplayCommand(msgspec.Struct, tag_field="cmd", tag="replay", forbid_unknown_fields=True):
    """What the test port may ask of a replay."""

    begin: bool = False


REPLAY_COMMAND = msgspec.json.Decoder(ReplayCommand)


class ReplayShell(VenueShell):
    """A venue's shell, driven by a player."""

    def __init__(
        self,
        core: Venue,
        wire: WireConfig,
        limits: LimitsConfig,
        start_ns: int,
        frame_log: FrameLog,
        faults: Faults,
        player: Player,
    ) -> None:
        super().__init__(core, wire, limits, start_ns, frame_log, faults)
        self.player = player
        self.recorded_time = False

    def take_spot_streams(self, core: ReplayCore, channels: RecordedChannels) -> None:
        """Publish a spot recording."""
        on_first_fill = self.publisher.on_first_fill
        self.publisher = ReplayPublisher(core, self.wire, self.faults, channels)
        self.publisher.on_first_fill = on_first_fill

    def take_usdm_streams(
        self,
        core: UsdmReplayCore,
        limits: UsdmLimitsConfig,
        wire: UsdmWireConfig,
        start_ns: int,
        channels: RecordedChannels,
    ) -> None:
        """Trade USD-M futures too, and publish their recording."""
        usdm = self.add_usdm(core, limits, wire, start_ns)
        usdm.publisher = UsdmReplayPublisher(core, wire, self.faults, usdm.listen_keys, usdm.digits, channels)

    def obey_market(self, line: bytes) -> dict[str, object] | None:
        """``{"cmd":"replay"}`` tells where the recording stands; with ``"begin":true`` it may begin."""
        try:
            command = REPLAY_COMMAND.decode(line)
        except (msgspec.DecodeError, RecursionError):
            return None
        if command.begin:
            self.player.begin_on_command()
        return self.player.status()

    def server_us(self, now_ns: int) -> int:
        """The venue's idea of the time in microseconds: the present, or the recording's where that was chosen."""
        return super().server_us(self.player.market_ns if self.recorded_time else now_ns)
