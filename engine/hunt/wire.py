"""Requests of the engine as they stand on the wire: what they ask, and about which orders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

PLACES = frozenset({"order.place", "algoOrder.place", "order.cancelReplace"})
CANCELS = frozenset({"order.cancel", "algoOrder.cancel", "openOrders.cancelAll", "orderList.cancel"})
NAMES = ("newClientOrderId", "clientAlgoId", "workingClientOrderId", "pendingClientOrderId", "aboveClientOrderId")
LIST_NAMES = (*NAMES, "belowClientOrderId", "pendingAboveClientOrderId", "pendingBelowClientOrderId")


@dataclass(frozen=True)
class Request:
    """One request. `names` are the client order ids of orders that it would make."""

    interface: str
    method: str
    params: dict[str, Any]
    names: tuple[str, ...]
    at_mono_ns: int

    @property
    def is_place(self) -> bool:
        """Would it make an order."""
        return bool(self.names)

    @property
    def is_cancel(self) -> bool:
        """Does it only take orders away."""
        return self.method in CANCELS or self.method.startswith("DELETE ")

    @property
    def is_reducing(self) -> bool:
        """Is it marked as one that only reduces."""
        return str(self.params.get("reduceOnly", "")).lower() == "true" or bool(self.params.get("closePosition"))


def read(interface: str, message: bytes, at_mono_ns: int) -> Request | None:
    """A message as a request; None for what is none (a subscription, a continuation)."""
    if message[:1] == b"{":
        return _read_socket(interface, message, at_mono_ns)
    line = message.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
    if len(line) != 3:
        return None
    parts = urlsplit(line[1])
    params = {name: values[0] for name, values in parse_qs(parts.query).items()}
    names = tuple(params[name] for name in NAMES if name in params) if line[0] == "POST" else ()
    return Request(interface, f"{line[0]} {parts.path}", params, names, at_mono_ns)


def _read_socket(interface: str, message: bytes, at_mono_ns: int) -> Request | None:
    try:
        told = msgspec.json.decode(message)
    except msgspec.DecodeError:
        return None
    method, params = told.get("method", ""), told.get("params", {})
    if not isinstance(params, dict):
        return None
    names: tuple[str, ...] = ()
    if method in PLACES or method.startswith("orderList.place"):
        names = tuple(str(params[name]) for name in LIST_NAMES if name in params)
    return Request(interface, method, params, names, at_mono_ns)
