"""A ``/ws-fapi/v1`` connection: requests as spot's WebSocket API has them, USD-M methods, no events on it."""

from __future__ import annotations

from engine.sim.wire.api_session import ApiSession, SessionMethod
from engine.sim.wire.calls import MS_NS, Operation
from engine.sim.wire.errors import ApiError
from engine.sim.wire.limits import AddressLimits
from engine.sim.wire.link import FrameLink
from engine.sim.wire.shell import VenueShell
from engine.sim.wire.usdm import operations
from engine.sim.wire.usdm.errors import usdm_status
from engine.sim.wire.usdm.side import UsdmSide


class UsdmApiSession(ApiSession):
    """One connection; a user's events arrive on ``/private``, never here."""

    def __init__(
        self, shell: VenueShell, usdm: UsdmSide, link: FrameLink, now_ns: int, address: str, shows_limits: bool = True
    ) -> None:
        self._usdm = usdm
        super().__init__(shell, link, MS_NS, now_ns, address, shows_limits)

    def _ping_seconds(self) -> tuple[int, int]:
        return self._usdm.wire.ping_interval_s, self._usdm.wire.pong_timeout_s

    def _address_limits(self, address: str) -> AddressLimits:
        return self._usdm.limits.address(address)

    def _find(self, method: str) -> Operation | None:
        return operations.API.get(method.removeprefix("v1/"))

    def _user_data_methods(self) -> dict[str, SessionMethod]:
        return {}

    def _order_rows(self, account_id: int, now_ns: int) -> bytes:
        counts = self._usdm.limits.account(account_id)
        counts.roll(now_ns)
        return counts.rows()

    def _status_of(self, error: ApiError) -> int:
        return usdm_status(error)
