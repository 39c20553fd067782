"""What tells the REST interfaces on one port apart: their endpoints, limits, order counts and statuses."""

from __future__ import annotations

from typing import Protocol

from engine.sim.wire import operations
from engine.sim.wire.calls import Operation
from engine.sim.wire.errors import ApiError
from engine.sim.wire.limits import AddressLimits
from engine.sim.wire.shell import VenueShell

Headers = list[tuple[str, str]]


class RestFace(Protocol):
    """One REST interface of one client connection."""

    @property
    def limits(self) -> AddressLimits:
        """What the client's address has used."""

    def find(self, method: str, path: str) -> Operation | None:
        """The endpoint, or None."""

    def has_path(self, path: str) -> bool:
        """Whether another method would find an endpoint there."""

    def draw(self, operation: Operation, now_ns: int) -> None:
        """Count the request to the pool that the operation draws on beside its weight; refuses 429."""

    def count_headers(self, account_id: int) -> Headers:
        """The account's order counts."""

    def status(self, error: ApiError) -> int:
        """The HTTP status that carries ``error``."""


class SpotFace:
    """``/api/v3``."""

    def __init__(self, shell: VenueShell, address: str) -> None:
        self._shell = shell
        self.limits = shell.limits.address(address)

    def find(self, method: str, path: str) -> Operation | None:
        """The endpoint, or None."""
        if not path.startswith(operations.PREFIX):
            return None
        return operations.REST.get((method, path.removeprefix(operations.PREFIX)))

    def has_path(self, path: str) -> bool:
        """Whether another method would find an endpoint there."""
        bare = path.removeprefix(operations.PREFIX)
        return bare != path and any(route == bare for _method, route in operations.REST)

    def draw(self, operation: Operation, now_ns: int) -> None:
        """Spot has no such pools."""

    def count_headers(self, account_id: int) -> Headers:
        """Order counts in ten seconds and in the day."""
        counts = self._shell.limits.account(account_id)
        return [
            ("X-MBX-ORDER-COUNT-10S", str(counts.short.count)),
            ("X-MBX-ORDER-COUNT-1D", str(counts.day.count)),
        ]

    def status(self, error: ApiError) -> int:
        """The HTTP status that carries ``error``."""
        return error.status
