"""From an accepted WebSocket URL to the session that speaks its interface, whatever carries the bytes."""

from __future__ import annotations

from engine.sim.wire.api_session import ApiSession
from engine.sim.wire.link import CLOSE_GOING_AWAY, FrameLink
from engine.sim.wire.shell import VenueShell
from engine.sim.wire.socket_life import SocketLife
from engine.sim.wire.stream_session import StreamSession, Target
from engine.sim.wire.usdm.api_session import UsdmApiSession
from engine.sim.wire.usdm.stream_session import PrivateSession, RoutedSession


def open_session(
    shell: VenueShell, link: FrameLink, target: Target, unit_ns: int, now_ns: int, address: str
) -> SocketLife | None:
    """Make the session of an accepted connection; None (and the link closed) when the address opened too many."""
    if not shell.limits.address(address).connect(now_ns):
        link.close(CLOSE_GOING_AWAY, "too many connections")
        return None
    shows_limits = target.options.get("returnRateLimits", "true") != "false"
    if target.interface == "ws-api":
        return ApiSession(shell, link, unit_ns, now_ns, address, shows_limits)
    usdm = shell.usdm
    if usdm is not None and target.interface == "ws-fapi":
        return UsdmApiSession(shell, usdm, link, now_ns, address, shows_limits)
    if usdm is not None and target.route == "private":
        return PrivateSession(shell, usdm, link, now_ns, target)
    if usdm is not None and target.route:
        return RoutedSession(shell, usdm, link, now_ns, target)
    return StreamSession(shell, link, unit_ns, now_ns, target.combined, target.names)
