"""``/fapi/v1..v3`` and ``/futures/data`` as a REST interface: the endpoints by path, USD-M limits and headers."""

from __future__ import annotations

from engine.sim.wire.calls import Operation
from engine.sim.wire.errors import ApiError
from engine.sim.wire.rest_face import Headers
from engine.sim.wire.usdm import operations
from engine.sim.wire.usdm.errors import usdm_status
from engine.sim.wire.usdm.side import UsdmSide


class UsdmFace:
    """USD-M over REST, for one client connection."""

    def __init__(self, usdm: UsdmSide, address: str) -> None:
        self._usdm = usdm
        self.limits = usdm.limits.address(address)

    def find(self, method: str, path: str) -> Operation | None:
        """The endpoint, or None."""
        return operations.REST.get((method, path))

    def has_path(self, path: str) -> bool:
        """Whether another method would find an endpoint there."""
        return any(route == path for _method, route in operations.REST)

    def draw(self, operation: Operation, now_ns: int) -> None:
        """Count the request to the pool that the operation draws on beside its weight; refuses 429."""
        if operation.pool:
            self.limits.draw(operation.pool, now_ns)

    def count_headers(self, account_id: int) -> Headers:
        """Order counts in ten seconds and in the minute."""
        counts = self._usdm.limits.account(account_id)
        return [
            ("X-MBX-ORDER-COUNT-10S", str(counts.short.count)),
            ("X-MBX-ORDER-COUNT-1M", str(counts.minute.count)),
        ]

    def status(self, error: ApiError) -> int:
        """The HTTP status that carries ``error``."""
        return usdm_status(error)
